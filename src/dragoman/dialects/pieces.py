"""Joins messages of clients that send back each chunk of a streamed answer as a separate message.

Such a client sends one thought as many blocks, with the seal (signature) on an empty block at the end.
Without joining, a provider would get the seal without the text of the thought, and the gateway's store of
seals would not recognise the answer. Pure.
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
"""Fields of `ir.Text` and `ir.Thinking` that have their defaults in a chunk, with these defaults."""


class Joined(msgspec.Struct, frozen=True):
    """A request after the chunks of its answers were joined. starts: for each message of `request`, the index
    of the first of the client's messages from which it was made; at the end, the number of the client's
    messages. Empty = nothing was joined.
    """

    request: ir.Request
    starts: Sequence[int] = ()

    def located(self, locate: Callable[[str], str]) -> Callable[[str], str]:
        """Return a function for IR paths in this request: it converts a path to the path in the client's
        request, and returns what `locate` returns for that path. A path inside a message that was joined from
        several becomes the path of the first of these messages.
        """
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


def may_be_joined(request: ir.Request) -> bool:
    """Whether `joined` looks at the messages of this request. False = it returns the request as it is."""
    return request.dialect in CHUNKED


def joined(request: ir.Request) -> Joined:
    """Return the request with adjacent messages of the assistant joined to one message, and with the chunks
    of one thought or one text joined to one block (`_goes_on`). A message that states anything beside its
    role and blocks is not joined with another one. Only requests in a dialect in `CHUNKED` are changed.
    """
    if not may_be_joined(request):
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
    """Whether a message is the assistant's and states nothing except its role and blocks."""
    return message.role == "assistant" and message == ir.Message("assistant", message.blocks)


def _whole(pieces: Sequence[ir.Message]) -> ir.Message:
    """Return one message with the blocks of these messages (`pieces`). Chunks of one text or thought become
    one block. A message that is not the assistant's is returned unchanged.
    """
    first = pieces[0]
    if first.role != "assistant":
        return first
    blocks: list[ir.Block] = []
    run: list[Any] = []  # the chunks of one block, which may continue
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
    """Whether `block` continues the block `before`, so that both become one block: two texts, only if a new
    message begins between them (`chunk`), or two pieces of a thought. `before` must have no seal, and neither
    may have other content than its text and seal. A block with a seal only ends a thought, and only if it has
    no text and its seal is not of a dialect in `CHUNKED`.
    """
    if type(before) is not type(block) or not (_is_open(before) and _is_bare(block)):
        return False
    if type(block) is ir.Thinking:
        return block.sealed is None or (not block.text and block.sealed.origin not in CHUNKED)
    return type(block) is ir.Text and chunk and block.sealed is None


def _is_open(block: Any) -> bool:
    return _is_bare(block) and block.sealed is None


def _is_bare(block: Any) -> bool:
    if type(block) is ir.Thinking and (block.redacted or block.summary):
        return False
    return all(getattr(block, field, empty) == empty for field, empty in _NOTHING_MORE.items())


def _end(run: Sequence[Any], blocks: list[ir.Block]) -> None:
    """Append to `blocks` the one block that the chunks in `run` make. Without chunks nothing is appended."""
    if len(run) == 1:
        blocks.extend(run)
    elif run:
        text = "".join([piece.text for piece in run])
        blocks.append(msgspec.structs.replace(run[0], text=text, sealed=run[-1].sealed))
