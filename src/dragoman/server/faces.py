"""The table of endpoints, and the handlers of paths that call no model.

An OpenAI path is served both under /v1 and without it. Model ids may hold "/" and ":", percent-encoded or
not, so paths with a model id are matched by prefix. Each endpoint belongs to a client protocol (a face),
which gives the form of its errors. On paths of several protocols, or of none, the request's headers tell the
protocol.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from dragoman import ir
from dragoman.accounts.keys import Caller
from dragoman.dialects.anthropic import complete
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.table import DIALECTS
from dragoman.engine.asked import Inbound
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange, Mode
from dragoman.providers.catalog import CATALOG
from dragoman.providers.resources import PATHS
from dragoman.routing.route import Entry
from dragoman.server import generate_content
from dragoman.server.administration import instead, manages_keys
from dragoman.server.client import AsgiClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest, with_model
from dragoman.server.generate_content import GenerateContentApi
from dragoman.server.link import AsgiScope
from dragoman.server.messages import NAME, PREFIXES, VERSION_HEADER, MessagesApi
from dragoman.server.native import NativeApi
from dragoman.server.ollama import PREFIX as OLLAMAS
from dragoman.server.ollama import OllamaApi, expects_text
from dragoman.server.operations import OperationsApi
from dragoman.server.passthrough import PassThroughApi
from dragoman.server.responses import ResponsesApi
from dragoman.server.sessions import SessionsApi
from dragoman.server.stored_chats import StoredChatsApi
from dragoman.server.turns import turn_of
from dragoman.version import __version__
from dragoman.wire.json import encode

if TYPE_CHECKING:
    from dragoman.assembly.core import Core

_ROOT: Final = r"/+(?:v1(?:alpha|beta)?|api)(?=/)"
_ROOTS: Final = re.compile(rf"((?:/anthropic)?)(?:{_ROOT})+({_ROOT})")
"""A path with two API roots at its start: the base URL's and the client's own. The last one counts."""
_VENDORS: Final = "|".join(
    sorted({re.escape(row.path[1:]) for row in CATALOG.values() if row.path.endswith("/v1")} - {"v1"})
)
_VENDORED: Final = re.compile(rf"(?:{_ROOT})*/+(?:{_VENDORS}|v1beta/openai)(?=/)")
"""The vendors' own prefixes instead of `/v1`, from the catalogue. The vendors' clients (Groq's, Fireworks')
add them to any base URL.
"""
_SLASHES: Final = re.compile("//+")


class PathTable:
    """All paths of one gateway, each with its endpoint."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway
        self._default_face = DIALECTS["openai_chat"]
        self._exact: dict[str, Endpoint] = {}
        self._faces: dict[str, Dialect] = {}
        self._prefixes: list[tuple[str, str, str, Endpoint]] = []
        """For paths with a name that may hold slashes: prefix, suffix, key in `params`, endpoint."""
        self._patterns: list[tuple[re.Pattern[str], Endpoint]] = []
        self._base = gateway.config.server.base_path.rstrip("/")
        self._messages = MessagesApi(gateway, partial(self._inbound, DIALECTS[NAME]))
        self._gemini = DIALECTS[generate_content.NAME]
        self._generate_content = GenerateContentApi(gateway, partial(self._inbound, self._gemini))
        self._ollama = OllamaApi(gateway, self._inbound)
        self._fill()

    def _fill(self) -> None:
        models = {"GET": Handler(self._models)}
        passing = PassThroughApi(self._gateway)
        model = {"GET": Handler(self._model), "DELETE": Handler(partial(self._delete_model, passing))}
        for path in ("/v1/chat/completions", "/chat/completions", "/chat"):
            self._add_face(path, self._default_face)
        completions = DIALECTS["openai_completions"]
        for path in ("/v1/completions", "/completions"):
            self._add_face(path, completions)
        for after, face in (("/chat/completions", self._default_face), ("/completions", completions)):
            engine = {"POST": Handler(partial(self._engine, face), takes_body="json")}
            named = Endpoint(f"/v1/engines/{{model}}{after}", face, engine)
            self._prefixes.append(("/v1/engines/", after, "model", named))
        self._add_operations()
        self._add_stateful()
        self._add_messages()
        self._add_generate_content()
        self._add_ollama()
        for endpoint in NativeApi(self._gateway, self._inbound).paths():
            self._add_endpoint(endpoint)
        for endpoint in passing.paths():
            self._add_endpoint(endpoint)
        for path in ("/v1/models", "/models"):
            self._add(path, models)
            named = Endpoint(f"{path}/{{model}}", self._default_face, model)
            self._prefixes.append((f"{path}/", "", "model", named))
        for path, answer in (
            ("/", self._root),  # agents call it to see whether there is a server at all
            ("/health", self._health),
            ("/health/live", self._live),
            ("/health/liveness", self._live),
            ("/health/liveliness", self._live),  # LiteLLM's spelling
            ("/ping", self._live),
            ("/health/ready", self._ready),
            ("/health/readiness", self._ready),
        ):
            self._add(path, {"GET": Handler(answer)}, public=True)

    def _add_stateful(self) -> None:
        face = DIALECTS["openai_responses"]
        self._faces[face.name] = face
        for below, methods in ResponsesApi(self._gateway, face).paths():
            for path in ("/v1" + below, below):
                self._add_endpoint(Endpoint(path, face, methods))
        for below, methods in StoredChatsApi(self._gateway).paths():
            for path in ("/v1" + below, below):
                asking = self._exact.get(path)
                known = {} if asking is None else asking.methods
                self._add_endpoint(Endpoint(path, self._default_face, {**known, **methods}))
        for path, methods in SessionsApi(self._gateway).paths():
            endpoint = Endpoint(path, self._default_face, methods, scope="admin")
            if (before := path.removesuffix("{id}")) == path:
                self._add_endpoint(endpoint)
            else:  # clients choose these ids, so an id may hold a slash
                self._prefixes.append((before, "", "id", endpoint))

    def _add_operations(self) -> None:
        face = self._default_face
        for before, after, methods in OperationsApi(self._gateway, partial(self._inbound, face)).paths():
            if after:
                named = Endpoint(f"{before}{{model}}{after}", face, methods)
                self._prefixes.append((before, after, "model", named))
            else:
                self._add(before, methods)

    def _add_messages(self) -> None:
        face = DIALECTS[NAME]
        api = self._messages
        for prefix in PREFIXES:
            self._add_face(f"{prefix}/messages", face)
            completing = {"POST": Handler(partial(self._ask, complete.FACE), takes_body="json")}
            self._add_endpoint(Endpoint(f"{prefix}/complete", face, completing))
            counting = {"POST": Handler(api.count_tokens, takes_body="json")}
            self._add_endpoint(Endpoint(f"{prefix}/messages/count_tokens", face, counting))
        path = f"{PREFIXES[1]}/models"
        self._add_endpoint(Endpoint(path, face, {"GET": Handler(api.models)}))
        named = Endpoint(f"{path}/{{model}}", face, {"GET": Handler(api.model)})
        self._prefixes.append((f"{path}/", "", "model", named))

    def _add_generate_content(self) -> None:
        face, api = self._gemini, self._generate_content
        self._faces[face.name] = face

        def add(before: str, after: str, methods: Mapping[str, Handler]) -> None:
            endpoint = Endpoint(f"{before}{{model}}{after}", face, methods, key_in_query=True)
            self._prefixes.append((before, after, "model", endpoint))

        for version in (*generate_content.VERSIONS, "/v1"):
            for before, after, methods in api.asking():
                add(version + before, after, methods)
        for version in generate_content.VERSIONS:
            path = f"{version}/models"
            self._add_endpoint(Endpoint(path, face, {"GET": Handler(api.models)}, key_in_query=True))
            add(f"{path}/", "", {"GET": Handler(api.model)})

    def _add_ollama(self) -> None:
        face = DIALECTS["ollama"]
        self._faces[face.name] = face
        for path, methods in self._ollama.paths():
            self._add_endpoint(Endpoint(path, face, methods))

    def _add_endpoint(self, endpoint: Endpoint) -> None:
        if "{" in endpoint.template:
            self._patterns.append((_pattern(endpoint.template), endpoint))
        else:
            self._exact[endpoint.template] = endpoint

    def _add(self, path: str, methods: Mapping[str, Handler], *, public: bool = False) -> None:
        self._exact[path] = Endpoint(path, self._default_face, methods, public)

    def _add_face(self, path: str, face: Dialect) -> None:
        self._faces[face.name] = face
        self._exact[path] = Endpoint(
            path, face, {"POST": Handler(partial(self._ask, face), takes_body="json")}
        )

    def unlocked(self, scope: AsgiScope) -> tuple[str, str | None]:
        """The request's path without the key at its beginning (`/key/KEY/v1/models`), and that key or None.

        A client that can be configured with a base URL only sends its key this way.
        """
        path: str = scope["path"]
        below = path.removeprefix(scope.get("root_path", ""))
        if not below.startswith(self._base + _KEY):
            return path, None
        before = path[: len(path) - len(below)] + self._base
        rest = below[len(self._base + _KEY) :]
        if manages_keys(below[len(self._base) :]):
            return path, None  # one of LiteLLM's own paths, which hold no key
        key = _first(rest, scope.get("raw_path") or b"")
        return f"{before}/{rest[len(key) :].removeprefix('/')}", key

    def find(self, path: str, root: str) -> tuple[Endpoint | None, dict[str, str]]:
        """The endpoint of a path, and its placeholders' values. root: where the application is mounted."""
        if (endpoint := self._exact.get(path)) is not None and not self._base:
            return endpoint, {}
        path = path.removeprefix(root)  # some parent applications have removed it already
        if not path.startswith(self._base):
            return None, {}
        path = path[len(self._base) :]
        return self._found(path.rstrip("/") or "/")

    def _found(self, path: str) -> tuple[Endpoint | None, dict[str, str]]:
        if (endpoint := self._exact.get(path)) is not None:
            return endpoint, {}
        if (roots := _ROOTS.match(path)) is not None:
            return self._found(roots[1] + roots[2] + path[roots.end() :])
        if (vendored := _VENDORED.match(path)) is not None:
            return self._found("/v1" + path[vendored.end() :])
        for prefix, suffix, what, endpoint in self._prefixes:
            name = path.removeprefix(prefix).removesuffix(suffix)
            if name and path == prefix + name + suffix:
                return endpoint, {what: name}
        for pattern, endpoint in self._patterns:
            if (found := pattern.fullmatch(path)) is not None:
                return endpoint, found.groupdict()
        if "//" in path:  # the client's base URL ends in a slash
            return self._found(_SLASHES.sub("/", path))
        if path.startswith(generate_content.VERSIONS):
            return Endpoint(path, self._gemini, {}, key_in_query=True), {}
        if path.startswith(OLLAMAS):
            return Endpoint(path, DIALECTS["ollama"], {}), {}
        return None, {}

    def named(self, endpoint: Endpoint | None, path: str) -> str:
        """The path's name in logs and errors: the endpoint's template, or the path itself if there is no
        endpoint. A key in the wrong part of the path is removed.
        """
        if endpoint is not None and endpoint.methods:
            return endpoint.template
        if manages_keys(path.removeprefix(self._base)):
            return path
        return _MISPLACED.sub(r"\1…", path)

    def face(self, endpoint: Endpoint | None, headers: Mapping[str, str]) -> Dialect:
        """The protocol whose error form this endpoint uses. The request's headers decide if several
        protocols share the path, or if there is nothing at it.
        """
        if endpoint is not None and endpoint.template not in _SHARED:
            return endpoint.face
        if VERSION_HEADER in headers:
            return DIALECTS[NAME]
        return self._gemini if _is_googles(headers) else self._default_face

    def handler(self, endpoint: Endpoint | None, method: str, path: str) -> Handler:
        """The handler for a method of an endpoint. Raises RequestFailed (404, 405)."""
        if endpoint is None or not endpoint.methods:
            text = f"There is no endpoint {method} {path[:200]}."
            if (elsewhere := instead(path.removeprefix(self._base))) is not None:
                text = f"{text} {elsewhere}"
            raise RequestFailed(ir.Fault("not_found", text, code="unknown_url"))
        methods = endpoint.methods
        handler = methods.get(method) or (methods.get("GET") if method == "HEAD" else None)
        if handler is None:
            allowed = ", ".join(methods)
            raise RequestFailed(
                ir.Fault(
                    "method_not_allowed",
                    f"{endpoint.template} takes {allowed}, not {method}.",
                    code="method_not_allowed",
                )
            )
        return handler

    # Handlers -------------------------------------------------------------------------------------------

    def _ask(
        self, face: Dialect, request: HttpRequest, exchange: Exchange, client: AsgiClient
    ) -> Awaitable[None]:
        heartbeat = self._gateway.config.server.heartbeat
        client.streams_as(face.stream.content_type.encode(), face.stream.ping, heartbeat)
        return self._gateway.engine.handle(exchange, self._inbound(face, request), client)

    def _inbound(self, face: Dialect, request: HttpRequest) -> Inbound:
        gateway = self._gateway
        settings = gateway.config.server
        return Inbound(
            face,
            request.body,
            request.headers,
            settings.max_depth,
            request.caller.models,
            settings.max_values,
            turn=turn_of(gateway, face, request.caller, request.headers, body=request.body),
            room=request.room,
        )

    def _engine(
        self, face: Dialect, request: HttpRequest, exchange: Exchange, client: AsgiClient
    ) -> Awaitable[None]:
        return self._ask(face, with_model(request), exchange, client)

    async def _models(self, request: HttpRequest, exchange: Exchange, client: AsgiClient) -> None:
        if VERSION_HEADER in request.headers:
            await self._messages.models(request, exchange, client)
            return
        if _is_googles(request.headers):
            await self._generate_content.models(request, exchange, client)
            return
        entries = self._gateway.entries(request.caller.models)
        await client.answer(
            200, (), encode({"object": "list", "data": [self._listed(entry) for entry in entries]})
        )

    async def _model(self, request: HttpRequest, exchange: Exchange, client: AsgiClient) -> None:
        if VERSION_HEADER in request.headers:
            await self._messages.model(request, exchange, client)
            return
        if _is_googles(request.headers):
            await self._generate_content.model(request, exchange, client)
            return
        name = request.params["model"]
        exchange.asked = name
        if not request.caller.may_use(name):
            raise RequestFailed(_no_model(name))
        entry = self._gateway.engine.table.entry(name)
        await client.answer(200, (), encode({**self._listed(entry), "compatibility": self._had(name)}))

    def _had(self, model: str) -> dict[str, Any]:
        """Which features of a model the clients of each face can use. Too long for the list of all models."""
        found = {name: self._gateway.compatibility(model, face) for name, face in self._faces.items()}
        return {
            name: {
                "features": one.features,
                "losses": [
                    {"feature": feature, "severity": loss.severity, "reason": loss.reason}
                    for feature, loss in one.losses
                ],
                "refused": one.refused,
            }
            for name, one in found.items()
            if one is not None
        }

    async def _delete_model(
        self, passing: PassThroughApi, request: HttpRequest, exchange: Exchange, client: AsgiClient
    ) -> None:
        if VERSION_HEADER in request.headers or _is_googles(request.headers):
            text = "Models cannot be deleted in this protocol."
            raise RequestFailed(ir.Fault("method_not_allowed", text, code="method_not_allowed"))
        if not request.caller.may_use(name := request.params["model"]):
            raise RequestFailed(_no_model(name))
        await passing.delete_model(request, exchange, client)

    def _listed(self, entry: Entry) -> dict[str, Any]:
        gateway = self._gateway
        modes: dict[str, Mode] = {name: gateway.mode(entry.id, face) for name, face in self._faces.items()}
        return _listed(entry, modes, gateway.performance.of(entry.deployment))

    async def _health(self, request: HttpRequest, exchange: Exchange, client: AsgiClient) -> None:
        admitted = isinstance(self._gateway.client_keys.authenticate(request.headers), Caller)
        health = await self._gateway.health(details=admitted, asking=exchange)
        # Only shutdown is a reason to send requests elsewhere: a provider that is down shows its recovery in
        # requests.
        await client.answer(503 if health["status"] == "draining" else 200, (), encode(health))

    async def _live(self, request: HttpRequest, exchange: Exchange, client: AsgiClient) -> None:
        await client.answer(200, (), encode({"status": "live", "version": __version__}))

    async def _root(self, request: HttpRequest, exchange: Exchange, client: AsgiClient) -> None:
        if expects_text(request.headers):
            await self._ollama.listing.running(client)
        else:
            await self._live(request, exchange, client)

    async def _ready(self, request: HttpRequest, exchange: Exchange, client: AsgiClient) -> None:
        self._gateway.probed()
        ready = not self._gateway.draining
        await client.answer(200 if ready else 503, (), encode({"status": "ready" if ready else "draining"}))


