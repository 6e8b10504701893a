"""What one worker learns of keys and deployments, the others know; and what the keeper's death changes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import aiohttp
import msgspec
import pytest

from dragoman.testing.provider import Answer, FakeProvider, Seen, Whole
from tests.e2e import stubs
from tests.e2e.command import Serving, serving
from tests.e2e.conftest import Provide
from tests.e2e.stubs import Said
from tests.e2e.test_workers import alive, children

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="workers are forks"),
    pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="workers share a database: extra `sql`"),
]

Start = Callable[..., Serving]
FIRST, SECOND = "key-of-the-first", "key-of-the-other"
GOOD: Any = stubs.openai_chat(Said())


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start a gateway of four workers with this configuration."""
    with ExitStack() as stack:

        def begin(settings: Mapping[str, Any], workers: int = 4) -> Serving:
            (tmp_path / "dragoman.yaml").write_text(json.dumps(settings))
            context: AbstractContextManager[Serving] = serving(
                environment, tmp_path, "--workers", str(workers)
            )
            return stack.enter_context(context)

        yield begin


def asked_with(provider: FakeProvider, key: str) -> int:
    """How many calls came with a key."""
    return sum(seen.headers["authorization"] == f"Bearer {key}" for seen in provider.seen)


async def ask(server: Serving, **fields: Any) -> tuple[int, bytes]:
    """A chat over a connection of its own, so that any worker may take it: status and body."""
    body = {"model": "up/gpt", "messages": [{"role": "user", "content": "Hello!"}], **fields}
    timeout = aiohttp.ClientTimeout(total=60)
    async with (
        aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(force_close=True)) as session,
        session.post(f"{server.url}/v1/chat/completions", json=body) as response,
    ):
        return response.status, await response.read()


async def health(server: Serving) -> dict[str, Any]:
    connector = aiohttp.TCPConnector(force_close=True)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"{server.url}/health") as response,
    ):
        told: dict[str, Any] = await response.json()
        return told


async def until(true: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not await true():
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


def limited(seen: Seen) -> Answer:
    """The first key is at its limit."""
    if seen.headers["authorization"] == f"Bearer {FIRST}":
        refused = stubs.refusal("openai_chat", 429, "rate_limit_exceeded", "Slow down.")
        return Whole(refused.body, 429, {"retry-after": "600"})
    answer: Answer = GOOD(seen)
    return answer


def two_keys(url: str) -> dict[str, Any]:
    return {
        "providers": {"up": {"base_url": url, "keys": [FIRST, SECOND]}},
        "retries": {"attempts": 1},
    }


async def test_a_resting_key_is_left_alone_by_all_workers(provide: Provide, start: Start) -> None:
    provider = await provide(limited)
    server = start(two_keys(provider.url))
    assert (await ask(server))[0] == 200
    await asyncio.sleep(1)
    answers = await asyncio.gather(*(ask(server, stream=True) for _ in range(100)))
    assert [status for status, _ in answers] == [200] * 100
    assert all(body.rstrip().endswith(b"data: [DONE]") for _, body in answers)
    assert asked_with(provider, FIRST) <= 4
    assert asked_with(provider, SECOND) == 101


def nearly_limited(seen: Seen) -> Answer:
    """The first key answers, and has nothing left then."""
    answer: Any = GOOD(seen)
    if seen.headers["authorization"] == f"Bearer {FIRST}":
        told = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "10m"}
        return cast("Answer", msgspec.structs.replace(answer, headers=told))
    return cast("Answer", answer)


async def test_a_key_with_nothing_left_is_left_alone_by_all_workers(provide: Provide, start: Start) -> None:
    provider = await provide(nearly_limited)
    server = start(two_keys(provider.url))
    assert (await ask(server))[0] == 200
    await asyncio.sleep(3)  # longer than it takes on a slow machine until all know
    answers = await asyncio.gather(*(ask(server, stream=number % 2 == 0) for number in range(40)))
    assert [status for status, _ in answers] == [200] * 40
    assert asked_with(provider, FIRST) <= 4
    assert asked_with(provider, SECOND) >= 37


