"""The corpus reads every form an exchange is kept in, and no more files than it must."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.errors import WireError
from dragoman.testing import corpus


def record(id: str, api: str, **more: Any) -> str:
    return json.dumps({"id": id, "api": api, **more})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chat = {"request": {"method": "POST", "url": "https://x/v1", "headers": {}, "body": {"model": "m"}}}
    (tmp_path / "openai.chat.jsonl").write_text(
        record("a", "openai.chat", **chat, response={"status": 200, "headers": {}, "sse": "data: 1\n\n"})
        + "\n\n"
        + record("b", "openai.chat", source={"repo": "r"}, features=["stream"], response={"body": [1]})
    )
    (tmp_path / "openai.chat.samples.jsonl").write_text(
        record("c", "openai.chat", request=None, response={"status": 200, "headers": {}, "events": [{}, 1]})
    )
    (tmp_path / "groq.chat.jsonl").write_text(record("d", "groq.chat", response={"body_text": "oops"}))
    (tmp_path / "anthropic").mkdir()
    (tmp_path / "anthropic" / "tools.json").write_text(
        json.dumps({"id": "e", "api": "anthropic.messages", "note": "why"}, indent=2)
    )
    (tmp_path / "README.md").write_text("not an exchange")
    return tmp_path


def test_everything_is_read_in_order(folder: Path) -> None:
    assert [e.id for e in corpus.read(folder)] == ["e", "d", "a", "b", "c"]


@pytest.mark.parametrize(
    ("patterns", "ids"),
    [(["openai.chat"], "abc"), (["*.chat"], "dabc"), (["groq.*", "anthropic.messages"], "ed"), (["x"], "")],
)
def test_exchanges_are_chosen_by_api(folder: Path, patterns: list[str], ids: str) -> None:
    assert "".join(e.id for e in corpus.read(folder, *patterns)) == ids


def test_files_of_other_apis_are_not_opened(folder: Path) -> None:
    (folder / "cohere.chat.jsonl").write_text("broken")
    assert [e.id for e in corpus.read(folder, "groq.chat")] == ["d"]


def test_what_an_exchange_holds(folder: Path) -> None:
    e, d, a, b, c = corpus.read(folder)
    assert a.request == corpus.Request("POST", "https://x/v1", {}, {"model": "m"})
    assert a.response == corpus.Response(200, {}, sse="data: 1\n\n")
    assert b.features == {"stream"}
    assert b.response is not None
    assert b.response.raw == b"[1]"
    assert c.request is None
    assert c.response is not None
    assert c.response.events == ({}, 1)
    assert c.response.raw == b""
    assert d.response is not None
    assert d.response.raw == b"oops"
    assert (e.note, e.request, e.response) == ("why", None, None)


def test_a_file_that_does_not_fit_is_named(folder: Path) -> None:
    (folder / "openai.chat.jsonl").write_text(record("a", "openai.chat") + "\n" + '{"id": 1}')
    with pytest.raises(WireError, match=r"openai\.chat\.jsonl:2: no exchange: Expected `str`"):
        list(corpus.read(folder, "openai.chat"))


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(corpus.read(tmp_path / "nowhere"))


@pytest.mark.wire
def test_the_recordings_are_read_whole(recorded: Path) -> None:
    exchanges = list(corpus.read(recorded))
    assert len(exchanges) == 2984
    assert len({exchange.id for exchange in exchanges}) == 2984
