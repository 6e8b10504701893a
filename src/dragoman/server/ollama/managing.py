"""Manages model names in Ollama's protocol; model files are not managed.

https://docs.ollama.com/api/copy, https://docs.ollama.com/api/create. A copied name stands for the same as its
source. A created name adds a system message, messages and parameters to its source. A new name can be used in
all protocols. If its creator has a tenant, only clients of this tenant and administrators may use it. A
client must also be allowed to use the source (`routing.route.Reserved`).

Some clients cannot manage names: those that are limited to some models, and those without a key if the
gateway has keys or accepts connections from other machines (`EVERYBODY`), unless `keyless_faces` admits them.
All other clients can change the names that they have created. An administrator can change all created names,
an administrator of a tenant those of this tenant. Nobody can change names of the configuration. The module
`made` stores the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dragoman import ir
from dragoman.accounts.caller import EVERYBODY, Caller
from dragoman.assembly.core import Core
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import HttpRequest
from dragoman.server.ollama.bodies import members, needed, odd, tell, text
from dragoman.server.ollama.definition import Definition, definition_of
from dragoman.server.ollama.made import MadeName, Wanted, keeper_of, taken
from dragoman.server.ollama.naming import among, find, find_granted, new, tagged

MOST: Final = 1000
"""The most created names that can exist at once."""
EACH: Final = 250
"""The most created names of one client key that can exist at once."""
LARGEST: Final = 262_144
"""The most bytes of a request that creates a name (`/api/create`)."""
TOGETHER: Final = 4_000_000
"""The most bytes of the definitions of all created names together."""
EACH_TOGETHER: Final = 1_000_000
"""The most bytes of the definitions of one client key's created names together."""
_OF_WEIGHTS: Final = ("files", "adapters", "quantize", "quantization", "template", "modelfile", "path")
_SUCCESS: Final = {"status": "success"}


