"""The paths of the Responses API that are no question and its answer: what they refuse, and how they end."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from dragoman.capacity.heavy import LARGE
from dragoman.server import stored_objects
from dragoman.state.store import StoreFailed
from dragoman.testing.provider import FakeProvider, Streamed, Whole
from dragoman.wire.json import MAX_VALUES, decode_object
from tests.unit.turns.asking import Asker, Paced


async def test_whoever_follows_what_is_deleted_is_told_so() -> None:
    asker = Asker(upstream := Paced("one "))
    path = f"/v1/responses/{(await asker.respond('a', background=True)).body['id']}"
    follower = asker.talk("GET", f"{path}?stream=true")
    await follower.until(b"one ")
    assert (await asker.ask("DELETE", path)).body["deleted"] is True
    told = await follower.answer()
    numbers = [event["sequence_number"] for event in told.events]
    assert numbers == list(range(len(numbers)))
    assert (told.events[-1]["type"], told.events[-1]["code"]) == ("error", "response_not_found")
    assert told.data.endswith(b"\n\ndata: [DONE]\n\n")
    await asyncio.wait_for(upstream.left.wait(), 60)
    await asker.close()


async def test_whoever_follows_is_told_that_the_store_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    asker = Asker(Paced("one "))
    id_ = (await asker.respond("a", background=True)).body["id"]
    follower = asker.talk("GET", f"/v1/responses/{id_}?stream=true")
    await follower.until(b"one ")

    async def failing(*given: Any, **more: Any) -> Any:
        raise StoreFailed("gone")

    monkeypatch.setattr(asker.gateway.keeping.store.responses, "events", failing)
    asker.gateway.background.wake(id_)
    last = (await follower.answer()).events[-1]
    assert (last["type"], last["code"]) == ("error", "store_unavailable")
    await asker.close()


async def test_whoever_follows_under_any_server_may_leave() -> None:
    asker = Asker(Paced("one "))
    id_ = (await asker.respond("a", background=True)).body["id"]
    follower = asker.talk("GET", f"/v1/responses/{id_}?stream=true")
    await follower.until(b"one ")
    follower.leave()
    assert (await follower.answer()).events[-1]["type"] == "response.output_text.delta"
    await asker.close()


async def test_what_is_no_word_about_streaming_is_refused() -> None:
    asker = Asker(upstream := Paced())
    refused = await asker.respond("a", background=True, stream="yes")
    assert (refused.status, refused.error["param"]) == (400, "stream")
    assert not upstream.asked
    await asker.close()


@pytest.mark.parametrize(("path", "more"), [("", {"background": True}), ("/compact", {})])
async def test_a_session_is_not_forgotten_in_silence(path: str, more: dict[str, Any]) -> None:
    asker = Asker(upstream := Paced())
    body = {"model": "own/m", "input": "a", **more}
    refused = await asker.ask("POST", f"/v1/responses{path}", body, x_session_id="s")
    assert (refused.status, refused.error["param"]) == (400, "X-Session-Id")
    assert not upstream.asked
    await asker.close()


async def test_what_a_session_adds_is_counted_and_nothing_of_it_kept() -> None:
    asker = Asker(Paced("Hi.", "end"))
    body = {"model": "own/m", "input": "word " * 100}
    assert (await asker.ask("POST", "/v1/responses", body, x_session_id="s")).status == 200
    path, short = "/v1/responses/input_tokens", {"model": "own/m", "input": "a"}
    alone = (await asker.ask("POST", path, short)).body["input_tokens"]
    counted = (await asker.ask("POST", path, short, x_session_id="s")).body["input_tokens"]
    assert counted > alone + 50
    assert (await asker.ask("GET", "/admin/sessions/s")).body["turns"] == 1
    await asker.close()


async def test_the_id_of_a_session_may_hold_slashes() -> None:
    asker = Asker(Paced("Hi.", "end"))
    chat = {"model": "own/m", "messages": [{"role": "user", "content": "a"}]}
    assert (await asker.ask("POST", "/chat", chat, x_session_id="team/42")).status == 200
    assert (await asker.ask("GET", "/admin/sessions/team/42")).body["id"] == "team/42"
    assert (await asker.ask("DELETE", "/admin/sessions/team/42")).body["deleted"] is True
    assert (await asker.ask("GET", "/admin/sessions/team/42")).status == 404
    await asker.close()


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"items": "a"}, 400, "items"),
        ({"items": [{"role": "user", "content": "a"}] * 21}, 400, "items"),
        ({"items": [{"role": "user"}]}, 400, "items[0].content"),
        ({"items": [{"type": "item_reference", "id": "msg_nobody"}]}, 404, None),
        ({"metadata": []}, 400, "metadata"),
        ({"metadata": {"a": 1}}, 400, "metadata"),
    ],
)
async def test_what_no_conversation_can_be_made_of_is_refused(
    body: dict[str, Any], status: int, param: str | None
) -> None:
    asker = Asker(Paced())
    refused = await asker.ask("POST", "/v1/conversations", body)
    assert (refused.status, refused.error["param"]) == (status, param)
    await asker.close()


@pytest.mark.parametrize(
    "path", ["/v1/conversations", "/v1/chat/completions/chatcmpl-1", "/v1/responses/input_tokens"]
)
async def test_bodies_that_ask_no_model_have_the_same_bounds(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many values as fit into a body would take gigabytes, and the loop would stand still meanwhile."""
    threads: list[bool] = []

    def reading(body: bytes, most: int) -> dict[str, Any]:
        threads.append(threading.current_thread() is threading.main_thread())
        return decode_object(body, most)

    monkeypatch.setattr(stored_objects, "decode_object", reading)
    asker = Asker(Paced())
    refused = await asker.ask("POST", path, {"metadata": {}, "odd": [0] * MAX_VALUES})
    assert (refused.status, refused.error["code"]) == (413, "request_too_large")
    await asker.ask("POST", path, {"metadata": {"long": "x" * LARGE}})
    assert threads == [False]
    await asker.close()


