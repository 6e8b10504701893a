"""Rows 0.24, 1.10, 2.19 and 5.10 with four workers: totals by provider, by key, in the metrics and in the
database are those of the providers' own logs, and a revoked key is refused everywhere within a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import Counter
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from dragoman.testing.provider import Answer, FakeProvider, Seen, Whole
from tests.e2e.limited import KEYS, Fleet, Provider, fleet
from tests.scraping import Scraped

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="workers are forks"),
    pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="workers share a database: extra `sql`"),
    pytest.mark.skipif(find_spec("valkey") is None, reason="workers share their limits: extra `valkey`"),
]
NEVER = 60.0


class Failing(Provider):
    """Answers each third request with an error, for which providers bill nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.failures = 0

    def __call__(self, seen: Seen) -> Answer:
        self.calls += 1
        if self.calls % 3 == 0:
            self.failures += 1
            return Whole({"error": {"message": "No.", "type": "server_error"}}, status=500)
        return super().__call__(seen)


class Totals(NamedTuple):
    """What a group has used. nano: what it costs, in nano-USD."""

    requests: int
    failed: int
    input: int
    output: int
    nano: int


async def totals(one: Fleet, query: str) -> dict[str, Totals]:
    """What the database says, by the dimension that the query groups by, and of `all`."""
    told = await one.get(f"/admin/usage?top=50&{query}")
    (by,) = told["group_by"]
    rows = {row[by]: row for row in told["data"]} | {"all": told["totals"]}
    return {
        name: Totals(
            row["requests"],
            row["failed"],
            row["input_tokens"],
            row["output_tokens"],
            int(Decimal(row["cost_usd"] or 0) * 10**9),  # null: nobody states what `slow` costs
        )
        for name, row in rows.items()
    }


async def test_totals_are_those_of_the_providers_logs(environment: dict[str, str], tmp_path: Path) -> None:
    """The model `safe` falls back to a second provider; `risky` fails with the first one; clients leave the
    answers of `slow`.
    """
    first, second = Failing(), Provider(delay=5.0)
    async with FakeProvider(first) as one_up, FakeProvider(second) as two_up:
        row = {"dialect": "openai_chat", "keys": ["sk-0123456789"]}
        async with fleet(
            "workers",
            environment,
            tmp_path,
            providers={"one": {**row, "base_url": one_up.url}, "two": {**row, "base_url": two_up.url}},
            models={"safe": {"deployments": ["one/x", "two/x"]}, "risky": "one/x", "slow": "two/slow"},
            prices={"one/x": {"input": 1, "output": 10}, "two/x": {"input": 2, "output": 20}},
            retries={"attempts": 2, "backoff": "10ms"},
            breaker={"failures": 0},
        ) as one:
            told: Counter[tuple[str, int]] = Counter()
            for number in range(48):
                model, key = ("safe", "risky")[number % 2], ("ci", "ops")[number // 2 % 2]
                answer = await one.ask(model, key, stream=number % 3 == 0)
                told[key, answer.status] += 1
                assert model == "risky" or answer.status == 200
            wanted = _by_provider(first, second)
            found: dict[str, Totals] = {}
            async with asyncio.timeout(NEVER):
                while found.get("all", Totals(0, 0, 0, 0, 0)).requests < 48:
                    await asyncio.sleep(0.3)  # a report is told again for a second
                    found = await totals(one, "group_by=provider")
            everything = found.pop("all")
            assert {name: (one.input, one.output, one.nano) for name, one in found.items()} == wanted
            assert everything == Totals(*(sum(part) for part in zip(*found.values(), strict=True)))
            assert everything[:2] == (48, told["ci", 502] + told["ops", 502])
            keys = await totals(one, "group_by=key")
            assert keys.pop("all") == everything
            assert {name: one[:2] for name, one in keys.items()} == {
                key: (told[key, 200] + told[key, 502], told[key, 502]) for key in KEYS
            }
            assert Totals(*(sum(part) for part in zip(*keys.values(), strict=True))) == everything
            page = Scraped(await one.read("/metrics"))
            for provider, (given, made, nano) in wanted.items():
                assert page("dragoman_tokens_total", provider=provider, kind="input") == given
                assert page("dragoman_tokens_total", provider=provider, kind="output") == made
                assert round(page("dragoman_cost_usd_total", provider=provider) * 10**9) == nano
            assert page("dragoman_upstream_calls_total", provider="one", status="500") == first.failures
            await _left(one, second)


def _by_provider(first: Provider, second: Provider) -> dict[str, tuple[int, int, int]]:
    """Tokens and nano-USD that the providers bill, by their logs."""
    return {
        name: (
            sum(told.input for told in log),
            sum(told.output for told in log),
            factor * sum(told.nano for told in log),
        )
        for name, log, factor in (("one", first.log["x"], 1), ("two", second.log["x"], 2))
    }


async def _left(one: Fleet, provider: Provider) -> None:
    """Clients that leave before the first byte are counted, with an estimate of what was used."""

    async def leave() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await one.ask("slow")

    await asyncio.gather(*(leave() for _ in range(4)))
    asked = len(provider.log["slow"])
    assert asked > 0
    found: dict[str, Totals] = {}
    async with asyncio.timeout(NEVER):
        while found.get("all", Totals(0, 0, 0, 0, 0)).requests < asked:
            await asyncio.sleep(0.3)
            found = await totals(one, "group_by=model&model=slow")
    assert found["all"][:2] == (asked, asked)
    assert found["all"].input > 0


async def test_a_revoked_key_is_refused_by_all_workers_and_servers(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Two servers with one database, one of them with four workers, each of which is asked."""
    stores = {"sql": f"sqlite:///{tmp_path}/shared.db"}
    async with (
        fleet("workers", environment, _made(tmp_path / "a"), stores=stores) as one,
        fleet("memory", environment, _made(tmp_path / "b"), stores=stores) as other,
    ):
        made = ""
        for name in ("ben", "ann"):  # with the first one all processes open the database
            made = json.loads(await one.told("POST", "/admin/keys", body={"name": name}))["key"]
            print(f"made: known after {await _everywhere(made, 200, one, other):.2f} s")
        await other.told("DELETE", "/admin/keys/ann")
        assert await other.status(made) == 401
        print(f"revoked: refused after {await _everywhere(made, 401, one, other):.2f} s")


async def _everywhere(key: str, status: int, *fleets: Fleet) -> float:
    """Wait until a key has got this status, and no other, from 20 connections of each, five times in turn: an
    idle worker takes what a busy one leaves, so that one time need not meet all of them. Returns the seconds
    that passed before the first of these.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    passed, held = 0.0, 0
    async with asyncio.timeout(NEVER):
        while held < 5:
            asked = loop.time() - began
            told = [await asyncio.gather(*(one.status(key) for _ in range(20))) for one in fleets]
            if any(set(each) != {status} for each in told):
                held = 0
                continue
            passed = passed if held else asked
            held += 1
    return passed


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
