"""Checks whether a client may call an endpoint. A request without a key may administer only while the
configuration has no keys and the database has had none, and only if the request comes from this machine and
not from a web page of another site. Over the Unix socket, operators need no key.

Any web page in a browser on this machine can send requests to the gateway. If the gateway has keys, such a
request cannot administer, because the page does not know a key. If it has none, such a request is recognised
by the headers that browsers add, and is refused. https://www.w3.org/TR/fetch-metadata/,
https://fetch.spec.whatwg.org/#origin-header
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dragoman import ir
from dragoman.accounts.caller import ANYONE, Caller, Scope
from dragoman.accounts.keys import is_loopback, passed_on
from dragoman.server.endpoint import Endpoint
from dragoman.server.head import Head

_SHOWING: Final = frozenset({"GET", "HEAD"})
"""The methods for which the scope `read` is enough below /admin."""
_LOOKING: Final[frozenset[Scope]] = frozenset({"read", "admin"})
_CHANGING: Final[frozenset[Scope]] = frozenset({"admin"})
"""The scopes of which a client needs one: to look, and to change something."""
_OWN_SITES: Final = frozenset({"none", "same-origin"})
"""Values of the header `sec-fetch-site`: the user typed the address, or a page of the gateway itself asks."""


def barred(caller: Caller, endpoint: Endpoint, head: Head) -> ir.Fault | None:
    """Return the fault if the client may not call this endpoint; None = it may. The client must have the
    scope of the endpoint; for GET and HEAD at an endpoint with the scope `admin`, the scope `read` is enough.
    A client that belongs to a tenant has these two scopes only for handlers that are `for_tenants`. At an
    endpoint with the scope `inference`, the client must also be allowed to use the protocol, unless the
    endpoint is `faceless`: then its handler checks this. The caller ANYONE, which has no key, may call an
    endpoint with the scope `admin` only if `refusal` returns None, too.
    """
    if endpoint.scope != "admin":
        return caller.barred(endpoint.scope, None if endpoint.faceless else head.face)
    wanted = _LOOKING if head.method in _SHOWING else _CHANGING
    handler = endpoint.methods.get("GET" if head.method == "HEAD" else head.method)
    for_tenants = handler is not None and handler.for_tenants
    held = caller.scopes | caller.scopes_in_tenant if for_tenants else caller.scopes
    if held.isdisjoint(wanted):
        return caller.barred(next(iter(wanted & caller.scopes_in_tenant), "admin"))
    return refusal(head) if caller is ANYONE else None


def refusal(head: Head) -> ir.Fault | None:
    """Return the fault if a request without a key may not administer because of where it comes from; None =
    it may. It may not if a web page of another site has sent it, if its address is known and not a loopback
    address, if it has a header that proxies add, or if it uses HTTP/1.0, as some proxies do. The Host header
    was checked before (`accounts.keys`).
    """
    headers = head.headers
    if _of_a_page(headers):
        return _PAGE
    far = bool(head.peer) and not is_loopback(head.peer[0])  # type: ignore[index]
    if far or head.version == "1.0" or passed_on(headers):
        return _FAR
    return None


def _of_a_page(headers: Mapping[str, str]) -> bool:
    """Whether a browser sent a request for a web page that is not one of the gateway's, by the headers
    `sec-fetch-site` and `origin`. False also for a request with neither header.
    """
    if headers.get("sec-fetch-site", "none") not in _OWN_SITES:
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    scheme, _, host = origin.partition("://")
    return scheme not in {"http", "https"} or not host or host != headers.get("host")


_PAGE: Final = ir.Fault(
    "permission",
    "A web page may administer this gateway only with a key of the scope 'admin' (auth.keys[].scopes).",
    "origin_not_allowed",
)
_FAR: Final = ir.Fault(
    "permission",
    "Without a key only programs of this machine may administer, and not through a proxy: configure a key "
    "with the scope 'admin' (auth.keys[].scopes).",
    "insufficient_scope",
)
