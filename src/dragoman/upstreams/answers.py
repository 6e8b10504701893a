"""What a provider's answer may be at most, and what holds it to that before it is decoded.

A provider is a stranger, too: an answer of five million empty arrays takes seconds to decode, while nothing
else runs. So values are counted in the bytes, which costs a hundredth of decoding them, and what is kept of
a stream (before its first content, while it is translated) has an end. Whatever goes beyond makes the
attempt fail, so that the next candidate is asked.
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
from dragoman.wire.json import count_values
from dragoman.wire.sse import ANSWER_TOO_LARGE

TOO_DEEP: Final = "the JSON is nested too deeply"
TOO_MANY_VALUES: Final = "answer_too_many_values"
TOO_MANY_BLOCKS: Final = "answer_too_many_blocks"
NO_CONTENT: Final = "answer_without_content"
LIMITED: Final = frozenset({TOO_MANY_VALUES, TOO_MANY_BLOCKS, ANSWER_TOO_LARGE})
"""Codes by which a `WireError` tells that an answer is too much, not that it is wrong."""

MAX_REFUSAL: Final = 256 * 1024
"""Bytes of an error answer that are read. Some repeat the request; their message comes first or is short."""
_REFUSAL_VALUES: Final = 20_000
"""Values of an error answer that is read as JSON; of one with more the beginning is shown as text."""
PART: Final = 16 * 1024
"""Bytes of a stream that are worked on before others have their turn. A token's event has 200."""
_PLAIN: Final = 8
"""The part of the values (one in eight) that may stand outside of log probabilities, as those cost most: each
may become a block of the answer.
"""
_EVENT: Final = 4
"""The part of the values (one in four) that one event of a stream may hold. It is worked on where it comes
in, while nothing else runs, and has the log probabilities of a few tokens.
"""
_RELAYED: Final = 2.5
"""How many times as much a relayed answer may hold, as only its head is decoded. Twenty alternatives to each
of 10,000 tokens fit in.
"""
_LOGPROBS: Final = frozenset({"logprobs", "logprobsResult", "top_logprobs"})

_decode = msgspec.json.Decoder().decode


