"""Parts of the message histories of the chat family: they read messages and contents, write the turns of a
repaired history, write tool results as text, and shorten the ids of calls.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, ClassVar, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.narrower import Narrower
from dragoman.dialects.repair.turn import Piece, Turn
from dragoman.errors import WireError

_MAX_ID: Final = 40
"""OpenAI's limit for the length of a call id, in characters."""


def read_history(
    messages: Sequence[Any], plain: frozenset[str], read: Callable[[dict[str, Any], Any, str], ir.Message]
) -> tuple[ir.Message, ...]:
    """Return the decoded messages of a history. messages: JSON objects. plain: the roles whose messages
    become a text block without a call of `read`, if they have only `role` and a `content` that is a string.
    read: decodes every other message; its arguments are the message, its role and its path (`messages[0]`).
    """
    decoded: list[ir.Message] = []
    for index, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        if len(message) == 2 and type(content) is str and role in plain:
            decoded.append(ir.Message(role, (ir.Text(content),)))
        else:
            decoded.append(read(message, role, f"messages[{index}]"))
    return tuple(decoded)


def read_content(
    content: Any, where: str, read: Callable[[Sequence[Any], str], Iterable[ir.Block]]
) -> tuple[ir.Block, ...]:
    """Return the blocks of a message's `content`: a string is one text block, a list is decoded by `read`,
    null gives no block. Raises WireError for any other value. where: the message's path. read: decodes a
    list; its arguments are the list and the path of the list.
    """
    if type(content) is str:
        return (ir.Text(content),)
    if type(content) is list:
        return tuple(read(content, where + ".content"))
    if content is None:
        return ()
    raise WireError("expected a string or an array", where + ".content", "invalid_type")


class TurnWriter(ABC):
    """The part of a history's writer that writes the turns of another dialect's repaired history, for a
    protocol with a `Narrower` (`narrower`). saying: the protocol's class that collects an assistant message.
    out: the messages that were written.
    """

    __slots__ = ()
    narrower: ClassVar[Narrower]
    saying: ClassVar[type[Any]]
    draft: Draft
    out: list[dict[str, Any]]

    def write_turn(self, turn: Turn) -> None:
        """Append the message of one turn to `out`; an assistant's message without content is left out, which
        is reported as a change. The repairs of the turn are reported, and as losses the names, cache marks
        and leftovers of its messages.
        """
        at, piece = len(self.out), turn.pieces[0]
        if piece.message is None:
            turn.tell(self.draft.report, at)
        if turn.role == "assistant":
            self._assistant(turn)
        elif turn.role == "tool":
            self._answer(piece)
        else:
            self._plain(piece, turn.role)
        if piece.message is not None:
            turn.tell(self.draft.report, at)
        for one in turn.pieces:
            if one.message is not None:
                self.narrower.lose_head(one.message, self.draft, f"messages[{one.index}]")

    def _assistant(self, turn: Turn) -> None:
        saying = self.saying(self.draft, lambda stated, _: stated)
        for piece in turn.pieces:
            saying.add_piece(piece)
        out = saying.done()
        if len(out) > 1:
            self.out.append(out)
        else:
            reason = f"{self.narrower.api} has no empty assistant messages"
            self.draft.report.change(f"messages[{turn.pieces[0].index}]", "messages", reason)

    @abstractmethod
    def _answer(self, piece: Piece) -> None:
        """Append the message with a tool's result."""

    @abstractmethod
    def _plain(self, piece: Piece, role: str) -> None:
        """Append a message of the user or of system text. role: that of the turn."""


def result_text(texts: Iterable[str], block: ir.ToolResult, draft: Draft, where: str) -> str:
    """Return the texts of a tool result, joined by line breaks. If the tool failed, "Error: " goes before
    them (without any text the result is "Error"), and this is reported as a change. where: the result's IR
    path.
    """
    text = "\n".join(texts)
    if not block.error:
        return text
    draft.report.change(where + ".error", where, "the error is written into the text of the tool result")
    return f"Error: {text}" if text else "Error"


def short_id(call_id: str) -> str:
    """Return the call's id, unchanged if it has at most 40 characters. A longer id is replaced by `call_` and
    a hash of the id, together 37 characters; equal ids give equal results.
    """
    if len(call_id) <= _MAX_ID:
        return call_id
    return "call_" + sha256(call_id.encode()).hexdigest()[:32]
