"""A provider over HTTP: a protocol (dialect), the accounts and a transport.

A provider with several protocols has one upstream for each, with the same keys and transport. The first of
these upstreams chooses one for a request. The engine relays a chat with `send` and translates it with `chat`
or `complete`; `ask` is for other operations, `dial` for realtime sessions.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from copy import copy
from typing import Any, Final, Protocol

import msgspec
from yarl import URL

from dragoman import ir
from dragoman.dialects.access import ModelList
from dragoman.dialects.dialect import Abilities, Dialect
from dragoman.dialects.emulate import can_force
from dragoman.dialects.facts import Facts
from dragoman.dialects.forms import edited
from dragoman.dialects.live import TRANSCRIBING
from dragoman.dialects.merging import merged
from dragoman.dialects.operation import AnyProviderSide, Outgoing
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.reply import Framing
from dragoman.dialects.request import Operation, Target, WireRequest
from dragoman.dialects.service import Service
from dragoman.errors import RequestFailed, WireError
from dragoman.net.client import Head
from dragoman.net.transport import Answer, Transport
from dragoman.providers.vendor import expression
from dragoman.routing.apis import Lesson, choose, taught
from dragoman.routing.ratelimits import hints, rest, spent
from dragoman.seams.clock import SYSTEM
from dragoman.upstreams.account import Account, Redaction
from dragoman.upstreams.address import Address
from dragoman.upstreams.answers import DEFAULT_LIMITS, AnswerLimits, read_refusal, unexpected
from dragoman.upstreams.form import PAGE, SPLITTERS, framing_of, is_success, page, streams, unreadable
from dragoman.upstreams.hosted import HostedDecoder, refusal_of
from dragoman.upstreams.lessons import Lessons
from dragoman.upstreams.parameters import parameter
from dragoman.upstreams.reading import events
from dragoman.upstreams.sender import Sender
from dragoman.upstreams.upstream import Batches, Call, collected
from dragoman.wire.json import decode_object, encode
from dragoman.wire.multipart import Pieces, content_type, written

_AT_LIMIT = 429


class Spent(Protocol):
    """Called when an answer says that a key's rate limit for a model is used up, unless its status is 429.
    key: the id of the key's account. pause: seconds until the limit is reset. now: monotonic seconds.
    """

    def __call__(self, key: str, model: str, pause: float, now: float) -> None: ...


class WireUpstream:
    """One configured provider that speaks a dialect over HTTP.

    chat_url: the URL of chat. stream_url: the URL of streamed chat, None = `chat_url`. base_url: the
    beginning of the URLs of the model list and the other operations, None = only `bases` and `list_base` have
    such URLs. bases: {operation: the base URL used instead of `base_url`}. list_base: the base URL of the
    model list, unless `bases` has one for `models`; None = `base_url`. live_urls: {"": the URL of realtime
    sessions with its query, TRANSCRIBING: the same for those that only transcribe}; {} = there are none.
    query: added to the end of every URL except `live_urls` ("?api-version=2024-10-21"). models: patterns of
    the models that this dialect can be used for (`!` before a pattern excludes models), None = all. further:
    the provider's upstreams in other dialects, best first. yields: names of headers for which the value in
    the request is used instead of the account's. service: the vendor's own API for operations beside chat,
    None = it has none. host: the first protocol of the cloud that hosts this one, in which the cloud itself
    reports its failures; None = no cloud hosts it. base_models: {name: the model behind it} for names that do
    not show the model. listing: the form of the model list, None = the dialect's (no list if `service.chats`
    is False).
    """

    success: Final = 200

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        transport: Transport,
        *,
        chat_url: str,
        stream_url: str | None = None,
        base_url: str | None = None,
        list_base: str | None = None,
        bases: Mapping[str, str] = {},
        live_urls: Mapping[str, str] = {},
        query: str = "",
        accounts: Sequence[Account] = (Account({}),),
        quirks: Quirks = STANDARD,
        models: Sequence[str] | None = None,
        further: Sequence[WireUpstream] = (),
        yields: Collection[str] = (),
        limits: AnswerLimits = DEFAULT_LIMITS,
        service: Service | None = None,
        host: Dialect | None = None,
        base_models: Mapping[str, str] = {},
        listing: ModelList | None = None,
    ) -> None:
        self.name = name
        self.dialect = dialect
        self.language = dialect.name
        self.native: Abilities = dialect.abilities
        self.limits = limits
        self.silence = limits.silence
        self.quirks = quirks
        self.chat_url = chat_url
        self._chat = Address(chat_url + query)
        self._streamed_chat = Address((stream_url or chat_url) + query)
        listed = bases.get("models", list_base or base_url)
        chats = service is None or service.chats
        self.listing = listing or (dialect.models if chats else ModelList(path=""))
        """The form of the provider's list of models. If its `path` is "", there is no list."""
        self._list = (
            None
            if listed is None or not self.listing.path
            else URL(listed + self.listing.path + query, encoded=True)
        )
        self._operations: dict[Operation, dict[str, Address]] = {}
        self._service = service
        self._host = host
        self._base_models = base_models
        self.chats = chats
        self._codecs: dict[Operation, AnyProviderSide] = {}
        if self.chats:
            self._codecs = {name: codec.suited(quirks) or codec for name, codec in dialect.asked().items()}
        if service is not None:
            self._codecs.update(service.sides)
        for operation, codec in self._codecs.items():
            if operation == "count" and not quirks.counts:
                continue
            if (base := bases.get(operation, base_url)) is not None:
                self._operations[operation] = {path: Address(base + path + query) for path in codec.paths}
        if live_urls:
            self._operations["realtime"] = {path: Address(url) for path, url in live_urls.items()}
        self._sender = Sender(
            transport,
            tuple(accounts),
            dialect.name,
            yields=yields,
            idempotency_keys=quirks.idempotency_keys,
        )
        self._serves = None if models is None else expression(models)
        self._spoken = {upstream.dialect.name: upstream for upstream in (self, *further)}
        self.sole = len(self._spoken) == 1
        self._unforced = frozenset(
            name for name, one in self._spoken.items() if not can_force(one.native, one.quirks)
        )
        self._lessons = Lessons()
        self.spent: Spent | None = None
        """Called when an answer says that a key's rate limit is used up, unless its status is 429; None =
        nothing is called.
        """

    def remember(self, before: WireUpstream) -> None:
        """Take over what this provider's upstream in the old configuration has learnt about models, for each
        dialect whose chat URL is the same as before.
        """
        for name, upstream in self._spoken.items():
            known = before._spoken.get(name)
            if known is not None and known.chat_url == upstream.chat_url:
                upstream._lessons = known._lessons

    def using(self, accounts: Mapping[str, Account], spent: Spent) -> WireUpstream:
        """Return a copy of this upstream, and of those in other dialects, that calls with another account
        over the same connections. accounts: one for each of the provider's dialects, by the dialect's name.
        spent: see the attribute `spent`.
        """
        copies = {name: copy(one) for name, one in self._spoken.items()}
        for name, one in copies.items():
            one._spoken, one.spent = copies, spent
            one._sender = one._sender.using((accounts[name],))
        return copies[self.language]

    async def close(self) -> None:
        """Remove all followers of the provider's credentials, also those that do not belong to this upstream.
        Drop the references to the upstreams in other dialects, to free memory without the garbage collector.
        The transport stays open.
        """
        self._sender.leave()
        for upstream in tuple(self._spoken.values()):
            upstream._spoken = {}

    @property
    def accounts(self) -> Sequence[Account]:
        """The accounts that this upstream calls with. If a credential can change, its account has the present
        lease.
        """
        return self._sender.accounts

    def spoken(
        self,
        face: str,
        model: str,
        facts: Facts,
        asked: Callable[[], ir.Request],
        preferred: str | None = None,
    ) -> WireUpstream:
        if len(self._spoken) == 1:
            return self
        offered: list[str] = []
        lessons: dict[str, Lesson] = {}
        base = self._base_models.get(model, model)
        for name, upstream in self._spoken.items():
            if upstream._serves is None or upstream._serves.match(base):
                offered.append(name)
            if (lesson := upstream._lessons.of(model)) is not None:
                lessons[name] = lesson
        offered = offered or [*self._spoken]
        if lessons:
            facts = taught(facts, offered, lessons)
        return self._spoken[choose(face, offered, facts, asked, preferred, unforced=self._unforced)]

    def learns(self, model: str, fault: ir.Fault) -> bool:
        return self._lessons.learns(model, fault)

    def learns_thoughtless(self, model: str, fault: ir.Fault) -> bool:
        return self._lessons.learns_thoughtless(model, fault)

    def facts(self, model: str, known: Facts) -> Facts:
        thoughtless = self._lessons.thoughtless
        return msgspec.structs.replace(known, reasoning=False) if model in thoughtless else known

    def able(self, operation: Operation, face: str, model: str = "") -> WireUpstream | None:
        """Return this provider's upstream in a dialect that has the operation for this model: `face`, the
        client's dialect, if it has the operation, else the first that has it; None = none has it. This
        upstream's own dialect has its operations, except `count`, for every model. model: "" = not known.
        """
        base, count = self._base_models.get(model, model), operation == "count"
        offered = {
            name: one
            for name, one in self._spoken.items()
            if operation in one._operations
            and (one._serves is None or (one is self and not count) or one._serves.match(base))
        }
        return offered.get(face) or next(iter(offered.values()), None)

    def codec(self, operation: Operation) -> AnyProviderSide:
        """Return the codec of an operation. Raises KeyError if there is none, as for a realtime session."""
        return self._codecs[operation]

    def send(
        self, body: bytes, call: Call, headers: Mapping[str, str] | None = None, *, stream: bool = False
    ) -> Awaitable[Answer]:
        """POST the body of a chat unchanged, and start `call.watch`. Return an answer of any status, which
        the caller must close. Raises RequestFailed if no answer comes, or no credential is valid. headers:
        those of this request, None = none. Headers of the same name replace them: those configured for the
        model and, unless they are in `yields`, those of the account and the gateway. stream: the body asks
        for a stream.
        """
        address = self._streamed_chat if stream else self._chat
        return self._sender.post(address, body, call, headers or {})

    def ask(
        self, outgoing: Outgoing, call: Call, headers: Mapping[str, str], operation: Operation
    ) -> Awaitable[Answer]:
        """Send the request for an operation that `able` has found, and start `call.watch`. Return an answer
        of any status, which the caller must close. Raises RequestFailed if no answer comes, or no credential
        is valid; DragomanError if the credential signs requests and the body is a form or a file. outgoing:
        JSON, a form or a file. headers: as for `send`.
        """
        address = self._operations[operation][outgoing.path]
        if isinstance(outgoing.body, bytes):
            return self._sender.post(address, outgoing.body, call, headers, outgoing=outgoing)
        if isinstance(outgoing.body, ir.File):
            body = Pieces([outgoing.body.data], len(outgoing.body.data))
            kind = outgoing.body.kind or "application/octet-stream"
        else:
            boundary = call.attempt.encode()  # random, so no client can put it into its data
            body, kind = written(outgoing.body, boundary), content_type(boundary)
        return self._sender.post(address, body, call, headers, outgoing=outgoing, kind=kind)

    async def dial(
        self, call: Call, headers: Mapping[str, str], search: str, *, transcribes: bool
    ) -> tuple[Head, Transport]:
        """Return the handshake request of a realtime session (unsent), and its transport. headers: as for
        `send`. search: appended to the URL ("&intent=…"). transcribes: whether the session only transcribes.
        Raises RequestFailed without a valid credential, and KeyError if the provider has no such sessions.
        """
        address = self._operations["realtime"][TRANSCRIBING if transcribes else ""]
        head = await self._sender.handshake(address, call, headers, search)
        return head, self._sender.transport

    @property
    def lists_models(self) -> bool:
        """Whether the URL of this provider's model list is known."""
        return self._list is not None

    async def listed(
        self,
        call: Call,
        *,
        signed: bool = True,
        query: Mapping[str, str] = {},
        largest: int | None = None,
    ) -> bytes:
        """Return the body of the provider's model list. The caller has checked `lists_models`. Raises
        RequestFailed if there is no answer, no success, or no valid credential, or if the list is too large.
        signed: False = leave out headers with secrets of the account. query: parameters for the URL; they
        replace those of the same name. largest: the most bytes, if less than the limit for all answers; None
        = that limit.
        """
        assert self._list is not None
        url = self._list.update_query(query) if query else self._list
        answer = await self._sender.get(url, call, signed=signed)
        try:
            if not is_success(answer):
                raise await self.refused(answer)
            return await answer.read(largest)
        finally:
            answer.close()

    def encode(self, request: ir.Request, call: Call) -> WireRequest:
        """Return the chat request in this dialect, with `call.body` merged into its body. If both have a
        field, the value in `call.body` is used; but two objects are merged in the same way. Raises WireError
        if the dialect cannot express the request.
        """
        target = self._target(call)
        wire = self.dialect.request.encode(request, target)
        if call.body:
            wire.body = merged(wire.body, call.body, self.dialect.spelling)
        return wire

    def _target(self, call: Call) -> Target:
        base = self._base_models.get(call.model)
        return Target(call.report, call.model, self.quirks, call.facts, base)

    def written(self, request: ir.Request, call: Call) -> Call:
        return msgspec.structs.replace(call, encoded=self.encode(request, call))

    def encode_operation(self, operation: Operation, request: Any, call: Call) -> WireRequest:
        """Return an encoded request for another operation than chat. `call.body` is merged into a JSON body,
        as by `encode`. In a form, it replaces the fields of the same names; None removes a field. If the body
        is a file, it sets parameters of the query. Raises WireError if the dialect cannot express the
        request, and KeyError if it lacks the operation.
        """
        target = self._target(call)
        codec = self.codec(operation)
        wire = codec.encode(request, target)
        if call.body and wire.fields:
            wire.fields = edited(wire.fields, call.body)
        elif call.body and wire.file is not None:
            wire.query.update((name, parameter(value)) for name, value in call.body.items())
        elif call.body:
            wire.body = merged(wire.body, call.body, self.dialect.spelling)
        return codec.finish(wire)

    def _post(self, request: ir.Request, call: Call) -> Awaitable[Answer]:
        """Send a chat request, encoded first if `call.encoded` is None. Return an answer of any status."""
        wire = call.encoded or self.encode(request, call)
        return self.send(encode(wire.body), call, wire.headers, stream=request.stream)

    async def refused(self, answer: Answer, operation: Operation = "chat") -> RequestFailed:
        """Return (not raise) the error in an answer whose status is not a success. For a status outside 400
        to 599, the error only names the status. Raises RequestFailed if the connection breaks, or if no bytes
        come within the idle time.
        """
        if not 400 <= answer.status <= 599:
            return unexpected(self.name, answer.status)
        redaction = Redaction(secret for account in self.accounts for secret in account.secrets)
        return self.refusal(answer.status, answer.headers, await read_refusal(answer, redaction), operation)

    def refusal(
        self, status: int, headers: Mapping[str, str], body: bytes, operation: Operation = "chat"
    ) -> RequestFailed:
        """Return (not raise) the error in an answer whose status is not a success, and whose body was already
        read. For a status outside 400 to 599, the error only names the status. The fault of a reached rate
        limit has a `retry_after` if the body or the headers state one.
        """
        if not 400 <= status <= 599:
            return unexpected(self.name, status)
        if (service := self._service) is not None and operation in service.sides:
            fault = service.decode_error(status, headers, body)
        elif self._host is not None:
            fault = refusal_of(self.dialect, self._host, status, headers, body)
        else:
            fault = self.dialect.errors.decode(status, headers, body)
        if fault.kind == "rate_limit" and fault.retry_after is None:
            fault = fault.changed(retry_after=rest(headers, SYSTEM.now()))
        return RequestFailed(fault)

    def headed(self, answer: Answer, call: Call) -> None:
        """Record that the head of an answer has come. If it says that the key's rate limit is used up, call
        `spent`, but not for the status 429: then the attempt's failure says the same.
        """
        call.watch.headed()
        if hints(answer.headers) and answer.status != _AT_LIMIT and self.spent is not None:
            pause = spent(answer.headers, SYSTEM.now())
            if pause is not None and (now := call.watch.answered) is not None:
                self.spent(self.accounts[call.account].id, call.model, pause, now)

    @property
    def dialects(self) -> Collection[WireUpstream]:
        """The upstreams in all dialects of this provider, including this one; after `close`, none."""
        return self._spoken.values()

    def told(self, fault: ir.Fault, call: Call, located: Callable[[ir.Fault], ir.Fault]) -> ir.Fault:
        """Return a copy of the fault with `[redacted]` in place of the account's secrets and the values of
        `call.headers`; those of fewer than 8 characters stay. `located` is not used: the parameter of a
        provider's fault is not a path in the IR.
        """
        return self.accounts[call.account].discreet(fault, (call.headers or {}).values())

    async def complete(self, request: ir.Request, call: Call) -> bytes | ir.Response:
        answer = await self._post(request, call)
        self.headed(answer, call)
        try:
            if not is_success(answer):
                raise await self.refused(answer)
            if streams(answer):
                return await self.collect(answer)
            body = await answer.read()
            call.watch.stop()
            return body
        finally:
            answer.close()

    async def collect(self, answer: Answer) -> ir.Response:
        """Return the complete answer that a provider streams unasked. Raises RequestFailed if the stream
        breaks off, reports an error, cannot be read or exceeds a limit.
        """
        async with aclosing(self._events(answer, framing_of(self.dialect, answer))) as batches:
            return await collected(batches)

    def decode(self, body: bytes) -> ir.Response:
        try:
            suspicious = self.limits.hold_chat(body)
            value = decode_object(body)
            if suspicious:
                self.limits.hold_plain(value)
            return self.limits.hold_blocks(self.dialect.response.decode(value, self.quirks))
        except WireError as error:
            raise unreadable(self.name, error) from error

    @asynccontextmanager
    async def chat(self, request: ir.Request, call: Call) -> AsyncIterator[Batches]:
        answer = await self._post(request, call)
        self.headed(answer, call)
        try:
            if not is_success(answer):
                raise await self.refused(answer)
            framing: Framing | None = framing_of(self.dialect, answer)
            if (kind := answer.headers.get("content-type", "")).startswith("application/json"):
                framing = self.dialect.stream.json_framing
            elif kind.startswith(PAGE):
                raise page(self.name)
            if framing is None:
                events = _one(list(ir.unfold(self.decode(await answer.read()))))
            else:
                events = self._events(answer, framing)
            async with aclosing(events) as batches:
                yield batches
        finally:
            answer.close()

    def _events(self, answer: Answer, framing: Framing) -> AsyncGenerator[Sequence[ir.Event], None]:
        decoder = self.dialect.stream.decoder(self.quirks)
        if self._host is not None and (told := self._host.errors.decode_frame) is not None:
            decoder = HostedDecoder(decoder, told)
        return events(answer, SPLITTERS[framing](self.limits.event), decoder, self.limits, self.name)


async def _one(batch: Sequence[ir.Event]) -> AsyncGenerator[Sequence[ir.Event], None]:
    yield batch
