"""Relays a chat in the client's own protocol. Frames pass with few edits, and only the frames that the
gateway needs to read are decoded. If the upstream streams an answer that was requested whole, or the reverse,
the answer is translated.

One task reads and writes, so a client that reads slowly also slows the upstream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from dragoman import ir
from dragoman.capacity.heavy import MEDIUM
from dragoman.dialects.estimate import (
    EstimateUsage,
    Overheard,
    cost_so_far,
    is_incomplete,
    said_so_far,
    whole_cost,
)
from dragoman.dialects.loss import Change, Report
from dragoman.dialects.pieces import joined
from dragoman.dialects.relay import StreamRelay
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import WireRequest
from dragoman.dialects.streaming import Ending, StreamDecoder
from dragoman.engine.asked import Asked
from dragoman.engine.attempt import Attempt
from dragoman.engine.gathering import Gathered
from dragoman.engine.growth import Growth
from dragoman.engine.opening import Opening
from dragoman.engine.places import locator
from dragoman.engine.sealing import Sealing
from dragoman.engine.spent import prompt_tokens
from dragoman.engine.steps import whole
from dragoman.errors import RequestFailed, WireError
from dragoman.net.transport import Answer
from dragoman.providers.rates import USUAL_TIERS
from dragoman.upstreams.answers import PART, TOO_DEEP, AnswerLimits, Parts
from dragoman.upstreams.backend import over_http
from dragoman.upstreams.form import PAGE, SPLITTERS, is_success, page, streams, unreadable
from dragoman.upstreams.wire import WireUpstream
from dragoman.wire.json import decode_head, decode_object, encode, encode_head
from dragoman.wire.sse import SSESplitter

_STREAM: Final = {"stream": True}
_COUNTED_BYTES: Final = 1_000_000
"""The most bytes of a request whose body is kept during its stream, to estimate the usage if the stream
states none. For a larger request, only the size is kept.
"""
_HEARD_BYTES: Final = 65_536
_BYTES_PER_TOKEN: Final = 3.0
"""The fewest bytes of a stream for each of its tokens."""
_UNREAD: Final = 10
"""To pass this many bytes on takes as long as to decode one byte of JSON."""
_ODD_TIER: Final = re.compile(
    rb'"service_?[Tt]ier"\s*:\s*"(?!%b)' % b"|".join(b'%b"' % tier.encode() for tier in sorted(USUAL_TIERS))
)
"""Matches an answer that states a service tier with a price of its own."""
_TIER: Final = b'"service'
"""With this each match of `_ODD_TIER` begins. Plain bytes are found faster."""
_NO_RUN: Final = (b"", 0)
_TURNS: Final = 8
"""How many single events, each followed by a run of events, are handled in one read. The rest of the read is
handled frame by frame.
"""
_USAGE: Final = "stream_options.include_usage"
_WHY: Final = "requested for the gateway's own records; the client does not receive it"
_TOLD: Final = (Change(None, f"$.{_USAGE}", _WHY),)
_TOLD_ANYWAY: Final = (Change(f"$.{_USAGE}", f"$.{_USAGE}", _WHY),)


async def relay(attempt: Attempt) -> None:
    """Send the chat to an upstream of the client's protocol, and deliver its answer. Raises RequestFailed if
    the upstream refuses the request or fails, if its answer cannot be read, or if a limit ends the answer.
    """
    asked, call, upstream = attempt.asked, attempt.call, over_http(attempt.backend)
    if attempt.seals is not None:
        await _name_left_behind(attempt, attempt.seals)
    body = _body(attempt) if asked.light else await asked.look(_body, attempt)
    answer = await upstream.send(body, call, asked.said.wire.headers, stream=asked.streamed)
    del body  # it is as large as the request, and the answer may stream for long
    upstream.headed(answer, call)
    try:
        attempt.record.status = answer.status
        if not is_success(answer):
            raise await upstream.refused(answer)
        reply = attempt.reply(call.report, relayed=True)
        if not asked.streamed:
            if streams(answer):
                await _collect(attempt, upstream, answer)
            else:
                await _whole(attempt, upstream, answer, reply)
        elif (kind := answer.headers.get("content-type", "")).startswith("application/json"):
            await _unfold(attempt, upstream, answer, reply)
        elif kind.startswith(PAGE):
            raise page(upstream.name)
        else:
            await _Passage(attempt, upstream, answer, reply).run()
    finally:
        answer.close()


# --- The request ---------------------------------------------------------------------------------------


def _body(attempt: Attempt) -> bytes:
    """Return the body for the upstream: the client's own with edits. Records in the exchange the edits that
    request the usage and those that prevent storing.
    """
    asked = attempt.asked
    face, exchange = asked.face, asked.exchange
    edits = attempt.edits()
    if asked.streamed and (asking := face.relay.ask_usage(asked.wire.body)):
        edits = {**asking, **edits}
        options = asked.wire.body.get("stream_options") or {}
        exchange.changes += _TOLD_ANYWAY if options.get("include_usage") is False else _TOLD
    if face.request.unstored is not None:
        said = asked.wire.written or asked.wire.body
        unstored, changes = face.request.unstored(said, attempt.call.facts, attempt.backend.quirks)
        edits |= unstored
        exchange.changes += changes
    return face.relay.request(asked.said.head, edits)


async def _name_left_behind(attempt: Attempt, seals: Sealing) -> None:
    asked = attempt.asked
    pieces = await asked.step(joined, await asked.decoded())
    await seals.left_behind(pieces.request, attempt.scope, attempt.call.report)
    attempt.note_losses(pieces.located(locator(asked)))


# --- A whole answer ------------------------------------------------------------------------------------


def _edited(
    attempt: Attempt, upstream: WireUpstream, raw: bytes, reply: Reply
) -> tuple[bytes, ir.Usage | None]:
    """Return (the client's bytes of a whole answer, the usage that the answer states); usage None = it states
    none. raw: the received bytes. Raises RequestFailed if the answer has too many JSON values or cannot be
    read.
    """
    try:
        upstream.limits.hold_relayed(raw)
        return attempt.asked.face.relay.response(raw, reply)
    except WireError as error:
        raise unreadable(upstream.name, error) from error


async def _whole(attempt: Attempt, upstream: WireUpstream, answer: Answer, reply: Reply) -> None:
    """Pass a whole answer to the client, with an estimated usage if the answer states none. If the request's
    turn keeps answers, it stores this one; if it could not, the client gets the answer with `"store": false`.
    """
    asked, delivery = attempt.asked, attempt.delivery
    raw = await answer.read()
    attempt.call.watch.stop()
    attempt.record.first = delivery.now()
    if attempt.exchange.tier is not None or _has_odd_tier(raw):
        attempt.record.tier = asked.face.relay.tier(raw)
    args = (attempt, upstream, raw, reply)
    weight = len(raw) // _UNREAD
    data, usage = _edited(*args) if weight < MEDIUM else await asked.steps.run(weight, _edited, *args)
    if is_incomplete(usage):  # then the request's tokens are counted, too
        size = max(asked.weight, len(raw))
        data, usage = await asked.steps.run(size, _filled, attempt, upstream, raw, data)
    delivery.counted(usage)
    if asked.turn is not None and asked.turn.keeps:
        head = decode_head(data)
        if not await delivery.kept(Ending(head), reply):
            data = encode_head({**head, "store": msgspec.Raw(encode(False))})
    await delivery.body(data, attempt.call, delivery.passed(answer.headers))


def _has_odd_tier(raw: bytes) -> bool:
    """Whether an answer states a service tier with a price of its own. True may be wrong, because the bytes
    are searched without decoding them.
    """
    start = raw.find(_TIER)
    return start >= 0 and _ODD_TIER.search(raw, start) is not None


def _filled(
    attempt: Attempt, upstream: WireUpstream, raw: bytes, data: bytes
) -> tuple[bytes, ir.Usage | None]:
    """Return (the client's bytes of a whole answer, its usage), for an answer whose usage is incomplete. An
    estimated usage is added to the bytes. If the answer or the request cannot be decoded, the usage is that
    of `_prompted`, and the bytes stay. raw: the answer as received. data: the client's bytes without usage.
    """
    try:
        decoded, request = upstream.decode(raw), attempt.asked.request
    except RequestFailed:
        return data, _prompted(attempt)
    response = EstimateUsage(request, attempt.deployment.model).whole(decoded)
    if response.usage is None or not response.usage.estimated:
        return data, response.usage
    return attempt.asked.face.relay.fill(data, response.usage), response.usage


def _prompted(attempt: Attempt) -> ir.Usage | None:
    """Return the estimated usage of the prompt alone; None = the exchange is not accounted for."""
    if attempt.delivery.meter is None:
        return None
    prompt = prompt_tokens(attempt.asked, attempt.deployment.name)
    return ir.Usage(input=prompt, output=0, estimated=True)


async def _collect(attempt: Attempt, upstream: WireUpstream, answer: Answer) -> None:
    response = await upstream.collect(answer)
    attempt.call.watch.stop()
    response = await attempt.asked.step(_finished, attempt, response)
    await attempt.delivery.response(
        response, attempt.reply(Report(attempt.asked.face.name, "response")), attempt.call, 0
    )


async def _unfold(attempt: Attempt, upstream: WireUpstream, answer: Answer, reply: Reply) -> None:
    asked = attempt.asked
    raw = await answer.read()
    attempt.call.watch.stop()
    data, _ = await asked.steps.run(len(raw), _edited, attempt, upstream, raw, reply)
    size = max(asked.weight, len(data))
    response = await asked.steps.run(size, lambda: _finished(attempt, upstream.decode(data)))
    await attempt.delivery.streamed(
        response, attempt.reply(Report(attempt.asked.face.name, "response"), relayed=True), attempt.call
    )


def _finished(attempt: Attempt, response: ir.Response) -> ir.Response:
    return whole([EstimateUsage(attempt.asked.request, attempt.deployment.model), *attempt.steps()], response)


# --- A stream ------------------------------------------------------------------------------------------


class _Passage:
    """Passes one stream. Its relay (`StreamRelay`) decodes the frames that it must edit, or in which it looks
    for errors, content, the usage and the end. Everything else that is decoded is for an answer that must be
    stored, or for the estimate of a usage that the stream does not state.
    """

    def __init__(self, attempt: Attempt, upstream: WireUpstream, answer: Answer, reply: Reply) -> None:
        self._attempt = attempt
        self._upstream = upstream
        self._answer = answer
        self._reply = reply
        self._relay = relay = attempt.asked.face.relay.stream(reply)
        delivery = attempt.delivery
        delivery.failing = getattr(relay, "fail", None)  # of a `TellsFailure`
        self._ends = delivery.open_ends(relay, reply)
        turn = attempt.asked.turn
        self._gathered = Gathered() if turn is not None and turn.hears else None
        self._decoder: StreamDecoder | None = None
        if self._gathered is not None:
            self._decoder = upstream.dialect.stream.decoder(upstream.quirks)
        heard, self._estimate = _overheard(attempt, upstream, relay)
        self._overheard = heard
        model = attempt.deployment.model
        self._growth = Growth(
            delivery.meter,
            attempt.deployment.name,
            lambda: said_so_far(model, _events(upstream, heard), heard.share),
            first=_BYTES_PER_TOKEN,
        )
        framing, limits = upstream.dialect.stream.framing, upstream.limits
        self._splitter = SPLITTERS[framing](limits.event)
        self._run: Callable[[bytes], tuple[bytes, int]] | None = None
        if framing == "sse" and self._gathered is None and min(limits.event, limits.unsuspicious) >= PART:
            self._run = getattr(relay, "run", None)  # of a `PassesRuns`
        self._between = self._run is not None
        """Whether the next read begins with the start of a server-sent event, so that it may begin with a
        run.
        """

    async def run(self) -> None:
        """Pass the stream. An answer that is to be stored is stored before its last bytes are sent. Raises
        RequestFailed if the stream fails.
        """
        attempt, relay = self._attempt, self._relay
        try:
            data = await self._pass()
        except WireError as error:
            raise unreadable(self._upstream.name, error) from error
        finally:
            attempt.delivery.counted(relay.usage)
            attempt.record.tier = getattr(relay, "tier", None)  # of a `StatesTier`
        if attempt.delivery.meter is not None and is_incomplete(relay.usage):
            # Its client need not be told a usage, but it is accounted for.
            estimate, asked, stated = self._estimate, attempt.asked, relay.usage
            usage = estimate(stated) if asked.light else await asked.step(estimate, stated)
            attempt.delivery.counted(usage)
        self._gather((), ended=True)
        if self._gathered is not None:
            await attempt.delivery.heard(self._gathered.response(), self._reply)
        await attempt.delivery.end(await self._ends.last(data))
        await self._answer.finish()  # bytes after the protocol's own end are ignored

    async def _pass(self) -> bytes:
        """Pass the stream except its last bytes, and return these. Raises RequestFailed, and WireError for a
        malformed stream.
        """
        attempt, answer, upstream = self._attempt, self._answer, self._upstream
        delivery, heard, run, growth = attempt.delivery, self._overheard, self._run, self._growth
        write, read = delivery.client.write, answer.chunk
        passed = delivery.passed(answer.headers)
        opening = Opening(delivery, attempt.call, passed, limits=upstream.limits, name=upstream.name)
        parts = Parts()
        while True:
            if parts.more:
                chunk = await parts.next()
            else:
                chunk = await read()
                if heard.length < heard.most:  # as `heard.hear` does it, which would be a call for each event
                    heard.parts.append(chunk)
                heard.length += len(chunk)
                if heard.length > growth.at:
                    await growth.look(heard.length)
                if len(chunk) > PART:
                    chunk = parts.first(chunk)
            data, size = run(chunk) if run is not None and self._between else _NO_RUN
            if data and size == len(chunk) and delivery.committed:
                opening.silent_since = None
                await write(data)
            elif (last := await self._look(chunk, data, size, opening)) is not None:
                return last

    async def _look(self, read: bytes, data: bytes, size: int, opening: Opening) -> bytes | None:
        """Pass a read. read: b"" = the stream has ended. data, size: the client's bytes for the run (events
        that need no decoding) with which the read begins, and the length of this run in the read. Returns the
        stream's last bytes, which were not sent; None = the stream goes on. Raises RequestFailed, and
        WireError for a malformed frame.
        """
        relay, delivery = self._relay, self._attempt.delivery
        write = delivery.client.write
        data, broken = self._take(read, data, size)
        if data and broken is None and read and delivery.committed and not relay.done:
            opening.silent_since = None
            await write(data)
            return None
        if not read and broken is None:
            data, broken = _closed(relay, data)
        if not delivery.committed:
            # Content counts even if an error came in the same read: a read can hold several events.
            content = relay.content or (broken is None and (relay.done or not read))
            data = await opening.add(data, content=content)
        elif not data and not relay.done:  # the last event may be withheld until the answer is kept
            await opening.add(data, content=False)
        if broken is not None:
            if data:
                await write(data)
            raise broken
        if relay.done or not read:
            return data
        if data:
            await write(data)
        return None

    def _take(self, read: bytes, data: bytes, size: int) -> tuple[bytes, RequestFailed | WireError | None]:
        """Return (the bytes to send for a read up to its first bad frame, the error of this frame): an error
        that the upstream has sent, or a WireError for a malformed frame; None = no frame is bad. The
        parameters are those of `_look`.
        """
        if self._run is None or not read:
            return self._frames(read)
        if size == len(read):
            return data, None
        more, broken = self._by_turns(read[size:])
        return data + more, broken

    def _by_turns(self, read: bytes) -> tuple[bytes, RequestFailed | WireError | None]:
        """Return (the bytes to send, the error of the first bad frame or None), as `_take` does, for a read
        in which single events and runs alternate.
        """
        assert self._run is not None
        pieces: list[bytes] = []
        at = 0
        for _ in range(_TURNS):
            end = read.find(b"\n\n", at) + 2
            if end < 2:
                break
            data, broken = self._frames(read[at:end])
            pieces.append(data)
            if broken is not None:
                return b"".join(pieces), broken
            at = end
            if self._between:
                data, size = self._run(read[at:])
                pieces.append(data)
                at += size
            if at == len(read):
                return b"".join(pieces), None
        data, broken = self._frames(read[at:])
        return b"".join(pieces) + data, broken

    def _frames(self, read: bytes) -> tuple[bytes, RequestFailed | WireError | None]:
        """Pass the read frame by frame. Returns (the bytes to send, the error of the first bad frame or
        None), as `_take` does. read: b"" = the stream has ended.
        """
        splitter = self._splitter
        found = splitter.feed(read) if read else splitter.close()
        frames = found if isinstance(found, list) else list(found)
        data, broken = _passed(self._relay, frames, self._upstream.limits)
        if broken is None and self._gathered is not None:
            self._gather(frames)
        if self._run is not None:
            self._between = type(splitter) is SSESplitter and splitter.between()
        return data, broken

    def _gather(self, frames: Sequence[bytes], *, ended: bool = False) -> None:
        """Add the events of these frames to the answer for the request's turn. ended: True = also the events
        of the stream's end. If the decoder refuses a frame, the turn gets no answer.
        """
        gathered, decoder = self._gathered, self._decoder
        if gathered is None or decoder is None:
            return
        try:
            for frame in frames:
                gathered.add(decoder.feed(frame))
            if ended:
                gathered.add(decoder.close())
        except (WireError, RequestFailed, RecursionError):
            self._gathered = None


def _closed(relay: StreamRelay, data: bytes) -> tuple[bytes, RequestFailed | None]:
    """Return (`data` with the relay's last bytes, the error of a stream that broke off); None = the stream
    did not break off.
    """
    try:
        return data + relay.close(), None
    except RequestFailed as failed:
        return data, failed


def _passed(
    relay: StreamRelay, frames: Sequence[bytes], limits: AnswerLimits
) -> tuple[bytes, RequestFailed | WireError | None]:
    """Return (the bytes to send for the frames before the first bad one, the error of the bad frame): an
    error that the upstream has sent, or a WireError for a malformed frame; None = no frame is bad.
    """
    pieces: list[bytes] = []
    unsuspicious = limits.unsuspicious
    try:
        for frame in frames:
            if len(frame) > unsuspicious:
                limits.hold_relayed(frame)
            pieces.append(relay.feed(frame))
    except (RequestFailed, WireError) as failed:
        return b"".join(pieces), failed
    except RecursionError:
        return b"".join(pieces), WireError(TOO_DEEP)
    return b"".join(pieces), None


# --- The estimated usage of a stream that states none --------------------------------------------------


def _overheard(
    attempt: Attempt, upstream: WireUpstream, relay: StreamRelay
) -> tuple[Overheard[bytes], Callable[[ir.Usage | None], ir.Usage]]:
    """Return (an object that keeps the beginning of the stream, a function that estimates the usage of the
    complete stream from it and from the usage that the stream has stated). Sets `delivery.cost_so_far`, and
    `relay.estimate` if the client gets a usage.
    """
    asked = attempt.asked
    # The request is forgotten when the answer begins, so its bytes are kept here.
    size = len(asked.said.raw)
    said = asked.said.raw if size <= _COUNTED_BYTES else b""
    heard: Overheard[bytes] = Overheard(_HEARD_BYTES)
    model = attempt.deployment.model

    def estimate(stated: ir.Usage | None = None) -> ir.Usage:  # must not refer to the relay, which keeps it
        return whole_cost(_counted(asked, said, size), model, _events(upstream, heard), heard.share, stated)

    def so_far() -> ir.Usage:
        return cost_so_far(
            _counted(asked, said, size), model, _events(upstream, heard), heard.share, relay.usage
        )

    if asked.brief.stream_usage or not asked.face.relay.ask_usage(_STREAM):
        relay.estimate = estimate
    attempt.delivery.cost_so_far = so_far
    return heard, estimate


def _counted(asked: Asked, said: bytes, size: int) -> ir.Request | int:
    """Return the decoded request; if its body was not kept or cannot be decoded, its size in bytes."""
    inbound = asked.inbound
    if said:
        with suppress(WireError):
            body = decode_object(said, inbound.max_depth)
            wire = WireRequest("chat", body, path=inbound.path, params=dict(inbound.params))
            return asked.face.request.decode(wire)
    return size


def _events(upstream: WireUpstream, heard: Overheard[bytes]) -> Iterator[ir.Event]:
    decoder = upstream.dialect.stream.decoder(upstream.quirks)
    splitter = SPLITTERS[upstream.dialect.stream.framing](upstream.limits.event)
    with suppress(WireError, RequestFailed):
        for frame in splitter.feed(b"".join(heard.parts)):
            yield from decoder.feed(frame)
