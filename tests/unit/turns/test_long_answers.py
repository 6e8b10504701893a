"""A long answer is kept and told without a copy of its text for each event that repeats it."""

from __future__ import annotations

import gc
import re
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.turns.asking import Asker, Paced, Talk

MB = 1_000_000
PART = "x" * (MB // 2)
LONG = 100_000
ASKED = {"model": "own/m", "input": "a"}


class Counted(Talk):
    """One whose client keeps only the end of what it reads."""

    read = 0
    id = ""

    async def _send(self, message: Any) -> None:
        body = message.get("body", b"")
        self.read += len(body)
        if not self.id and (found := re.search(rb'"id":"(resp_\w+)"', body[:300])):
            self.id = found[1].decode()
        await super()._send({**message, "body": b""})
        self.data = (self.data + body)[-2000:]


def asking(words: list[str], tmp_path: Path | None = None, settings: str = "") -> Asker:
    return Asker(Paced(*words, "end"), tmp_path, settings)


@pytest.fixture
async def long() -> AsyncIterator[Asker]:
    made = asking(["y" * LONG, "z" * LONG, "end", "Short."])
    yield made
    await made.close()


def lengths(asker: Asker) -> list[int]:
    """Of the texts that the upstream was asked last."""
    messages: Any = asker.upstream.asked[-1].messages
    return [len(message.blocks[0].text) for message in messages]


async def peak(asker: Asker, **members: Any) -> tuple[float, Counted]:
    """How often the text of an answer of 20 MB is held, at most, beside what its provider holds of it."""
    await asker.gateway.start()
    body = {"model": "own/m", "input": "a", "stream": True, **members}
    gc.collect()
    tracemalloc.start()
    try:
        talk = Counted(asker._app, "POST", "/v1/responses", body, {})
        await talk.answer()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert talk.read > 20 * MB * (5 if body["stream"] else 1)
    return most / (20 * MB), talk


@pytest.mark.parametrize(
    ("store", "most"), [(True, 4.4), (False, 2.9)], ids=["kept by the gateway", "not kept"]
)
async def test_a_long_text_is_held_a_few_times(store: bool, most: float) -> None:
    """As text and as the bytes that its events share; and as the item that is kept."""
    asker = asking([PART] * 40)
    held, talk = await peak(asker, store=store)
    assert b'"store":%s' % str(store).lower().encode() in talk.data
    assert talk.data.endswith(b"data: [DONE]\n\n")
    assert held < most
    await asker.close()


async def test_what_is_kept_of_a_whole_answer_is_not_read_again() -> None:
    """It is held as text, as the body that is sent, and as the item that is kept."""
    asker = asking([PART] * 40)
    held, talk = await peak(asker, stream=False)
    assert held < 4.05  # with the copy that this client makes of what it reads
    kept = Counted(asker._app, "GET", f"/v1/responses/{talk.id}", None, {})
    await kept.answer()
    assert kept.read == talk.read
    await asker.close()


async def test_what_is_too_large_to_be_kept_is_not_written_for_that(tmp_path: Path) -> None:
    asker = asking([PART] * 40, tmp_path, "responses: {max_size: 10MB}\n")
    held, talk = await peak(asker)
    assert b'"store":false' in talk.data
    assert held < 2.9
    assert asker.gateway.observers.bounds.counts["responses_full"] == 1
    await asker.close()


async def test_a_long_answer_is_kept_as_it_was_told(long: Asker) -> None:
    events = (await long.respond("a", stream=True)).events
    last = events[-1]["response"]
    assert (last["status"], last["store"]) == ("completed", True)
    assert last["output"][0]["content"][0]["text"] == "y" * LONG + "z" * LONG
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert (await long.ask("GET", f"/v1/responses/{last['id']}")).body == last
    await long.respond("b", previous_response_id=last["id"])
    assert lengths(long) == [1, 2 * LONG, 1]


async def test_a_long_answer_is_added_to_its_conversation(long: Asker) -> None:
    talk = (await long.ask("POST", "/v1/conversations", {})).body["id"]
    await long.respond("a", stream=True, store=False, conversation=talk)
    listed = (await long.ask("GET", f"/v1/conversations/{talk}/items?order=asc")).body["data"]
    assert [len(item["content"][0]["text"]) for item in listed] == [1, 2 * LONG]


async def test_an_answer_too_large_for_its_conversation_fails(tmp_path: Path) -> None:
    """It is said, and nothing is kept as if the turn were part of it."""
    asker = asking(["y" * LONG], tmp_path, "server: {max_body: 50kB}\n")
    talk = (await asker.ask("POST", "/v1/conversations", {})).body["id"]
    last = (await asker.respond("a", stream=True, conversation=talk)).events[-1]
    assert (last["type"], last["response"]["error"]["code"]) == ("response.failed", "request_too_large")
    assert (await asker.ask("GET", f"/v1/conversations/{talk}/items")).body["data"] == []
    kept = (await asker.ask("GET", f"/v1/responses/{last['response']['id']}")).body
    assert kept["status"] == "failed"
    await asker.close()


async def test_a_long_answer_in_the_background_is_kept_with_its_events(long: Asker) -> None:
    asked = {"model": "own/m", "input": "a", "stream": True, "background": True}
    events = (await long.ask("POST", "/v1/responses", asked)).events
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    last = events[-1]["response"]
    assert (last["status"], last["background"]) == ("completed", True)
    assert last["output"][0]["content"][0]["text"] == "y" * LONG + "z" * LONG
    assert (await long.ask("GET", f"/v1/responses/{last['id']}")).body == last
    again = await long.ask("GET", f"/v1/responses/{last['id']}?stream=true")
    assert again.events == events


async def test_a_long_answer_in_a_session_is_kept_by_both(long: Asker) -> None:
    last = (await long.ask("POST", "/v1/responses", {**ASKED, "stream": True}, x_session_id="s")).events[-1][
        "response"
    ]
    assert (await long.ask("GET", f"/v1/responses/{last['id']}")).body == last
    await long.ask("POST", "/v1/responses", ASKED, x_session_id="s")
    assert lengths(long) == [1, 2 * LONG, 1]
