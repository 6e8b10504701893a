"""The file with the description is current."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dragoman.server.admin import openapi_file


def test_the_file_is_current() -> None:
    assert openapi_file.main(["--check"]) == 0


def test_it_is_written_checked_and_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(openapi_file, "FILE", tmp_path / "admin-openapi.json")
    assert openapi_file.main(["--check"]) == 1
    assert openapi_file.main(["--write"]) == 0
    assert openapi_file.main(["--check"]) == 0
    assert openapi_file.main(["--else"]) == 2
    assert openapi_file.main([]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "admin-openapi.json").read_text())
