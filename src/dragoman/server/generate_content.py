"""HTTP endpoints of Gemini's protocol: generating, counting tokens, embedding, and Google's form of the model
list. Its files are in `server.google_files`.

https://ai.google.dev/api/generate-content, https://ai.google.dev/api/tokens,
https://ai.google.dev/api/models. The paths of Vertex AI are served too, in the form in which google-genai
3.4.0 writes them. With `alt=sse` in the query, a stream is server-sent events without a heartbeat, because
some of Google's clients read every line as data. Otherwise a stream is a JSON array; while the model is
silent, white space is sent as a heartbeat, unless `server.heartbeat` is 0.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.dialects.gemini import DIALECT, embedding, predict
from dragoman.dialects.gemini.request import PATH, STREAM_PATH
from dragoman.engine.asked import Inbound
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.routing.route import Entry
from dragoman.server.chat import ChatApi
from dragoman.server.client import HttpClient, Streaming
from dragoman.server.endpoint import Endpoint, Handle, Handler, HttpRequest
from dragoman.server.listed import entry_of, in_turns
from dragoman.server.numbers import whole_number
from dragoman.wire.json import decode_head, encode, encode_head

_PREFIX: Final = "models/"
_PLACE: Final = re.compile(r"(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/([^/]+)/)?")
"""Matches what Vertex AI's clients write before `models/`: a project and a location, and the publisher of the
model. Also matches the empty text.
"""
_USUAL, _MOST = 50, 1000
"""How many models one page of the list has: by default, and at most, as in Google's API."""
_METHODS: Final = ("generateContent", "streamGenerateContent", "countTokens")
_ASKED: Final = ("generateContentRequest", "generate_content_request")
_SPACE: Final = b"\r\n"
"""The heartbeat in a streamed JSON array: white space between two elements has no meaning."""


