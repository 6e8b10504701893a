"""A command that needs a yes: asked on stderr, refused where nobody can be asked, ended by a no."""

from __future__ import annotations

import io
import sys

import click
import pytest

from dragoman.cli.confirming import confirm
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, Failure, Terminal


class Typed(io.StringIO):
    """The stdin of a terminal, at which somebody types these lines."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal() -> Terminal:
    return Terminal(sys.stdout, sys.stderr)


def typed(monkeypatch: pytest.MonkeyPatch, lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", Typed(lines))


def test_a_yes_goes_on(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, "y\n")
    confirm(terminal, "removing acme", "Remove it?", yes=False)
    asked = capsys.readouterr()
    assert (asked.out, "Remove it? [y/N]" in asked.err) == ("", True)


@pytest.mark.parametrize("line", ["n\n", "\n"])
def test_a_no_ends_the_command(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    typed(monkeypatch, line)
    with pytest.raises(click.exceptions.Exit) as ended:
        confirm(terminal, "removing acme", "Remove it?", yes=False)
    assert ended.value.exit_code == ANSWER_IS_NO


def test_an_empty_line_is_the_usual_answer(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "\n")
    confirm(terminal, "an upgrade", "Upgrade?", yes=False, default=True)


def test_a_yes_on_the_command_line_asks_nobody(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, "")
    confirm(terminal, "removing acme", "Remove it?", yes=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("as_json", [False, True])
def test_without_anybody_to_ask_the_command_is_refused(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", Typed("y\n") if as_json else io.StringIO("y\n"))
    terminal.as_json = as_json
    with pytest.raises(Failure) as refused:
        confirm(terminal, "removing acme", "Remove it?", yes=False, hint="add --yes (never used)")
    assert (refused.value.code, refused.value.hint) == (MISUSE, "add --yes (never used)")
    assert "removing acme needs a confirmation" in str(refused.value)