class Managing:
    """The handlers that manage model names at one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway
        self._keeper = keeper_of(gateway)

    async def copy(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        body, caller = members(self._gateway, request), request.caller
        source, destination = needed(body, "source"), new(needed(body, "destination"))
        self._refuse_restricted(caller)
        names = await self._keeper.names()
        known = _seen(names, caller, source)
        size = 0 if known is None else names[known].size  # the copy holds the same data
        self._refuse(caller, names, destination, size)
        exchange.asked = source
        route = find(self._gateway, caller, source)
        await self._make(caller, names, Wanted(destination, route, known, Definition(), size))
        await client.empty(200, ((b"content-length", b"0"),))

    async def create(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Create or replace a name that adds a system message, messages and parameters to a model. Send lines
        that say which deployment is used and what is left out, and success as the last line; with `stream:
        false`, only the last line. Raises RequestFailed for a wrong or too large body, for model weights, for
        an unknown model, for a name or client that is refused, and if the name cannot be stored.
        """
        if len(request.body) > LARGEST:
            raise RequestFailed(_TOO_LARGE)
        body, caller = members(self._gateway, request), request.caller
        name = new(needed(body, "model", "name"))
        self._refuse_restricted(caller)
        names = await self._keeper.names()
        self._refuse(caller, names, name, len(request.body))
        if odd_one := next((key for key in _OF_WEIGHTS if body.get(key)), None):
            message = (
                "this gateway can only create another name for one of its models: "
                f"{odd_one!r} is not supported"
            )
            raise RequestFailed(ir.Fault("unsupported", message, "unsupported_value", odd_one))
        source = needed(body, "from")
        route = find(self._gateway, caller, source)
        exchange.asked = route.asked
        try:
            defined = definition_of(body, text(body, "system"))
        except WireError as error:
            raise RequestFailed(odd(error)) from error
        lines = [
            {"status": f"using {route.deployments[0].name}"},
            *({"status": one} for one in defined.notes),
        ]
        if body.get("license"):
            lines.append({"status": "the license is not stored"})
        wanted = Wanted(name, route, _seen(names, caller, source), defined, len(request.body))
        await self._make(caller, names, wanted)
        await tell(client, body, [*lines, _SUCCESS])

    async def delete(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        stated = needed(members(self._gateway, request), "model", "name")
        exchange.asked = stated
        self._refuse_restricted(request.caller)
        names = await self._keeper.names()
        if (name := _seen(names, request.caller, stated)) is None:
            find(self._gateway, request.caller, stated)
            raise RequestFailed(_configured(stated, "deleted"))
        self._refuse_foreign(request.caller, name, names[name])
        await self._keeper.drop(request.caller, name)
        await client.empty(200, ((b"content-length", b"0"),))

    async def pull(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send success if the client may use a model of this name. Otherwise send an error as the last line
        (status 200), or raise RequestFailed (404) if the request has `stream: false`. Nothing is downloaded.
        """
        body = members(self._gateway, request)
        stated = needed(body, "model", "name")
        exchange.asked = stated
        lines: list[dict[str, str]] = [{"status": "pulling manifest"}]
        try:
            find_granted(self._gateway, request.caller, stated)
            lines.append(_SUCCESS)
        except RequestFailed as failed:
            text = "pull model manifest: file does not exist"
            fault = failed.fault.changed(message=text)
            if body.get("stream") is False:
                raise RequestFailed(fault) from None
            exchange.fault = fault
            lines.append({"error": text})
        await tell(client, body, lines)

    async def push(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        exchange.asked = text(members(self._gateway, request), "model", "name")
        raise RequestFailed(_NOTHING_OUT)

    async def blob(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Raise RequestFailed (404), because the gateway has no model files."""
        message = f"blob {request.params['digest'][:80]!r} not found"
        raise RequestFailed(ir.Fault("not_found", message, "not_found"))

    async def take_blob(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Raise RequestFailed (400), because the gateway accepts no model files. The request's body is not
        read.
        """
        raise RequestFailed(_NOTHING_IN)

    def _refuse(self, caller: Caller, names: Mapping[str, MadeName], name: str, size: int) -> None:
        """Raise RequestFailed if this client may not create or replace `name`, or if too many names were
        created, or their definitions would be too large together with the new one. names: all created names.
        size: of the new definition, in bytes.
        """
        gateway = self._gateway
        known = among(names, name)
        if known is not None:
            self._refuse_foreign(caller, known, names[known])
        if known is None and len(names) >= MOST:
            raise RequestFailed(_too_many(MOST))
        others = [one for stated, one in names.items() if stated != known]
        own = [one.size for one in others if one.owner == caller.name]
        if len(own) >= EACH:
            raise RequestFailed(_too_many(EACH))
        if sum(own) + size > EACH_TOGETHER or sum([one.size for one in others]) + size > TOGETHER:
            raise RequestFailed(_NO_ROOM)
        found = gateway.engine.table.find(name) if known is None else None
        direct = found is not None and found.deployments[0].name == name
        alike = (*gateway.running.names.alike(name), *gateway.running.names.alike(tagged(name)))
        if direct or any(one not in names for one in alike):
            raise RequestFailed(_configured(name, "replaced"))
        if found is not None and "admin" not in caller.scopes:
            text = (
                f"{name!r} is the name of a provider's model: only a key with the scope 'admin' may "
                "change it for everybody"
            )
            raise RequestFailed(ir.Fault("permission", text, "insufficient_scope", "model"))

    def _refuse_foreign(self, caller: Caller, name: str, made: MadeName) -> None:
        """Raise RequestFailed (403) if the client neither created this name nor may administer the gateway or
        the name's tenant. If the client may not know of the name, the error only says that it is in use.
        made: the created name.
        """
        if made.may_be_changed_by(caller):
            return
        if not made.is_seen_by(caller):
            raise RequestFailed(taken(name))
        text = (
            f"{name!r} was created with another API key: only that key, or one with the scope "
            "'admin', may change it"
        )
        raise RequestFailed(ir.Fault("permission", text, "insufficient_scope", "model"))

    async def _make(self, caller: Caller, names: Mapping[str, MadeName], wanted: Wanted) -> None:
        """Create or replace the name `wanted.name`. Then remove the created name that differs from it only in
        upper and lower case, if there is one. names: all created names before this call.
        """
        known = among(names, wanted.name)
        await self._keeper.keep(caller, wanted)
        if known is not None and known != wanted.name:
            await self._keeper.drop(caller, known)

    @staticmethod
    def _refuse_restricted(caller: Caller) -> None:
        if caller.models is not None or caller is EVERYBODY:
            raise RequestFailed(_RESTRICTED)


def _seen(names: Mapping[str, MadeName], caller: Caller, stated: str) -> str | None:
    """Return the created name that a client means by `stated`, which may differ in upper and lower case and
    have the tag `latest`; None = there is no such name, or this client may not know of it.
    """
    return among([name for name, one in names.items() if one.is_seen_by(caller)], stated)


def _configured(name: str, done: str) -> ir.Fault:
    text = f"{name!r} is part of the gateway's configuration and cannot be {done} here"
    return ir.Fault("invalid_request", text, "invalid_value", "model")


def _too_many(most: int) -> ir.Fault:
    text = f"at most {most} names can be created: delete some first"
    return ir.Fault("invalid_request", text, "too_many_names")


_RESTRICTED: Final = ir.Fault(
    "permission", "only API keys that may use all models can manage models", "insufficient_scope"
)
_TOO_LARGE: Final = ir.Fault(
    "too_large", f"the definition of a name can have at most {LARGEST} bytes", "too_large"
)
_NO_ROOM: Final = ir.Fault(
    "invalid_request", "the created names are too large in total: delete some first", "too_many_names"
)
_NOTHING_IN: Final = ir.Fault(
    "unsupported",
    "this gateway accepts no model files: create a name for one of its models",
    "unsupported_value",
)
_NOTHING_OUT: Final = ir.Fault("unsupported", "this gateway cannot push models", "unsupported_value")
