"""The parts of a repaired history: turns, which consist of pieces. The encoder of the target writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.severity import Severity

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]


class Note(NamedTuple):
    """One repair, for the report.

    where: the IR path of the repaired value; None = the repair adds something. to: the JSON path, in the
    encoded body, of what was written, in which `{at}` stands for the message's index; "" = nothing was
    written. severity: of the loss; None = the repair is not a loss.
    """

    where: str | None
    to: str
    reason: str
    severity: Severity | None = None


class Piece(msgspec.Struct):
    """Blocks for one turn, from one message or from the system text, or results, media and texts that the
    repair puts there.

    message: the client's message, whose name, cache mark and leftovers are written with this piece; None =
    this piece has none of them. index: the position of the client's message; -1 = the request's top-level
    system text. places: the IR paths of the blocks, "" for a block that was added; None = the blocks are all
    blocks of the message. tagged: True = this is system text in the user's turn, to be written with the tag
    that the function `tagged` adds. apart: True = a medium that has moved stood between this piece and the
    piece before.
    """

    message: ir.Message | None
    index: int
    blocks: Sequence[ir.Block]
    places: Sequence[str] | None = None
    tagged: bool = False
    apart: bool = False

    def place(self, at: int) -> str:
        """Return the IR path of the block with index `at` in `blocks`; "" = the repair has added it."""
        if self.places is not None:
            return self.places[at]
        return f"messages[{self.index}].blocks[{at}]" if self.index >= 0 else f"system[{at}]"

    def placed(self) -> list[tuple[ir.Block, str]]:
        """Return (block, its IR path) for each block."""
        return [(block, self.place(at)) for at, block in enumerate(self.blocks)]


class Turn(msgspec.Struct):
    """One message of the target, or several of its items. role: the message's; "tool" = a tool result as a
    separate message. pieces: the content, in order. notes: the repairs in this turn.
    """

    role: Role
    pieces: list[Piece] = []
    notes: list[Note] = []

    def tell(self, report: Report, at: int = 0) -> None:
        """Put the notes of this turn into the report, as additions, changes and losses. at: the index of the
        message in the encoded body.
        """
        for note in self.notes:
            to = note.to.replace("{at}", str(at))
            if note.where is None:
                report.add(to, note.reason)
            elif note.severity is None:
                report.change(note.where, to, note.reason)
            else:
                report.lose(note.where, note.reason, note.severity)


def tagged(text: str) -> str:
    """Return system text for a message of the user: with the tag <system> around it."""
    return f"<system>\n{text}\n</system>"


def has_heading(message: ir.Message) -> bool:
    """Whether a message has a name, a cache mark or leftovers (`extra`) beside its blocks."""
    return message.name is not None or message.cache is not None or message.extra is not None
