"""What is told after the secret files were read again, to people and to programs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from dragoman.cli.rereading import tell
from dragoman.cli.terminal import Terminal
from dragoman.config.reread import Reading
from tests.unit.cli.conftest import Window

KEY = Path("/run/secrets/key")
READINGS = [
    Reading("auth.keys[0].key", KEY, "changed", "cdef"),
    Reading("auth.keys[1].key", KEY, "unchanged", "1234"),
    Reading("providers.a.keys[0]", KEY, "failed", "", "is empty"),
    Reading("providers.a.proxy", KEY, "restart", ""),
]


def test_people_read_a_line_for_each_secret_that_is_not_as_before(window: Window) -> None:
    tell(Terminal(io.StringIO(), window), READINGS, worker=2)
    first, *lines = window.getvalue().splitlines()
    assert first == (
        "worker 2: secrets read again: 1 changed, 1 as before, 1 not usable, 1 waiting for a restart"
    )
    assert [line.split(maxsplit=1)[1] for line in lines] == [
        "auth.keys[0].key is now …cdef (/run/secrets/key)",
        "providers.a.keys[0] keeps what it was: /run/secrets/key is empty",
        "providers.a.proxy keeps what it was until a restart: /run/secrets/key has changed",
    ]


def test_programs_read_one_event() -> None:
    told = io.StringIO()
    tell(Terminal(io.StringIO(), told), READINGS)
    event = json.loads(told.getvalue())
    assert (event["event"], event["worker"]) == ("secrets", 1)
    assert event["changed"] == [{"setting": "auth.keys[0].key", "file": str(KEY), "tail": "cdef"}]
    assert event["failed"][0]["reason"] == "is empty"


@pytest.mark.parametrize(("readings", "silent"), [(READINGS[:2], True), (READINGS, False), ([], True)])
def test_quiet_is_quiet_where_all_is_well(readings: list[Reading], silent: bool) -> None:
    terminal = Terminal(io.StringIO(), told := io.StringIO())
    terminal.quiet = True
    tell(terminal, readings)
    assert (told.getvalue() == "") is silent
