"""Decides who may call: the caller of a request at one door of a gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dragoman import ir
from dragoman.accounts.caller import ANYONE, Caller, Scope
from dragoman.assembly.core import Core
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.server.admin import access
from dragoman.server.endpoint import Door, Endpoint
from dragoman.server.head import Head
from dragoman.server.origins import Origins
from dragoman.upstreams import hops

_OF_OPERATORS: Final[frozenset[Scope]] = frozenset({"admin"})


class Admission:
    """Finds the callers of requests at one door of a gateway."""

    def __init__(self, gateway: Core, door: Door) -> None:
        self._gateway = gateway
        self._door = door
        self._own_pages = Origins(None, keyed=False)
        """For `_keyless`: admits pages of this machine and of apps, and requests without the header Origin.
        """

    def admit(self, head: Head, query: Mapping[str, str], exchange: Exchange) -> Caller:
        """Return the caller of a request, and store its name in `exchange`. At the Unix socket it is the
        operator; at a public endpoint ANYONE, whose name is not stored; else the owner of the client key, or
        the caller who needs no key. Raises RequestFailed: the key is missing, not valid (any more), cannot be
        checked (the database was not read yet), is ambiguous (two headers differ) or may not use this
        endpoint; no key is needed, but the Host header is invalid or has no name of this gateway; or the
        request has passed too many gateways.
        """
        endpoint, headers, keys = head.endpoint, head.headers, self._gateway.client_keys
        if self._door == "socket":
            return _operator(head, exchange)
        if head.admission is not None and head.admission[0] is keys:
            caller = head.admission[1]
            exchange.called_by(caller)
            return caller
        if endpoint is not None and endpoint.public:
            return ANYONE
        if (doubt := keys.contradicted(headers, head.fields)) is not None:
            raise RequestFailed(doubt)
        key = query.get("key") if endpoint is not None and endpoint.face.keys.in_query else None
        found = keys.authenticate(headers, key, head.key)
        if isinstance(found, ir.Fault) and endpoint is not None:
            found = self._keyless(head, endpoint) or found
        if isinstance(found, ir.Fault):
            raise RequestFailed(found)
        exchange.called_by(found)
        if endpoint is not None and (barred := access.barred(found, endpoint, head)) is not None:
            raise RequestFailed(barred)
        stated = headers.get(hops.HEADER)
        if stated is not None and (loop := hops.arrived(stated)) is not None:
            raise RequestFailed(loop)
        if stated is None and found.expires is None:  # else what holds now may not for the next request
            head.admission = (keys, found)
        return found

    def _keyless(self, head: Head, endpoint: Endpoint) -> Caller | None:
        """Return the caller of a request without a key, if the setting `keyless_faces` admits the request.
        None = it does not, for example because a key is in the path or a header, the endpoint has another
        protocol, or the request comes from another machine, a proxy (HTTP/1.0: nginx), a foreign page or a
        Unix socket.
        """
        if head.key is not None or not head.peer or head.version == "1.0":
            return None
        if not self._own_pages.admits(head.headers.get("origin")):
            return None
        return self._gateway.client_keys.keyless(endpoint.face.name, head.headers, head.peer[0])


def _operator(head: Head, exchange: Exchange) -> Caller:
    """Return the caller at the Unix socket, named "uid 1000" or "operator". Sets `exchange.client`."""
    exchange.client = head.peer[0] if head.peer else "operator"
    return Caller(exchange.client, scopes=_OF_OPERATORS)