class AnswerLimits(msgspec.Struct, frozen=True):
    """The settings `providers.NAME.answers`, see there.

    values, numbers, blocks: how many. event, opening, stream: bytes. silence: seconds, None = no limit.
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
        """Bytes of an answer of chat, or of one event of it, that cannot hold too many values."""
        return self.values // _PLAIN

    @property
    def event_values(self) -> int:
        """How many values one event of a stream may hold."""
        return self.values // _EVENT

    def hold_chat(self, body: bytes) -> bool:
        """Whether so much of an answer of chat may be blocks that it is to be held by `hold_plain` before it
        is translated. Raises WireError for too many values.
        """
        return self._may_be_blocks(body, self.values)

    def _may_be_blocks(self, body: bytes, most: int) -> bool:
        return len(body) > self.unsuspicious and self._hold_values(body, most, "values") > self.unsuspicious

    def hold_relayed(self, body: bytes) -> None:
        """Raise WireError for an answer of chat, or one event of it, that is too much even to be relayed."""
        most = int(_RELAYED * self.values)
        if len(body) > most:
            self._hold_values(body, most, "values")

    def hold_plain(self, value: Any) -> None:
        """Raise WireError for a decoded answer, or event, too much of which may be blocks."""
        if _many_outside(value, self.unsuspicious):
            raise WireError(
                f"more than {self.unsuspicious} JSON values outside of log probabilities (setting "
                "answers.max_values)",
                code=TOO_MANY_VALUES,
            )

    def hold_event(self, frame: bytes) -> None:
        """Both for one event of a stream that is translated."""
        if self._may_be_blocks(frame, self.event_values):
            try:
                value = _decode(frame)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return  # its decoder says so, in its own words
            self.hold_plain(value)

    def hold(self, body: bytes, operation: Operation) -> None:
        """Raise WireError for an answer to another operation, or one event of it, of too many values.

        Sound is no JSON.
        """
        if operation == "embed":
            self._hold_values(body, self.numbers, "numbers")
            if body.count(b"[") + body.count(b"{") > self.values:
                raise WireError(
                    f"more than {self.values} JSON values (setting answers.max_values)", code=TOO_MANY_VALUES
                )
        elif operation != "speech" or body.lstrip()[:1] in _JSON:
            self._hold_values(body, self.values, "values")

    @staticmethod
    def _hold_values(body: bytes, most: int, name: str) -> int:
        """How many values there are, at most. Raises WireError for too many."""
        beginning = 4 * most
        count = 0
        if len(body) > beginning:  # nothing more of a hostile answer is looked at
            count = count_values(body[:beginning], most)
        if count <= most:
            count = count_values(body, most)
        if count > most:
            raise WireError(
                f"more than {most} JSON values (setting answers.max_{name})", code=TOO_MANY_VALUES
            )
        return count

    def hold_blocks(self, response: ir.Response) -> ir.Response:
        """The same answer. Raises WireError for one of too many blocks and candidates."""
        blocks = len(response.candidates)
        for candidate in response.candidates:
            blocks += len(candidate.blocks)
            blocks += sum(len(one.citations) for one in candidate.blocks if isinstance(one, ir.Text))
        if blocks > self.blocks:
            raise _many_blocks(self.blocks)
        return response


_JSON: Final = (b"{", b"[")


def _many_blocks(most: int) -> WireError:
    return WireError(f"more than {most} content blocks (setting answers.max_blocks)", code=TOO_MANY_BLOCKS)


def _many_outside(decoded: Any, most: int) -> bool:
    """Whether more than so many values stand outside of log probabilities."""
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


def refuse_blocks(batch: Sequence[ir.Event], opened: int, limits: AnswerLimits, kept: Kept) -> int:
    """How many blocks and citations a stream has, with those of this batch.

    kept: counts the values inside of them. Raises WireError for too many blocks or values.
    """
    for event in batch:
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
    """The error of a stream that is translated and does not end."""
    return WireError(
        f"a stream of more than {limits.stream:d} bytes (setting answers.max_stream)", code=ANSWER_TOO_LARGE
    )


def without_content(name: str, most: int) -> ir.Fault:
    """The fault of a stream that has no content, although so many bytes came."""
    return ir.Fault(
        "upstream",
        f"{name} sent more than {most:d} bytes before any content (setting answers.max_opening).",
        code=NO_CONTENT,
        blame="upstream",
    )


def silent(name: str, seconds: float) -> ir.Fault:
    """The fault of a provider that kept its line busy and said nothing."""
    return ir.Fault(
        "timeout",
        f"{name} sent nothing but pings for {seconds:g} s (setting answers.max_silence).",
        code=NO_CONTENT,
        blame="upstream",
    )


DEFAULT_LIMITS: Final = AnswerLimits()
"""What holds for upstreams that the configuration says nothing of."""


def unexpected(name: str, status: int) -> RequestFailed:
    """The failure of an answer that is neither one nor a refusal: 101, 304 and other statuses that nobody
    asked for, and numbers that are no status.
    """
    return RequestFailed(
        ir.Fault(
            "upstream", f"{name} responded with status {status}.", code="unexpected_status", blame="upstream"
        )
    )


class Parts:
    """What is left of a large read, whose parts are worked on one after another.

    A read may bring a quarter of a megabyte. As lines of two bytes that is a tenth of a second, and a client
    who asks something else needs several turns of the loop; so each part ends one.
    """

    __slots__ = ("_at", "_data", "more")

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self.more = False
        """Whether there is a next part."""

    def first(self, data: bytes) -> bytes:
        """The first part of a read of more than `PART` bytes."""
        self._data, self._at, self.more = data, 0, True
        return data[:PART]

    async def next(self) -> bytes:
        """The next part, after others had their turn."""
        await asyncio.sleep(0)
        self._at += PART
        part = self._data[self._at : self._at + PART]
        self.more = self._at + PART < len(self._data)
        if not self.more:
            self._data = b""
        return part


async def read_bounded(answer: Answer, most: int, name: str) -> bytes:
    """A whole body of at most so many bytes. Raises RequestFailed."""
    parts: list[bytes] = []
    size = 0
    while data := await answer.chunk():
        parts.append(data)
        size += len(data)
        if size > most:
            text = f"{name} sent a response of more than {most} bytes."
            raise RequestFailed(ir.Fault("upstream", text, code=ANSWER_TOO_LARGE, blame="upstream"))
    return b"".join(parts)


async def read_refusal(answer: Answer) -> bytes:
    """The beginning of an error answer, with no more values than can be read at once."""
    parts: list[bytes] = []
    size = 0
    while size < MAX_REFUSAL and (data := await answer.chunk()):
        parts.append(data)
        size += len(data)
    body = b"".join(parts)[:MAX_REFUSAL]
    if count_values(body, _REFUSAL_VALUES) > _REFUSAL_VALUES:
        return body[:_REFUSAL_VALUES]  # which is no JSON any more, so its beginning is shown
    return body
