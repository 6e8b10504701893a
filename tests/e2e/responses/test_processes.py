"""What was said goes on in another process, after a crash too (rows 4.2, 4.4 and 5.5)."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from dragoman.seams.clock import SYSTEM, Seams
from dragoman.turns import background
from tests.e2e.command import Serving, serving
from tests.e2e.responses.conftest import Gate
from tests.e2e.test_workers import health

pytestmark = pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="a database is shared: extra `sql`")
Served = Callable[..., Awaitable[Gate]]
ECHO = "simulate/echo"
SLOW = "simulate/lorem:100+rate:20"


@pytest.fixture
def database(tmp_path: Path) -> dict[str, Any]:
    """The configuration of gateways that share a database."""
    return {"stores": {"sql": f"sqlite:///{tmp_path}/shared.db"}}


@pytest.fixture
def server(
    environment: dict[str, str], tmp_path: Path, database: dict[str, Any], request: pytest.FixtureRequest
) -> Iterator[Serving]:
    """A process of its own, on that database."""
    (tmp_path / "dragoman.yaml").write_text(json.dumps(database))
    with serving(environment, tmp_path, *getattr(request, "param", ())) as running:
        yield running


def client_of(server: Serving) -> OpenAI:
    return OpenAI(base_url=f"{server.url}/v1", api_key="dummy-key", max_retries=0, timeout=60)


def listed(client: Any, id_: str) -> list[str]:
    """The texts that an answer was made from."""
    found = client.responses.input_items.list(id_, order="asc", limit=100)
    return [item.content[0].text for item in found]


def later(seconds: float) -> Seams:
    """A clock that is ahead."""
    return Seams(now=lambda: SYSTEM.now() + seconds)


async def ended(client: AsyncOpenAI, id_: str) -> Any:
    """An answer in the background at its end."""
    async with asyncio.timeout(60):
        while (  # noqa: ASYNC110  (polling is what clients do)
            answer := await client.responses.retrieve(id_)
        ).status in {"queued", "in_progress"}:
            await asyncio.sleep(0.05)
    return answer


async def test_a_turn_goes_on_at_another_server(served: Served, database: dict[str, Any]) -> None:
    one, other = await served(database), await served(database)
    first = await one.client.responses.create(model=ECHO, input="One.")
    second = await other.client.responses.create(model=ECHO, input="Two.", previous_response_id=first.id)
    third = await one.client.responses.create(model=ECHO, input="Three.", previous_response_id=second.id)
    items = (await other.client.responses.input_items.list(third.id, order="asc")).data
    assert [item.content[0].text for item in items] == ["One.", "One.", "Two.", "Two.", "Three."]
    conversation = await one.client.conversations.create(items=[{"role": "user", "content": "Hi."}])
    await other.client.responses.create(model=ECHO, input="There.", conversation=conversation.id)
    items = (await one.client.conversations.items.list(conversation.id, order="asc")).data
    assert [item.content[0].text for item in items] == ["Hi.", "There.", "There."]


async def test_another_server_follows_and_cancels(served: Served, database: dict[str, Any]) -> None:
    one, other = await served(database), await served(database)
    running = await one.client.responses.create(model=SLOW, input="x", background=True)
    followed = await other.client.responses.retrieve(running.id, stream=True)
    seen = []
    async for event in followed:
        seen.append(event.type)
        if seen.count("response.output_text.delta") == 3:
            break
    await followed.close()
    assert (await other.client.responses.cancel(running.id)).status == "cancelled"
    async with asyncio.timeout(60):
        await one.gateway.background.drain(60)
    assert not one.gateway.background.running, "its process has learnt of it"
    kept = await one.client.responses.retrieve(running.id)
    assert (kept.status, kept.output) == ("cancelled", [])
    (flight,) = [exchange for exchange in one.exchanges if exchange.path.endswith("(background)")]
    assert (flight.fault, flight.end) == (None, "client/stream")


async def test_another_server_streams_to_the_end(served: Served, database: dict[str, Any]) -> None:
    one, other = await served(database), await served(database)
    running = await one.client.responses.create(model="simulate/lorem:20+rate:40", input="x", background=True)
    stream = await other.client.responses.retrieve(running.id, stream=True, starting_after=1)
    events = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(2, len(events) + 2))
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == (await one.client.responses.retrieve(running.id)).output_text


@pytest.mark.parametrize("server", [("--workers", "2")], indirect=True)
@pytest.mark.skipif(sys.platform == "win32", reason="workers are forks")
def test_every_worker_knows_it(server: Serving) -> None:
    previous: dict[str, Any] = {}
    last = ""
    workers = set()
    for turn in range(12):
        with client_of(server) as client:  # a connection each, so that either worker may get it
            workers |= {health(server.url)["worker"] for _ in range(5)}  # one may take several in turn
            answer = client.responses.create(model=ECHO, input=f"{turn}.", **previous)
            last = answer.id
            previous = {"previous_response_id": last}
    assert workers == {1, 2}
    with client_of(server) as client:
        assert listed(client, last)[::2] == [f"{turn}." for turn in range(12)]


@pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")
def test_what_was_completed_survives_a_crash(
    server: Serving, environment: dict[str, str], tmp_path: Path
) -> None:
    """Killed the moment `completed` was read, whole, streamed and on a socket."""
    with client_of(server) as client:
        first = client.responses.create(model=ECHO, input="One.")
        with client.responses.connect() as socket:
            socket.response.create(model=ECHO, input="Two.", previous_response_id=first.id)
            while (event := socket.recv()).type != "response.completed":
                assert event.type != "error", event
            second = event.response
        for event in client.responses.create(  # type: ignore[assignment]
            model=ECHO, input="Three.", previous_response_id=second.id, stream=True
        ):
            if event.type == "response.completed":
                server.process.send_signal(signal.SIGKILL)
                third = event.response
                break
    server.process.wait(60)
    with serving(environment, tmp_path) as again, client_of(again) as client:
        items = listed(client, third.id)
        fourth = client.responses.create(model=ECHO, input="Four.", previous_response_id=third.id)
    assert items == ["One.", "One.", "Two.", "Two.", "Three."]
    assert fourth.output_text == "Four."


async def test_what_ran_in_a_killed_process_has_failed(
    server: Serving, served: Served, database: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before its lease has stayed the same for a while, whatever the time is: its process may be slow."""
    monkeypatch.setattr(background, "_LOOK", 0.5)
    monkeypatch.setattr(background, "_LEASE", 3.0)

    def begin() -> str:
        with client_of(server) as client:
            running = client.responses.create(model=SLOW, input="x", background=True)
            time.sleep(0.3)  # some of it has been said
            server.process.send_signal(signal.SIGKILL)
            return running.id

    id_ = await asyncio.to_thread(begin)
    await asyncio.to_thread(server.process.wait, 10)
    soon = await served(database)
    assert (await soon.client.responses.retrieve(id_)).status == "in_progress"
    with pytest.raises(openai.ConflictError):
        await soon.client.responses.create(model=ECHO, input="x", previous_response_id=id_)
    late = await served(database, seams=later(30_000))
    assert (await late.client.responses.retrieve(id_)).status == "in_progress"
    failed = await ended(late.client, id_)
    assert (failed.status, failed.error.code) == ("failed", "server_error")
    events = [event async for event in await late.client.responses.retrieve(id_, stream=True)]
    assert events[-1].type == "response.failed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (await ended(soon.client, id_)).status == "failed"
