"""The table of all endpoints: finds the endpoint and the handler for a path and a method."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote

import msgspec

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.table import DEFAULT, faces
from dragoman.errors import RequestFailed
from dragoman.providers.catalog import CATALOG
from dragoman.server import azure
from dragoman.server.admin.api import AdminApi
from dragoman.server.admin.exchanges import ExchangesApi
from dragoman.server.admin.reload import ReloadApi
from dragoman.server.admin.usage import UsageApi
from dragoman.server.administration import instead, manages_keys
from dragoman.server.chat import ChatApi
from dragoman.server.endpoint import Door, Endpoint, Handler
from dragoman.server.generate_content import GenerateContentApi
from dragoman.server.google_files import GoogleFilesApi
from dragoman.server.health import HealthApi
from dragoman.server.messages import MessagesApi
from dragoman.server.metrics import MetricsApi
from dragoman.server.models import ModelsApi
from dragoman.server.native import NativeApi
from dragoman.server.ollama import OllamaApi
from dragoman.server.operations import OperationsApi
from dragoman.server.passthrough import PassThroughApi
from dragoman.server.provider_paths import ProviderPathsApi
from dragoman.server.realtime import RealtimeApi
from dragoman.server.responses import ResponsesApi
from dragoman.server.sessions import SessionsApi
from dragoman.server.stored_chats import StoredChatsApi

_ROOT: Final = r"/+(?:v1(?:alpha|beta1?)?|api)(?=/)"
_ROOTS: Final = re.compile(rf"((?:/anthropic)?)(?:{_ROOT})+({_ROOT})")
"""Matches several API roots at a path's beginning: the base URL's and the client's own, which counts."""
_VENDORS: Final = "|".join(
    sorted({re.escape(row.path[1:]) for row in CATALOG.values() if row.path.endswith("/v1")} - {"v1"})
)
_VENDORED: Final = re.compile(rf"(?:{_ROOT})*/+(?:{_VENDORS}|v1beta/openai|openai|compatibility/v1)(?=/)")
"""Matches the beginning of a path with a vendor's own prefix (`/openai/v1`), which stands for `/v1`: the
clients of Groq and Fireworks add theirs to any base URL, those of Azure add `/openai`, and OpenAI's clients
that asked Cohere have `/compatibility/v1`.
"""
_DEPLOYMENTS: Final = re.compile(rf"(?:{_ROOT}|/+openai)*/+openai/+deployments/+")
"""Matches the beginning of a path of Azure's deployments, which Azure's clients add to any base URL."""
_SLASHES: Final = re.compile("//+")


def _endpoints(gateway: Core, door: Door, admin: AdminApi) -> Iterator[Endpoint]:
    """Yield the endpoints of one door. The public door has all endpoints; those that need the scope `admin`
    are missing there if `server.admin_port` gives them a port of their own. Every other door has only those,
    and the health paths.

    The order matters to `PathTable`: if two endpoints have the same path and method, the later one counts; if
    two paths with placeholders match, the first.
    """
    apart = gateway.config.server.admin_port is not None
    health = HealthApi(gateway, door)
    for endpoint in _of_gateway(gateway, admin):
        if endpoint.scope == "admin" if door != "public" else not (apart and endpoint.scope == "admin"):
            yield endpoint
    yield from health.endpoints()


def _of_gateway(gateway: Core, admin: AdminApi) -> Iterator[Endpoint]:
    chat, passing = ChatApi(gateway), PassThroughApi(gateway)
    operations = OperationsApi(gateway, chat)
    messages, generate_content = MessagesApi(gateway, chat), GenerateContentApi(gateway, chat)
    for api in (
        chat,
        operations,
        azure.AzureApi(chat, operations),
        ResponsesApi(gateway, chat),
        StoredChatsApi(gateway),
        SessionsApi(gateway),
        messages,
        generate_content,
        OllamaApi(gateway, chat),
        RealtimeApi(),
        NativeApi(gateway, chat),
        ExchangesApi(gateway),
        passing,
        GoogleFilesApi(gateway, passing),
        ProviderPathsApi(gateway),
        ModelsApi(gateway, (messages, generate_content), passing),
        admin,
        ReloadApi(gateway),
        UsageApi(gateway),
        MetricsApi(gateway),
    ):
        yield from api.endpoints()