async def test_a_conversation_holds_what_is_referred_to() -> None:
    asker = Asker(Paced("Hi.", "end"))
    (said,) = (await asker.respond("a")).body["output"]
    reference = {"type": "item_reference", "id": said["id"]}
    made = (await asker.ask("POST", "/v1/conversations", {"items": [reference]})).body
    (held,) = (await asker.ask("GET", f"/v1/conversations/{made['id']}/items")).body["data"]
    assert (held["type"], held["content"][0]["text"]) == ("message", "Hi.")
    await asker.close()


DELTA = {"type": "response.output_text.delta", "delta": "Hi"}


@pytest.mark.parametrize(
    ("stream", "answer"),
    [
        (True, Streamed([DELTA, {"type": "response.completed", "response": {"model": "m"}}], named=True)),
        (
            True,
            Streamed([DELTA, {"type": "response.completed", "response": {"id": "r", "created_at": "soon"}}]),
        ),
        (False, Whole({"output": []})),
        (False, Whole({"id": "r", "created_at": None, "output": []})),
    ],
)
async def test_a_provider_that_states_neither_id_nor_time(
    tmp_path: Path, *, stream: bool, answer: Streamed | Whole
) -> None:
    async with FakeProvider(answer) as provider:
        row = f"{{catalog: openrouter, base_url: {provider.url}, keys: sk-test}}"
        asker = Asker(Paced(), tmp_path, f"providers: {{up: {row}}}\n")
        body = {"model": "up/m", "input": "a", "stream": stream}
        told = await asker.ask("POST", "/v1/responses", body)
        assert told.status == 200
        response = told.events[-1]["response"] if stream else told.body
        kept = (await asker.ask("GET", f"/v1/responses/{response['id']}")).body
        assert response["id"].startswith("resp_")
        assert kept["created_at"] > 0
        await asker.close()