class GenerateContentApi:
    """The endpoints of one gateway for generating, counting tokens, embedding and the model list in Gemini's
    protocol.
    """

    def __init__(self, gateway: Core, chat: ChatApi) -> None:
        self._gateway = gateway
        self._chat = chat
        assert DIALECT.face is not None
        self.face = DIALECT.face

    def endpoints(self) -> Iterator[Endpoint]:
        for root in self.face.roots:
            for path, methods in self._methods():
                yield Endpoint(root + path, DIALECT, methods, slashes=True)
        for root in self.face.alone:
            yield Endpoint(f"{root}/models", DIALECT, {"GET": Handler(self.models)})
            yield Endpoint(f"{root}/models/{{model}}", DIALECT, {"GET": Handler(self.model)}, slashes=True)

    def _methods(self) -> Iterator[tuple[str, Mapping[str, Handler]]]:
        """Yield (path, {HTTP method: handler}) for each path that names a model and an action, such as
        `/models/{model}:countTokens`. The caller puts a root, such as `/v1beta`, before the path.
        """
        runs: dict[str, Handle] = {
            "generateContent": self.generate,
            "streamGenerateContent": self.stream,
            "countTokens": self.count_tokens,
            "embedContent": partial(self.embed, embedding.PATH),
            "batchEmbedContents": partial(self.embed, embedding.BATCH_PATH),
            "predict": partial(self.embed, predict.PATH),
        }
        # Some clients send a model with a slash without `models/`: tunedModels/NAME, and also provider/model.
        for before in ("/models/", "/"):
            for method, run in runs.items():
                handler = Handler(partial(_named, run), takes_body="json")
                yield f"{before}{{model}}:{method}", {"POST": handler}

    def generate(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> Awaitable[None]:
        return self._gateway.engine.handle(exchange, self._asking(request, PATH), client)

    def stream(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> Awaitable[None]:
        inbound = self._asking(request, STREAM_PATH)
        if request.query.get("alt", request.query.get("$alt")) == "sse":
            client.streaming = Streaming(b"text/event-stream")
        else:
            heartbeat = self._gateway.config.server.heartbeat
            client.streaming = Streaming(b"application/json; charset=UTF-8", _SPACE, heartbeat)
            inbound = msgspec.structs.replace(inbound, framing="json_array")
        return self._gateway.engine.handle(exchange, inbound, client)

    async def embed(self, path: str, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        inbound = msgspec.structs.replace(self._asking(request, path), operation="embed", turn=None)
        await self._gateway.engine.handle(exchange, inbound, client)

    def _asking(self, request: HttpRequest, path: str) -> Inbound:
        return msgspec.structs.replace(
            self._chat.inbound(DIALECT, request), path=path, params={"model": request.params["model"]}
        )

    async def count_tokens(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        inbound = self._asking(request, PATH)
        inbound = msgspec.structs.replace(inbound, body=_counted(request.body), operation="count")
        await self._gateway.engine.handle(exchange, inbound, client)

    async def models(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send one page of the list of the models that the caller may use, in Google's form. The query states
        the size of the page (`_size`) and the page token: the id of the last model of the page before, in
        base64. Raises RequestFailed (400) for an invalid page size or page token.
        """
        entries = [entry async for entry in in_turns(self._gateway.entries(request.caller))]
        size = _size(request.query.get("pageSize", request.query.get("page_size")))
        token = request.query.get("pageToken", request.query.get("page_token"))
        start = _start([entry.id for entry in entries], token) if token else 0
        page = entries[start : start + size]
        listed: dict[str, Any] = {"models": [listing(entry) for entry in page]}
        if page and start + size < len(entries):
            listed["nextPageToken"] = urlsafe_b64encode(page[-1].id.encode()).decode()
        await client.answer(200, (), encode(listed))

    async def model(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Send one entry of the model list, in Google's form. Raises RequestFailed (404) if there is no such
        model, or if the caller may not use it.
        """
        name = request.params["model"].removeprefix(_PREFIX)
        exchange.asked = name
        if (entry := entry_of(self._gateway, name, request.caller)) is None:
            text = f"models/{name[:128]} is not found."
            raise RequestFailed(ir.Fault("model_not_found", text, "model_not_found"))
        await client.answer(200, (), encode(listing(entry)))


def _named(run: Handle, request: HttpRequest, exchange: Exchange, client: HttpClient) -> Awaitable[None]:
    """Call the handler `run` with a copy of the request. In the copy, the path's only value is `model`: the
    model's name without what Google's clients write before it (`_bare`).
    """
    name = _bare(request.params["model"])
    return run(msgspec.structs.replace(request, params={"model": name}), exchange, client)


def _bare(stated: str) -> str:
    """Return a model's name from `stated`, the text that a path has in place of `{model}`. `models/`, Vertex
    AI's project and location, and the publisher `google` are removed. Another publisher stays before the
    name: `publishers/mistral/models/large` gives `mistral/large`.
    """
    place = _PLACE.match(stated)
    assert place is not None, "it matches the empty text, too"
    name = stated[place.end() :].removeprefix(_PREFIX)
    publisher = place[1]
    return name if publisher in {None, "google"} else f"{publisher}/{name}"


def listing(entry: Entry) -> dict[str, Any]:
    """Return one entry of the model list in Google's form."""
    listed: dict[str, Any] = {
        "name": _PREFIX + entry.id,
        "displayName": entry.id,
        "supportedGenerationMethods": _METHODS,
    }
    if entry.context_window is not None:
        listed["inputTokenLimit"] = entry.context_window
    if entry.max_output_tokens is not None:
        listed["outputTokenLimit"] = entry.max_output_tokens
    if "reasoning" in entry.capabilities:
        listed["thinking"] = True
    return listed


def _counted(body: bytes) -> bytes:
    """Return the JSON of the request whose tokens are counted: the value of `generateContentRequest` (or
    `generate_content_request`) in `body`; if both are missing or null, `body` without them. A `body` that is
    not a JSON object is returned unchanged; the engine refuses it.
    """
    try:
        head = decode_head(body)
    except WireError:
        return body
    stated = [bytes(head.pop(key)) for key in _ASKED if key in head]
    if not stated:
        return body
    return next((value for value in stated if value != b"null"), encode_head(head))


def _size(stated: str | None) -> int:
    """Return how many models a page has: the number that the client states, but at most 1000. It is 50 if the
    client states 0 or nothing (None). Raises RequestFailed (400) if the text is not a whole number, 0 or
    more.
    """
    if stated is None:
        return _USUAL
    if (number := whole_number(stated)) is None:
        raise RequestFailed(_odd("pageSize", "must be a whole number, 0 or more"))
    return min(number, _MOST) or _USUAL


def _start(names: Sequence[str], token: str) -> int:
    """Return the position in `names` at which a page begins: after the model that the page token names.
    token: this name in base64. names: the names of all models in the list. Raises RequestFailed (400) if the
    token names no model of the list.
    """
    try:
        return names.index(urlsafe_b64decode(token).decode()) + 1
    except ValueError:
        raise RequestFailed(_odd("pageToken", "is not a page token of this list")) from None


def _odd(param: str, text: str) -> ir.Fault:
    return ir.Fault("invalid_request", f"{param}: {text}", "invalid_value", param)
