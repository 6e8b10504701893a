"""Files, batches, fine-tuning jobs and similar resources of a provider: requests are passed through to it.

Bodies pass byte for byte in both directions, except errors and the address of a batch's results. The paths
and methods that pass are listed in `dialects.resources`, the headers here. A client key that is limited to
some models may not use these paths, because a batch can name any model. The provider is the only one that has
the resource and speaks the client's protocol, or, among several, the one that the header
`X-Dragoman-Provider` names.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from dragoman import ir
from dragoman.accounts.caller import NO_PROVIDER
from dragoman.assembly.core import Core
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.resources import PATHS, Resource
from dragoman.dialects.table import DEFAULT, faces
from dragoman.engine.meter import Meter, metered
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.net.client import Flow
from dragoman.net.connected import CONNECTED
from dragoman.net.transport import Answer
from dragoman.routing.attempts import NOBODY
from dragoman.server.bodies import stated_size
from dragoman.server.client import ClientGone, HttpClient, Streaming
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest
from dragoman.upstreams.answers import read_bounded
from dragoman.upstreams.passage import Passage
from dragoman.upstreams.wire import is_success
from dragoman.wire.inert import inert_headers

CHOICE: Final = "x-dragoman-provider"
_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.:-]{0,255}")
"""Matches the id of a resource; no such id can lead to another path."""
_SENT: Final = frozenset(
    {
        *("accept", "content-encoding", "content-type", "idempotency-key", "range", "x-client-request-id"),
        *("anthropic-beta", "anthropic-version", "openai-beta"),
    }
)
"""The names of the client's headers that are sent to the provider."""
_ANSWERED: Final = frozenset({"accept-ranges", "content-range", "etag", "last-modified"})
"""The provider's headers that are passed on in every protocol; see `_headers` for others."""
_ANY: Final = "application/octet-stream"
_BODILESS: Final = frozenset({204, 205})
_MOST_EDITED: Final = 16_000_000
"""The most bytes of an answer about batches, which is read whole to be edited; 1000 batches are 1 MB."""
_RESULTS: Final = re.compile(
    rb'("results_url"\s*:\s*")https?://[^"]*?(/v1/messages/batches/[A-Za-z0-9_-]+/results")'
)
"""Finds the address of a batch's results. Its origin is cut off, so that the address leads here: official
clients call it with their own key, which is a key of this gateway.
"""


_FREE: Final[frozenset[Resource]] = frozenset({"files", "uploads"})
"""The resources that cost nothing to make. What batches and fine-tuning cost is not known here."""


class _Call(NamedTuple):
    """One call to a provider. target: its path and query. meter: None = it is not accounted for."""

    passage: Passage
    target: str
    resource: Resource
    record: AttemptRecord
    meter: Meter | None

    def close(self, status: int) -> None:
        """Account for the call, because the end of an answer with this status follows."""
        if self.meter is not None:
            self.meter.close(status)


