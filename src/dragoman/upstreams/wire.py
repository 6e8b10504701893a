"""A provider over HTTP: dialect + account + transport.

A provider that speaks several dialects has an upstream for each, with the same accounts and transport; the
first of them knows the others and says which one to ask.

`send` is what relaying uses: bytes in, frames out. `chat` and `complete` go through the IR. Everything
that is the same for all requests (URLs, headers with the credential, extra body) is made once.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing, asynccontextmanager
from typing import Any, Protocol
from urllib.parse import quote

import msgspec
from multidict import CIMultiDict
from yarl import URL

from dragoman import ir
from dragoman.dialects.bounds import Kept
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.facts import Facts
from dragoman.dialects.forms import edited
from dragoman.dialects.operation import AnyProviderSide, Outgoing
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.reply import Framing
from dragoman.dialects.request import Operation, Target, WireRequest
from dragoman.errors import RequestFailed, WireError
from dragoman.net.transport import Answer, Transport
from dragoman.providers.catalog import LIST_PATHS
from dragoman.routing.apis import Lesson, choose, lesson_of, taught
from dragoman.routing.outcome import refuses_sealing
from dragoman.routing.route import deep_merge
from dragoman.upstreams import hops
from dragoman.upstreams.answers import (
    DEFAULT_LIMITS,
    LIMITED,
    PART,
    TOO_DEEP,
    AnswerLimits,
    Parts,
    read_refusal,
    refuse_blocks,
    too_long,
    unexpected,
)
from dragoman.upstreams.upstream import Batches, Call, collected
from dragoman.version import __version__
from dragoman.wire.json import decode_object, encode, reworded
from dragoman.wire.jsonarray import JSONArraySplitter
from dragoman.wire.multipart import Pieces, content_type, written
from dragoman.wire.ndjson import NDJSONSplitter
from dragoman.wire.sse import SSESplitter

_TELLING = 8
"""Characters that a secret has at least. Shorter header values ("eu") are none, and part of many words."""
_MOST_SECRETS = 64
"""Secrets of one account that are remembered, those that have been replaced included."""
_OURS = frozenset({"kind", "blame"})
"""What of a fault is not a provider's to word."""


_MOST_MET = 1024
"""Models of a provider that something is remembered of."""


class Splitter(Protocol):
    """Cuts a stream's bytes into frames, however they arrive. Raises WireError for what is no such stream."""

    def feed(self, chunk: bytes, /) -> list[bytes]:
        """The frames that are complete now."""
        ...

    def close(self) -> list[bytes]:
        """The bytes have ended: what is left."""
        ...


SPLITTERS: Mapping[str, Callable[[int], Splitter]] = {
    "sse": SSESplitter,
    "json_array": JSONArraySplitter,
    "ndjson": NDJSONSplitter,
}
"""What cuts a stream into frames of at most so many bytes, by a dialect's framing."""


class Account(msgspec.Struct, frozen=True):
    """One credential of a provider, ready to use. tail: its last characters, for people. secrets: what of
    its headers nobody may be told.
    """

    headers: Mapping[str, str]
    tail: str | None = None
    secrets: tuple[str, ...] = ()

    def succeeding(self, before: Account) -> Account:
        """This account in the place of another, whose secrets answers to earlier calls may still repeat."""
        retired = [one for one in before.secrets if one not in self.secrets]
        return msgspec.structs.replace(self, secrets=(*self.secrets, *retired)[:_MOST_SECRETS])

    def discreet(self, fault: ir.Fault, more: Iterable[str] = ()) -> ir.Fault:
        """The fault without these secrets, should it repeat one. more: others of the call."""
        secrets = [one for one in (*self.secrets, *more) if len(one) >= _TELLING]

        def hide(text: str) -> str:
            for secret in secrets:
                text = text.replace(secret, "[redacted]")
            return text

        told = {
            name: reworded(getattr(fault, name), hide)
            for name in fault.__struct_fields__
            if name not in _OURS
        }
        return msgspec.structs.replace(fault, **told)


class Address:
    """An endpoint's address, in which `{model}` stands for the model's name."""

    def __init__(self, url: str) -> None:
        self._before, named, self._after = url.partition("{model}")
        self._folder = self._before.rstrip("/").rpartition("/")[2] + "/"
        self._fixed = None if named else URL(url, encoded=True)
        self._met: dict[str, URL] = {}

    def of(self, model: str) -> URL:
        """The address for one model. A name that repeats the folder it lies in ("models/…") means the same.

        A name is one segment of the path, whatever a client put into it.
        """
        if self._fixed is not None:
            return self._fixed
        url = self._met.get(model)
        if url is None:
            if len(self._met) >= _MOST_MET:
                self._met.clear()
            name = quote(model.removeprefix(self._folder), safe="")
            url = self._met[model] = URL(self._before + name + self._after, encoded=True)
        return url


