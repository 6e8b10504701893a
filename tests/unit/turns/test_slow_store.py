"""Answers in the background over a store that takes its time or fails once: nothing is lost."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.exchange import Exchange
from dragoman.state.store import StoreFailed
from dragoman.turns import background
from dragoman.turns.items import decode
from tests.unit.turns.asking import Asker, Paced
from tests.unit.turns.test_background import begun, settled

_SLOW = 0.2


def slowed(asker: Asker, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Let one method of the store of answers take its time before it does anything."""
    responses = asker.gateway.keeping.store.responses
    quick: Callable[..., Any] = getattr(responses, method)

    async def slow(*given: Any) -> Any:
        await asyncio.sleep(_SLOW)
        return await quick(*given)

    monkeypatch.setattr(responses, method, slow)


def failing_once(asker: Asker, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Let one method of the store of answers fail the next time."""
    responses = asker.gateway.keeping.store.responses
    sound: Callable[..., Any] = getattr(responses, method)

    async def failing(*given: Any) -> Any:
        monkeypatch.setattr(responses, method, sound)
        raise StoreFailed("busy")

    monkeypatch.setattr(responses, method, failing)


def check_whole(events: list[Any]) -> None:
    """Every event is there, in order, to the end of a complete answer."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert (events[-1]["type"], events[-1]["response"]["status"]) == ("response.completed", "completed")


async def test_whoever_follows_waits_for_the_last_events_of_what_is_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asker = Asker(upstream := Paced("one "))
    path = f"/v1/responses/{(await begun(asker))['id']}"
    first = asker.talk("GET", f"{path}?stream=true")
    await first.until(b"one ")
    slowed(asker, monkeypatch, "append")
    upstream.words.put_nowait("end")
    assert (await settled(asker, path.rpartition("/")[2]))["status"] == "completed"
    second = asker.talk("GET", f"{path}?stream=true")
    for follower in (first, second):
        check_whole((await follower.answer()).events)
    await asker.close()


async def test_batches_of_events_are_kept_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    asker = Asker(upstream := Paced())
    id_ = (await begun(asker))["id"]
    slowed(asker, monkeypatch, "settle")
    follower = asker.talk("GET", f"/v1/responses/{id_}?stream=true")
    for word in ("a", "b", "c"):
        upstream.words.put_nowait(word)
        await asyncio.sleep(0.08)
    await follower.until(b'"c"')
    upstream.words.put_nowait("end")
    check_whole((await follower.answer()).events)
    await asker.close()


@pytest.mark.parametrize("stopped", ["renewed", "closed"])
async def test_what_is_complete_is_not_stopped(monkeypatch: pytest.MonkeyPatch, stopped: str) -> None:
    monkeypatch.setattr(background, "_RENEWAL", 0.05)
    asker = Asker(upstream := Paced("one "))
    over: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
    asker.gateway.observers._own.append(
        lambda exchange: over.set_result(exchange) if "(background)" in exchange.path else None
    )
    id_ = (await begun(asker))["id"]
    responses = asker.gateway.keeping.store.responses
    slowed(asker, monkeypatch, "append")
    upstream.words.put_nowait("end")
    await settled(asker, id_)
    if stopped == "closed":
        asker.gateway.hurry()
    exchange = await asyncio.wait_for(over, 5)
    assert (exchange.status, exchange.end) == (200, "done")
    check_whole([decode(event) for _, event in await responses.events("anyone", id_, after=-1)])
    await asker.close()


@pytest.mark.parametrize("method", ["append", "settle"])
async def test_events_that_could_not_be_kept_are_kept_with_the_next(
    monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    asker = Asker(upstream := Paced())
    id_ = (await begun(asker))["id"]
    failing_once(asker, monkeypatch, method)
    follower = asker.talk("GET", f"/v1/responses/{id_}?stream=true")
    upstream.words.put_nowait("one ")
    await asyncio.sleep(0.1)
    for word in ("two", "end"):
        upstream.words.put_nowait(word)
    check_whole((await follower.answer()).events)
    await asker.close()


async def test_an_answer_whose_beginning_cannot_be_kept_is_refused() -> None:
    asker = Asker(upstream := Paced())
    await asker.gateway.start()
    with pytest.MonkeyPatch.context() as patch:
        failing_once(asker, patch, "append")
        refused = await asker.respond("a", background=True)
    assert (refused.status, refused.error["code"]) == (503, "store_unavailable")
    assert not upstream.asked
    await asker.close()


async def test_nobody_misses_an_answer_that_is_stopped_before_it_exists(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asker = Asker(Paced())
    await asker.gateway.start()
    slowed(asker, monkeypatch, "save")
    body = {"model": "own/m", "input": "a", "background": True}
    one, other = (asker.talk("POST", "/v1/responses", body) for _ in range(2))
    await asyncio.sleep(_SLOW / 2)
    one.leave()
    await asyncio.sleep(0)
    asker.gateway.hurry()
    assert (await other.answer()).error["code"] == "stopped"
    await asker.close()
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_a_conversation_that_is_deleted_while_it_is_answered_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asker = Asker(upstream := Paced("one "))
    made = (await asker.ask("POST", "/v1/conversations", {})).body
    id_ = (await begun(asker, conversation=made["id"]))["id"]
    assert (await asker.ask("DELETE", f"/v1/conversations/{made['id']}")).status == 200
    upstream.words.put_nowait("end")
    assert (await settled(asker, id_))["status"] == "completed"
    assert "was not added to its conversation" in caplog.text
    await asker.close()


async def test_without_its_conversation_an_answer_is_whole_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asker = Asker(upstream := Paced("one "))
    made = (await asker.ask("POST", "/v1/conversations", {})).body
    id_ = (await begun(asker, conversation=made["id"]))["id"]

    async def failing(*given: Any, **more: Any) -> None:
        raise StoreFailed("gone")

    monkeypatch.setattr(asker.gateway.keeping.store.conversations, "append", failing)
    upstream.words.put_nowait("end")
    assert (await settled(asker, id_))["status"] == "completed"
    check_whole((await asker.ask("GET", f"/v1/responses/{id_}?stream=true")).events)
    await asker.close()
