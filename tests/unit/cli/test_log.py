"""The server's own log: JSON lines for programs, one marked line for people."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import datetime

import pytest

from dragoman.cli.log import Narrator, narrate
from dragoman.cli.terminal import Terminal
from tests.unit.cli.conftest import Window

LOGGER = logging.getLogger("dragoman.test")


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The root logger, left as it was, like the hooks of the interpreter."""
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.handlers.clear()  # `force` would close those of pytest
    yield root
    logging.captureWarnings(False)
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
    assert list(line)[:4] == ["time", "at", "event", "level"]
    at = line.pop("at")
    assert datetime.fromisoformat(line.pop("time")).timestamp() == pytest.approx(at, abs=0.002)
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


class Told:
    """A stream for `narrate`, and the JSON lines that were written to it."""

    def __init__(self) -> None:
        self._raw = io.BytesIO()
        self.terminal = Terminal(io.StringIO(), io.TextIOWrapper(self._raw, encoding="utf-8"))

    @property
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self._raw.getvalue().splitlines()]


def test_every_logger_speaks_from_warnings_on(root: logging.Logger) -> None:
    told = Told()
    narrate(told.terminal)
    LOGGER.info("quiet")
    LOGGER.warning("loud")
    assert [line["message"] for line in told.lines] == ["loud"]


def test_records_and_messages_of_the_command_have_one_writer(root: logging.Logger) -> None:
    told = Told()
    narrate(told.terminal)
    assert told.terminal.lines is not None
    told.terminal.lines.start()
    LOGGER.warning("first")
    told.terminal.insist('{"message": "second"}\n')
    LOGGER.warning("third")
    told.terminal.lines.close()
    told.terminal.insist('{"message": "last"}\n')
    assert [line["message"] for line in told.lines] == ["first", "second", "third", "last"]


@pytest.mark.filterwarnings("default")
def test_what_python_itself_would_write_to_stderr_becomes_a_record(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Told()
    narrate(told.terminal)

    class Broken:
        def __del__(self) -> None:
            raise ValueError("in a destructor")

    def fails() -> None:
        raise ValueError("in a thread")

    warnings.warn("old", RuntimeWarning, stacklevel=1)
    Broken()
    gc.collect()
    thread = threading.Thread(target=fails, name="worker")
    thread.start()
    thread.join()
    assert capsys.readouterr().err == ""
    warned, destroyed, failed = told.lines
    assert (warned["logger"], "RuntimeWarning: old" in str(warned["message"])) == ("py.warnings", True)
    assert "ValueError: in a destructor" in str(destroyed["traceback"])
    assert failed["message"] == "thread worker failed"
    assert "ValueError: in a thread" in str(failed["traceback"])


def deep(calls: int) -> None:
    """Raise a ValueError from so many calls, whose lines differ."""
    space: dict[str, object] = {}
    calling = ["def f0(): raise ValueError('why')"]
    calling += [f"def f{number}(): f{number - 1}()" for number in range(1, calls)]
    exec("\n".join(calling), space)
    space[f"f{calls - 1}"]()  # type: ignore[operator]


def test_a_long_traceback_loses_its_middle() -> None:
    with pytest.raises(ValueError, match="why") as caught:
        deep(900)
    (told,) = (json.loads(written(io.StringIO(), record(caught.value)))["traceback"],)
    assert 20_000 < len(told) < 25_000
    assert told.startswith("Traceback")
    assert told.endswith("ValueError: why\n")
    assert "\n…\n" in told


@pytest.mark.parametrize("people", [False, True])
def test_a_wrong_call_of_a_logger_ends_nobody(window: Window, people: bool) -> None:
    one = record()
    one.args = (1, 2)
    told = written(window if people else io.StringIO(), one)
    assert "cannot be logged: TypeError" in (told if people else json.loads(told)["message"])


def test_a_record_may_bring_its_event_and_fields() -> None:
    one = record()
    one.event, one.fields = "audit", {"who": "ann"}
    line = json.loads(written(io.StringIO(), one))
    assert (line["event"], line["who"], line["level"]) == ("audit", "ann", "error")
