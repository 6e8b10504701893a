"""Stored answers: what is kept for how long, and what clients are told of what is not there."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.config.lasting import Responses
from dragoman.errors import RequestFailed
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.state.store import HistoryTooLarge, Item, StoredResponse, StoreFailed, StoreFull
from dragoman.stores.limits import Limits
from dragoman.stores.memory import MemoryStore
from dragoman.turns.keeping import Keeping, Piece, reachable, written

ITEM = Item("msg_1", b'{"id":"msg_1"}')


def answer(**more: Any) -> StoredResponse:
    standard = {"id": "resp_1", "tenant": "t", "created": 1.0, "status": "completed", "body": b'{"id":"a"}'}
    return StoredResponse(**{**standard, **more})


def keeping(**limits: Any) -> tuple[Keeping, list[str]]:
    reached: list[str] = []
    seams = Seams(now=lambda: 100.0, monotonic=SYSTEM.monotonic)
    store = MemoryStore(Limits(**limits), seams)
    return Keeping(
        store, Responses(), seams, reached=lambda bound, why: reached.append(f"{bound} {why}")
    ), reached


async def test_a_saved_answer_is_there_until_it_is_deleted() -> None:
    kept, _ = keeping()
    assert await kept.save(answer(output=(ITEM,)))
    assert (await kept.get("t", "resp_1")).output == (ITEM,)
    assert [piece.items for piece in await kept.history("t", "resp_1")] == [(ITEM,)]
    await kept.delete("t", "resp_1")
    for missing in (kept.get, kept.delete):
        with pytest.raises(RequestFailed, match="'resp_1' not found"):
            await missing("t", "resp_1")


async def test_anothers_answer_does_not_exist() -> None:
    kept, _ = keeping()
    await kept.save(answer())
    with pytest.raises(RequestFailed, match="not found"):
        await kept.get("u", "resp_1")
    with pytest.raises(RequestFailed, match="not found"):
        await kept.history("u", "resp_1")


async def test_what_does_not_fit_is_counted_and_not_kept() -> None:
    kept, reached = keeping(size=1000)
    assert not await kept.save(answer(body=b" " * 2000))
    assert reached[0].startswith("responses_full by t: resp_1 is not stored: ")


async def test_an_unfinished_answer_cannot_be_continued() -> None:
    kept, _ = keeping()
    await kept.save(answer(status="in_progress", lease=100.0))
    with pytest.raises(RequestFailed, match="has not finished yet"):
        await kept.history("t", "resp_1")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HistoryTooLarge("so many"), "request_too_large"),
        (StoreFull("no room"), "insufficient_storage"),
        (StoreFailed("locked"), "store_unavailable"),
    ],
)
async def test_a_failure_of_the_store_is_told_without_its_words(error: Exception, code: str) -> None:
    async def fail() -> None:
        raise error

    with pytest.raises(RequestFailed) as told:
        await reachable(fail())
    assert told.value.fault.code == code
    assert str(error) not in told.value.fault.message


def test_a_stored_answer_is_written_with_its_output() -> None:
    assert written(answer(output=(ITEM, ITEM))) == b'{"id":"a","output":[{"id":"msg_1"},{"id":"msg_1"}]}'


@pytest.mark.parametrize(("deployment", "provider"), [("openai/gpt-5", "openai"), (None, None)])
def test_a_piece_knows_whose_seals_it_may_hold(deployment: str | None, provider: str | None) -> None:
    assert Piece((ITEM,), deployment).provider == provider
