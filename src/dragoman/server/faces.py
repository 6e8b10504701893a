"""The table of the endpoints at one door of a gateway. It finds the endpoint for a path, and the endpoint's
handler for a method.
"""

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
from dragoman.server.admin.usage import UsageApi
from dragoman.server.administration import instead, manages_keys
from dragoman.server.chat import ChatApi
from dragoman.server.endpoint import Door, Endpoint, Handler
from dragoman.server.generate_content import GenerateContentApi
from dragoman.server.google_files import GoogleFilesApi
from dragoman.server.health import HealthApi
from dragoman.server.litellm_keys import LiteLlmKeys
from dragoman.server.litellm_lists import LiteLlmLists
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
from dragoman.server.stored_chats import StoredChatsApi

_ROOT: Final = r"/+(?:v1(?:alpha|beta1?)?|api)(?=/)"
_ROOTS: Final = re.compile(rf"((?:/anthropic)?)(?:{_ROOT})+({_ROOT})")
"""Matches several API roots in a row at the beginning of a path, such as `/v1/v1`, perhaps after
`/anthropic`. The last root counts: the client itself has added it to its base URL.
"""
_VENDORS: Final = "|".join(
    sorted({re.escape(row.path[1:]) for row in CATALOG.values() if row.path.endswith("/v1")} - {"v1"})
)
_VENDORED: Final = re.compile(rf"(?:{_ROOT})*/+(?:{_VENDORS}|v1beta/openai|openai|compatibility/v1)(?=/)")
"""Matches the beginning of a path with a vendor's prefix (`/openai/v1`), in place of which `/v1` is read. The
clients of Groq and Fireworks add such a prefix to any base URL, those of Azure add `/openai`. OpenAI's
clients that were configured for Cohere have `/compatibility/v1`.
"""
_DEPLOYMENTS: Final = re.compile(rf"(?:{_ROOT}|/+openai)*/+openai/+deployments/+")
"""Matches the beginning of a path of Azure's deployments, which Azure's clients add to any base URL."""
_SLASHES: Final = re.compile("//+")