async def test_an_outage_is_shared_where_the_pause_is_stated(provide: Provide, start: Start) -> None:
    provider = await provide(lambda _: stubs.refusal("openai_chat", 500, "server_error", "Broken."))
    server = start({**two_keys(provider.url), "breaker": {"failures": 1, "pause": "1m"}}, workers=2)
    assert {(await ask(server))[0] for _ in range(6)} == {502}


def refusing(seen: Seen) -> Answer:
    """The first key is refused."""
    if seen.headers["authorization"] == f"Bearer {FIRST}":
        return stubs.refusal("openai_chat", 401, "invalid_api_key", "No.")
    answer: Answer = GOOD(seen)
    return answer


async def test_what_was_learnt_outlives_the_worker_that_learnt_it_and_the_keeper(
    provide: Provide, start: Start
) -> None:
    """A new worker learns it from the others and the keeper, a new keeper from the workers."""
    provider = await provide(refusing)
    server = start(two_keys(provider.url), 2)
    assert (await ask(server))[0] == 200
    for _ in range(3):
        told = (await health(server))["keeper"]
        assert told["state"] == "running"
        os.kill(told["process"], signal.SIGKILL)
        await replaced(server, told["process"])
        for worker in children(server.process.pid) - {(await health(server))["keeper"]["process"]}:
            os.kill(worker, signal.SIGKILL)
            await until(partial(buried, server, worker))
            await until(lambda: all_there(server, 2))
    answers = await asyncio.gather(*(ask(server) for _ in range(20)))
    assert [status for status, _ in answers] == [200] * 20
    assert asked_with(provider, FIRST) == 1


async def replaced(server: Serving, process: int) -> None:
    """Wait until another keeper is there."""

    async def another() -> bool:
        keeper = (await health(server))["keeper"]
        return keeper["state"] == "running" and keeper["process"] != process

    await until(another)


async def all_there(server: Serving, count: int) -> bool:
    """Whether all workers report and the keeper is there."""
    try:
        told = await health(server)
    except aiohttp.ClientError:
        return False
    return told["reporting"] == count and told["keeper"]["state"] == "running"


async def buried(server: Serving, process: int) -> bool:
    """Whether the parent has noticed that a process has ended."""
    return process not in children(server.process.pid)


async def gone(process: int) -> None:
    async def dead() -> bool:
        return not alive(process)

    await until(dead)


async def test_the_keepers_death_disturbs_no_request(provide: Provide, start: Start) -> None:
    """Streams go on, new requests are answered, and the state says that it is missing."""
    slow = stubs.streamed("openai_chat", stubs.frames("openai_chat", "word " * 40), pause=0.05)
    provider = await provide(slow)
    server = start(two_keys(provider.url), 2)
    streams = [asyncio.create_task(ask(server, stream=True)) for _ in range(8)]
    await until(lambda: begun(provider, 8))
    keeper = (await health(server))["keeper"]["process"]
    os.kill(keeper, signal.SIGKILL)
    statuses = [await health(server) for _ in range(20)]
    assert {told["status"] for told in statuses} == {"healthy"}
    more = await asyncio.gather(*(ask(server, stream=True) for _ in range(4)))
    answers = [*await asyncio.gather(*streams), *more]
    assert [status for status, _ in answers] == [200] * 12
    assert all(body.rstrip().endswith(b"data: [DONE]") for _, body in answers)
    await replaced(server, keeper)


def open_files(process: int) -> int:
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


