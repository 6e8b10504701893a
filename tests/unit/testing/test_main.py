"""The command holds the recordings in a folder to the laws, and prints what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dragoman.testing.__main__ import main

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [
        {"id": "good", "api": "openai.chat", "request": {"body": {**BODY, "odd": 1}}},
        {"id": "bad", "api": "openai.chat", "request": {"body": {**BODY, "messages": 5}}},
    ]
    (tmp_path / "openai.chat.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def test_the_command_says_what_is_broken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder)]) == 1
    out = capsys.readouterr().out
    assert "request.check  openai.chat  bad" in out
    assert "request.check is broken by 1 exchanges" in out
    assert "good" not in out


def test_the_command_chooses(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder), "--id", "good", "--leftovers"]) == 0
    out = capsys.readouterr().out
    assert "all laws hold over 1 exchanges" in out
    assert "1 Request.odd" in out
    assert main([str(folder), "--law", "request.maps", "--id", "good"]) == 0
    assert main(["--law", "stream"], [folder]) == 0
    assert main([str(folder), "--api", "groq.chat"]) == 1
    assert "no exchange was found" in capsys.readouterr().out


def test_the_command_reports_an_exception_that_nothing_needs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exceptions = folder / "exceptions.toml"
    exceptions.write_text('[[exception]]\nlaw = "request.maps"\nid = "good"\nreason = "why"\n')
    assert main(["--id", "good"], [folder], exceptions) == 1
    assert "the exception for request.maps of good is no longer needed" in capsys.readouterr().out


def test_a_law_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--law", "nonsense"])
    assert "no law is called nonsense" in capsys.readouterr().err


def test_the_laws_of_odd_forms_are_chosen_by_their_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    exchange = {"id": "one", "api": "openai.chat", "request": {"body": body}}
    (tmp_path / "openai.chat.jsonl").write_text(json.dumps(exchange) + "\n")
    main(["--law", "mutants", "--mutants", "3", str(tmp_path)])
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("openai.chat")]
    assert line.split()[6] == "3"
