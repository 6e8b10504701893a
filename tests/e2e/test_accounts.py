"""Usage over a real server: what is stored is what the providers' own logs say, however requests end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from dragoman.gateway import Gateway
from dragoman.state.usage import UsageRecord
from dragoman.state.usage_archive import UsageSearch
from dragoman.testing.provider import Answer, FakeProvider, Seen, Streamed, Whole
from dragoman.testing.serving import serving

KEYS = {"alice": "0123456789-key-of-alice", "bob": "0123456789-key-of-bob"}
PRICES = {"one/gpt": {"input": 1, "output": 10}, "two/gpt": {"input": 2, "output": 20}}


class Stub:
    """A provider that states a different usage for each request, and logs what it has stated."""

    def __init__(self, **more: Any) -> None:
        self.log: list[tuple[int, int]] = []
        self.refuses = 0
        self.more = more

    def __call__(self, seen: Seen) -> Answer:
        if self.refuses:
            self.refuses -= 1
            return Whole({"error": {"message": "No.", "type": "server_error"}}, status=500)
        number = len(self.log) + 1
        usage = {"prompt_tokens": 10 * number, "completion_tokens": number, "total_tokens": 11 * number}
        self.log.append((10 * number, number))
        said = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt"}
        if not seen.body.get("stream"):
            message = {"role": "assistant", "content": "Hello"}
            return Whole(
                {
                    **said,
                    "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                    "usage": usage,
                }
            )
        said["object"] = "chat.completion.chunk"
        frames: list[Any] = [
            {**said, "choices": [{"index": 0, "delta": {"role": "assistant", "content": word}}]}
            for word in ("one ", "two ", "three ")
        ]
        frames.append({**said, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        frames.append({**said, "choices": [], "usage": usage})
        return Streamed([*frames, "data: [DONE]\n\n"], **self.more)


class House:
    """A gateway in front of two providers."""

    def __init__(self, gateway: Gateway, base: str, session: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self.base = base
        self.session = session
        self.one, self.two = Stub(), Stub()

    def ask(self, key: str = "alice", model: str = "m", **fields: Any) -> Any:
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], **fields}
        headers = {"authorization": f"Bearer {KEYS[key]}"}
        return self.session.post(self.base + "/v1/chat/completions", json=body, headers=headers)

    async def records(self) -> list[UsageRecord]:
        """All stored records, the first one first."""
        assembly = self.gateway.running
        assert assembly.journaling is not None
        await assembly.journaling.drain()
        usage = assembly.store.usage
        assert usage is not None
        return [*reversed(await usage.records(UsageSearch(), 1000))]


@asynccontextmanager
async def house(
    one: Stub, two: Stub, home: Path, *, dialect: str = "openai_chat", **more: Any
) -> AsyncIterator[House]:
    async with FakeProvider(one) as first, FakeProvider(two) as second:
        settings = {
            "providers": {
                "one": {"dialect": dialect, "base_url": first.url + "/v1", "keys": "key-1"},
                "two": {"dialect": "openai_chat", "base_url": second.url + "/v1", "keys": "key-2"},
            },
            "models": {"m": {"deployments": ["one/gpt", "two/gpt"]}},
            "auth": {"keys": [{"name": name, "key": key} for name, key in KEYS.items()]},
            "prices": PRICES,
            "retries": {"attempts": 2, "backoff": "10ms"},
            "stores": {"sql": f"sqlite:///{home}/state.db", "journal": str(home / "journal")},
            **more,
        }
        gateway = Gateway(settings)
        async with serving(gateway) as base, aiohttp.ClientSession() as session:
            found = House(gateway, base, session)
            found.one, found.two = one, two
            yield found


def totals(records: list[UsageRecord], by: str) -> dict[str, tuple[int, int]]:
    """Tokens of input and output by provider (of the lines) or client."""
    found: dict[str, tuple[int, int]] = {}
    for record in records:
        for line in record.lines:
            name = line.provider if by == "provider" else record.client or ""
            taken, given = found.get(name, (0, 0))
            found[name] = taken + line.units.get("input", 0), given + line.units.get("output", 0)
    return found


async def test_totals_are_those_of_the_providers_logs(tmp_path: Path) -> None:
    one, two = Stub(), Stub()
    async with house(one, two, tmp_path) as home:
        for number in range(12):
            one.refuses = int(number % 4 == 3)
            key, streamed = ("alice", "bob")[number % 2], number % 3 == 0
            async with home.ask(key, stream=streamed) as response:
                assert response.status == 200
                body = await response.read()
                if not streamed:
                    told = json.loads(body)["usage"]
                    cost = response.headers["x-dragoman-cost"]
                    assert told["prompt_tokens"] > 0
                    assert float(cost) > 0
        records = await home.records()
        assert len(records) == 12
        assert totals(records, "provider") == {
            name: (sum(taken for taken, _ in stub.log), sum(given for _, given in stub.log))
            for name, stub in (("one", one), ("two", two))
        }
        both = [*one.log, *two.log]
        assert tuple(map(sum, zip(*totals(records, "client").values(), strict=True))) == (
            sum(taken for taken, _ in both),
            sum(given for _, given in both),
        )
        assert sum(record.cost or 0 for record in records) == sum(
            taken * 1_000 * factor + given * 10_000 * factor
            for factor, stub in ((1, one), (2, two))
            for taken, given in stub.log
        )
        assert not any(record.estimated for record in records)


async def test_a_disconnect_in_a_stream_has_a_record_with_an_estimate(tmp_path: Path) -> None:
    one = Stub(pause=0.2)
    async with house(one, Stub(), tmp_path) as home:
        async with home.ask(stream=True, user="bob") as response:
            assert response.status == 200
            await response.content.readuntil(b"\n\n")
        records: list[UsageRecord] = []
        for _ in range(600):
            if records := await home.records():
                break
            await asyncio.sleep(0.1)
        (record,) = records
        assert record.end == "client/stream"
        assert record.estimated
        assert record.failed
        assert record.end_user == "bob"
        assert record.units["input"] > 0
        assert 1 <= record.units["output"] <= 4
        assert record.cost == record.units["input"] * 1_000 + record.units["output"] * 10_000


async def test_200_requests_at_once_pass_a_limit_of_50_exactly_50_times(tmp_path: Path) -> None:
    one = Stub()
    limits = {"all": {"scope": "global", "requests": "50/lifetime"}}
    async with house(one, Stub(), tmp_path, limits=limits) as home:

        async def status() -> int:
            async with home.ask() as response:
                await response.read()
                return response.status

        found = await asyncio.gather(*(status() for _ in range(200)))
        assert (found.count(200), found.count(429)) == (50, 150)
        assert len(one.log) == 50
        records = await home.records()
        assert sum(bool(record.lines) for record in records) == 50
        assert len(records) == 200


async def test_a_budget_is_exceeded_by_no_more_than_what_ran_at_once(tmp_path: Path) -> None:
    """Each answer costs what it states; reserved is the bound on it, so the budget itself is never passed."""
    one = Stub()
    limits = {"all": {"scope": "global", "money": "0.002 USD/lifetime"}}
    async with house(one, Stub(), tmp_path, limits=limits) as home:

        async def status() -> int:
            async with home.ask(max_tokens=20) as response:
                await response.read()
                return response.status

        found = await asyncio.gather(*(status() for _ in range(60)))
        spent = sum(taken * 1_000 + given * 10_000 for taken, given in one.log)
        over = spent - 2_000_000
        assert set(found) == {200, 429}
        assert over <= max(taken * 1_000 + given * 10_000 for taken, given in one.log) * found.count(200)
        records = await home.records()
        assert sum(record.cost or 0 for record in records) == spent


async def test_what_is_passed_through_has_a_record_without_units(tmp_path: Path) -> None:
    async with FakeProvider(Whole({"object": "list", "data": []})) as files:
        settings = {
            "providers": {
                "one": {
                    "dialect": "openai_chat",
                    "base_url": files.url + "/v1",
                    "keys": "key-1",
                    "passthrough": ["files"],
                }
            },
            "auth": {"keys": [{"name": name, "key": key} for name, key in KEYS.items()]},
            "stores": {"sql": f"sqlite:///{tmp_path}/state.db", "journal": str(tmp_path / "journal")},
        }
        gateway = Gateway(settings)
        async with serving(gateway) as base, aiohttp.ClientSession() as session:
            home = House(gateway, base, session)
            headers = {"authorization": f"Bearer {KEYS['bob']}"}
            async with session.get(base + "/v1/files", headers=headers) as response:
                assert response.status == 200
            async with session.get(base + "/v1/models", headers=headers) as response:
                assert response.status == 200
            (record,) = await home.records()
            assert (record.operation, record.client, record.deployment) == ("passthrough", "bob", "one/files")
            assert (record.units, record.cost, record.status, record.end) == ({}, 0, 200, "done")


async def test_no_batch_is_made_with_a_budget_that_is_used_up(tmp_path: Path) -> None:
    """Nobody knows here what it will cost. Files may still be passed through, and batches read and ended."""
    batch = {"id": "batch_1", "object": "batch", "status": "validating"}
    chat, numbers = Stub(), list[int]()

    def provider(seen: Seen) -> Answer:
        if seen.path == "/v1/chat/completions":
            return chat(seen)
        numbers.append(len(numbers))
        known = batch if "batches" in seen.path else {"id": f"file-{len(numbers)}", "object": "file"}
        return Whole(known, headers={"x-ratelimit-remaining-requests": "777"})

    limits = {"money": "0.00002 USD/day", "requests": "9/day"}
    more: dict[str, Any] = {
        "auth": {
            "keys": [
                {"name": "alice", "key": KEYS["alice"], "limits": limits},
                {"name": "bob", "key": KEYS["bob"], "limits": {**limits, "unknown_price": "refuse"}},
            ]
        }
    }
    async with FakeProvider(provider) as up:
        one = {"dialect": "openai_chat", "base_url": up.url + "/v1", "keys": "key-1"}
        more["providers"] = {"one": {**one, "passthrough": ["files", "batches"]}, "two": one}
        async with house(chat, Stub(), tmp_path, **more) as home:

            async def call(method: str, path: str, key: str = "alice", **sent: Any) -> tuple[int, Any, Any]:
                headers = {"authorization": f"Bearer {KEYS[key]}", "x-dragoman-provider": "one"}
                async with home.session.request(
                    method, home.base + path, headers=headers, **sent
                ) as response:
                    return response.status, await response.json(), response.headers

            async def uploaded(key: str) -> dict[str, Any]:
                form = aiohttp.FormData({"purpose": "batch"})
                form.add_field("file", b"{}", filename="a.jsonl")
                status, told, _ = await call("POST", "/v1/files", key, data=form)
                assert status == 200
                return {"json": {"input_file_id": told["id"], "endpoint": "/v1/chat/completions"}}

            batches = "/v1/batches"
            status, made, headers = await call("POST", batches, **(sent := await uploaded("alice")))
            assert status == 200
            assert headers.getall("x-ratelimit-remaining-requests") == ["7"]
            status, told, _ = await call("POST", batches, "bob", **await uploaded("bob"))
            assert (status, told["error"]["code"]) == (403, "unknown_price")
            async with home.ask("alice", "one/gpt", max_tokens=1) as response:
                assert response.status == 200
            status, told, _ = await call("POST", batches, **sent)
            assert (status, told["error"]["code"]) == (429, "insufficient_quota")
            await uploaded("alice")
            assert (await call("GET", f"{batches}/{made['id']}"))[0] == 200
            assert (await call("POST", f"{batches}/{made['id']}/cancel"))[0] == 200


async def test_an_answer_in_the_background_has_a_record_of_its_own(tmp_path: Path) -> None:
    one = Stub()
    async with house(one, Stub(), tmp_path) as home:
        headers = {"authorization": f"Bearer {KEYS['bob']}"}
        body = {"model": "m", "input": "Hi", "background": True, "user": "ann"}
        async with home.session.post(home.base + "/v1/responses", json=body, headers=headers) as response:
            assert response.status == 200
        records: list[UsageRecord] = []
        for _ in range(600):
            if records := await home.records():
                break
            await asyncio.sleep(0.1)
        (record,) = records
        assert (record.client, record.end_user, record.streamed) == ("bob", "ann", True)
        assert record.units == {"input": 10, "output": 1}
        assert record.cost == 20_000