class PathTable:
    """The endpoints of one gateway behind one door, by path. admin: the gateway's administration, None = a
    new one.
    """

    def __init__(self, gateway: Core, door: Door = "public", admin: AdminApi | None = None) -> None:
        self._gateway = gateway
        self._exact: dict[str, Endpoint] = {}
        self._slashed: list[tuple[str, str, str, Endpoint]] = []
        """Endpoints whose placeholder may hold slashes, each after what precedes and follows the placeholder
        in the path, and the placeholder's name.
        """
        self._patterns: dict[int, list[tuple[list[str], Endpoint]]] = {}
        """Endpoints whose placeholders stand for one segment each, with the segments of the path: by their
        number.
        """
        # Operators' doors are not behind the proxy for which there is a prefix.
        self._base = gateway.config.server.base_path.rstrip("/") if door == "public" else ""
        self._faces = faces()
        self.templates: set[str] = set()
        """The templates of all endpoints."""
        for endpoint in _endpoints(gateway, door, admin or AdminApi(gateway)):
            self._add(endpoint)
            self.templates.add(endpoint.template)

    def _add(self, endpoint: Endpoint) -> None:
        """Add an endpoint. Its methods replace those of earlier ones with the same path."""
        path = endpoint.template
        if endpoint.slashes:
            before, _, rest = path.partition("{")
            name, _, after = rest.partition("}")
            self._slashed.append((before, after, name, endpoint))
        elif "{" in path:
            segments = path.split("/")
            alike = self._patterns.setdefault(len(segments), [])
            for at, (others, known) in enumerate(alike):
                if others == segments:
                    alike[at] = segments, _over(known, endpoint)
                    return
            alike.append((segments, endpoint))
        else:
            self._exact[path] = _over(self._exact.get(path), endpoint)

    def unlocked(self, path: str, raw: bytes, root: str) -> tuple[str, str | None]:
        """The request's path without the client key before it (`/key/KEY/v1/models`), and that key, if any.

        A client in which nothing but a base URL can be configured sends its key this way. path: decoded; raw:
        still percent-encoded, b"" = not known. root: where the app is mounted.
        """
        below = path.removeprefix(root)
        if not below.startswith(self._base + _KEY):
            return path, None
        before = path[: len(path) - len(below)] + self._base
        rest = below[len(self._base + _KEY) :]
        if manages_keys(below[len(self._base) :]):
            return path, None  # one of LiteLLM's own paths, which hold no key
        key = _first(rest, raw)
        return f"{before}/{rest[len(key) :].removeprefix('/')}", key

    def find(self, path: str, root: str) -> tuple[Endpoint | None, dict[str, str]]:
        """The endpoint of a path, and its placeholders' values by name. Where nothing is: None, or,
        below a prefix of only one protocol, an endpoint without methods. root: where the app is mounted.
        """
        if (endpoint := self._exact.get(path)) is not None and not self._base:
            return endpoint, {}
        path = path.removeprefix(root)  # some parent applications have removed it already
        if not path.startswith(self._base):
            return None, {}
        path = path[len(self._base) :]
        return self._found(path.rstrip("/") or "/")

    def _found(self, path: str) -> tuple[Endpoint | None, dict[str, str]]:
        while (endpoint := self._exact.get(path)) is None and (meant := _meant(path)) != path:
            path = meant
        if endpoint is not None:
            return endpoint, {}
        for prefix, suffix, what, endpoint in self._slashed:
            name = path.removeprefix(prefix).removesuffix(suffix)
            if name and path == prefix + name + suffix:
                return endpoint, {what: name}
        given = path.split("/")
        for segments, endpoint in self._patterns.get(len(given), ()):
            if (values := _values(segments, given)) is not None:
                return endpoint, values
        if "//" in path:  # the client's base URL ends in a slash
            return self._found(_SLASHES.sub("/", path))
        for dialect, face in self._faces:
            if path.startswith(face.alone):
                return Endpoint(path, dialect, {}), {}
        return None, {}

    def named(self, endpoint: Endpoint | None, path: str) -> str:
        """The path's name in logs and errors: the endpoint's template; if nothing is there, the path, in
        which `…` stands for what follows `/key/` (perhaps a client key), unless it is one of LiteLLM's own.
        """
        if endpoint is not None and endpoint.methods:
            return endpoint.template
        if manages_keys(path.removeprefix(self._base)):
            return path
        return _MISPLACED.sub(r"\1…", path)

    def face(self, endpoint: Endpoint | None, headers: Mapping[str, str]) -> Dialect:
        """The protocol in which this request's errors are sent: the endpoint's. If several protocols share
        its path, or there is no endpoint, the protocol whose clients send such headers, else the default.
        """
        if endpoint is not None and not endpoint.shared:
            return endpoint.face
        return next((dialect for dialect, face in self._faces if face.serves(headers)), DEFAULT)

    def handler(self, endpoint: Endpoint | None, method: str, path: str) -> Handler:
        """The handler for a method (GET's for HEAD). path: for the error. Raises RequestFailed (404, 405)."""
        if endpoint is None or not endpoint.methods:
            text = f"There is no endpoint {method} {path[:200]}."
            if (elsewhere := instead(path.removeprefix(self._base))) is not None:
                text = f"{text} {elsewhere}"
            raise RequestFailed(ir.Fault("not_found", text, "unknown_url"))
        methods = endpoint.methods
        handler = methods.get(method) or (methods.get("GET") if method == "HEAD" else None)
        if handler is None:
            refused = "no WebSocket" if method == "WS" else f"not {method}"
            text = f"{endpoint.template} takes {', '.join(methods)}, {refused}."
            raise RequestFailed(ir.Fault("method_not_allowed", text, "method_not_allowed"))
        return handler


