"""Places and notes of a repaired history."""

from __future__ import annotations

from dragoman import ir
from dragoman.dialects.loss import Change, Loss, Report
from dragoman.dialects.repair.turn import Note, Piece, Turn, tagged

TEXTS = (ir.Text("a"), ir.Text("b"))


def test_blocks_stand_where_the_client_wrote_them() -> None:
    assert Piece(None, 3, TEXTS).place(1) == "messages[3].blocks[1]"
    assert Piece(None, -1, TEXTS).place(1) == "system[1]"
    assert Piece(None, 0, TEXTS, ("here", "there")).placed() == [(TEXTS[0], "here"), (TEXTS[1], "there")]


def test_notes_are_told_with_the_index_of_what_is_written() -> None:
    notes = [
        Note(None, "messages[{at}]", "added"),
        Note("system", "messages[{at}].role", "changed"),
        Note("messages[0]", "", "lost", "quality"),
    ]
    report = Report("target")
    Turn("user", [], notes).tell(report, 4)
    assert report.changes == [
        Change(None, "messages[4]", "added"),
        Change("system", "messages[4].role", "changed"),
    ]
    assert report.losses == [Loss("messages[0]", "lost", "quality", "target")]


def test_system_text_is_told_from_the_users() -> None:
    assert tagged("Be brief.") == "<system>\nBe brief.\n</system>"