class PassThroughApi:
    """The endpoints of passed-through resources at one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway

    def endpoints(self) -> Iterator[Endpoint]:
        """Yield every path of every resource, once; a path of several protocols is shared (`/v1/files`)."""
        known: set[str] = set()
        for dialect, face in faces():
            for resource in sorted(dialect.resources):
                others = [other for one, other in faces() if resource in one.resources]
                shared = not face.client_headers and any(other.client_headers for other in others)
                for path, methods in PATHS[resource].items():
                    run = partial(self._pass, resource=resource, path=path, face=dialect)
                    handlers = {
                        method: Handler(run, takes_body="parts" if method == "POST" else "")
                        for method in methods
                    }
                    for template in dict.fromkeys(root + path for root in face.roots):
                        if template not in known:
                            known.add(template)
                            yield Endpoint(template, dialect, handlers, shared=shared)

    async def delete_model(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Delete a fine-tuned model at its provider. Raises RequestFailed: 404 for an unknown model, 403 for
        a model that is not fine-tuned, and what `_pass` raises.
        """
        name = request.params["model"]
        exchange.asked = name
        first, _, rest = name.partition("/")
        model = rest if first in self._gateway.passages else name
        if not _TUNED.match(model):
            self._gateway.engine.table.entry(name)  # raises for an unknown model
            text = f"The model {name[:128]!r} cannot be deleted: only fine-tuned models can be."
            raise RequestFailed(ir.Fault("permission", text, "model_not_deletable", "model"))
        headers = {**request.headers, CHOICE: first} if model != name else request.headers
        request = msgspec.structs.replace(request, params={"model": model}, headers=headers)
        path = "/models/{model}"
        await self._pass(request, exchange, client, resource="fine_tuning", path=path, face=DEFAULT)

    async def _pass(
        self,
        request: HttpRequest,
        exchange: Exchange,
        client: HttpClient,
        *,
        resource: Resource,
        path: str,
        face: Dialect,
    ) -> None:
        """Pass a request for a resource through to its provider, and the answer back; record this in
        `exchange`. face: the client's protocol, unless the headers of the request show another one. Raises
        RequestFailed: the errors of `_passage`, 404 for an invalid id, the provider's error, the error of a
        body that the client sends wrongly. Raises ClientGone if the client disconnects while it sends the
        body.
        """
        told = (one for one, where in faces() if resource in one.resources and where.serves(request.headers))
        passage = self._passage(resource, request, _form(next(told, face)))
        passage = self._gateway.own_keys.passage(exchange.caller, passage) or self._open(passage)
        target = _target(path, request)
        now = self._gateway.seams.monotonic
        account = passage.account
        record = AttemptRecord(
            f"{exchange.id}-1",
            f"{passage.name}/{resource}",
            account.tail,
            "relay",
            now(),
            key_id=account.id,
            own=account.own,
        )
        if exchange.method != "POST" or resource in _FREE:
            record.units = {}
        gateway = self._gateway
        meter = metered(gateway.engine.runtime.accounting, exchange, gateway.seams, operation="passthrough")
        try:
            if meter is not None:
                await meter.enter_alone(record)
            exchange.attempts.append(record)
            exchange.phase, exchange.mode, exchange.answered = "connect", "relay", record.deployment
            CONNECTED.set(self._connected(exchange))
            await self._relay(request, exchange, client, _Call(passage, target, resource, record, meter))
            exchange.phase = "done"
        except RequestFailed as failed:
            exchange.fault = failed.fault
            raise
        finally:
            if meter is not None:
                meter.close(gone=client.gone)

    async def _relay(self, request: HttpRequest, exchange: Exchange, client: HttpClient, call: _Call) -> None:
        """Send the request to the provider, and its answer to the client, once it is accounted for."""
        passage, record, now = call.passage, call.record, self._gateway.seams.monotonic
        body = _Body(request)
        try:
            sent = {name: request.headers[name] for name in _SENT if name in request.headers}
            answer = await passage.send(exchange.method, call.target, sent, body.flow)
            record.status, record.answered = answer.status, now()
            try:
                if not is_success(answer):
                    raise await passage.refused(answer)
                exchange.waited += now() - record.started
                record.first = exchange.first = now()
                exchange.phase = "stream"
                json = answer.headers.get("content-type", "").startswith("application/json")
                if answer.status in _BODILESS:
                    call.close(answer.status)
                    await client.empty(answer.status, _headers(answer, passage, whole=True))
                elif json and call.resource == "message_batches":
                    written = await read_bounded(answer, _MOST_EDITED, passage.name)
                    edited = _RESULTS.sub(rb"\1\2", written)
                    call.close(answer.status)
                    await client.answer(answer.status, _headers(answer, passage, whole=True), edited)
                else:
                    await _flow(answer, passage, client, call.close)
            finally:
                answer.close()
        except RequestFailed as failed:
            if body.failure is not None:  # the client's body broke off: not the provider's fault
                raise body.failure from failed
            record.fault = failed.fault
            record.classify(passage.account.source)
            raise
        finally:
            record.ended = now()

    def _connected(self, exchange: Exchange) -> Callable[[], None]:
        """A function to be called when the request is about to be sent to the provider: it notes the time in
        `exchange`, and counts the request in the metrics.
        """

        def connected() -> None:
            exchange.connected(self._gateway.seams.monotonic)
            if (metrics := self._gateway.metrics) is not None:
                metrics.sent(exchange.answered)

        return connected

    def _passage(self, resource: Resource, request: HttpRequest, form: str) -> Passage:
        """The provider to which the request goes. form: of the client's protocol, from `_form`. Raises
        RequestFailed: 403 for a key limited to some models or to other providers, 501 if no provider has the
        resource, 400 if the client names another provider, or several have it and it names none.
        """
        if request.caller.models is not None:
            raise RequestFailed(_LIMITED)
        able = {
            name: passage
            for name, passage in self._gateway.passages.items()
            if resource in passage.resources and _form(passage.dialect) == form
        }
        granted = request.caller.may.providers
        if granted is not None and able:
            able = {name: passage for name, passage in able.items() if name in granted}
            if not able:
                raise RequestFailed(NO_PROVIDER)
        if not able:
            text = (
                f"No provider is configured to pass {resource!r} through for this protocol (setting "
                "providers.NAME.passthrough)."
            )
            raise RequestFailed(ir.Fault("not_implemented", text, "not_implemented", blame="gateway"))
        wished = request.headers.get(CHOICE)
        if wished is None and len(able) == 1:
            wished = next(iter(able))
        if wished not in able:
            said = "Several providers offer"
            if wished is not None:
                said = f"{wished[:64]!r} is not one of the providers that offer"
            text = f"{said} {resource!r}: choose one of {', '.join(able)} in the header {CHOICE}."
            raise RequestFailed(ir.Fault("invalid_request", text, "unknown_provider", CHOICE))
        return able[wished]

    def _open(self, passage: Passage) -> Passage:
        """The passage, if an operator has disabled neither its provider nor the key that it uses."""
        if self._gateway.providers_health.shut(passage.name):
            raise RequestFailed(NOBODY)
        return passage


