"""Chat completions that are to be kept: whole or streamed, with what their client wants beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dragoman.state.store import StoredChat, StoreFailed
from dragoman.turns.chats import written
from tests.unit.turns.asking import Asker, Paced

PATH = "/v1/chat/completions"


def asking(**members: Any) -> dict[str, Any]:
    return {"model": "own/m", "messages": [{"role": "user", "content": "a"}], "store": True, **members}


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_kept_before_its_client_reads_its_end(tmp_path: Path, stream: bool) -> None:
    asker = Asker(upstream := Paced("one", "end"), tmp_path, "stores: {sql: memory}")
    assert (await asker.ask("POST", PATH, asking(stream=stream, metadata={"k": "v"}))).status == 200
    (kept,) = (await asker.ask("GET", PATH)).body["data"]
    assert kept["choices"][0]["message"]["content"] == "one"
    assert kept["metadata"] == {"k": "v"}
    assert (upstream.asked[0].store, upstream.asked[0].metadata) == (None, None)
    await asker.close()


async def test_an_answer_that_fails_is_not_kept(tmp_path: Path) -> None:
    asker = Asker(Paced("one", "fail"), tmp_path, "stores: {sql: memory}")
    await asker.ask("POST", PATH, asking(stream=True))
    assert (await asker.ask("GET", PATH)).body["data"] == []
    await asker.close()


async def test_a_store_that_fails_leaves_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asker = Asker(Paced("one", "end"), tmp_path, "stores: {sql: memory}")
    await asker.gateway.start()

    async def failing(*_: Any) -> None:
        raise StoreFailed("locked")

    monkeypatch.setattr(asker.gateway.keeping.store.chats, "save", failing)
    assert (await asker.ask("POST", PATH, asking())).status == 200
    assert "could not be stored: locked" in caplog.text
    await asker.close()


def test_a_kept_completion_is_written_with_its_metadata() -> None:
    chat = StoredChat(
        id="c", tenant="t", created=1.0, model="m", body=b'{"id":"c"}', messages=b"[]", metadata={"k": "v"}
    )
    assert written(chat) == b'{"id":"c","metadata":{"k":"v"}}'
