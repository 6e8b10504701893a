"""The lists in Ollama's protocol: all models, one model, the models in memory; and the version.

https://docs.ollama.com/api/tags, https://docs.ollama.com/api-reference/show-model-details,
https://docs.ollama.com/api/ps. A model that this machine does not run is shown with the size 0, a digest of
its name, and empty details.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.assembly.core import Core
from dragoman.dialects.ollama.terms import dated
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.routing.route import Route
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import HttpRequest
from dragoman.server.listed import entry_of, in_turns
from dragoman.server.ollama.bodies import members, needed
from dragoman.server.ollama.definition import PARAMETERS
from dragoman.server.ollama.naming import find_granted, tagged
from dragoman.upstreams.local import gguf, weights
from dragoman.upstreams.local.upstream import LocalModel
from dragoman.wire.json import encode

RUNNING: Final = b"Ollama is running"
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
VERSION: Final = "0.13.5"
"""The version of Ollama that is sent to clients."""
_NO_CLOUD: Final = {"cloud": {"disabled": True, "source": "gateway"}}
_EVER: Final = 100 * 365 * 86400.0
"""Seconds until the expiry that is shown for a model which is never unloaded."""
_PAD: Final = 30


class _File(NamedTuple):
    """The facts about a model's file on this machine; if the file cannot be read, all are unknown. size: in
    bytes, 0 = unknown. digest: the file's SHA-256; None = unknown, as for each file that the operator has
    brought. header: the file's metadata; None = unknown, or its name does not end with `.gguf`.
    """

    size: int = 0
    digest: str | None = None
    header: gguf.Header | None = None


@lru_cache(maxsize=64)
def _file(name: str, path: str) -> _File:
    """Return the facts about the file of the embedded model `name`. path: of the file. Size and digest of a
    model that the gateway can download are those of its table (`weights`). The result is cached, also that of
    a file that cannot be read: later changes of the file are not noticed.
    """
    row = weights.known(name)
    try:
        size = Path(path).stat().st_size if row is None else row.size
        header = gguf.read(Path(path)) if path.endswith(".gguf") else None
    except (OSError, WireError):
        return _File()
    return _File(size, None if row is None else row.sha256, header)


class Listing:
    """The handlers of the lists of Ollama's protocol at one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway

    async def tags(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send the list of models that the client may use."""
        found = self._gateway.engine.table.find
        models = [
            await self._listed(entry.id, route)
            async for entry in in_turns(self._gateway.entries(request.caller))
            if (route := found(entry.id, request.caller)) is not None
        ]
        await client.answer(200, (), encode({"models": models}))

    async def _listed(self, name: str, route: Route) -> dict[str, Any]:
        file = await self._file_of(route)
        listed: dict[str, Any] = {
            **_identity(name, file),
            "modified_at": dated(route.created, 0),
            "details": _details(file),
            "capabilities": _capabilities(route, self._model_of(route)),
        }
        if file is None:
            listed["remote_model"] = route.deployments[0].model
        return listed

    async def show(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send the details of the model that the body names. Only clients with the scope `admin` for the
        whole gateway get the system message and opening messages of a name. Raises RequestFailed: 400 for a
        wrong body or one without a name, 404 for an unknown model or one that the client may not use.
        """
        stated = needed(members(self._gateway, request), "model", "name")
        route = _told(find_granted(self._gateway, request.caller, stated), request.caller)
        exchange.asked = route.asked
        file = await self._file_of(route)
        shown: dict[str, Any] = {
            "modelfile": "\n".join(_modelfile(route)) + "\n",
            "parameters": "\n".join(f"{name:<{_PAD}} {text}" for name, text in _parameters(route)),
            "template": (file.header.template or "") if file is not None and file.header is not None else "",
            "details": _details(file),
            "model_info": _model_info(route, file, stated=stated),
            "capabilities": _capabilities(route, self._model_of(route)),
            "modified_at": dated(route.created, 0),
        }
        if route.system_prompt is not None:
            shown["system"] = route.system_prompt
        if route.opening:
            shown["messages"] = [_message(message) for message in route.opening]
        await client.answer(200, (), encode(shown))

    async def loaded(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send the list of the embedded models that are in memory and that the client may use. The model that
        will be unloaded last is the first. `size` is the size of the file; if only one model is in memory,
        the physical memory of all processes that run models, if that is known. `size_vram` is always 0.
        """
        local = self._gateway.running.own_machine
        running: list[tuple[float, dict[str, Any]]] = []
        if local is not None:
            report = await local.loaded()
            for model in report.models:
                path = model.options.path
                named = (f"local/{name}" for name, own in local.models.items() if own.options.path == path)
                name = next(named, None)
                if name is None or not self._is_listed(name, request.caller):
                    continue
                left = _EVER if model.expires is None else model.expires
                file = await asyncio.to_thread(_file, name.removeprefix("local/"), path)
                listed = {
                    **_identity(name, file),
                    "details": _details(file),
                    "expires_at": dated(exchange.created + left, 0),
                    "size_vram": 0,
                }
                if model.context is not None:
                    listed["context_length"] = model.context
                if report.resident is not None and len(report.models) == 1:
                    listed["size"] = report.resident
                running.append((left, listed))
        running.sort(key=lambda one: -one[0])
        await client.answer(200, (), encode({"models": [listed for _, listed in running]}))

    def _is_listed(self, name: str, caller: Caller) -> bool:
        try:
            return entry_of(self._gateway, name, caller) is not None
        except RequestFailed:  # the client's key may not use the provider `local`
            return False

    async def version(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        await client.answer(200, (), encode({"version": VERSION}))

    async def status(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send that Ollama's cloud is disabled."""
        await client.answer(200, (), encode(_NO_CLOUD))

    async def _file_of(self, route: Route) -> _File | None:
        model = self._model_of(route)
        if model is None:
            return None
        return await asyncio.to_thread(_file, route.deployments[0].model, model.options.path)

    def _model_of(self, route: Route) -> LocalModel | None:
        """Return the model that this machine runs and that is the route's first deployment; None = the first
        deployment is no such model.
        """
        local, first = self._gateway.running.own_machine, route.deployments[0]
        return local.models.get(first.model) if local is not None and first.provider == local.name else None


def _told(route: Route, caller: Caller) -> Route:
    """Return the route without its system prompt and opening messages, unless the client may administer the
    whole gateway.
    """
    if "admin" in caller.scopes:
        return route
    return msgspec.structs.replace(route, system_prompt=None, opening=())


async def running(client: HttpClient) -> None:
    """Send the text "Ollama is running", which Ollama's clients expect from `/`."""
    await client.answer(200, (_TEXT,), RUNNING)


def expects_text(headers: Mapping[str, str]) -> bool:
    """Whether a request for `/` expects Ollama's text: its header User-Agent begins with "ollama", or its
    header Accept names neither JSON nor HTML (or is missing).
    """
    if headers.get("user-agent", "").lower().startswith("ollama"):
        return True
    accepted = headers.get("accept", "").lower()
    return "json" not in accepted and "html" not in accepted


def _identity(name: str, file: _File | None) -> dict[str, Any]:
    digest = None if file is None else file.digest
    shown = tagged(name)
    return {
        "name": shown,
        "model": shown,
        "size": 0 if file is None else file.size,
        "digest": digest or hashlib.sha256(name.encode()).hexdigest(),
    }


def _details(file: _File | None) -> dict[str, Any]:
    header = file.header if file is not None else None
    family = "" if header is None else header.architecture or ""
    return {
        "parent_model": "",
        "format": "" if header is None else "gguf",
        "family": family,
        "families": [family] if family else None,
        "parameter_size": "" if header is None else _in_short(header.parameters),
        "quantization_level": "" if header is None else header.quantisation or "",
    }


def _in_short(parameters: int) -> str:
    for unit, size in (("B", 1_000_000_000), ("M", 1_000_000), ("K", 1000)):
        if parameters >= size:
            digits = ".5g" if parameters % size == 0 else ".2f"
            return f"{parameters / size:{digits}}{unit}"
    return str(parameters)


def _capabilities(route: Route, model: LocalModel | None) -> list[str]:
    """Return what a model can do, in Ollama's words, such as `["completion", "tools"]`. An embedded model
    that does not chat has at most one word, as has a model with "embed" in its name. Any other model has
    "completion"; "tools", unless it is known not to have tools; "vision" and "thinking" only if it is known
    to have them. model: the embedded model, None = a provider's model.
    """
    first = route.deployments[0]
    if model is not None and model.operation != "chat":
        return _OTHER.get(model.operation, [])
    if "embed" in first.model.lower():  # the embedding models of all vendors have it in their names
        return _OTHER["embed"]
    facts = first.facts if model is None else model.facts
    told = (("tools", facts.calls is not False), ("vision", facts.images), ("thinking", facts.reasoning))
    return ["completion", *(name for name, kept in told if kept)]


_OTHER: Final[Mapping[str, list[str]]] = {"embed": ["embedding"], "transcription": ["audio"]}


def _parameters(route: Route) -> Iterator[tuple[str, str]]:
    """Yield (name, JSON of the value) for each default of the route that is a parameter in Ollama; for a
    list, one pair for each item. The last pair is `num_ctx`, if the operator or the definition of a created
    name has stated the context window of the first deployment.
    """
    for name, field in PARAMETERS.items():
        if (value := route.defaults.get(field)) is not None:
            for one in value if isinstance(value, list | tuple) else (value,):
                yield name, json.dumps(one)
    if (window := route.deployments[0].window) is not None:
        yield "num_ctx", str(window)


def _modelfile(route: Route) -> Iterator[str]:
    yield f"FROM {route.deployments[0].name}"
    for name, text in _parameters(route):
        yield f"PARAMETER {name} {text}"
    if route.system_prompt is not None:
        yield f'SYSTEM """{route.system_prompt}"""'
    for message in route.opening:
        told = _message(message)
        yield f"MESSAGE {told['role']} {told['content']}"


def _message(message: ir.Message) -> dict[str, str]:
    content = "".join([block.text for block in message.blocks if isinstance(block, ir.Text)])
    return {"role": message.role, "content": content}


def _model_info(route: Route, file: _File | None, *, stated: str) -> dict[str, Any]:
    """Return facts about a model, by the names of GGUF metadata. Facts that are not known are left out. The
    architecture of a model without a GGUF file is its provider's name. stated: the client's name for the
    model, which is returned as `general.basename` for editors.
    """
    first = route.deployments[0]
    header = file.header if file is not None else None
    architecture = (None if header is None else header.architecture) or first.provider
    info: dict[str, Any] = {"general.architecture": architecture, "general.basename": stated}
    context = first.facts.context or (None if header is None else header.context)
    if header is not None:
        info["general.parameter_count"] = header.parameters
        if header.embedding is not None:
            info[f"{architecture}.embedding_length"] = header.embedding
    if context is not None:
        info[f"{architecture}.context_length"] = context
    return info
