"""Answers that run although nobody waits: followed, resumed, cancelled, abandoned, also from elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from dragoman.seams.clock import SYSTEM, Seams
from dragoman.state.store import Lease, StoreFailed
from dragoman.state.usage_archive import UsageSearch
from dragoman.turns import background
from tests.unit.turns.asking import Answer, Asker, Paced

T = TypeVar("T")


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
    assert (await asker.ask("GET", f"{path}&starting_after=1000")).events == []
    await asker.close()


async def test_a_cancelled_answer_stays_cancelled_and_its_upstream_is_left() -> None:
    asker = Asker(upstream := Paced("one "))
    told = await begun(asker)
    follower = asker.talk("GET", f"/v1/responses/{told['id']}?stream=true")
    await follower.until(b"one ")
    cancelled = await asker.ask("POST", f"/v1/responses/{told['id']}/cancel")
    assert (cancelled.status, cancelled.body["status"]) == (200, "cancelled")
    await asyncio.wait_for(upstream.left.wait(), 60)
    last = (await follower.answer()).events[-1]
    assert (last["type"], last["response"]["status"]) == ("response.failed", "cancelled")
    path, number = f"/v1/responses/{told['id']}?stream=true", last["sequence_number"]
    assert (await asker.ask("GET", f"{path}&starting_after={number - 1}")).events == [last]
    for beyond in (number, number + 1, 1000):
        assert (await asker.ask("GET", f"{path}&starting_after={beyond}")).events == []
    assert (await asker.ask("POST", f"/v1/responses/{told['id']}/cancel")).body["status"] == "cancelled"
    assert (await settled(asker, told["id"]))["status"] == "cancelled"
    await asker.close()


async def test_what_a_long_answer_has_said_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asker = Asker(upstream := Paced("one ", "two ", "three"))
    id_ = (await begun(asker))["id"]
    follower = asker.talk("GET", f"/v1/responses/{id_}?stream=true")
    await follower.until(b"three")
    await asker.ask("POST", f"/v1/responses/{id_}/cancel")
    await asyncio.wait_for(upstream.left.wait(), 60)
    last = (await follower.answer()).events[-1]["sequence_number"]
    responses, read = asker.gateway.keeping.store.responses, list[int]()
    events = responses.events

    async def counted(*args: Any, **named: Any) -> Any:
        found = await events(*args, **named)
        read.append(len(found))
        return found

    monkeypatch.setattr(responses, "events", counted)
    for after in (last, last + 1000):
        answer = await asker.ask("GET", f"/v1/responses/{id_}?stream=true&starting_after={after}")
        assert answer.events == []
    assert read == [0, 0]
    await asker.close()


async def test_a_request_that_only_adds_input_calls_no_model() -> None:
    asker = Asker(upstream := Paced("Hi.", "end"))
    told = await begun(asker, generate=False)
    assert told["status"] == "queued"
    done = await settled(asker, told["id"])
    assert (done["status"], done["output"], upstream.asked) == ("completed", [], [])
    events = (await asker.ask("GET", f"/v1/responses/{told['id']}?stream=true")).events
    assert [event["type"] for event in events][-1] == "response.completed"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    answer = await asker.respond("b", previous_response_id=told["id"])
    assert answer.status == 200
    (request,) = upstream.asked
    assert [message.role for message in request.messages] == ["user", "user"]
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
        "The response was cancelled before it was complete.",
    )
    await other.close()


@pytest.mark.parametrize("by", ["client", "gateway"])
async def test_usage_and_exchange_tell_alike_who_has_stopped_it(by: str) -> None:
    asker = Asker(Paced("one "))
    told = await begun(asker)
    follower = asker.talk("GET", f"/v1/responses/{told['id']}?stream=true")
    await follower.until(b"one ")
    if by == "client":
        await asker.ask("POST", f"/v1/responses/{told['id']}/cancel")
    else:
        asker.gateway.background.stop()
    await follower.answer()
    expected = "client/stream" if by == "client" else "gateway/stream/stopped"
    usage = asker.gateway.keeping.store.usage
    assert usage is not None
    for _ in range(3000):
        if await usage.records(UsageSearch(), 10):
            break
        await asyncio.sleep(0.01)
    assert [one.end for one in await usage.records(UsageSearch(), 10)] == [expected]
    exchanges = asker.gateway.observers.finished.all()
    assert expected in [one.end for one in exchanges]
    await asker.close()


async def test_another_process_follows_and_cancels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_RENEWAL", 0.05)
    settings = f"stores: {{sql: 'sqlite:///{tmp_path}/state.db'}}\n"
    one = Asker(upstream := Paced("one "), tmp_path, settings)
    two = Asker(Paced(), tmp_path, settings)
    told = await begun(one)
    follower = two.talk("GET", f"/v1/responses/{told['id']}?stream=true")
    await follower.until(b"one ")
    assert (await two.ask("POST", f"/v1/responses/{told['id']}/cancel")).body["status"] == "cancelled"
    await asyncio.wait_for(upstream.left.wait(), 60)
    assert (await follower.answer()).events[-1]["response"]["status"] == "cancelled"
    await one.close()
    await two.close()


class Clocks:
    """The time of day, which jumps as a test says, and one that never does."""

    def __init__(self) -> None:
        self.day = time.time()
        self.monotonic = 0.0
        self.seams = Seams(lambda: self.day, lambda: self.monotonic, SYSTEM.random_id, SYSTEM.uniform)


async def look(asker: Asker, clocks: Clocks, seconds: float) -> None:
    """Look at all leases as often as it is done in so many seconds."""
    for _ in range(int(seconds / background._LOOK)):
        clocks.monotonic += background._LOOK
        await asker.gateway.background.sweep()


async def test_what_a_dead_process_left_has_failed(tmp_path: Path) -> None:
    """Whether its lease is of yesterday or, by a clock that was wrong, of next year."""
    settings = f"stores: {{sql: 'sqlite:///{tmp_path}/state.db'}}\n"
    asker = Asker(Paced("Hi.", "end"), tmp_path, settings, (clocks := Clocks()).seams)
    told = (await asker.respond("a")).body
    responses = asker.gateway.keeping.store.responses
    kept = await responses.get("anyone", told["id"])
    assert kept is not None
    ids: list[str] = []
    for lease in (1.0, clocks.day, clocks.day + 31_536_000):
        ids.append(f"resp_{len(ids)}")
        orphan = {"status": "in_progress", "background": True, "lease": lease}
        await responses.save(msgspec.structs.replace(kept, id=ids[-1], **orphan))
    await look(asker, clocks, background._LEASE)
    for id_ in ids:
        running = await responses.get("anyone", id_)
        assert running is not None
        assert running.status == "in_progress"
    await look(asker, clocks, background._LOOK)
    for id_ in ids:
        done = (await asker.ask("GET", f"/v1/responses/{id_}")).body
        assert (done["status"], done["error"]["code"]) == ("failed", "server_error")
    await asker.close()


@pytest.mark.parametrize("hours", [-5000, -3, 3, 5000])
async def test_a_clock_that_jumps_fails_nothing_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setattr(background, "_RENEWAL", 0.01)
    settings = f"stores: {{sql: 'sqlite:///{tmp_path}/state.db'}}\nresponses: {{ttl: 1h}}\n"
    clocks = Clocks()
    one = Asker(upstream := Paced("one "), tmp_path, settings, clocks.seams)
    two = Asker(Paced(), tmp_path, settings, clocks.seams)
    told = await begun(one)
    await two.gateway.start()
    for jump in (0, hours * 3600, 0, 0):
        clocks.day += jump
        for gateway in (one.gateway, two.gateway):
            await gateway.keeping.store.sweep(clocks.day)
        await look(two, clocks, background._LEASE - background._LOOK)
        renewed = await lease(two, told["id"])
        clocks.day += 1
        await until(lambda: lease(two, told["id"]), lambda now: now != renewed)  # noqa: B023
    assert (await two.ask("GET", f"/v1/responses/{told['id']}")).body["status"] == "in_progress"
    for word in ("two", "end"):
        upstream.words.put_nowait(word)
    done = await settled(one, told["id"])
    assert (done["status"], done["output"][0]["content"][0]["text"]) == ("completed", "one two")
    await one.close()
    await two.close()


async def until(told: Callable[[], Awaitable[T]], fits: Callable[[T], bool]) -> None:
    """Ask again and again until the answer fits."""
    async with asyncio.timeout(10):
        while not fits(await told()):  # noqa: ASYNC110 - another process would be asked, too
            await asyncio.sleep(0.01)


async def lease(asker: Asker, id_: str) -> float | None:
    """The lease of an answer now."""
    leases = await asker.gateway.keeping.store.responses.leases()
    return next((one.lease for one in leases if one.id == id_), None)


def test_a_process_that_slept_has_not_watched() -> None:
    """It wakes up together with those that it watches: they get the time to say that they live."""
    silences, held = background.Silences(), [Lease("r", "t", 5.0)]
    assert silences.ended(held, 0.0) == []
    assert silences.ended(held, 5.0) == []
    assert silences.ended(held, 100_000.0) == []
    assert silences.ended([Lease("r", "t", 4.0)], 100_005.0) == []
    for now in (100_010.0, 100_015.0, 100_020.0):
        assert silences.ended([Lease("r", "t", 4.0)], now) == []
    assert silences.ended([Lease("r", "t", 4.0)], 100_025.0) == [Lease("r", "t", 4.0)]
    assert silences.ended([], 100_030.0) == []
    assert silences.ended([Lease("r", "t", 4.0)], 100_060.0) == []  # another of the same name


KEYS = """
auth: {keys: [{name: ann, key: ann-key}, {name: bob, key: bob-key}, {name: cid, key: cid-key}]}
responses: {max_background: 2, max_background_total: 3}
"""


async def test_what_one_key_runs_in_the_background_is_bounded(tmp_path: Path) -> None:
    asker = Asker(upstream := Paced(), tmp_path, KEYS)

    async def ask(who: str) -> Answer:
        body = {"model": "own/m", "input": "a", "background": True}
        return await asker.ask("POST", "/v1/responses", body, authorization=f"Bearer {who}-key")

    ran = [await ask("ann"), await ask("ann")]
    assert [answer.status for answer in ran] == [200, 200]
    refused = await ask("ann")
    assert (refused.status, refused.error["code"]) == (429, "too_many_background")
    assert (refused.error["type"], refused.headers["retry-after"]) == ("too_many_requests", "10")
    assert (await ask("bob")).status == 200
    refused = await ask("cid")
    assert (refused.status, refused.error["code"]) == (429, "too_many_background")
    await asyncio.wait_for(upstream.begun.wait(), 60)
    assert len(await asker.gateway.keeping.store.responses.leases()) == 3  # nothing was kept of the others
    assert len(upstream.asked) <= 3
    assert asker.gateway.observers.bounds.counts["too_many_background"] == 2
    path = f"/v1/responses/{ran[0].body['id']}/cancel"
    assert (await asker.ask("POST", path, authorization="Bearer ann-key")).status == 200
    await until(lambda: ask("ann"), lambda answer: answer.status == 200)
    assert (await ask("ann")).status == 429
    await asker.close()


@pytest.mark.parametrize("streams", [True, False])
async def test_an_answer_that_becomes_too_large_to_keep_has_failed(tmp_path: Path, *, streams: bool) -> None:
    """Its events leave nobody else without room, and do not gather in memory either."""
    asker = Asker(upstream := Paced(), tmp_path, "responses: {max_size: 100kB}\n")
    told = await begun(asker)
    for _ in range(40):
        upstream.words.put_nowait("word " * 1000)
        await asyncio.sleep(0.06 if streams else 0)
    upstream.words.put_nowait("end")
    done = await settled(asker, told["id"])
    assert (done["status"], "cannot be stored" in done["error"]["message"]) == ("failed", True)
    events = (await asker.ask("GET", f"/v1/responses/{told['id']}?stream=true")).events
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.failed"
    await asyncio.wait_for(upstream.left.wait(), 60)
    await asker.close()


async def test_deleting_stops_what_runs() -> None:
    asker = Asker(upstream := Paced("one "))
    told = await begun(asker)
    await asyncio.wait_for(upstream.begun.wait(), 60)
    assert (await asker.ask("DELETE", f"/v1/responses/{told['id']}")).body["deleted"] is True
    await asyncio.wait_for(upstream.left.wait(), 60)
    assert (await asker.ask("GET", f"/v1/responses/{told['id']}")).status == 404
    await asker.close()


async def test_connections_and_the_background_share_the_time_to_drain(tmp_path: Path) -> None:
    asker = Asker(Paced("one "), tmp_path, "server: {drain: 2}\n")
    await begun(asker)
    asker.gateway.draining.begin()
    await asyncio.sleep(1.6)  # so long the server waits for connections
    began = asyncio.get_running_loop().time()
    await asker.gateway.drain()
    assert asyncio.get_running_loop().time() - began < 1.6
    await asker.close()
