"""Limits for a provider's answer; most of them are checked before the answer is decoded. Also reads bodies up
to a limit, and makes the errors for answers that are too large, too slow or unexpected.

An answer of five million empty arrays takes seconds to decode, and no other task runs in that time. So the
JSON values are first counted in the bytes. An answer above a limit fails its attempt; another attempt may
follow, unless the client has already got content.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.bounds import Kept
from dragoman.dialects.request import Operation
from dragoman.errors import RequestFailed, WireError
from dragoman.net.transport import Answer
from dragoman.upstreams.account import Redaction
from dragoman.wire.json import UNDECODABLE, count_values
from dragoman.wire.sse import ANSWER_TOO_LARGE

TOO_DEEP: Final = "the JSON is nested too deeply"
TOO_MANY_VALUES: Final = "answer_too_many_values"
TOO_MANY_BLOCKS: Final = "answer_too_many_blocks"
NO_CONTENT: Final = "answer_without_content"
LIMITED: Final = frozenset({TOO_MANY_VALUES, TOO_MANY_BLOCKS, ANSWER_TOO_LARGE})
"""Codes of a `WireError` which mean that an answer is too large, not that it is invalid."""

MAX_REFUSAL: Final = 256 * 1024
"""The most bytes of an error answer that are read. Some error answers repeat the request after the
message.
"""
_REFUSAL_VALUES: Final = 20_000
"""The most JSON values of an error answer that is decoded. Of an error answer with more values, the first
20,000 bytes are shown as text.
"""
PART: Final = 16 * 1024
"""The most bytes of a stream that are handled before other tasks run. The event of a token has about 200
bytes.
"""
_PLAIN: Final = 8
"""An eighth of the allowed values may be outside log probabilities, because each of them may become
a block.
"""
_EVENT: Final = 4
"""A quarter of the allowed values may be in one event of a translated stream, which is decoded at once."""
_RELAYED: Final = 2.5
"""A relayed answer may have 2.5 times the allowed values, because most of them are not decoded. This is
enough for 20 alternatives to each of 10,000 tokens.
"""
_LOGPROBS: Final = frozenset({"logprobs", "logprobsResult", "top_logprobs"})

_decode = msgspec.json.Decoder().decode


class AnswerLimits(msgspec.Struct, frozen=True):
    """How large a provider's answer may be, and how long the provider may send no content: the settings
    `max_…` of `providers.NAME.answers`, but not `max_size`.

    values: JSON values of one answer without embeddings, counted by commas and opening brackets; a relayed
    chat answer may have 2.5 times as many. numbers: JSON values of an answer with embeddings. event: bytes of
    one event of a stream. opening: bytes of a stream before its first content. stream: bytes of a translated
    stream. blocks: content blocks and citations of one translated chat answer together. In an answer that is
    not streamed, candidates (alternative answers) count as blocks, too. silence: seconds for which a provider
    may send no content, None = no limit.
    """

    values: int = 800_000
    numbers: int = 8_000_000
    event: int = 64 * 1024 * 1024
    opening: int = 16_000_000
    stream: int = 256 * 1024 * 1024
    blocks: int = 10_000
    silence: float | None = None

    @property
    def unsuspicious(self) -> int:
        """The most JSON values outside log probabilities in a translated chat answer or in one of its events:
        an eighth of `values`. Each value takes at least one byte, so a body of at most this number of bytes
        need not be counted.
        """
        return self.values // _PLAIN

    @property
    def event_values(self) -> int:
        """The most JSON values in one event of a translated stream: a quarter of `values`. Also the most JSON
        values in all parts of the stream that the gateway must remember together.
        """
        return self.values // _EVENT

    def hold_chat(self, body: bytes) -> bool:
        """Raise WireError if the body of a translated chat answer has more than `values` JSON values. Return
        True if the answer may have more than `unsuspicious` values; then the caller must give the decoded
        answer to `hold_plain`. False = it has at most that many.
        """
        return self._may_be_blocks(body, self.values)

    def _may_be_blocks(self, body: bytes, most: int) -> bool:
        return len(body) > self.unsuspicious and self._hold_values(body, most, "values") > self.unsuspicious

    def hold_relayed(self, body: bytes) -> None:
        """Raise WireError if a chat answer, or one event of a chat stream, has too many JSON values to be
        relayed: more than 2.5 times `values`.
        """
        most = int(_RELAYED * self.values)
        if len(body) > most:
            self._hold_values(body, most, "values")

    def hold_plain(self, value: Any) -> None:
        """Raise WireError if a decoded chat answer or event has more than `unsuspicious` values outside log
        probabilities. The members of objects and the items of arrays are counted, but not what is inside the
        members `logprobs`, `logprobsResult` and `top_logprobs`. value: decoded JSON; a value that is neither
        an object nor an array is accepted.
        """
        if _many_outside(value, self.unsuspicious):
            raise _many_values(self.unsuspicious, "values", " outside of log probabilities")

    def hold_event(self, frame: bytes) -> None:
        """Raise WireError if an event of a translated stream has more than `event_values` JSON values, or
        more than `unsuspicious` values outside log probabilities. Invalid JSON with few enough values is
        accepted here, because the stream's decoder reports it.
        """
        if self._may_be_blocks(frame, self.event_values):
            try:
                value = _decode(frame)
            except UNDECODABLE:
                return  # invalid JSON: the stream's decoder gives the error
            self.hold_plain(value)

    def hold(self, body: bytes, operation: Operation) -> None:
        """Raise WireError if an answer to an operation other than chat, or one event of its stream, has more
        than `values` JSON values. Embeddings have two limits instead: `numbers` JSON values, and `values` of
        the characters `[` and `{`. A speech answer is counted only if it is JSON.
        """
        if operation == "embed":
            self._hold_values(body, self.numbers, "numbers")
            if body.count(b"[") + body.count(b"{") > self.values:
                raise _many_values(self.values, "values")
        elif operation != "speech" or body.lstrip()[:1] in _JSON:  # audio has no values
            self._hold_values(body, self.values, "values")

    @staticmethod
    def _hold_values(body: bytes, most: int, name: str) -> int:
        """Return an upper bound, at most `most`, of the number of JSON values in `body`. Raises WireError if
        `body` has more than `most` values. name: the error names the setting `max_NAME`.
        """
        beginning = 4 * most
        count = 0
        if len(body) > beginning:  # the beginning is usually enough to refuse a hostile answer
            count = count_values(body[:beginning], most)
        if count <= most:
            count = count_values(body, most)
        if count > most:
            raise _many_values(most, name)
        return count

    def hold_blocks(self, response: ir.Response) -> ir.Response:
        """Return the response unchanged. Raises WireError if its candidates, their blocks and the citations
        of these blocks are together more than `blocks`.
        """
        blocks = len(response.candidates)
        for candidate in response.candidates:
            blocks += len(candidate.blocks)
            for one in candidate.blocks:
                if type(one) is ir.Text:
                    blocks += len(one.citations)
        if blocks > self.blocks:
            raise _many_blocks(self.blocks)
        return response


_JSON: Final = (b"{", b"[")


def _many_values(most: int, name: str, where: str = "") -> WireError:
    message = f"more than {most} JSON values{where} (setting answers.max_{name})"
    return WireError(message, code=TOO_MANY_VALUES)


def _many_blocks(most: int) -> WireError:
    return WireError(f"more than {most} content blocks (setting answers.max_blocks)", code=TOO_MANY_BLOCKS)


def _many_outside(decoded: Any, most: int) -> bool:
    waiting: list[Any] = [decoded] if type(decoded) in _NESTED else []
    seen = 0
    while waiting:
        value = waiting.pop()
        seen += len(value)
        if seen > most:
            return True
        if type(value) is dict:
            waiting += [one for key, one in value.items() if key not in _LOGPROBS and type(one) in _NESTED]
        elif type(value) is list:
            waiting += [one for one in value if type(one) in _NESTED]
    return False


_NESTED: Final = (dict, list)
_KEPT: Final = frozenset({ir.Open, ir.Cite, ir.Close, ir.SealDelta, ir.More})
"""The types of events that add to what the gateway must remember of a stream, besides its text."""


def refuse_blocks(batch: Sequence[ir.Event], opened: int, limits: AnswerLimits, kept: Kept) -> int:
    """Return the number of blocks and citations in a stream so far, this batch included. Raises WireError if
    the number is above `limits.blocks`, or if `kept` has counted too many values.

    opened: the number before this batch. kept: counts the JSON values inside blocks, citations, signatures
    and unknown fields of the stream.
    """
    if _KEPT.isdisjoint(map(type, batch)):
        return opened
    for event in [event for event in batch if type(event) in _KEPT]:
        kind = type(event)
        if kind is ir.Open or kind is ir.Cite:
            opened += 1
            kept.add(event)
        elif kind is ir.Close or kind is ir.SealDelta:
            kept.add(event)
        elif type(event) is ir.More and event.extra is not None:
            for members in event.extra.values():
                for name, value in members.items():
                    kept.late(name, value)
    if opened > limits.blocks:
        raise _many_blocks(limits.blocks)
    return opened


def too_long(limits: AnswerLimits) -> WireError:
    """Return (not raise) the error for a translated stream of more than `limits.stream` bytes."""
    return WireError(
        f"a stream of more than {limits.stream:d} bytes (setting answers.max_stream)", code=ANSWER_TOO_LARGE
    )


def without_content(name: str, most: int) -> ir.Fault:
    """Return the fault for a stream that has sent more than `most` bytes before any content. name: the
    provider's name.
    """
    message = f"{name} sent more than {most:d} bytes before any content (setting answers.max_opening)."
    return ir.Fault("upstream", message, code=NO_CONTENT, blame="upstream")


def silent(name: str, seconds: float) -> ir.Fault:
    """Return the fault for a provider that sent nothing, or only pings, for `seconds` seconds. name: the
    provider's name.
    """
    message = f"{name} sent nothing but pings for {seconds:g} s (setting answers.max_silence)."
    return ir.Fault("timeout", message, code=NO_CONTENT, blame="upstream")


DEFAULT_LIMITS: Final = AnswerLimits()
"""The limits of upstreams without settings."""


def unexpected(name: str, status: int) -> RequestFailed:
    """Return (not raise) the error for an HTTP status that means neither success nor an error that can be
    read: below 400 but not of success, or above 599 (101, 304, 999). name: the provider's name.
    """
    message = f"{name} responded with status {status}."
    return RequestFailed(ir.Fault("upstream", message, code="unexpected_status", blame="upstream"))


class Parts:
    """Divides the bytes of one large read from the network into parts of at most `PART` bytes. Other tasks
    run before each part except the first. more: True = `next` has a further part of the read.
    """

    __slots__ = ("_at", "_data", "more")

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self.more = False

    def first(self, data: bytes) -> bytes:
        """Begin to divide `data`, which has more than `PART` bytes, and return its first part. `next` returns
        the other parts.
        """
        self._data, self._at, self.more = data, 0, True
        return data[:PART]

    async def next(self) -> bytes:
        """Let other tasks run, then return the next part. Call this only while `more` is True."""
        await asyncio.sleep(0)
        self._at += PART
        part = self._data[self._at : self._at + PART]
        self.more = self._at + PART < len(self._data)
        if not self.more:
            self._data = b""
        return part


async def read_bounded(answer: Answer, most: int, name: str) -> bytes:
    """Return the complete body of an answer. Raises RequestFailed if the body is longer than `most` bytes, if
    the connection breaks before its end, or if no bytes come within the idle time. name: the provider's name.
    """
    parts: list[bytes] = []
    size = 0
    while data := await answer.chunk():
        parts.append(data)
        size += len(data)
        if size > most:
            text = f"{name} sent a response of more than {most} bytes."
            raise RequestFailed(ir.Fault("upstream", text, code=ANSWER_TOO_LARGE, blame="upstream"))
    return b"".join(parts)


async def read_refusal(answer: Answer, redaction: Redaction) -> bytes:
    """Return the beginning of the body of an error answer: its first 256 KiB, or only its first 20,000 bytes
    if these 256 KiB have more than 20,000 JSON values. Raises RequestFailed if the connection breaks before
    that, or if no bytes come within the idle time.

    redaction: hides the secrets in the body before it is cut.
    """
    parts: list[bytes] = []
    size, whole = 0, False
    while size < MAX_REFUSAL and not whole:
        parts.append(data := await answer.chunk())
        size += len(data)
        whole = not data
    body = redaction.body(b"".join(parts), whole=whole)[:MAX_REFUSAL]
    if count_values(body, _REFUSAL_VALUES) > _REFUSAL_VALUES:
        return body[:_REFUSAL_VALUES]  # no valid JSON any more, so it is shown as text
    return body
