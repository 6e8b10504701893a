"""Files, batches, fine-tuning jobs and similar resources of a provider: requests are passed through to it.

Bodies pass byte for byte in both directions and are not stored. One thing is edited: the address of a batch's
results (`_RESULTS`). The paths and methods that pass are listed in `dialects.resources`, the headers here.
Ids are the provider's own. A client key that is limited to some models may not use these paths, because a
batch can name any model. The provider is the only one that has the resource and speaks the client's protocol,
or, among several, the one that the header `X-Dragoman-Provider` names.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from dragoman import ir
from dragoman.dialects.access import Face
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.resources import PATHS, Resource
from dragoman.dialects.table import DEFAULT, faces
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.net.connector import CONNECTED
from dragoman.net.transport import Answer, Flow
from dragoman.server.bodies import stated_size
from dragoman.server.client import AsgiClient, ClientGone
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest
from dragoman.upstreams.answers import read_bounded
from dragoman.upstreams.passage import Passage
from dragoman.upstreams.wire import is_success
from dragoman.wire.inert import inert_headers

if TYPE_CHECKING:
    from dragoman.assembly.core import Core

CHOICE: Final = "x-dragoman-provider"
_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.:-]{0,255}")
"""The form of a resource's id. No such id can lead to another path."""
_SENT: Final = frozenset(
    {
        *("accept", "content-encoding", "content-type", "idempotency-key", "range", "x-client-request-id"),
        *("anthropic-beta", "anthropic-version", "openai-beta"),
    }
)
"""The client's headers that are sent to the provider."""
_ANSWERED: Final = frozenset({"accept-ranges", "content-range", "etag", "last-modified"})
"""The provider's headers that are passed on to every client. Those of the client's protocol are added, and
the body's length and disposition after a check.
"""
_ANY: Final = "application/octet-stream"
_BODILESS: Final = frozenset({204, 205})
_MOST_EDITED: Final = 16_000_000
"""The most bytes of an answer about batches, read whole to be edited; a thousand batches are 1 MB."""


_RESULTS: Final = re.compile(
    rb'("results_url"\s*:\s*")https?://[^"]*?(/v1/messages/batches/[A-Za-z0-9_-]+/results")'
)
"""Finds the address of a batch's results. Official clients call it with their own key, which is a key of this
gateway. Without the origin, the address is relative to the client's base URL, and so leads here.
"""


class PassThroughApi:
    """The endpoints of passed-through resources at one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway

    def endpoints(self) -> Iterator[Endpoint]:
        """Yield every path of a resource. Headers tell which protocol a client of `/v1/files` speaks."""
        known: set[str] = set()
        for dialect, face in faces():
            for resource in sorted(dialect.resources):
                shared = not face.client_headers and any(_tell(other, resource) for other in faces())
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

    async def delete_model(self, request: HttpRequest, exchange: Exchange, client: AsgiClient) -> None:
        """Delete a fine-tuned model at its provider.

        Raises RequestFailed: 403 for a model of another kind, 404 for an unknown model, and the errors of
        `_pass`.
        """
        name = request.params["model"]
        exchange.asked = name
        first, _, rest = name.partition("/")
        model = rest if first in self._gateway.passages else name
        if not _TUNED.match(model):
            self._gateway.engine.table.entry(name)
            raise RequestFailed(_undeletable(name))
        headers = {**request.headers, CHOICE: first} if model != name else request.headers
        request = msgspec.structs.replace(request, params={"model": model}, headers=headers)
        path = "/models/{model}"
        await self._pass(request, exchange, client, resource="fine_tuning", path=path, face=DEFAULT)

    async def _pass(
        self,
        request: HttpRequest,
        exchange: Exchange,
        client: AsgiClient,
        *,
        resource: Resource,
        path: str,
        face: Dialect,
    ) -> None:
        told = (one for one, where in faces() if resource in one.resources and where.serves(request.headers))
        passage = self._passage(resource, request, _form(next(told, face)))
        target = _target(path, request)
        now = self._gateway.seams.monotonic
        record = AttemptRecord(
            f"{exchange.id}-1", f"{passage.name}/{resource}", passage.account.tail, "relay", now()
        )
        exchange.attempts.append(record)
        exchange.phase, exchange.mode, exchange.answered = "connect", "relay", record.deployment
        CONNECTED.set(exchange.connected)
        body = _Body(request)
        try:
            answer = await passage.send(exchange.method, target, _sent(request.headers), body.flow)
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
            if body.failure is not None:  # the client's body broke off: not the provider's fault
                raise body.failure from failed
            record.fault = failed.fault
            raise
        finally:
            record.ended = now()
        exchange.phase = "done"

    def _passage(self, resource: Resource, request: HttpRequest, form: str) -> Passage:
        """The provider to which the request goes. form: from `_form`. Raises RequestFailed: 403 for a key
        limited to some models, 501 if no provider has the resource, 400 if the client must choose one.
        """
        if request.caller.models is not None:
            raise RequestFailed(_LIMITED)
        able = {
            name: passage
            for name, passage in self._gateway.passages.items()
            if resource in passage.resources and _form(passage.dialect) == form
        }
        if not able:
            raise RequestFailed(_nobody(resource))
        wished = request.headers.get(CHOICE)
        if wished is None and len(able) == 1:
            return next(iter(able.values()))
        if wished not in able:
            raise RequestFailed(_unnamed(resource, wished, list(able)))
        return able[wished]


def _tell(served: tuple[Dialect, Face], resource: Resource) -> bool:
    """Whether this protocol has the resource, and its clients can be recognised by their headers."""
    dialect, face = served
    return resource in dialect.resources and bool(face.client_headers)


def _form(dialect: Dialect) -> str:
    """The form of a dialect's resources: its own name if headers show its clients, else OpenAI's."""
    return dialect.name if dialect.face is not None and dialect.face.client_headers else DEFAULT.name


class _Body:
    """A client's body while it is passed on. flow: None = no body. failure: an error on the client's side."""

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


async def _flow(answer: Answer, passage: Passage, client: AsgiClient) -> None:
    """Send the provider's answer to the client as it comes in."""
    kind = answer.headers.get("content-type", _ANY)
    client.streams_as(kind.encode("latin-1", "replace"))
    # A decoded body has another length. The length stated beside chunks cannot be trusted.
    other = "content-encoding" in answer.headers or "transfer-encoding" in answer.headers
    await client.begin(answer.status, _headers(answer, passage, whole=other))
    while chunk := await answer.chunk():
        await client.write(chunk)
    await client.end()


def _headers(answer: Answer, passage: Passage, *, whole: bool) -> list[tuple[bytes, bytes]]:
    """The headers for the client: the passed-on ones, and those that keep browsers from running the answer as
    a page.

    whole: True = leave out the provider's content-length, which does not fit the body that is sent.
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


def _target(path: str, request: HttpRequest) -> str:
    """The path and query for the provider, without the client key (query field `key`). Raises RequestFailed
    (404) for an invalid id.
    """
    for name, value in request.params.items():
        if not _ID.fullmatch(value):
            raise RequestFailed(
                ir.Fault("not_found", f"There is no resource {value[:64]!r}.", code="not_found")
            )
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    pairs = [pair for pair in parse_qsl(request.search, keep_blank_values=True) if pair[0].lower() != "key"]
    return f"{path}?{urlencode(pairs)}" if pairs else path


_TUNED: Final = re.compile(r"ft:|[^:]+:ft-")
"""Matches names of fine-tuned models, also in OpenAI's old form (`davinci:ft-acme-2023-01-01`)."""


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
