"""Files, batches, fine-tuning jobs and their like: passed to the provider that the configuration names.

Bodies flow through in both directions, byte for byte, and are kept nowhere. One thing is edited: the address
of a batch's results, see `_RESULTS`. What passes is stated: paths and methods by
`providers.resources`, headers here. Ids are the provider's. A client whose key is limited to some models
may not, since a batch asks for any. Of the providers that have the resource and speak the client's protocol
one is asked: the only one, or the one that `X-Dragoman-Provider` names.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from dragoman import ir
from dragoman.dialects.table import DIALECTS
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.net.connector import CONNECTED
from dragoman.net.transport import Answer, Flow
from dragoman.providers.resources import PATHS, Resource
from dragoman.server.bodies import stated_size
from dragoman.server.client import AsgiClient, ClientGone
from dragoman.server.endpoint import Call, Endpoint, Handler
from dragoman.server.messages import NAME as ANTHROPIC
from dragoman.server.messages import PREFIXES, VERSION_HEADER
from dragoman.upstreams.answers import read_bounded
from dragoman.upstreams.passage import Passage
from dragoman.upstreams.wire import is_success
from dragoman.wire.inert import inert_headers

if TYPE_CHECKING:
    from dragoman.assembly.core import Core

CHOICE: Final = "x-dragoman-provider"
_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.:-]{0,255}")
"""What ids are made of. None is a way to another path."""
_SENT: Final = frozenset(
    {
        *("accept", "content-encoding", "content-type", "idempotency-key", "range", "x-client-request-id"),
        *("anthropic-beta", "anthropic-version", "openai-beta"),
    }
)
"""The client's headers that the provider gets."""
_ANSWERED: Final = frozenset({"accept-ranges", "content-range", "etag", "last-modified"})
"""The provider's headers that every client gets, beside those of the client's protocol, and of the body's
length and disposition, which are looked at.
"""
_ANY: Final = "application/octet-stream"
_BODILESS: Final = frozenset({204, 205})
_MOST_EDITED: Final = 16_000_000
"""Bytes of an answer about batches, which is read whole to be edited; a thousand batches are 1 MB."""


_RESULTS: Final = re.compile(
    rb'("results_url"\s*:\s*")https?://[^"]*?(/v1/messages/batches/[A-Za-z0-9_-]+/results")'
)
"""Where a batch's results lie. The official clients go to that address with their own key, which is for the
gateway: without its origin it is below the base URL that they were given.
"""


class PassThroughApi:
    """The handlers of one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway

    def paths(self) -> Iterator[Endpoint]:
        """Every path. Headers tell which protocol a client of `/v1/files` speaks."""
        for resource, below in PATHS.items():
            if resource != "message_batches":
                yield from self._endpoints(resource, below, ("/v1", ""), "openai_chat")
        yield from self._endpoints("message_batches", PATHS["message_batches"], PREFIXES, ANTHROPIC)
        yield from self._endpoints("files", PATHS["files"], PREFIXES[1:], ANTHROPIC)

    def _endpoints(
        self, resource: Resource, below: Mapping[str, Sequence[str]], prefixes: Sequence[str], face: str
    ) -> Iterator[Endpoint]:
        for path, methods in below.items():
            run = partial(self._pass, resource=resource, path=path, face=face)
            handlers = {
                method: Handler(run, takes_body="parts" if method == "POST" else "") for method in methods
            }
            for prefix in prefixes:
                yield Endpoint(prefix + path, DIALECTS[face], handlers)

    async def delete_model(self, call: Call, exchange: Exchange, client: AsgiClient) -> None:
        """Delete a fine-tuned model at its provider, the only kind of model that can be. Raises
        RequestFailed: 403 for every other model, 404 for what is none, and as for all that passes.
        """
        name = call.params["model"]
        exchange.asked = name
        first, _, rest = name.partition("/")
        model = rest if first in self._gateway.passages else name
        if not _TUNED.match(model):
            self._gateway.engine.table.entry(name)
            raise RequestFailed(_undeletable(name))
        headers = {**call.headers, CHOICE: first} if model != name else call.headers
        call = msgspec.structs.replace(call, params={"model": model}, headers=headers)
        path, face = "/models/{model}", "openai_chat"
        await self._pass(call, exchange, client, resource="fine_tuning", path=path, face=face)

    async def _pass(
        self, call: Call, exchange: Exchange, client: AsgiClient, *, resource: Resource, path: str, face: str
    ) -> None:
        passage = self._passage(resource, call, anthropic=face == ANTHROPIC or VERSION_HEADER in call.headers)
        target = _target(path, call)
        now = self._gateway.seams.monotonic
        record = AttemptRecord(
            f"{exchange.id}-1", f"{passage.name}/{resource}", passage.account.tail, "relay", now()
        )
        exchange.attempts.append(record)
        exchange.phase, exchange.mode, exchange.answered = "connect", "relay", record.deployment
        CONNECTED.set(exchange.connected)
        body = _Body(call)
        try:
            answer = await passage.send(exchange.method, target, _sent(call.headers), body.flow)
            record.status = answer.status
            try:
                if not is_success(answer):
                    raise await passage.refused(answer)
                exchange.waited += now() - record.started
                record.first = exchange.first = now()
                exchange.phase = "stream"
                if answer.status in _BODILESS:
                    await client.empty(answer.status, _headers(answer, passage, whole=True))
                elif resource == "message_batches" and _is_json(answer):
                    written = await read_bounded(answer, _MOST_EDITED, passage.name)
                    edited = _RESULTS.sub(rb"\1\2", written)
                    await client.answer(answer.status, _headers(answer, passage, whole=True), edited)
                else:
                    await _flow(answer, passage, client)
            finally:
                answer.close()
        except RequestFailed as failed:
            if body.failure is not None:  # the provider was not told the rest, which is not its fault
                raise body.failure from failed
            record.fault = failed.fault
            raise
        finally:
            record.ended = now()
        exchange.phase = "done"

    def _passage(self, resource: Resource, call: Call, *, anthropic: bool) -> Passage:
        """Who is asked. Raises RequestFailed: 403, 501, 400."""
        if call.caller.models is not None:
            raise RequestFailed(_LIMITED)
        able = {
            name: passage
            for name, passage in self._gateway.passages.items()
            if resource in passage.resources and (passage.dialect.name == ANTHROPIC) is anthropic
        }
        if not able:
            raise RequestFailed(_nobody(resource))
        wished = call.headers.get(CHOICE)
        if wished is None and len(able) == 1:
            return next(iter(able.values()))
        if wished not in able:
            raise RequestFailed(_unnamed(resource, wished, list(able)))
        return able[wished]


class _Body:
    """A request's body as it flows through. failure: what went wrong on the client's side."""

    def __init__(self, call: Call) -> None:
        self.failure: Exception | None = None
        self.flow: bytes | Flow | None = None
        if call.parts is not None:
            length = call.headers.get("content-length", "0")
            chunked = "transfer-encoding" in call.headers
            if chunked or length != "0":
                size = None if chunked else stated_size(length)
                self.flow = Flow(self._watched(call.parts), size)
            else:
                self.flow = b""

    async def _watched(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for part in parts:
                yield part
        except (RequestFailed, ClientGone) as failed:
            self.failure = failed
            raise


async def _flow(answer: Answer, passage: Passage, client: AsgiClient) -> None:
    """The provider's answer as it comes."""
    kind = answer.headers.get("content-type", _ANY)
    client.streams_as(kind.encode("latin-1", "replace"), b"", None)
    # A body that has been decoded is of another length. One in chunks has none that could be trusted.
    other = "content-encoding" in answer.headers or "transfer-encoding" in answer.headers
    await client.begin(answer.status, _headers(answer, passage, whole=other))
    while chunk := await answer.chunk():
        await client.write(chunk)
    await client.end()


