"""Answers that run although nobody waits: followed, resumed, cancelled, abandoned, also from elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.responses import background
from dragoman.state.store import StoreFailed
from tests.unit.responses.asking import Answer, Asker, Paced


async def settled(asker: Asker, id_: str) -> Any:
    """The answer once it will not change any more."""
    async with asyncio.timeout(10):
        while True:
            told = (await asker.ask("GET", f"/v1/responses/{id_}")).body
            if told["status"] not in {"queued", "in_progress"}:
                return told
            await asyncio.sleep(0.01)


async def begun(asker: Asker, **members: Any) -> Any:
    """An answer in the background that has begun."""
    answer: Answer = await asker.respond("a", background=True, **members)
    assert answer.status == 200, answer.data
    return answer.body


async def test_it_is_queued_then_runs_then_is_complete() -> None:
    asker = Asker(upstream := Paced())
    told = await begun(asker, metadata={"a": "b"})
    assert (told["status"], told["background"], told["output"]) == ("queued", True, [])
    assert told["metadata"] == {"a": "b"}
    refused = await asker.respond("b", previous_response_id=told["id"])
    assert (refused.status, refused.error["code"]) == (409, "response_not_finished")
    for word in ("Hi.", "end"):
        upstream.words.put_nowait(word)
    done = await settled(asker, told["id"])
    assert (done["status"], done["output"][0]["content"][0]["text"]) == ("completed", "Hi.")
    assert done["id"] == told["id"]
    upstream.words.put_nowait("end")
    assert (await asker.respond("b", previous_response_id=told["id"])).status == 200
    await asker.close()


async def test_a_stream_that_was_lost_goes_on_where_it_was() -> None:
    asker = Asker(upstream := Paced("one "))
    body = {"model": "own/m", "input": "a", "background": True, "stream": True}
    talk = asker.talk("POST", "/v1/responses", body)
    await talk.until(b"one ")
    talk.leave()
    await talk.answer()
    before = Answer(200, {}, talk.data).events
    for word in ("two", "end"):
        upstream.words.put_nowait(word)
    id_ = before[0]["response"]["id"]
    after = before[-1]["sequence_number"]
    path = f"/v1/responses/{id_}?stream=true"
    rest = (await asker.ask("GET", f"{path}&starting_after={after}")).events
    numbers = [event["sequence_number"] for event in before + rest]
    assert numbers == list(range(len(numbers)))
    assert [event["type"] for event in before[:3]] == [
        "response.created",
        "response.queued",
        "response.in_progress",
    ]
    assert rest[-1]["type"] == "response.completed"
    assert (await asker.ask("GET", path)).events == before + rest
    assert (await asker.ask("GET", f"{path}&starting_after=x")).error["param"] == "starting_after"
    await asker.close()


async def test_a_cancelled_answer_stays_cancelled_and_its_upstream_is_left() -> None:
    asker = Asker(upstream := Paced("one "))
    told = await begun(asker)
    follower = asker.talk("GET", f"/v1/responses/{told['id']}?stream=true")
    await follower.until(b"one ")
    cancelled = await asker.ask("POST", f"/v1/responses/{told['id']}/cancel")
    assert (cancelled.status, cancelled.body["status"]) == (200, "cancelled")
    await asyncio.wait_for(upstream.left.wait(), 5)
    last = (await follower.answer()).events[-1]
    assert (last["type"], last["response"]["status"]) == ("response.failed", "cancelled")
    assert (await asker.ask("POST", f"/v1/responses/{told['id']}/cancel")).body["status"] == "cancelled"
    assert (await settled(asker, told["id"]))["status"] == "cancelled"
    await asker.close()


async def test_a_failure_is_part_of_the_answer() -> None:
    asker = Asker(Paced("one ", "fail"))
    done = await settled(asker, (await begun(asker))["id"])
    assert (done["status"], done["error"]["message"]) == ("failed", "It broke.")
    await asker.close()


async def test_a_failure_before_the_first_word_is_one_too() -> None:
    asker = Asker(Paced("fail", "fail"))
    done = await settled(asker, (await begun(asker))["id"])
    assert done["status"] == "failed"
    await asker.close()


async def test_what_is_wrong_with_the_request_is_told_at_once() -> None:
    asker = Asker(Paced())
    odd = await asker.ask("POST", "/v1/responses", {"model": "nobody/m", "input": "a", "background": True})
    assert (odd.status, odd.error["code"]) == (404, "model_not_found")
    plain = Asker(Paced("Hi.", "end"))
    id_ = (await plain.respond("a")).body["id"]
    assert (await plain.ask("POST", f"/v1/responses/{id_}/cancel")).status == 400
    assert (await plain.ask("GET", f"/v1/responses/{id_}?stream=true")).status == 400
    await asker.close()
    await plain.close()


async def test_a_store_that_fails_refuses_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    async def save(response: Any) -> None:
        raise StoreFailed("gone")

    asker = Asker(upstream := Paced())
    await asker.gateway.start()
    monkeypatch.setattr(asker.gateway.keeping.store.responses, "save", save)
    refused = await asker.respond("a", background=True)
    assert (refused.status, refused.error["code"]) == (503, "store_unavailable")
    assert not upstream.asked
    await asker.close()


async def test_closing_ends_what_runs_as_failed(tmp_path: Path) -> None:
    settings = f"stores: {{sql: 'sqlite:///{tmp_path}/state.db'}}\n"
    asker = Asker(Paced("one "), tmp_path, settings)
    told = await begun(asker)
    await asker.close()
    other = Asker(Paced(), tmp_path, settings)
    done = await settled(other, told["id"])
    assert (done["status"], done["error"]["message"]) == (
        "failed",
        "The answer was stopped before it was complete.",
    )
    await other.close()


async def test_another_process_follows_and_cancels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_RENEWAL", 0.05)
    settings = f"stores: {{sql: 'sqlite:///{tmp_path}/state.db'}}\n"
    one = Asker(upstream := Paced("one "), tmp_path, settings)
    two = Asker(Paced(), tmp_path, settings)
    told = await begun(one)
    follower = two.talk("GET", f"/v1/responses/{told['id']}?stream=true")
    await follower.until(b"one ")
    assert (await two.ask("POST", f"/v1/responses/{told['id']}/cancel")).body["status"] == "cancelled"
    await asyncio.wait_for(upstream.left.wait(), 5)
    assert (await follower.answer()).events[-1]["response"]["status"] == "cancelled"
    await one.close()
    await two.close()


async def test_what_a_dead_process_left_has_failed(tmp_path: Path) -> None:
    settings = f"stores: {{sql: 'sqlite:///{tmp_path}/state.db'}}\n"
    asker = Asker(Paced("Hi.", "end"), tmp_path, settings)
    told = (await asker.respond("a")).body
    responses = asker.gateway.keeping.store.responses
    kept = await responses.get("anyone", told["id"])
    assert kept is not None
    orphan = msgspec.structs.replace(kept, id="resp_0", status="in_progress", background=True, lease=1.0)
    await responses.save(orphan)
    done = (await asker.ask("GET", "/v1/responses/resp_0")).body
    assert (done["status"], done["error"]["code"]) == ("failed", "server_error")
    await responses.save(msgspec.structs.replace(orphan, id="resp_1"))
    await asker.gateway.background.sweep()
    swept = await responses.get("anyone", "resp_1")
    assert swept is not None
    assert swept.status == "failed"
    await asker.close()


async def test_deleting_stops_what_runs() -> None:
    asker = Asker(upstream := Paced("one "))
    told = await begun(asker)
    await asyncio.wait_for(upstream.begun.wait(), 5)
    assert (await asker.ask("DELETE", f"/v1/responses/{told['id']}")).body["deleted"] is True
    await asyncio.wait_for(upstream.left.wait(), 5)
    assert (await asker.ask("GET", f"/v1/responses/{told['id']}")).status == 404
    await asker.close()


async def test_connections_and_the_background_share_the_time_to_drain(tmp_path: Path) -> None:
    asker = Asker(Paced("one "), tmp_path, "server: {drain: 0.5}\n")
    await begun(asker)
    asker.gateway.stopping()
    await asyncio.sleep(0.4)  # so long the server waits for connections
    began = asyncio.get_running_loop().time()
    await asker.gateway.drain()
    assert asyncio.get_running_loop().time() - began < 0.4
    await asker.close()
