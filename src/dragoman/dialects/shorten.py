"""Shortens a prompt that is too long by leaving out its oldest messages.

Messages that belong together form a group, and are left out together: before the last question, a question of
the user with everything up to the next one; after it, a step of the current answer (`_starts` states the
exact rule). If a call is in one group and its result in another, the two groups become one. Three things
always stay, however long they are: instructions (system and developer messages), the group of the last
question, and the last group. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.waiting import Waiting
from dragoman.tokens import Counter, ceiling


class Counts(Protocol):
    """Counts tokens: a `tokens.Counter`, or an object with the same methods."""

    def frame(self, request: ir.Request) -> int:
        """Return the number of tokens of everything in a request except the messages."""

    def message(self, message: ir.Message) -> int:
        """Return the number of tokens of one message, including the tokens that a chat template puts around
        it.
        """


class Shortened(msgspec.Struct, frozen=True):
    """The result of shortening a request.

    request: the request with the messages that remain. dropped: the positions, in the original request, of
    the messages that were left out. tokens: how many tokens `request` has; this is more than the window only
    if nothing else may be left out.
    """

    request: ir.Request
    dropped: tuple[int, ...]
    tokens: int


def fit(request: ir.Request, window: int, counter: Counts) -> Shortened:
    """Shorten a request to at most `window` tokens, by leaving out as many of the oldest groups of messages
    as needed. If that is not enough, all groups that may be left out are left out, and the result has more
    tokens. A request that has at most `window` tokens stays unchanged. counter: counts the tokens.
    """
    weights = [counter.message(message) for message in request.messages]
    tokens = counter.frame(request) + sum(weights)
    dropped: set[int] = set()
    if tokens > window:
        for part in _parts(request.messages):
            dropped.update(part)
            tokens -= sum(weights[place] for place in part)
            if tokens <= window:
                break
    if not dropped:
        return Shortened(request, (), tokens)
    left = tuple(message for place, message in enumerate(request.messages) if place not in dropped)
    return Shortened(msgspec.structs.replace(request, messages=left), tuple(sorted(dropped)), tokens)


def shortened(request: ir.Request, window: int | None, model: str, report: Report) -> ir.Request:
    """Return the request. If its `truncation` is "auto" and it has more than `window` tokens, it is returned
    without its oldest messages (`fit`), each of which is reported as a loss; it may still be too long.

    window: the model's context window in tokens. None = unknown: nothing is left out, and the client's "auto"
    is reported as lost, unless the upstream speaks the client's protocol. model: the upstream's name for the
    model; it decides how tokens are counted. report: its `moved` is set if messages are left out.
    """
    if request.truncation != "auto":
        return request
    if window is None:
        if report.dialect != request.dialect:
            report.lose("truncation", "the model's context window is unknown", "hint")
        return request
    if ceiling(request) <= window:
        return request
    short = fit(request, window, Counter(model))
    for place in short.dropped:
        report.lose(
            f"messages[{place}]", f"left out to fit into the context window of {window} tokens", "quality"
        )
    if short.dropped:
        report.moved = Moved(len(request.messages), short.dropped)
    return short.request


class Moved:
    """Converts IR paths in a shortened request to IR paths in the original request. length: the number of
    messages in the original request. dropped: the positions of the messages that were left out.
    """

    __slots__ = ("_kept",)

    def __init__(self, length: int, dropped: Sequence[int]) -> None:
        gone = frozenset(dropped)
        self._kept = [place for place in range(length) if place not in gone]

    def __call__(self, where: str) -> str:
        """Convert an IR path in the shortened request (`where`) to the path in the original request. A path
        that is not in a message is returned unchanged.
        """
        message = _MESSAGE.match(where)
        if message is None or (place := int(message[1])) >= len(self._kept):
            return where
        return f"messages[{self._kept[place]}]{where[message.end() :]}"


_MESSAGE = re.compile(r"messages\[(\d+)\]")


def _parts(messages: Sequence[ir.Message]) -> Iterator[Sequence[int]]:
    """Return the groups of messages that may be left out, the oldest group first. A group is a list of the
    messages' positions. Groups that must stay are not returned.
    """
    starts = _starts(messages)
    owner = _joined(messages, starts)
    parts: dict[int, list[int]] = {}
    for place, start in enumerate(starts):
        if start is not None:
            parts.setdefault(owner[start], []).append(place)
    asked = next((place for place in reversed(range(len(messages))) if _asks(messages[place])), None)
    last = next((start for start in reversed(starts) if start is not None), None)
    kept = {owner[start] for start in (last, None if asked is None else starts[asked]) if start is not None}
    return (part for start, part in parts.items() if start not in kept)


def _starts(messages: Sequence[ir.Message]) -> list[int | None]:
    """Return, for each message, the position of the first message of its group; None = the message is an
    instruction.

    A question begins a group. After the last question (everywhere, if there is none), so does each message of
    the assistant that does not follow another message of the assistant. All messages before the first such
    beginning are one group. Instructions do not end a group.
    """
    asked = next((place for place in reversed(range(len(messages))) if _asks(messages[place])), -1)
    starts: list[int | None] = []
    current: int | None = None
    spoke = False
    for place, message in enumerate(messages):
        if message.role in _INSTRUCTS:
            starts.append(None)
            continue
        begins = _asks(message) or (place > asked and message.role == "assistant" and not spoke)
        if current is None or begins:
            current = place
        starts.append(current)
        spoke = message.role == "assistant"
    return starts


_INSTRUCTS = frozenset({"system", "developer"})


def _asks(message: ir.Message) -> bool:
    """Whether a message is the user's and has anything but tool results and native blocks; also True for a
    message of the user without blocks.
    """
    return message.role == "user" and not (
        message.blocks and all(isinstance(block, ir.ToolResult | ir.Native) for block in message.blocks)
    )


def _joined(messages: Sequence[ir.Message], starts: Sequence[int | None]) -> dict[int, int]:
    """Return, for each group of messages, the first group with which calls and their results connect it; a
    group without such a connection is mapped to itself. Groups are named by the position of their first
    message. starts: the result of `_starts`.
    """
    owner = {start: start for start in starts if start is not None}

    def root(start: int) -> int:
        while owner[start] != start:
            owner[start] = owner[owner[start]]
            start = owner[start]
        return start

    waiting: Waiting[int] = Waiting()
    called: dict[str, int] = {}  # by id; never removed, because a call may have several results
    for message, start in zip(messages, starts, strict=True):
        if start is None:
            continue
        for block in message.blocks:
            if isinstance(block, ir.ToolCall):
                waiting.add(start, block.id, block.name)
                if block.id is not None:
                    called[block.id] = start
            elif isinstance(block, ir.ToolResult):
                call = waiting.take(block.id, block.name)
                if block.id is not None:
                    call = called.get(block.id)
                if call is not None:
                    first, second = sorted((root(call), root(start)))
                    owner[second] = first
    return {start: root(start) for start in owner}
