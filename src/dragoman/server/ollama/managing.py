"""Managing model names in Ollama's protocol. Model files are never managed here.

https://docs.ollama.com/api/copy, https://docs.ollama.com/api/create. A copied name stands for the route that
its source has now. A created name adds a system message, messages and parameters to a route. These names are
valid in all protocols, for each key that permits them, while this process runs.
Names can be managed only if there is one worker, and only with a key that is not limited to some models. Such
a key can change the names that it has created; an administrator's key can change all created names. Nobody
can change names of the configuration.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.accounts.caller import EVERYBODY, Caller
from dragoman.assembly.core import Core
from dragoman.dialects.ollama import DIALECT
from dragoman.dialects.ollama.options import check_options
from dragoman.dialects.request import WireRequest
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.routing.route import Route
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import HttpRequest
from dragoman.server.ollama.bodies import members, needed, odd, tell, text
from dragoman.server.ollama.naming import find, find_granted, made, new, untagged

MOST: Final = 1000
"""The most created names that can exist at once."""
EACH: Final = 250
"""The most created names of one client key that can exist at once."""
LARGEST: Final = 262_144
"""The most bytes of a request that creates a name."""
TOGETHER: Final = 4_000_000
"""The most bytes, in all, of the requests that created the existing names."""
EACH_TOGETHER: Final = 1_000_000
"""The most bytes, in all, of the requests that created the existing names of one client key."""
_SAME: Final = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "stop",
    "frequency_penalty",
    "presence_penalty",
)
PARAMETERS: Final = {
    **{name: name for name in _SAME},
    "repeat_penalty": "repetition_penalty",
    "num_predict": "max_tokens",
}
"""For each supported parameter of Ollama, its name in a route's defaults."""
_WHOLE: Final = {"num_predict": 1, "seed": 0, "top_k": 0}
"""Ollama's parameters that are whole numbers, each with its minimum. A smaller value unsets the parameter."""
_WINDOW: Final = "num_ctx"
_OF_WEIGHTS: Final = ("files", "adapters", "quantize", "quantization", "template", "modelfile", "path")
_SUCCESS: Final = {"status": "success"}