def _endpoints(gateway: Core, door: Door, admin: AdminApi) -> Iterator[Endpoint]:
    """Yield the endpoints of one door. The public door has all endpoints, except that the endpoints with the
    scope `admin` are missing if the setting `server.admin_port` is set. Any other door has only the endpoints
    with the scope `admin` and the health paths. The order matters to `PathTable._add`.
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
        messages,
        generate_content,
        OllamaApi(gateway, chat),
        RealtimeApi(),
        NativeApi(gateway, chat),
        LiteLlmLists(gateway),
        LiteLlmKeys(gateway),
        ExchangesApi(gateway),
        passing,
        GoogleFilesApi(gateway, passing),
        ProviderPathsApi(gateway),
        ModelsApi(gateway, (messages, generate_content), passing),
        admin,
        UsageApi(gateway),
        MetricsApi(gateway),
    ):
        yield from api.endpoints()


class PathTable:
    """The endpoints of one gateway behind one door (a port or Unix socket, `endpoint.Door`), by path. admin:
    the gateway's API for administration, None = create a new one.
    """

    def __init__(self, gateway: Core, door: Door = "public", admin: AdminApi | None = None) -> None:
        self._gateway = gateway
        self._exact: dict[str, Endpoint] = {}
        self._slashed: list[tuple[str, str, str, Endpoint]] = []
        """The endpoints whose placeholder may contain slashes, each with the parts of the path before and
        after the placeholder, and the name of the placeholder.
        """
        self._patterns: dict[int, list[tuple[list[str], Endpoint]]] = {}
        """The endpoints whose placeholders stand for one path segment each, with the segments of their
        templates, by the number of segments.
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
        """Add an endpoint. If an earlier endpoint has the same template, the two become one: it is the later
        endpoint, with the handlers of the earlier one for methods that the later one does not have. Two
        endpoints with `slashes` always stay two.

        If several templates match a path, `find` prefers an endpoint without placeholders, then one with
        `slashes`; of several, the one that was added first.
        """
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
        """Return the path of a request without the client's key in it, and this key: for
        `/key/KEY/v1/models`, ("/v1/models", "KEY"). The key may be "". If the path does not begin with
        `/key/` (after `root` and `server.base_path`), or is one of LiteLLM's own paths below `/key/`
        (`manages_keys`, such as `/key/info`), return it unchanged, and None.

        A client in which only a base URL can be configured sends its key this way. path: decoded; raw: the
        same path, still percent-encoded, b"" = not known. root: the path below which another application has
        mounted this one, "" = it is not mounted; if `path` contains it, the returned path still does.
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
        """Return the endpoint for a path, and the values of its placeholders by name. Slashes at the end of
        the path, repeated slashes, and prefixes that clients add to their base URL (`_meant`) are ignored; a
        value with slashes may keep repeated slashes within it.

        If no endpoint matches, but paths that begin like this one belong to one protocol alone
        (`Face.alone`), return an endpoint of this protocol without methods, so that the error has the
        protocol's form. Otherwise the endpoint is None, also for a path at the public door that is not below
        `server.base_path`. path: decoded, without a client key in it (`unlocked`). root: the path below which
        another application has mounted this one, "" = it is not mounted.
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
        """Return the name for a path in logs and errors: the endpoint's template. If there is no endpoint
        with methods, the name is the path itself, with `…` in place of all that follows `/key/`, because it
        may be a client's key (not in LiteLLM's own paths below `/key/`, see `manages_keys`). path: decoded.
        """
        if endpoint is not None and endpoint.methods:
            return endpoint.template
        if manages_keys(path.removeprefix(self._base)):
            return path
        return _MISPLACED.sub(r"\1…", path)

    def face(self, endpoint: Endpoint | None, headers: Mapping[str, str]) -> Dialect:
        """Return the protocol of a request: that of its endpoint. If the endpoint is `shared`, or None, it is
        the first protocol for which the request has one of the headers that only this protocol's clients send
        (`Face.serves`), else the default protocol (OpenAI's chat). Errors have the form of this protocol,
        unless `Endpoint.errors` states another one. headers: those of the request, lower-case names.
        """
        if endpoint is not None and not endpoint.shared:
            return endpoint.face
        return next((dialect for dialect, face in self._faces if face.serves(headers)), DEFAULT)

    def handler(self, endpoint: Endpoint | None, method: str, path: str) -> Handler:
        """Return the handler of an endpoint for a method (for HEAD the handler of GET, if HEAD has none).
        method: in upper case; "WS" = a WebSocket, for which no endpoint has a handler. path: for the message
        of the error. Raises RequestFailed: 404 if there is no endpoint, or if it has no methods; 405 if it
        has no handler for the method.
        """
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
    """Return `endpoint` with the methods of `known` added that it does not have itself. known: the earlier
    endpoint with the same template, None = there is none, and `endpoint` is returned unchanged.
    """
    if known is None:
        return endpoint
    return msgspec.structs.replace(endpoint, methods={**known.methods, **endpoint.methods})


def _meant(path: str) -> str:
    """Return the path without one of the prefixes that a client's base URL has put before it; if there is
    none, return it unchanged. Removed are API roots before another root (`/v1/v1/models` → `/v1/models`), and
    roots before Azure's deployments (`/v1/openai/deployments/…` → `/openai/deployments/…`). A vendor's
    prefix, and the roots before it, are replaced by `/v1`: `/v1/openai/v1/models` → `/v1/models`.
    """
    if (deployments := _DEPLOYMENTS.match(path)) is not None:
        return f"{azure.ROOT}/{path[deployments.end() :]}"
    if (roots := _ROOTS.match(path)) is not None:
        return roots[1] + roots[2] + path[roots.end() :]
    vendored = _VENDORED.match(path)
    return path if vendored is None else "/v1" + path[vendored.end() :]


_KEY: Final = "/key/"
_MISPLACED: Final = re.compile(r"(/key/).+", re.IGNORECASE | re.DOTALL)


def _first(rest: str, raw: bytes) -> str:
    """Return the client's key at the beginning of `rest`, the decoded path after `/key/`; it ends at the
    first slash that is not encoded in `raw`. raw: the complete path, still percent-encoded. If `raw` is b""
    (not known) or does not fit to `rest`, the key ends at the first slash of `rest`.
    """
    key = unquote(raw.decode("latin-1").partition(_KEY)[2].partition("/")[0])
    return key if key and f"{rest}/".startswith(f"{key}/") else rest.partition("/")[0]


def _values(segments: list[str], given: list[str]) -> dict[str, str] | None:
    """Return the values of an endpoint's placeholders (`{id}`) in a path, by name. None = the path does not
    match the endpoint; no placeholder matches an empty segment. segments: those of the endpoint's template.
    given: those of the path, as many.
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
