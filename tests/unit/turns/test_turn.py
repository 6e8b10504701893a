"""What a request continues goes before it, and what is kept is what the client was told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman import ir
from dragoman.config.lasting import Responses
from dragoman.seams.clock import SYSTEM
from dragoman.state.store import Item, StoreFailed
from dragoman.stores.memory import MemoryStore
from dragoman.turns import turn
from dragoman.turns.keeping import Keeping, Piece
from dragoman.turns.turn import Connection
from tests.unit.turns.asking import Asker, Paced


@pytest.fixture
async def asker() -> AsyncIterator[Asker]:
    made = Asker(Paced(*["Hi.", "end"] * 6))
    yield made
    await made.close()


def asked(asker: Asker) -> list[tuple[str, str]]:
    """What the upstream was asked last, as (role, text)."""
    request: ir.Request = asker.upstream.asked[-1]
    return [(m.role, "".join(getattr(b, "text", "") for b in m.blocks)) for m in request.messages]


async def test_an_answer_is_continued_with_everything_before_it(asker: Asker) -> None:
    first = (await asker.respond("I am Ann.")).body
    second = (await asker.respond("Who am I?", previous_response_id=first["id"])).body
    third = (
        await asker.respond([{"role": "user", "content": "Sure?"}], previous_response_id=second["id"])
    ).body
    assert asked(asker) == [
        ("user", "I am Ann."),
        ("assistant", "Hi."),
        ("user", "Who am I?"),
        ("assistant", "Hi."),
        ("user", "Sure?"),
    ]
    assert (third["previous_response_id"], third["store"], third["background"]) == (second["id"], True, False)
    kept = (await asker.ask("GET", f"/v1/responses/{third['id']}")).body
    assert kept == third


async def test_instructions_are_not_carried_over(asker: Asker) -> None:
    first = (await asker.respond("a", instructions="Be brief.")).body
    await asker.respond("b", previous_response_id=first["id"])
    assert not asker.upstream.asked[-1].system
    assert first["instructions"] == "Be brief."


async def test_a_stream_is_kept_before_its_last_event_is_sent(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asker.gateway.start()
    responses = asker.gateway.keeping.store.responses
    saved = responses.save
    told: list[bytes] = []

    async def save(response: Any) -> None:
        told.append(talk.data)
        await saved(response)

    monkeypatch.setattr(responses, "save", save)
    talk = asker.talk("POST", "/v1/responses", {"model": "own/m", "input": "a", "stream": True})
    answer = await talk.answer()
    assert len(told) == 1
    assert b"response.completed" not in told[0]
    last = answer.events[-1]
    assert last["type"] == "response.completed"
    assert (await asker.ask("GET", f"/v1/responses/{last['response']['id']}")).body == last["response"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_store_that_fails_leaves_the_answer_and_says_that_it_is_not_stored(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, *, stream: bool
) -> None:
    async def save(response: Any) -> None:
        raise StoreFailed("gone")

    await asker.gateway.start()
    monkeypatch.setattr(asker.gateway.keeping.store.responses, "save", save)
    answer = await asker.respond("a", stream=stream)
    told = answer.events[-1]["response"] if stream else answer.body
    assert (told["status"], told["store"]) == ("completed", False)


async def test_what_is_not_stored_is_not_found(asker: Asker) -> None:
    told = (await asker.respond("a", store=False)).body
    assert told["store"] is False
    assert (await asker.ask("GET", f"/v1/responses/{told['id']}")).status == 404
    missing = await asker.respond("b", previous_response_id=told["id"])
    assert (missing.status, missing.error["code"]) == (404, "previous_response_not_found")
    assert missing.error["param"] == "previous_response_id"


async def test_what_does_not_go_together_is_refused_before_anybody_is_asked(asker: Asker) -> None:
    both = await asker.respond("a", previous_response_id="resp_1", conversation="conv_1")
    assert (both.status, both.error["code"]) == (400, "mutually_exclusive_parameters")
    unstored = await asker.respond("a", background=True, store=False)
    assert (unstored.status, unstored.error["param"]) == (400, "store")
    nothing = await asker.ask("POST", "/v1/responses", {"model": "own/m"})
    assert (nothing.status, nothing.error["param"]) == (400, "input")
    assert not asker.upstream.asked


async def test_references_are_looked_up(asker: Asker) -> None:
    first = (await asker.respond("I am Ann.")).body
    item = first["output"][0]["id"]
    await asker.respond([{"type": "item_reference", "id": item}, {"role": "user", "content": "go on"}])
    assert asked(asker) == [("assistant", "Hi."), ("user", "go on")]
    unknown = await asker.respond(
        [{"role": "user", "content": "a"}, {"type": "item_reference", "id": "msg_0"}]
    )
    assert (unknown.status, unknown.error["param"]) == (404, "input[1].id")


async def test_a_conversation_grows_by_each_turn(asker: Asker) -> None:
    items = [{"role": "user", "content": "I am Ann."}]
    made = (await asker.ask("POST", "/v1/conversations", {"items": items})).body
    told = (await asker.respond("Who am I?", conversation=made["id"])).body
    assert told["conversation"] == {"id": made["id"]}
    await asker.respond("Sure?", conversation={"id": made["id"]}, store=False)
    assert [text for _, text in asked(asker)] == ["I am Ann.", "Who am I?", "Hi.", "Sure?"]
    listed = (await asker.ask("GET", f"/v1/conversations/{made['id']}/items?order=asc")).body
    assert [item["role"] for item in listed["data"]] == ["user", "user", "assistant", "user", "assistant"]
    gone = await asker.respond("a", conversation="conv_0")
    assert (gone.status, gone.error["code"]) == (404, "conversation_not_found")


async def test_faults_name_places_of_what_the_client_wrote(asker: Asker) -> None:
    first = (await asker.respond("one")).body
    odd = {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}
    given = [{"role": "user", "content": "a"}, odd]
    refused = await asker.respond(given, previous_response_id=first["id"])
    assert refused.status == 400
    assert refused.error["param"].startswith("input[1]")


async def test_input_items_are_all_that_an_answer_was_made_from(asker: Asker) -> None:
    first = (await asker.respond("one")).body
    second = (await asker.respond("two", previous_response_id=first["id"])).body
    path = f"/v1/responses/{second['id']}/input_items"
    page = (await asker.ask("GET", f"{path}?limit=2")).body
    assert [item["role"] for item in page["data"]] == ["user", "assistant"]
    assert page["has_more"] is True
    rest = (await asker.ask("GET", f"{path}?limit=2&after={page['last_id']}")).body
    assert [item["content"][0]["text"] for item in rest["data"]] == ["one"]
    assert rest["has_more"] is False
    for query, param in (("limit=0", "limit"), ("order=up", "order"), ("after=x", "after")):
        assert (await asker.ask("GET", f"{path}?{query}")).error["param"] == param


async def test_a_gateway_that_retains_nothing_says_so(tmp_path: Path) -> None:
    asker = Asker(Paced("Hi.", "end"), tmp_path, "responses: {retain: false}\n")
    told = (await asker.respond("a")).body
    assert told["store"] is False
    assert (await asker.ask("GET", f"/v1/responses/{told['id']}")).status == 404
    refused = await asker.respond("a", background=True)
    assert (refused.status, refused.error["param"]) == (400, "background")
    await asker.close()


async def test_an_output_without_its_call_is_refused_at_its_place(asker: Asker) -> None:
    first = (await asker.respond("one")).body
    odd = {"type": "function_call_output", "call_id": "call_0", "output": "x"}
    given = [{"role": "user", "content": "a"}, odd]
    refused = await asker.respond(given, previous_response_id=first["id"])
    assert (refused.status, refused.error["param"]) == (400, "input[1].call_id")
    assert "call_0" in refused.error["message"]
    assert len(asker.upstream.asked) == 1


def test_a_socket_holds_its_latest_answers_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "_ROOM", 1000)
    connection = Connection(Keeping(MemoryStore(), Responses(), SYSTEM))
    chain: list[Piece] = []
    for number in range(10):  # each continues the one before, which is there once
        chain.append(Piece((Item(f"msg_{number}", bytes(90)),)))
        connection.remember(str(number), tuple(chain))
    assert [number for number in range(10) if connection.find(str(number))] == [2, 3, 4, 5, 6, 7, 8, 9]
    connection.remember("large", (Piece((Item("msg_large", bytes(850)),)),))
    assert connection.find("9") is None
    connection.remember("huge", (Piece((Item("msg_huge", bytes(5000)),)),))
    assert connection.find("large") is None
    assert connection.find("huge") is not None


def test_all_sockets_hold_so_much_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "_TOGETHER", 1000)
    reached: list[str] = []
    keeping = Keeping(MemoryStore(), Responses(), SYSTEM, reached=lambda bound, _: reached.append(bound))
    one, other = Connection(keeping), Connection(keeping)
    one.remember("a", (Piece((Item("a", bytes(600)),)),))
    other.remember("b", (Piece((Item("b", bytes(300)),)),))
    other.remember("c", (Piece((Item("c", bytes(300)),)),))
    assert [other.find(id_) is not None for id_ in "bc"] == [False, True]
    assert one.find("a") is not None
    assert reached == ["socket_memory"]
    one.close()
    other.close()
    assert keeping.held == 0


# --- What a request becomes ----------------------------------------------------------------------


async def test_what_is_continued_counts_as_if_it_had_been_sent(tmp_path: Path) -> None:
    """A short request may stand for a huge one: by what it continues, or by naming one item often."""
    asker = Asker(Paced(*["Hi.", "end"] * 9), tmp_path, "server: {max_body: 50kB, max_values: 1000}\n")
    large = [{"role": "user", "content": "x" * 20_000, "type": "message"}]
    first = (await asker.respond(large)).body
    second = (await asker.respond(large, previous_response_id=first["id"])).body
    items = (await asker.ask("GET", f"/v1/responses/{first['id']}/input_items")).body
    named = [{"type": "item_reference", "id": items["data"][0]["id"]}]
    many = [{"role": "user", "content": [{"type": "input_text", "text": ""}] * 250}]
    third = (await asker.respond(many)).body
    asked = len(asker.upstream.asked)
    for refused in (
        await asker.respond(large, previous_response_id=second["id"]),
        await asker.respond(named * 3),
        await asker.respond(many, previous_response_id=third["id"]),
    ):
        assert (refused.status, refused.error["code"]) == (413, "request_too_large"), refused.data
    assert len(asker.upstream.asked) == asked
    assert (await asker.respond(named * 2)).status == 200
    talk = (await asker.ask("POST", "/v1/conversations", {"items": large})).body["id"]
    path = f"/v1/conversations/{talk}/items"
    assert (await asker.ask("POST", path, {"items": large})).status == 200
    for full in (
        await asker.ask("POST", path, {"items": large}),
        await asker.ask("POST", path, {"items": named * 20}),
    ):
        assert full.status in {413, 503}
    assert (await asker.respond(large, conversation=talk)).status == 413
    await asker.close()


async def test_an_answer_that_is_too_large_to_keep_says_so(tmp_path: Path) -> None:
    asker = Asker(Paced(*["Hi.", "end"] * 2), tmp_path, "responses: {max_size: 20kB}\n")
    assert (await asker.respond("a")).body["store"] is True
    told = (await asker.respond("x" * 30_000)).body
    assert (told["status"], told["store"]) == ("completed", False)
    assert asker.gateway.observers.bounds.counts == {"responses_full": 1}
    assert (await asker.ask("GET", f"/v1/responses/{told['id']}")).status == 404
    await asker.close()


async def test_a_turn_that_is_too_large_for_its_session_is_counted(tmp_path: Path) -> None:
    asker = Asker(Paced(*["Hi.", "end"] * 2), tmp_path, "sessions: {max_size: 1kB}\n")
    for given in ("a", "x" * 3000):
        answered = await asker.ask(
            "POST", "/v1/responses", {"model": "own/m", "input": given}, x_session_id="s"
        )
        assert answered.status == 200
    assert asker.gateway.observers.bounds.counts == {"session_turn_too_large": 1}
    await asker.close()


async def test_of_large_things_one_is_worked_on_at_a_time_beside_the_loop() -> None:
    keeping, seen = Keeping(MemoryStore(), Responses(), SYSTEM), list[str]()
    begun, go = threading.Event(), threading.Event()

    def work() -> None:
        seen.append("begins")
        begun.set()
        assert go.wait(5)
        seen.append("ends")

    large = asyncio.gather(*(keeping.heavy.run(10_000_000, "a", work) for _ in range(3)))
    await asyncio.sleep(0)
    while not begun.is_set():  # noqa: ASYNC110 - a thread's event
        await asyncio.sleep(0.001)
    assert seen == ["begins"]
    go.set()
    await large
    assert seen == ["begins", "ends"] * 3
