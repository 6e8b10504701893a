"""Members for one provider in a client's request, under the provider's name: `{"mistral": {"safe_prompt":
true}}`.

With them, a client of one protocol can set parameters that only the target's protocol has. OpenAI's clients
send them as `extra_body`. The name is that of a configured provider or of a protocol.

The members are added to the body that the encoder writes (`added`). If the encoder has added a member
although nobody asked for it, the client's value replaces the encoder's. Otherwise an object is merged with an
object in the body, and any other value is refused if the body has the member already. Refused, too, are the
members that the gateway sets, such as the model, and a value that is not an object if both protocols have
this parameter. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol, TypeVar

import msgspec

from dragoman import ir
from dragoman.dialects.leftovers import shown
from dragoman.dialects.loss import Report
from dragoman.dialects.merging import Spelling
from dragoman.errors import WireError

_NEVER: Final = frozenset({"model", "stream", "stream_options", "store", "background"})
"""Top-level members that no client may send under a provider's name, because the gateway sets them."""
_SAID: Final = "must be set by the parameters of the request's own protocol"
_CONFIGURED: Final = "is set for all requests by the gateway's configuration"


class Extended(Protocol):
    """A request of any operation. dialect: the client's protocol. extra: dialect -> the request's members
    that have no field in the IR; None = there are none.
    """

    @property
    def dialect(self) -> str: ...

    @property
    def extra(self) -> ir.Extra: ...


RequestT = TypeVar("RequestT", bound=Extended)


def addressed(
    request: RequestT, names: Collection[str], others: Collection[str], report: Report
) -> tuple[RequestT, Mapping[str, dict[str, Any]]]:
    """Return (a request without the members that are for providers, the members for the chosen provider: name
    -> members). The given request is not changed.

    Such a member has no field in the IR, has the name of a provider or a protocol, and holds an object.
    names: the names of the chosen provider and its protocol; their objects are reported as a change. others:
    the names of all other providers and protocols; their objects are reported as lost.
    """
    stated = (request.extra or {}).get(request.dialect)
    if not stated or {*names, *others}.isdisjoint(map(shown, stated)):
        return request, {}
    told: dict[str, dict[str, Any]] = {}
    rest: dict[str, Any] = {}
    for member, value in stated.items():
        key = shown(member)
        if key in names and type(value) is dict:
            told[key] = value
            report.change(key, "", "its fields are sent to this provider unchanged")
        elif key in others and type(value) is dict:
            report.lose(key, "its fields are for another provider", "hint")
        else:
            rest[member] = value
    extra = {**(request.extra or {}), request.dialect: rest}
    if not rest:
        del extra[request.dialect]
    left: RequestT = msgspec.structs.replace(request, extra=extra or None)  # type: ignore[type-var]
    return left, told


def added(
    body: dict[str, Any],
    told: Mapping[str, dict[str, Any]],
    maps: Collection[str],
    *,
    client: Collection[str],
    configured: Mapping[str, Any],
    unasked: Collection[str] = (),
    spelling: Spelling | None = None,
) -> dict[str, Any]:
    """Return a copy of the encoded body, with the members added that the client has sent under a provider's
    name. told: the second result of `addressed`.

    An object is merged with an object in the body, at any depth. Raises WireError (path: `name.member`,
    longer inside merged objects) for a member that the body has already, if it cannot be merged; for a member
    in `_NEVER`; and for a value that is no object, if both `maps` and `client` have the member.

    maps: the top-level members of the target's protocol that have a field in the IR. client: those of the
    client's protocol. configured: the members that the configuration has added to the body. unasked: the
    members that the encoder has added although the client has not asked for them; unless they are in
    `configured`, the client's members replace them. spelling: of the target's protocol.
    """
    if spelling is not None:
        told = {name: spelling.alike(members, body) for name, members in told.items()}
        configured = spelling.alike(configured, body)
    stated = {key for members in told.values() for key in members}
    replaced = stated.intersection(unasked).difference(configured)
    body = {key: value for key, value in body.items() if key not in replaced}
    for name, members in told.items():
        for key, value in members.items():
            if key in _NEVER or (key in maps and key in client and type(value) is not dict):
                raise WireError(_SAID, f"{name}.{key}", "invalid_value")
        body = _merged(body, members, name, configured)
    return body


def _merged(
    body: dict[str, Any], members: dict[str, Any], where: str, configured: Mapping[str, Any]
) -> dict[str, Any]:
    out = dict(body)
    for key, value in members.items():
        place, here = f"{where}.{key}", configured.get(key)
        if key not in out:
            out[key] = value
        elif type(value) is dict and type(out[key]) is dict:
            out[key] = _merged(out[key], value, place, here if isinstance(here, dict) else {})
        else:
            raise WireError(_SAID if here is None else _CONFIGURED, place, "invalid_value")
    return out
