"""`dragoman aliases` has what changes aliases."""

from __future__ import annotations

from tests.unit.cli.conftest import Run


def test_aliases_are_added_and_removed(run: Run) -> None:
    ended = run("aliases", "--help")
    assert ended.code == 0
    assert {"add", "remove"} <= set(ended.out.split())
