"""What the checks have in common: places within a section, and rules that raise."""

from __future__ import annotations

from pathlib import Path

from dragoman.config.misfit import Misfit, no_file, ruled, within
from dragoman.config.values import addresses


def test_places_begin_with_their_section() -> None:
    found = [Misfit("", "a"), Misfit("b.c", "d", "e", odd=True)]
    placed = [Misfit("models.m", "a"), Misfit("models.m.b.c", "d", "e", odd=True)]
    assert [*within("models.m", found)] == placed
    assert [*within("", found)] == found


def test_a_rule_that_raises_is_a_mistake() -> None:
    assert [*ruled("x", addresses, "10.0.0.0/8")] == []
    (wrong,) = ruled("x", addresses, "ten")
    assert wrong == Misfit("x", "expected an address or a network such as 203.0.113.0/24")


def test_a_file_has_to_be_there(tmp_path: Path) -> None:
    (file := tmp_path / "a.pem").touch()
    assert [*no_file("x", None), *no_file("x", str(file))] == []
    assert [*no_file("x", str(tmp_path))] == [Misfit("x", f"there is no file {tmp_path}")]
