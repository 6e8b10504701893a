"""The parts of a repaired history, which the encoder of the target writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.severity import Severity

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]


class Note(NamedTuple):
    """One change or loss, for the report.

    where: the path in the IR, None = the repair adds something. to: as `Why.to`. severity: of a loss.
    """

    where: str | None
    to: str
    reason: str
    severity: Severity | None = None


class Piece(msgspec.Struct):
    """Blocks of one of the client's messages, which go into one turn.

    message: the client's message, whose other members are written with this piece; None = they are not.
    index: of that message, -1 = the request's own system text. places: the paths of the blocks in the IR,
    None = the blocks are the message's own. tagged: system text that must be marked in the user's turn.
    apart: another block stood between this piece and the previous piece.
    """

    message: ir.Message | None
    index: int
    blocks: Sequence[ir.Block]
    places: Sequence[str] | None = None
    tagged: bool = False
    apart: bool = False

    def place(self, at: int) -> str:
        """A block's path in the IR."""
        if self.places is not None:
            return self.places[at]
        return f"messages[{self.index}].blocks[{at}]" if self.index >= 0 else f"system[{at}]"

    def placed(self) -> list[tuple[ir.Block, str]]:
        """The blocks, each with its path in the IR."""
        return [(block, self.place(at)) for at, block in enumerate(self.blocks)]


class Turn(msgspec.Struct):
    """One message of the target, or several items. role: "tool" = a result as a message of its own."""

    role: Role
    pieces: list[Piece] = []
    notes: list[Note] = []

    def tell(self, report: Report, at: int = 0) -> None:
        """Report the repairs. at: the index of the message in the encoded body."""
        for note in self.notes:
            to = note.to.replace("{at}", str(at))
            if note.where is None:
                report.add(to, note.reason)
            elif note.severity is None:
                report.change(note.where, to, note.reason)
            else:
                report.lose(note.where, note.reason, note.severity)


def tagged(text: str) -> str:
    """System text inside a user's message, marked by a tag."""
    return f"<system>\n{text}\n</system>"


def has_heading(message: ir.Message) -> bool:
    """Whether a message has members beside its blocks."""
    return message.name is not None or message.cache is not None or message.extra is not None