def _headers(answer: Answer, passage: Passage, *, whole: bool) -> list[tuple[bytes, bytes]]:
    """What passes of an answer's headers, and what keeps browsers from running it. whole: its length is not
    the provider's.
    """
    passed = [
        (name.encode(), answer.headers[name].encode("latin-1", "replace"))
        for name in _ANSWERED
        if name in answer.headers
    ]
    length = answer.headers.get("content-length", "")
    if not whole and length.isascii() and length.isdigit():
        passed.append((b"content-length", length.encode()))
    kind = answer.headers.get("content-type", _ANY)
    passed += inert_headers(kind, answer.headers.get("content-disposition"))
    deployment = (b"x-dragoman-deployment", passage.name.encode("latin-1", "replace"))
    return [*passed, *passage.dialect.headers.passed(answer.headers), deployment]


def _is_json(answer: Answer) -> bool:
    return answer.headers.get("content-type", "").startswith("application/json")


def _sent(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in _SENT if name in headers}


def _target(path: str, call: Call) -> str:
    """The path to ask for with its query, without the gateway's key, should it stand there."""
    for name, value in call.params.items():
        if not _ID.fullmatch(value):
            raise RequestFailed(
                ir.Fault("not_found", f"There is no resource {value[:64]!r}.", code="not_found")
            )
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    pairs = [pair for pair in parse_qsl(call.search, keep_blank_values=True) if pair[0].lower() != "key"]
    return f"{path}?{urlencode(pairs)}" if pairs else path


_TUNED: Final = re.compile(r"ft:|[^:]+:ft-")
"""How providers name fine-tuned models, OpenAI's of old included (`davinci:ft-acme-2023-01-01`)."""


def _undeletable(name: str) -> ir.Fault:
    return ir.Fault(
        "permission",
        f"The model {name[:128]!r} cannot be deleted: only fine-tuned models can be.",
        code="model_not_deletable",
        param="model",
    )


_LIMITED: Final = ir.Fault(
    "permission",
    "This API key is limited to some models, so it cannot use files, batches and other "
    "resources of a provider's account.",
    code="key_limited_to_models",
)


def _nobody(resource: Resource) -> ir.Fault:
    return ir.Fault(
        "not_implemented",
        f"No provider is configured to pass {resource!r} through for this protocol (setting "
        "providers.NAME.passthrough).",
        code="not_implemented",
        blame="gateway",
    )


def _unnamed(resource: Resource, wished: str | None, able: list[str]) -> ir.Fault:
    said = (
        "Several providers offer"
        if wished is None
        else f"{wished[:64]!r} is not one of the providers that offer"
    )
    return ir.Fault(
        "invalid_request",
        f"{said} {resource!r}: choose one of {', '.join(able)} in the header {CHOICE}.",
        code="unknown_provider",
        param=CHOICE,
    )