def _over(known: Endpoint | None, endpoint: Endpoint) -> Endpoint:
    """An endpoint that also has the methods of the one before it which it does not replace."""
    if known is None:
        return endpoint
    return msgspec.structs.replace(endpoint, methods={**known.methods, **endpoint.methods})


def _meant(path: str) -> str:
    """The path with one root in place of the several with which it begins; as it is if it has one or none."""
    if (deployments := _DEPLOYMENTS.match(path)) is not None:
        return f"{azure.ROOT}/{path[deployments.end() :]}"
    if (roots := _ROOTS.match(path)) is not None:
        return roots[1] + roots[2] + path[roots.end() :]
    vendored = _VENDORED.match(path)
    return path if vendored is None else "/v1" + path[vendored.end() :]


_KEY: Final = "/key/"
_MISPLACED: Final = re.compile(r"(/key/).+", re.IGNORECASE | re.DOTALL)


def _first(rest: str, raw: bytes) -> str:
    """The client key with which `rest`, the decoded path after `/key/`, begins. raw: the whole path, still
    percent-encoded, so that a slash within the key differs from the slash after it; b"" = not known.
    """
    key = unquote(raw.decode("latin-1").partition(_KEY)[2].partition("/")[0])
    return key if key and f"{rest}/".startswith(f"{key}/") else rest.partition("/")[0]


def _values(segments: list[str], given: list[str]) -> dict[str, str] | None:
    """The values of an endpoint's placeholders (`{id}`) in a path with as many segments; None = the path is
    another one. A value is never empty.
    """
    values: dict[str, str] = {}
    for segment, value in zip(segments, given, strict=True):
        if segment.startswith("{"):
            if not value:
                return None
            values[segment[1:-1]] = value
        elif segment != value:
            return None
    return values