class Managing:
    """The handlers that manage names, at one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway
        self._makers: dict[str, str] = {}
        """For each created name, the name of the client that created it."""
        self._sizes: dict[str, int] = {}
        """For each created name, the bytes of the request that created it, or that created its source."""

    async def copy(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        body = members(self._gateway, request)
        source, destination = needed(body, "source"), new(needed(body, "destination"))
        size = self._sizes.get(made(self._gateway, source) or "", 0)  # the copy holds the same data
        self._refuse(request.caller, destination, size)
        exchange.asked = source
        self._make(request.caller, destination, find(self._gateway, source), size)
        await client.empty(200, ((b"content-length", b"0"),))

    async def create(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Create or replace a name for a model with a system message, messages and parameters."""
        if len(request.body) > LARGEST:
            raise RequestFailed(_TOO_LARGE)
        gateway, body = self._gateway, members(self._gateway, request)
        name = new(needed(body, "model", "name"))
        self._refuse(request.caller, name, len(request.body))
        if odd_one := next((key for key in _OF_WEIGHTS if body.get(key)), None):
            message = (
                "this gateway can only create another name for one of its models: "
                f"{odd_one!r} is not supported"
            )
            raise RequestFailed(ir.Fault("unsupported", message, "unsupported_value", odd_one))
        source = needed(body, "from")
        route = find(gateway, source)
        exchange.asked = route.asked
        lines: list[dict[str, str]] = [{"status": f"using {route.deployments[0].name}"}]
        try:
            route = _with_parameters(route, body.get("parameters") or {}, lines)
            route = _with_messages(route, text(body, "system"), body.get("messages") or [])
        except WireError as error:
            raise RequestFailed(odd(error)) from error
        if body.get("license"):
            lines.append({"status": "the license is not stored"})
        self._make(request.caller, name, route, len(request.body))
        await tell(client, body, [*lines, _SUCCESS])

    async def delete(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        stated = needed(members(self._gateway, request), "model", "name")
        exchange.asked = stated
        self._refuse_restricted(request.caller)
        if (name := made(self._gateway, stated)) is None:
            find(self._gateway, stated)
            raise RequestFailed(_configured(stated, "deleted"))
        self._refuse_foreign(request.caller, name)
        self._forget(name)
        await client.empty(200, ((b"content-length", b"0"),))

    async def pull(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send success if the caller may use a model of this name, else an error. Nothing is downloaded."""
        body = members(self._gateway, request)
        stated = needed(body, "model", "name")
        exchange.asked = stated
        lines: list[dict[str, str]] = [{"status": "pulling manifest"}]
        try:
            find_granted(self._gateway, request.caller, stated)
            lines.append(_SUCCESS)
        except RequestFailed as failed:
            text = "pull model manifest: file does not exist"
            fault = msgspec.structs.replace(failed.fault, message=text)
            if body.get("stream") is False:
                raise RequestFailed(fault) from None
            exchange.fault = fault
            lines.append({"error": text})
        await tell(client, body, lines)

    async def push(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        exchange.asked = text(members(self._gateway, request), "model", "name")
        raise RequestFailed(_NOTHING_OUT)

    async def blob(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Raise RequestFailed (404): no model file is kept here."""
        message = f"blob {request.params['digest'][:80]!r} not found"
        raise RequestFailed(ir.Fault("not_found", message, "not_found"))

    async def take_blob(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Raise RequestFailed (400): no model file is accepted. The request's body is not read."""
        raise RequestFailed(_NOTHING_IN)

    def _refuse(self, caller: Caller, name: str, size: int) -> None:
        """Raise RequestFailed if the caller may not create the name `name`, or if there is no room for
        another name or for the `size` bytes of its definition.
        """
        gateway = self._gateway
        self._refuse_restricted(caller)
        if gateway.workers > 1:
            raise RequestFailed(_ONE_PROCESS)
        known = made(gateway, name)
        if known is not None:
            self._refuse_foreign(caller, known)
        if known is None and len(gateway.made) >= MOST:
            raise RequestFailed(_too_many(MOST))
        others = [maker for one, maker in self._makers.items() if one != known]
        if others.count(caller.name) >= EACH:
            raise RequestFailed(_too_many(EACH))
        sizes = {one: taken for one, taken in self._sizes.items() if one != known}
        own = sum([taken for one, taken in sizes.items() if self._makers.get(one) == caller.name])
        if own + size > EACH_TOGETHER or sum(sizes.values()) + size > TOGETHER:
            raise RequestFailed(_NO_ROOM)
        found = gateway.engine.table.find(name) if known is None else None
        direct = found is not None and found.deployments[0].name == name
        if direct or any(
            untagged(entry.id).lower() == name.lower() and entry.id not in gateway.made
            for entry in gateway.entries()
        ):
            raise RequestFailed(_configured(name, "replaced"))
        if found is not None and "admin" not in caller.scopes:
            text = (
                f"{name!r} is the name of a provider's model: only a key with the scope 'admin' may "
                "change it for everybody"
            )
            raise RequestFailed(ir.Fault("permission", text, "insufficient_scope", "model"))

    def _refuse_foreign(self, caller: Caller, name: str) -> None:
        """Raise RequestFailed if the caller neither created this name nor is an administrator."""
        if self._makers.get(name) != caller.name and "admin" not in caller.scopes:
            text = (
                f"{name!r} was created with another API key: only that key, or one with the scope "
                "'admin', may change it"
            )
            raise RequestFailed(ir.Fault("permission", text, "insufficient_scope", "model"))

    def _make(self, caller: Caller, name: str, route: Route, size: int) -> None:
        """Create the name for the route. A created name that differs only in upper and lower case is
        replaced. size: bytes of the definition.
        """
        if (known := made(self._gateway, name)) is not None and known != name:
            self._forget(known)
        self._gateway.make(name, route)
        self._makers[name] = caller.name
        self._sizes[name] = size

    def _forget(self, name: str) -> None:
        self._gateway.make(name, None)
        self._makers.pop(name, None)
        self._sizes.pop(name, None)

    @staticmethod
    def _refuse_restricted(caller: Caller) -> None:
        if caller.models is not None or caller is EVERYBODY:
            raise RequestFailed(_RESTRICTED)


def _with_parameters(route: Route, parameters: Any, lines: list[dict[str, str]]) -> Route:
    """A copy of the route with these parameters as its defaults, num_ctx as the bound of its windows. Adds
    a line to `lines` for each one that is not supported. Raises WireError for an invalid value.
    """
    check_options(parameters, "parameters")
    defaults = dict(route.defaults)
    for name, value in parameters.items():
        if value is None:
            continue
        if name == _WINDOW:
            window = int(value)
            if window < 1:
                raise WireError(f'option "{name}" must be at least 1', f"parameters.{name}", "invalid_value")
            deployments = tuple(one.within(window) for one in route.deployments)
            route = msgspec.structs.replace(route, deployments=deployments)
        elif name not in PARAMETERS:
            lines.append(
                {"status": f"the parameter {name} is left out: only Ollama's own server supports it"}
            )
        elif name not in _WHOLE:
            defaults[PARAMETERS[name]] = value
        elif value < _WHOLE[name]:
            defaults.pop(PARAMETERS[name], None)
        else:
            defaults[PARAMETERS[name]] = int(value)
    return msgspec.structs.replace(route, defaults=defaults)


def _with_messages(route: Route, system: str, messages: Any) -> Route:
    if system:
        route = msgspec.structs.replace(route, system_prompt=system)
    if messages:
        if type(messages) is list:
            messages = [*messages, _QUESTION]  # the check needs it; it is removed again below
        wire = WireRequest("chat", {"model": route.asked, "messages": messages})
        DIALECT.request.check(wire)
        route = msgspec.structs.replace(route, opening=DIALECT.request.decode(wire).messages[:-1])
    return route


def _configured(name: str, done: str) -> ir.Fault:
    text = f"{name!r} is part of the gateway's configuration and cannot be {done} here"
    return ir.Fault("invalid_request", text, "invalid_value", "model")


def _too_many(most: int) -> ir.Fault:
    text = f"at most {most} names can be created: delete some first"
    return ir.Fault("invalid_request", text, "too_many_names")


_QUESTION: Final = {"role": "user", "content": ""}
_RESTRICTED: Final = ir.Fault(
    "permission", "only API keys that may use all models can manage models", "insufficient_scope"
)
_ONE_PROCESS: Final = ir.Fault(
    "unsupported",
    "this gateway runs several workers, which do not share created names: add an alias to its configuration",
    "unsupported_value",
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
