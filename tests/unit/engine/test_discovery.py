"""Lists of models are fetched again and again, with all their pages, whatever providers send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest

from dragoman import ir
from dragoman.dialects.access import ModelList
from dragoman.dialects.table import DIALECTS
from dragoman.engine.discovery import FIRST_RETRY, Discovery, Wanted, fetched, why
from dragoman.errors import RequestFailed, WireError
from dragoman.providers.listing import LARGEST, Page
from dragoman.seams.clock import Seams
from dragoman.seams.deadlines import Deadlines
from dragoman.upstreams.account import Account
from dragoman.upstreams.upstream import Call
from dragoman.upstreams.wire import WireUpstream

SECRET = "secret-key-1234"


class Up:
    """A provider whose pages are what `answer` gives for a query and the number of a key."""

    name = "up"

    def __init__(
        self, answer: Callable[[Mapping[str, str], int], Any], dialect: str = "anthropic", keys: int = 1
    ):
        self.answer = answer
        self.dialect = DIALECTS[dialect]
        self.listing = self.dialect.models
        self.accounts = tuple(Account({}, "1234", (SECRET,)) for _ in range(keys))
        self.asked: list[tuple[dict[str, str], int]] = []

    async def listed(self, call: Call, *, query: Mapping[str, str], largest: int) -> bytes:
        assert largest == LARGEST
        self.asked.append((dict(query), call.account))
        answer = self.answer(query, call.account)
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    @property
    def upstream(self) -> WireUpstream:
        return cast(WireUpstream, self)


class Kept:
    """What the fetches told."""

    def __init__(self, age: float | None = None) -> None:
        self.known = age
        self.learnt: list[tuple[str, list[str]]] = []
        self.failed: list[str] = []
        self.again = asyncio.Event()

    def age(self, provider: str) -> float | None:
        return self.known

    def learn(self, provider: str, address: str, page: Page) -> None:
        self.learnt.append((address, list(page.models)))
        self.again.set()

    def fail(self, provider: str, why: str) -> None:
        self.failed.append(why)
        self.again.set()

    async def next(self) -> None:
        await asyncio.wait_for(self.again.wait(), 60)
        self.again.clear()


def refused(kind: ir.Kind, message: str = "no") -> RequestFailed:
    return RequestFailed(ir.Fault(kind, message, blame="upstream"))


async def got(up: Up) -> Page:
    return await fetched(up.upstream, Deadlines(asyncio.get_running_loop()), Seams())


def page(*names: str, more: bool = False) -> dict[str, Any]:
    return {"data": [{"id": name} for name in names], "has_more": more, "last_id": names[-1]}


async def test_all_pages_are_fetched() -> None:
    pages = {"": page("a", "b", more=True), "b": page("b", "c", more=True), "c": page("d")}
    up = Up(lambda query, _: pages[query.get("after_id", "")])
    assert list((await got(up)).models) == ["a", "b", "c", "d"]
    assert [query for query, _ in up.asked] == [
        {"limit": "1000"},
        {"limit": "1000", "after_id": "b"},
        {"limit": "1000", "after_id": "c"},
    ]


async def test_a_list_without_an_end_ends() -> None:
    up = Up(lambda *_: page("a", more=True))
    assert list((await got(up)).models) == ["a"]
    assert len(up.asked) == 2
    up = Up(lambda *_: page(f"m{len(up.asked)}", more=True))
    assert len((await got(up)).models) == len(up.asked) == 100


async def test_numbered_pages_end_at_one_without_new_names() -> None:
    pages = {"": ["a", "b"], "2": ["c"], "3": ["c", "a"], "4": ["d"]}
    up = Up(lambda query, _: {"result": [{"name": name} for name in pages[query.get("page", "")]]})
    up.listing = ModelList(member="result", name="name", cursor="page", numbered=True)
    assert list((await got(up)).models) == ["a", "b", "c"]
    assert [query.get("page") for query, _ in up.asked] == [None, "2", "3"]


async def test_the_next_key_is_tried_if_one_is_refused() -> None:
    def answer(_: Mapping[str, str], account: int) -> Any:
        if account < 2:
            raise refused("authentication")
        return page("a")

    up = Up(answer, keys=3)
    assert list((await got(up)).models) == ["a"]
    assert [account for _, account in up.asked] == [0, 1, 2]
    up = Up(answer, keys=2)
    with pytest.raises(RequestFailed):
        await got(up)


async def test_another_failure_is_told_without_secrets() -> None:
    def answer(*_: Any) -> Any:
        raise refused("unavailable", f"overloaded, {SECRET}")

    up = Up(answer, keys=3)
    with pytest.raises(RequestFailed) as caught:
        await got(up)
    assert why(caught.value) == "overloaded, [redacted]"
    assert len(up.asked) == 1
    assert why(WireError("strange")) == "strange"
    assert why(TimeoutError()) == "no whole answer within 60 s"


class Waits:
    """Notes how long the fetches wait, and lets no time pass."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds: list[float] = []
        self.wait = asyncio.wait_for
        monkeypatch.setattr("dragoman.engine.discovery.asyncio.wait_for", self._wait_for)
        self.held = asyncio.Semaphore(0)

    async def _wait_for(self, awaited: Any, seconds: float) -> None:
        self.seconds.append(seconds)
        waiting = asyncio.ensure_future(awaited)
        passing = asyncio.ensure_future(self.held.acquire())
        done, left = await asyncio.wait({waiting, passing}, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        if waiting not in done:
            raise TimeoutError


def discovery(kept: Kept, up: Up, ttl: float = 100.0) -> Discovery:
    seams = Seams(uniform=lambda: 0.5)
    wanted = [Wanted(up.upstream, "http://up", ttl)]
    return Discovery(wanted, kept, Deadlines(asyncio.get_running_loop()), seams)


async def steps(waits: Waits, kept: Kept, times: int) -> None:
    for _ in range(times):
        waits.held.release()
        await asyncio.sleep(0)
        while not kept.again.is_set():  # noqa: ASYNC110 - no time passes
            await asyncio.sleep(0)
        kept.again.clear()
    for _ in range(20):
        await asyncio.sleep(0)


async def test_after_failures_the_waits_grow_up_to_the_ttl(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = True

    def answer(*_: Any) -> Any:
        if bad:
            raise refused("unavailable", "down")
        return page("a")

    waits, kept = Waits(monkeypatch), Kept()
    running = discovery(kept, Up(answer))
    await steps(waits, kept, 4)
    assert kept.failed == ["down"] * 4
    assert waits.seconds == [0.5, FIRST_RETRY * 0.95, 2 * FIRST_RETRY * 0.95, 95.0, 95.0]
    bad = False
    await steps(waits, kept, 1)
    bad = True
    await steps(waits, kept, 1)
    assert waits.seconds[5:] == [95.0, FIRST_RETRY * 0.95]
    assert kept.learnt == [("http://up", ["a"])]
    running.stop()


async def test_a_known_list_is_fetched_when_it_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    waits, kept = Waits(monkeypatch), Kept(age=30.0)
    running = discovery(kept, Up(lambda *_: page("a")))
    await steps(waits, kept, 1)
    assert waits.seconds == [70.0, 95.0]
    running.stop()


async def test_a_provider_without_a_list_is_asked_again_after_the_ttl(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(*_: Any) -> Any:
        raise refused("not_found", "no such path")

    waits, kept = Waits(monkeypatch), Kept()
    running = discovery(kept, Up(answer))
    await steps(waits, kept, 1)
    assert waits.seconds == [0.5, 95.0]
    assert kept.failed == ["no such path"]
    running.stop()


async def test_a_wish_ends_the_wait() -> None:
    kept, up = Kept(age=0.0), Up(lambda *_: page("a"))
    running = discovery(kept, up, ttl=3600.0)
    await asyncio.sleep(0)
    running.refresh(["others"])
    await asyncio.sleep(0.01)
    assert not up.asked
    running.refresh(["up"])
    await kept.next()
    running.refresh([])
    await kept.next()
    assert len(up.asked) == len(kept.learnt) == 2
    running.stop()


async def test_what_fails_in_an_odd_way_is_fetched_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In the provider's answer, or where the list is used."""
    monkeypatch.setattr("dragoman.engine.discovery.FIRST_RETRY", 0.001)

    def odd(*_: object) -> Any:
        raise KeyError("a mistake of ours")

    class Broken(Kept):
        uses = 0

        def learn(self, provider: str, address: str, page: Page) -> None:
            self.uses += 1
            if self.uses == 1:
                raise KeyError("another mistake of ours")
            super().learn(provider, address, page)

    up, kept = Up(odd), Broken(age=100.0)
    running = Discovery(
        [Wanted(up.upstream, "https://up.example", 60.0)],
        kept,
        Deadlines(asyncio.get_running_loop()),
        Seams(uniform=lambda: 0.5),
    )
    await kept.next()
    assert kept.failed[0] == "unforeseen: KeyError"
    up.answer = lambda *_: page("a")
    async with asyncio.timeout(60):
        while not kept.learnt:
            await kept.next()
    running.stop()
    assert kept.learnt == [("https://up.example", ["a"])]
    assert kept.uses == 2
    assert "another mistake of ours" in caplog.text
