"""The program itself: its groups, and the exit code and the words of every error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.errors import DragomanError
from dragoman.version import __version__
from tests.unit.cli.conftest import Run


def test_alone_it_prints_the_groups(run: Run) -> None:
    code, out, err = run()
    assert (code, err) == (0, "")
    assert [line[:-1] for line in out.splitlines() if line in {"start:", "try:", "manage:"}] == [
        "start", "try", "manage",
    ]  # fmt: skip
    assert {"serve", "test", "translate", "check", "models", "config"} <= set(out.split())


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"dragoman {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (
            ("tset",),
            "unknown command 'tset'",
            "did you mean test or setup? dragoman --help lists all of them",
        ),
        (
            ("models", "lsit"),
            "unknown command 'lsit'",
            "did you mean list? dragoman models --help lists all of them",
        ),
        (("xyzzy",), "unknown command 'xyzzy'", "dragoman --help"),
        (
            ("check", "--jsno"),
            "no such option '--jsno'",
            "did you mean --json? dragoman check --help lists all of them",
        ),
        (("serve", "--port", "99999"), "invalid value for '--port'", "dragoman serve --help"),
        (("translate",), "missing option '--from'", "dragoman translate --help"),
        (("check", "a.yaml", "b.yaml"), "got unexpected extra argument", "dragoman check --help"),
    ],
)
def test_misuse_ends_with_2_and_what_was_meant(
    run: Run, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert err.splitlines()[1:] == [f" hint: {hint}"]


def test_misuse_for_programs_wherever_json_stands(run: Run) -> None:
    for arguments in [("--json", "check", "--xyzzy"), ("check", "--xyzzy", "--json")]:
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert json.loads(err)["error"] == {
            "code": "usage", "message": "no such option '--xyzzy'", "hint": "dragoman check --help",
        }  # fmt: skip


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def raises(*_: Any) -> None:
        raise error

    monkeypatch.setattr("dragoman.config.schema.json_schema", raises)


def test_an_unexpected_error_is_one_line_and_its_traceback_is_for_whoever_asks(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, KeyError("surprise"))
    assert run("config", "schema") == (
        1, "", "error: unexpected KeyError: 'surprise'\n hint: -v shows the traceback\n",
    )  # fmt: skip
    code, _, err = run("config", "schema", "-v")
    assert code == 1
    assert "Traceback (most recent call last)" in err
    assert err.endswith("error: unexpected KeyError: 'surprise'\n")
    told = json.loads(run("config", "schema", "-v", "--json").err)["error"]
    assert "Traceback" in told["traceback"]


def test_an_error_on_purpose_is_its_own_words(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, DragomanError("not today"))
    assert run("config", "schema") == (1, "", "error: not today\n")


def test_ctrl_c_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    assert run("config", "schema") == (130, "", "")
