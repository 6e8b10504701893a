"""What is told after a reload, to people and to programs."""

from __future__ import annotations

import io
import json

import pytest

from dragoman.assembly.reload import Outcome
from dragoman.cli.reloading import tell
from dragoman.cli.terminal import Terminal
from dragoman.config.differences import Difference
from dragoman.errors import Problem
from tests.unit.cli.conftest import Window

GOOD = Outcome(
    hash="mark",
    changed=(Difference("models.m", "added"), Difference("auth.keys[0].key", "changed", "cdef")),
    restart=("server.port",),
    warnings=(Problem("auth.keys[0].key", "is short", "f.yaml", 2),),
)
BAD = Outcome(hash="mark", problems=(Problem("models.m.use", "is bad", "f.yaml", 3), Problem("x", "too")))


def lines(window: Window, outcome: Outcome) -> list[str]:
    tell(Terminal(io.StringIO(), window), outcome)
    return window.getvalue().splitlines()


def test_people_read_what_has_changed(window: Window) -> None:
    first, *rest = lines(window, GOOD)
    assert first == "configuration loaded again: 2 settings changed"
    assert [line.split(maxsplit=1)[1] for line in rest] == [
        "models.m added",
        "auth.keys[0].key changed (now …cdef)",
        "server.port has changed, but needs a restart",
        "f.yaml:2: auth.keys[0].key: is short",
    ]


def test_people_read_what_is_wrong(window: Window) -> None:
    first, *rest = lines(window, BAD)
    assert first == "configuration not loaded: 2 problems; the one in use stays"
    assert [line.split(maxsplit=1)[1] for line in rest] == ["f.yaml:3: models.m.use: is bad", "x: too"]


def test_many_changes_are_counted(window: Window) -> None:
    many = Outcome(hash="mark", changed=(Difference("models.m", "added"),) * 25)
    assert lines(window, many)[-1] == " … and 5 more"


def test_nothing_new_is_said_so(window: Window) -> None:
    assert lines(window, Outcome(hash="mark")) == ["configuration loaded again: nothing has changed"]


def test_programs_read_one_event() -> None:
    told = io.StringIO()
    tell(Terminal(io.StringIO(), told), GOOD)
    event = json.loads(told.getvalue())
    assert (event["event"], event["used"], event["hash"]) == ("reload", True, "mark")
    assert event["changed"][1] == {"setting": "auth.keys[0].key", "change": "changed", "tail": "cdef"}
    tell(Terminal(io.StringIO(), told := io.StringIO()), BAD)
    event = json.loads(told.getvalue())
    assert event["used"] is False
    assert event["problems"][0] == {
        "path": "models.m.use",
        "message": "is bad",
        "file": "f.yaml",
        "line": 3,
    }


@pytest.mark.parametrize(("outcome", "silent"), [(Outcome(hash="mark"), True), (GOOD, False), (BAD, False)])
def test_quiet_is_quiet_where_all_is_well(outcome: Outcome, silent: bool) -> None:
    terminal = Terminal(io.StringIO(), told := io.StringIO())
    terminal.quiet = True
    tell(terminal, outcome)
    assert (told.getvalue() == "") is silent