_KEY: Final = "/key/"
_MISPLACED: Final = re.compile(r"(/key/).+", re.IGNORECASE | re.DOTALL)
_SHARED: Final = frozenset(
    prefix + path for prefix in ("/v1", "") for path in ("/models", "/models/{model}", *PATHS["files"])
)
"""Templates of the paths that several protocols have."""


def _first(rest: str, raw: bytes) -> str:
    """The key at the beginning of `rest`, the decoded path after `/key/`. raw: the whole path, still
    percent-encoded: there, a slash within the key differs from the slash after it.
    """
    key = unquote(raw.decode("latin-1").partition(_KEY)[2].partition("/")[0])
    return key if key and f"{rest}/".startswith(f"{key}/") else rest.partition("/")[0]


def _no_model(name: str) -> ir.Fault:
    text = f"The model {name[:128]!r} does not exist."
    return ir.Fault("model_not_found", text, "model_not_found", "model")


def _is_googles(headers: Mapping[str, str]) -> bool:
    return any(name in headers for name in generate_content.CLIENT_HEADERS)


def _pattern(path: str) -> re.Pattern[str]:
    """A regular expression for a path in which each name in braces stands for one segment."""
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))


def _listed(entry: Entry, modes: Mapping[str, Mode], measured: dict[str, Any] | None) -> dict[str, Any]:
    """One model as OpenAI's API lists it, with fields of our own; SDKs ignore fields they do not know.

    modes: for each face, whether its requests are relayed or translated. measured: how fast the model has
    been.
    """
    listed: dict[str, Any] = {
        "id": entry.id,
        "object": "model",
        "created": entry.created,
        "owned_by": entry.owned_by,
        # OpenAI listed this earlier; some clients still read it.
        "permission": [],
        "root": entry.id,
        "parent": None,
        "provider": entry.provider,
        "capabilities": entry.capabilities,
    }
    if entry.context_window is not None:
        listed["context_window"] = entry.context_window
    if entry.max_output_tokens is not None:
        listed["max_output_tokens"] = entry.max_output_tokens
    listed["faces"] = modes
    if measured is not None:
        listed["performance"] = measured
    return listed
