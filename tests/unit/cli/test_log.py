"""The server's own log: JSON lines for programs, one marked line for people."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest

from dragoman.cli.log import Narrator, narrate
from dragoman.cli.terminal import Terminal
from tests.unit.cli.conftest import Window

LOGGER = logging.getLogger("dragoman.test")


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, left as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.handlers.clear()  # `force` would close those of pytest
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def record(error: BaseException | None = None) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    return LOGGER.makeRecord(LOGGER.name, logging.ERROR, "", 0, "task %s failed\n", ("x\x1b[2J",), info)


def written(err: io.StringIO, one: logging.LogRecord, *, verbose: bool = False) -> str:
    terminal = Terminal(io.StringIO(), err)
    terminal.verbose = verbose
    Narrator(terminal).emit(one)
    return err.getvalue()


def test_programs_get_a_json_line_with_the_traceback() -> None:
    line = json.loads(written(io.StringIO(), record(ValueError("why"))))
    assert line.pop("at") > 0
    assert "ValueError: why" in line.pop("traceback")
    assert line == {
        "event": "log", "level": "error", "logger": "dragoman.test", "message": "task x\x1b[2J failed",
    }  # fmt: skip


def test_people_get_one_line(window: Window) -> None:
    assert (
        written(window, record(ValueError("why"))) == "✕ dragoman.test: task x[2J failed: ValueError: why\n"
    )


def test_people_who_ask_get_the_traceback(window: Window) -> None:
    lines = written(window, record(ValueError("why")), verbose=True).splitlines()
    assert lines[1:] == ["ValueError: why"]


def test_what_was_stopped_on_purpose_is_no_news() -> None:
    assert written(io.StringIO(), record(asyncio.CancelledError())) == ""


def test_every_logger_speaks_from_warnings_on(root: logging.Logger) -> None:
    err = io.StringIO()
    narrate(Terminal(io.StringIO(), err))
    LOGGER.info("quiet")
    LOGGER.warning("loud")
    assert [json.loads(line)["message"] for line in err.getvalue().splitlines()] == ["loud"]


def test_a_record_may_bring_its_event_and_fields() -> None:
    one = record()
    one.event, one.fields = "audit", {"who": "ann"}
    line = json.loads(written(io.StringIO(), one))
    assert (line["event"], line["who"], line["level"]) == ("audit", "ann", "error")