async def begun(provider: FakeProvider, count: int) -> bool:
    return len(provider.seen) >= count


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted in /proc")
async def test_a_killed_worker_breaks_its_own_streams_and_no_others(provide: Provide, start: Start) -> None:
    slow = stubs.streamed("openai_chat", stubs.frames("openai_chat", "word " * 100), pause=0.05)
    provider = await provide(slow)
    server = start(two_keys(provider.url), 2)
    keeper = (await health(server))["keeper"]["process"]
    before = {worker: open_files(worker) for worker in children(server.process.pid) - {keeper}}
    streams: list[asyncio.Task[tuple[int, bytes]]] = []

    async def both_have_some() -> bool:
        """Ask again and again: on a busy machine one worker may take all connections for a while."""
        streams.extend(asyncio.create_task(ask(server, stream=True)) for _ in range(8))
        await until(lambda: begun(provider, len(streams)))
        return all(open_files(worker) > held + 3 for worker, held in before.items())

    await until(both_have_some)
    os.kill(min(before), signal.SIGKILL)
    answers = await asyncio.gather(*streams, return_exceptions=True)
    whole = [one for one in answers if not isinstance(one, BaseException)]
    broken = [one for one in answers if isinstance(one, BaseException)]
    assert all(isinstance(one, aiohttp.ClientError) for one in broken), (
        "the connection breaks: nothing in-band"
    )
    assert whole, "the other worker had some, too"
    assert all(body.rstrip().endswith(b"data: [DONE]") for _, body in whole)
    await until(lambda: all_there(server, 2))
    assert (await health(server))["keeper"]["process"] == keeper
    again = await asyncio.gather(*(ask(server, stream=True) for _ in range(8)))
    assert [status for status, _ in again] == [200] * 8


async def test_when_the_parent_is_killed_workers_finish_what_runs(provide: Provide, start: Start) -> None:
    slow = stubs.streamed("openai_chat", stubs.frames("openai_chat", "word " * 40), pause=0.05)
    provider = await provide(slow)
    server = start(two_keys(provider.url), 2)
    processes = children(server.process.pid)
    streams = [asyncio.create_task(ask(server, stream=True)) for _ in range(8)]
    await until(lambda: begun(provider, 8))
    server.process.kill()
    answers = await asyncio.gather(*streams)
    assert [status for status, _ in answers] == [200] * 8
    assert all(body.rstrip().endswith(b"data: [DONE]") for _, body in answers)
    for process in processes:
        await gone(process)
    with pytest.raises(aiohttp.ClientConnectionError):
        await ask(server)


async def test_a_provider_that_is_down_is_known_before_a_request_meets_it(
    provide: Provide, start: Start
) -> None:
    """The keeper alone asks, and all workers know."""
    answers: dict[str, Answer] = {"list": Whole({"object": "list", "data": []}, 503)}

    def first(seen: Seen) -> Answer:
        return answers["list"] if seen.method == "GET" else GOOD(seen)

    one, two = await provide(first), await provide(GOOD)
    server = start(
        {
            "providers": {
                "one": {"base_url": one.url, "keys": [FIRST], "check": {"every": "1s", "when": "always"}},
                "two": {"base_url": two.url, "keys": [SECOND]},
            },
            "models": {"robust": {"deployments": ["one/gpt", "two/gpt"]}},
        },
        2,
    )

    async def goes_to(provider: FakeProvider) -> bool:
        before = len(provider.seen)
        asked = await asyncio.gather(*(ask(server, model="robust") for _ in range(10)))
        assert {status for status, _ in asked} == {200}
        return sum(seen.method == "POST" for seen in provider.seen[before:]) == 10

    await until(lambda: goes_to(two))
    answers["list"] = Whole({"object": "list", "data": []})
    await until(lambda: goes_to(one))
    assert {seen.path for seen in one.seen if seen.method == "GET"} == {"/v1/models"}


async def test_what_was_learnt_outlives_all_workers(provide: Provide, start: Start) -> None:
    """The keeper knows it, too."""
    provider = await provide(refusing)
    server = start(two_keys(provider.url), 2)
    assert (await ask(server))[0] == 200
    keeper = (await health(server))["keeper"]["process"]
    workers = children(server.process.pid) - {keeper}
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    for worker in workers:
        await until(partial(buried, server, worker))
    await until(lambda: all_there(server, 2))
    assert (await ask(server))[0] == 200
    assert asked_with(provider, FIRST) == 1