class WireUpstream:
    """One configured provider that speaks a dialect over HTTP.

    chat_url, stream_url: where chat is asked for. base_url: what the paths of other operations follow, None =
    it cannot be told; bases: those that follow another. models: patterns of the only names that can be
    asked for here, None = all. further: the same provider in its other dialects, the best first. yields:
    headers of the accounts that give way to a request's own. limits: what its answers may be at most.
    """

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        transport: Transport,
        *,
        chat_url: str,
        stream_url: str | None = None,
        base_url: str | None = None,
        bases: Mapping[str, str] = {},
        accounts: Sequence[Account] = (Account({}),),
        quirks: Quirks = STANDARD,
        models: Sequence[str] | None = None,
        further: Sequence[WireUpstream] = (),
        yields: Collection[str] = (),
        limits: AnswerLimits = DEFAULT_LIMITS,
    ) -> None:
        self.name = name
        self.dialect = dialect
        self.limits = limits
        self.quirks = quirks
        self.accounts = tuple(accounts)
        self._transport = transport
        self._chat = Address(chat_url)
        self._streamed_chat = Address(stream_url or chat_url)
        self._list = None if base_url is None else URL(base_url + LIST_PATHS[dialect.name], encoded=True)
        self._operations: dict[Operation, dict[str, Address]] = {}
        self._codecs = dialect.asked()
        for operation, codec in self._codecs.items():
            if operation == "count" and not quirks.counts:
                continue
            if (base := bases.get(operation, base_url)) is not None:
                self._operations[operation] = {path: Address(base + path) for path in codec.paths}
        self._headers = [_prepared(account.headers) for account in self.accounts]
        self._yields = frozenset(yields)
        self._serves = None if models is None else re.compile("|".join(map(fnmatch.translate, models)))
        self._spoken = {upstream.dialect.name: upstream for upstream in (self, *further)}
        self._lessons: dict[str, Lesson] = {}
        self._thoughtless: set[str] = set()  # models that were found not to think

    def renew(self, accounts: Sequence[Account]) -> None:
        """Call with other credentials from now on: as many as before, for calls that run count on theirs."""
        self.accounts = tuple(
            after.succeeding(before) for after, before in zip(accounts, self.accounts, strict=True)
        )
        self._headers = [_prepared(account.headers) for account in self.accounts]

    def in_dialect(self, name: str) -> WireUpstream:
        """This provider in one of its dialects."""
        return self._spoken[name]

    def spoken(
        self,
        face: str,
        model: str,
        facts: Facts,
        asked: Callable[[], ir.Request],
        preferred: str | None = None,
    ) -> WireUpstream:
        """This provider in the dialect that an attempt asks in, see `apis.choose`."""
        if len(self._spoken) == 1:
            return self
        offered: list[str] = []
        lessons: dict[str, Lesson] = {}
        for name, upstream in self._spoken.items():
            if upstream._serves is None or upstream._serves.match(model):
                offered.append(name)
            if (lesson := upstream._lessons.get(model)) is not None:
                lessons[name] = lesson
        if lessons:
            facts = taught(facts, offered, lessons)
        return self._spoken[choose(face, offered, facts, asked, preferred)]

    def learns(self, model: str, fault: ir.Fault) -> bool:
        """Whether a failure tells something about asking for this model in this dialect; it is kept. It need
        not be new: others may have been told the same in the meantime.
        """
        lesson = lesson_of(fault)
        if lesson is None:
            return False
        if len(self._lessons) >= _MOST_MET and model not in self._lessons:
            self._lessons.clear()
        self._lessons[model] = lesson
        return True

    def facts(self, model: str, known: Facts) -> Facts:
        """What is known of a model, with what a refusal told."""
        return msgspec.structs.replace(known, reasoning=False) if model in self._thoughtless else known

    def learns_thoughtless(self, model: str, fault: ir.Fault) -> bool:
        """Whether a failure tells that a model does not think, so that nothing sealed may be asked of it."""
        if not refuses_sealing(fault):
            return False
        if len(self._thoughtless) >= _MOST_MET and model not in self._thoughtless:
            self._thoughtless.clear()
        self._thoughtless.add(model)
        return True

    def able(self, operation: Operation, face: str) -> WireUpstream | None:
        """This provider in a dialect in which it can be asked for this, that of the face if it can; None = it
        has nothing of the kind.
        """
        offered = {name: one for name, one in self._spoken.items() if operation in one._operations}
        return offered.get(face) or next(iter(offered.values()), None)

    def codec(self, operation: Operation) -> AnyProviderSide:
        """How an operation is asked for here. Only one that is `able` has it."""
        return self._codecs[operation]

    def send(
        self, body: bytes, call: Call, headers: Mapping[str, str] | None = None, *, stream: bool = False
    ) -> Awaitable[Answer]:
        """POST a chat request's body as it is. headers: the client's, already reduced to what may pass; the
        operator's own for the provider go before them, and what the configuration adds for the model before
        both. stream: whether the body asks for one, where that is said in the path.
        """
        url = (self._streamed_chat if stream else self._chat).of(call.model)
        call.watch.start()
        return self._transport.send("POST", url, self._prepared(call, headers), body, call.timers)

    def ask(
        self, outgoing: Outgoing, call: Call, headers: Mapping[str, str], operation: Operation
    ) -> Awaitable[Answer]:
        """POST a request for another operation, JSON or a form. headers: as for `send`."""
        url = self._operations[operation][outgoing.path].of(call.model)
        prepared = self._prepared(call, headers)
        if isinstance(outgoing.body, bytes):
            body: bytes | Pieces = outgoing.body
        else:
            boundary = call.attempt.encode()  # random, and nobody knows it before
            prepared = CIMultiDict(prepared)
            prepared["content-type"] = content_type(boundary)
            body = written(outgoing.body, boundary)
        call.watch.start()
        return self._transport.send("POST", url, prepared, body, call.timers)

    @property
    def lists_models(self) -> bool:
        """Whether it is known where this provider would list its models."""
        return self._list is not None

    async def listed(self, call: Call, *, signed: bool = True) -> bytes:
        """The list of its models, in its own words. signed: with the key of the call's account, and whatever
        else is secret in its headers. Raises RequestFailed.
        """
        assert self._list is not None
        secrets = () if signed else self.accounts[call.account].secrets
        headers = CIMultiDict(
            (name, value)
            for name, value in self._headers[call.account].items()
            if name != "content-type" and not any(secret and secret in value for secret in secrets)
        )
        answer = await self._transport.send("GET", self._list, headers, None, call.timers)
        try:
            if not is_success(answer):
                raise await self.refused(answer)
            return await answer.read()
        finally:
            answer.close()

    def _prepared(self, call: Call, headers: Mapping[str, str] | None) -> CIMultiDict[str]:
        prepared = self._headers[call.account]
        if headers or call.headers:
            prepared = prepared.copy()
            if headers:
                for key, value in headers.items():
                    if key in self._yields or key not in prepared:
                        prepared[key] = value
            if call.headers:
                prepared.update(call.headers)
        if passed := hops.passed():
            prepared = CIMultiDict(prepared)
            prepared[hops.HEADER] = str(passed + 1)
        return prepared

    def encode(self, request: ir.Request, call: Call) -> WireRequest:
        """The request in this provider's words, with the configured extra body merged in."""
        target = Target(call.report, call.model, self.quirks, call.facts)
        wire = self.dialect.request.encode(request, target)
        if call.body:
            wire.body = deep_merge(wire.body, call.body)
        return wire

    def encode_operation(self, operation: Operation, request: Any, call: Call) -> WireRequest:
        """The same for a request for another operation. What is merged into a form are texts."""
        target = Target(call.report, call.model, self.quirks, call.facts)
        codec = self.codec(operation)
        wire = codec.encode(request, target)
        if call.body and wire.fields:
            wire.fields = edited(wire.fields, call.body)
        elif call.body:
            wire.body = deep_merge(wire.body, call.body)
        return codec.finish(wire)

    async def _post(self, request: ir.Request, call: Call) -> Answer:
        wire = call.encoded or self.encode(request, call)
        answer = await self.send(encode(wire.body), call, wire.headers, stream=request.stream)
        if not is_success(answer):
            try:
                raise await self.refused(answer)
            finally:
                answer.close()
        return answer

    async def refused(self, answer: Answer) -> RequestFailed:
        """The fault of an answer that is none: an error, or of a status that was not asked for."""
        if not _REFUSES <= answer.status <= _LAST_STATUS:
            return unexpected(self.name, answer.status)
        fault = self.dialect.errors.decode(answer.status, answer.headers, await read_refusal(answer))
        return RequestFailed(fault)

    def discreet(self, fault: ir.Fault, call: Call) -> ir.Fault:
        """The fault without the secrets that the call carried, should it repeat one."""
        return self.accounts[call.account].discreet(fault, (call.headers or {}).values())

    async def complete(self, request: ir.Request, call: Call) -> bytes | ir.Response:
        """The whole answer to one chat request, for `decode`; decoded where it came as a stream."""
        answer = await self._post(request, call)
        try:
            if streams(answer):
                return await self.collect(answer)
            body = await answer.read()
            call.watch.stop()
            return body
        finally:
            answer.close()

    async def collect(self, answer: Answer) -> ir.Response:
        """The whole answer of a provider that streams although it was not asked to."""
        async with aclosing(self._events(answer, self.dialect.stream.framing)) as batches:
            return await collected(batches)

    def decode(self, body: bytes) -> ir.Response:
        """A whole answer; what is no answer of the dialect, or too much of one, is the upstream's fault."""
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
        """Answer one chat request as events."""
        answer = await self._post(request, call)
        try:
            framing: Framing | None = self.dialect.stream.framing
            if answer.headers.get("content-type", "").startswith("application/json"):
                framing = self.dialect.stream.json_framing
            if framing is None:
                events = _one(list(ir.unfold(self.decode(await answer.read()))))
            else:
                events = self._events(answer, framing)
            async with aclosing(events) as batches:
                yield batches
        finally:
            answer.close()

    async def _events(self, answer: Answer, framing: Framing) -> AsyncGenerator[Sequence[ir.Event], None]:
        limits = self.limits
        decoder = self.dialect.stream.decoder(self.quirks)
        splitter = SPLITTERS[framing](limits.event)
        unsuspicious, most = limits.unsuspicious, limits.stream
        parts = Parts()
        kept = Kept(limits.event_values)
        size = opened = 0
        batch: list[ir.Event] = []
        try:
            while chunk := await (parts.next() if parts.more else answer.chunk()):
                if len(chunk) > PART:
                    chunk = parts.first(chunk)
                size += len(chunk)
                if size > most:
                    raise too_long(limits)
                batch = []
                for frame in splitter.feed(chunk):
                    if len(frame) > unsuspicious:
                        limits.hold_event(frame)
                    batch.extend(decoder.feed(frame))
                opened = refuse_blocks(batch, opened, limits, kept)
                yield batch  # an empty one tells that what came says nothing
            batch = []
            for frame in splitter.close():
                limits.hold_event(frame)
                batch.extend(decoder.feed(frame))
            batch.extend(decoder.close())
            refuse_blocks(batch, opened, limits, kept)
            yield batch
        except WireError as error:
            # What came before the error in the same read is part of the answer.
            yield [*batch, ir.Error(unreadable(self.name, error).fault)]
        except RecursionError:
            yield [*batch, ir.Error(unreadable(self.name, WireError(TOO_DEEP)).fault)]


_STREAMS = ("text/event-stream", "application/x-ndjson")
_REFUSES, _LAST_STATUS = 400, 599


def is_success(answer: Answer) -> bool:
    """Whether an answer is one, by its status."""
    return 200 <= answer.status < 300


def streams(answer: Answer) -> bool:
    """Whether an answer says of itself that it is a stream."""
    return answer.headers.get("content-type", "").startswith(_STREAMS)


async def _one(batch: Sequence[ir.Event]) -> AsyncGenerator[Sequence[ir.Event], None]:
    yield batch


def unreadable(name: str, error: WireError) -> RequestFailed:
    """The upstream sent what its dialect does not allow, or more than it may."""
    return RequestFailed(
        ir.Fault(
            "upstream",
            f"{name} sent a response that cannot be parsed: {error}",
            code=error.code if error.code in LIMITED else "unreadable",
            blame="upstream",
        )
    )


def _prepared(headers: Mapping[str, str]) -> CIMultiDict[str]:
    fixed = {
        "content-type": "application/json",
        "accept": "*/*",
        "accept-encoding": "identity",  # a compressed stream would come in lumps
        "user-agent": f"dragoman/{__version__}",
        hops.HEADER: "1",
    }
    return CIMultiDict({**fixed, **headers})