def _form(dialect: Dialect) -> str:
    """The name of the protocol in whose form the resources of a dialect are: the dialect itself, if clients
    show it by headers; else OpenAI's.
    """
    return dialect.name if dialect.face is not None and dialect.face.client_headers else DEFAULT.name


class _Body:
    """A client's body on its way to the provider. flow: the bytes to send; None = the endpoint takes no body.
    failure: the error by which the client's sending broke off; None = it did not.
    """

    def __init__(self, request: HttpRequest) -> None:
        self.failure: Exception | None = None
        self.flow: bytes | Flow | None = None
        if request.parts is not None:
            length = request.headers.get("content-length", "0")
            chunked = "transfer-encoding" in request.headers
            if chunked or length != "0":
                size = None if chunked else stated_size(length)
                self.flow = Flow(self._watched(request.parts), size)
            else:
                self.flow = b""

    async def _watched(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for part in parts:
                yield part
        except (RequestFailed, ClientGone) as failed:
            self.failure = failed
            raise


async def _flow(answer: Answer, passage: Passage, client: HttpClient, closing: Callable[[int], None]) -> None:
    """Pass an answer on. closing: called with its status before its end."""
    kind = answer.headers.get("content-type", _ANY)
    client.streaming = Streaming(kind.encode("latin-1", "replace"))
    # A decoded body has another length. The length stated beside chunks cannot be trusted.
    other = "content-encoding" in answer.headers or "transfer-encoding" in answer.headers
    await client.begin(answer.status, _headers(answer, passage, whole=other))
    while chunk := await answer.chunk():
        await client.write(chunk)
    closing(answer.status)
    await client.end()


def _headers(answer: Answer, passage: Passage, *, whole: bool) -> list[tuple[bytes, bytes]]:
    """The headers for the client: the provider's that are passed on, those that keep browsers from running
    the answer as a page, and the provider's name. whole: without the provider's content-length.
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


def _target(path: str, request: HttpRequest) -> str:
    """The path and query for the provider, without the client key. Raises RequestFailed (404: invalid id)."""
    for name, value in request.params.items():
        if not _ID.fullmatch(value):
            text = f"There is no resource {value[:64]!r}."
            raise RequestFailed(ir.Fault("not_found", text, "not_found"))
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    pairs = [pair for pair in parse_qsl(request.search, keep_blank_values=True) if pair[0].lower() != "key"]
    return f"{path}?{urlencode(pairs)}" if pairs else path


_TUNED: Final = re.compile(r"ft:|[^:]+:ft-")
"""Matches names of fine-tuned models, also in OpenAI's old form (`davinci:ft-acme-2023-01-01`)."""
_LIMITED: Final = ir.Fault(
    "permission",
    "This API key is limited to some models, so it cannot use files, batches and other "
    "resources of a provider's account.",
    "key_limited_to_models",
)
