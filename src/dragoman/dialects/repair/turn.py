"""A repaired history, as the encoder of the target writes it."""

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

    where: the place in IR terms, None = something is added. to: as `Why.to`. severity: of a loss.
    """

    where: str | None
    to: str
    reason: str
    severity: Severity | None = None


class Piece(msgspec.Struct):
    """Blocks of one of the client's messages, which go into one turn.

    message: the client's, whose members beside its blocks belong here; None = they do not, or it has none.
    index: of that message, -1 = the request's own system text. places: of the blocks in IR terms, None = they
    are the message's own. tagged: it is system text, to be told from the user's. apart: something else stood
    between it and the piece before.
    """

    message: ir.Message | None
    index: int
    blocks: Sequence[ir.Block]
    places: Sequence[str] | None = None
    tagged: bool = False
    apart: bool = False

    def place(self, at: int) -> str:
        """A block's place in IR terms."""
        if self.places is not None:
            return self.places[at]
        return f"messages[{self.index}].blocks[{at}]" if self.index >= 0 else f"system[{at}]"

    def placed(self) -> list[tuple[ir.Block, str]]:
        """The blocks, each with its place in IR terms."""
        return [(block, self.place(at)) for at, block in enumerate(self.blocks)]


class Turn(msgspec.Struct):
    """One message of the target, or its items. role: "tool" = a result that is a message of its own."""

    role: Role
    pieces: list[Piece] = []
    notes: list[Note] = []

    def tell(self, report: Report, at: int = 0) -> None:
        """Report what was changed. at: the index of the message in the body that is written."""
        for note in self.notes:
            to = note.to.replace("{at}", str(at))
            if note.where is None:
                report.add(to, note.reason)
            elif note.severity is None:
                report.change(note.where, to, note.reason)
            else:
                report.lose(note.where, note.reason, note.severity)


def tagged(text: str) -> str:
    """System text as it stands in a user's message."""
    return f"<system>\n{text}\n</system>"


def has_heading(message: ir.Message) -> bool:
    """Whether a message carries something beside its blocks."""
    return message.name is not None or message.cache is not None or message.extra is not None
