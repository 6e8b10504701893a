"""What may be written to which stream, in which letters and colours."""

from __future__ import annotations

import io
import json

import pytest

from dragoman.cli.terminal import MISUSE, Failure, Terminal, clean
from tests.unit.cli.conftest import Window

EVIL = "a\x1b[31mred\x07\x9b2J\u202eb\tc\nd\r\ne"


def terminal(err: io.StringIO | None = None) -> tuple[Terminal, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), err or io.StringIO()
    return Terminal(out, err), out, err


def test_control_characters_from_outside_are_removed() -> None:
    assert clean(EVIL) == "a[31mred2Jb c d e"
    assert clean(EVIL, lines=True).splitlines() == ["a[31mred2Jb c", "d", "e"]
    assert clean("plain · text") == "plain · text"


def test_json_keeps_every_value_and_shows_no_control_character() -> None:
    speaker, out, _ = terminal()
    value = {"text": EVIL, "lone": "\ud800", "beyond": "😀\U000e0041"}
    speaker.result(value)
    assert json.loads(out.getvalue()) == value
    assert out.getvalue().replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("environment", "on_a_terminal", "elsewhere"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
    ],
)
def test_colours_follow_the_stream_and_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], on_a_terminal: bool, elsewhere: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    speaker = Terminal(io.StringIO(), Window())
    assert (speaker.err.styled("x", "bad") != "x") is on_a_terminal
    assert (speaker.out.styled("x", "bad") != "x") is elsewhere


def test_signs_are_ascii_where_the_stream_is_not_utf8() -> None:
    raw = io.BytesIO()
    speaker = Terminal(io.TextIOWrapper(raw, encoding="ascii"), io.StringIO())
    speaker.result(f"{speaker.out.mark('ok')} a · b → c – …  漢")
    assert raw.getvalue() == rb"ok a - b -> c - ...  \u6f22" + b"\n"


def test_an_error_is_two_lines_whatever_its_words_hold() -> None:
    speaker, out, err = terminal()
    speaker.fail(Failure(MISUSE, "no\nsuch\x1bthing", hint="try\nthat"))
    assert err.getvalue() == "error: no suchthing\n hint: try that\n"
    assert out.getvalue() == ""


def test_an_error_for_programs_is_one_object_on_stderr() -> None:
    speaker, out, err = terminal()
    speaker.as_json = True
    speaker.fail(Failure(MISUSE, "no such thing", fields={"problems": []}))
    assert json.loads(err.getvalue()) == {
        "error": {"code": "usage", "message": "no such thing", "hint": None, "problems": []}
    }
    assert (err.getvalue().count("\n"), out.getvalue()) == (1, "")


@pytest.mark.parametrize("silence", ["as_json", "quiet"])
def test_narration_can_be_silenced_errors_cannot(silence: str) -> None:
    speaker, _, err = terminal()
    setattr(speaker, silence, True)
    speaker.say("once upon a time")
    assert err.getvalue() == ""
    speaker.fail(Failure(MISUSE, "the end"))
    assert "the end" in err.getvalue()


def test_a_closed_stderr_stops_no_work() -> None:
    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    speaker, out, _ = terminal(Closed())
    speaker.say("nobody hears this")
    speaker.result("but this")
    assert out.getvalue() == "but this\n"


def test_a_table_is_tab_separated_with_titles_off_a_terminal() -> None:
    speaker, out, _ = terminal()
    speaker.table(("name", "size"), [("a\tb\nc", 1_000), ("x" * 200, None)])
    assert out.getvalue() == f"name\tsize\na b c\t1000\n{'x' * 200}\t\n"


def test_a_table_is_aligned_on_a_terminal(window: Window) -> None:
    Terminal(window, io.StringIO()).table(("name", "size"), [("a\tb", 1_000), ("long name", None)])
    assert window.getvalue() == "name        size\na b        1,000\nlong name      –\n"
