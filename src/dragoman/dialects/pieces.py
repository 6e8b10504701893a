"""Answers that a client returns in the pieces in which it got them, put together again.

A client that keeps each chunk of a stream as a message of its own returns one thought as many, with its seal
on an empty one at the end. Taken as they come these are many thoughts: a provider would get the seal of a
thought without its words, and the seal vault would not know the answer. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.repair.messages import CHUNKED

_IN_MESSAGE = re.compile(r"messages\[(\d+)\](\.blocks\[\d+\].*)?")
_NOTHING_MORE = {"citations": (), "logprobs": None, "cache": None, "item": None, "extra": None}
"""What a piece of words or of a thought holds beside its text and its seal."""


class Joined(msgspec.Struct, frozen=True):
    """A request whose answers are whole.

    starts: the index in the client's request of the first message that each one was made of, and at the end
    how many messages the client sent; empty = every message is the client's own.
    """

    request: ir.Request
    starts: Sequence[int] = ()

    def located(self, locate: Callable[[str], str]) -> Callable[[str], str]:
        """`locate` for places in this request. One that was put together is one place: its first piece."""
        if not self.starts:
            return locate

        def inside(where: str) -> str:
            found = _IN_MESSAGE.match(where)
            if found is None or (index := int(found[1])) >= len(self.starts) - 1:
                return locate(where)
            start, end = self.starts[index], self.starts[index + 1]
            rest = (found[2] or "") if end == start + 1 else ""
            return locate(f"messages[{start}]{rest}")

        return inside


def joined(request: ir.Request) -> Joined:
    """The request with every answer as one message, and every thought as one block."""
    if request.dialect not in CHUNKED:
        return Joined(request)
    messages: list[ir.Message] = []
    starts: list[int] = []
    index, count = 0, len(request.messages)
    while index < count:
        end = index + 1
        if _is_plain(request.messages[index]):
            while end < count and _is_plain(request.messages[end]):
                end += 1
        messages.append(_whole(request.messages[index:end]))
        starts.append(index)
        index = end
    if messages == list(request.messages):
        return Joined(request)
    return Joined(msgspec.structs.replace(request, messages=tuple(messages)), (*starts, count))


def _is_plain(message: ir.Message) -> bool:
    """Whether a message is an answer that holds nothing beside its blocks."""
    return message.role == "assistant" and message == ir.Message("assistant", message.blocks)


def _whole(pieces: Sequence[ir.Message]) -> ir.Message:
    """One message of all of these."""
    first = pieces[0]
    if first.role != "assistant":
        return first
    blocks: list[ir.Block] = []
    run: list[Any] = []  # the pieces of what may still go on
    for piece in pieces:
        begins = piece is not first
        for block in piece.blocks:
            if run and _goes_on(run[-1], block, chunk=begins):
                run.append(block)
            else:
                _end(run, blocks)
                run = [block]
            begins = False
    _end(run, blocks)
    return msgspec.structs.replace(first, blocks=tuple(blocks))


def _goes_on(before: Any, block: Any, *, chunk: bool) -> bool:
    """Whether a block is more of the one before it. chunk: another chunk has begun between them.

    A seal ends a thought: it stands on its last piece, which has no words of its own. What the client's own
    protocol has signed stays the part that it is. Two texts of one message are two, as they were written.
    """
    if type(before) is not type(block) or not (_is_open(before) and _is_bare(block)):
        return False
    if type(block) is ir.Thinking:
        return block.sealed is None or (not block.text and block.sealed.origin not in CHUNKED)
    return type(block) is ir.Text and chunk and block.sealed is None


def _is_open(block: Any) -> bool:
    return _is_bare(block) and block.sealed is None


def _is_bare(block: Any) -> bool:
    """Whether a block is a text or a thought that holds nothing but words and a seal."""
    if type(block) is ir.Thinking and (block.redacted or block.summary):
        return False
    return all(getattr(block, field, empty) == empty for field, empty in _NOTHING_MORE.items())


def _end(run: Sequence[Any], blocks: list[ir.Block]) -> None:
    """Write the pieces of a run as one block."""
    if len(run) == 1:
        blocks.extend(run)
    elif run:
        text = "".join([piece.text for piece in run])
        blocks.append(msgspec.structs.replace(run[0], text=text, sealed=run[-1].sealed))
