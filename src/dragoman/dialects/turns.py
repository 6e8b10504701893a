"""The assistant's turns of a history whose client writes them in several messages.

A protocol of items has one message for a thought, one for each call and one for what is said between them.
Where a protocol wants a turn's calls in one message, with their results right after it, its encoder writes a
turn at a time. Pure; it never changes a message, so that places stay those that the client wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from dragoman import ir

CHUNKED: Final = frozenset({"gemini"})
"""Protocols whose clients keep each chunk of a streamed answer as a message of its own, as the chats of
https://github.com/googleapis/python-genai do: a word may begin in one and end in the next."""


def turns(
    messages: Sequence[ir.Message], *, chunked: bool = False
) -> Iterator[tuple[int, Sequence[ir.Message]]]:
    """The messages in order, each with its index; the messages that one turn is spread over come together.

    Neighbours that are words alone were said one after the other and stay apart, unless they are chunked.
    """
    begin = 0
    for end in range(1, len(messages) + 1):
        if end == len(messages) or not _goes_on(messages[end - 1], messages[end], chunked=chunked):
            yield begin, messages[begin:end]
            begin = end


def _goes_on(before: ir.Message, after: ir.Message, *, chunked: bool) -> bool:
    if before.role != "assistant" or after.role != "assistant":
        return False
    return chunked or not (_is_words(before) and _is_words(after))


def _is_words(message: ir.Message) -> bool:
    return all(type(block) is ir.Text for block in message.blocks)
