"""The gateways of the chaos tests: their configuration, and what a test asks them beside the load."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from dragoman.accounts.minting import minted
from tests.conftest import ROOT
from tests.e2e.chaos.load import INPUT_PRICE, OUTPUT_PRICE, secret
from tests.e2e.chaos.outages import Clock

NEVER = 60.0
OPS = secret("ops")


def keys_of(phase: str) -> list[str]:
    """The keys of a phase: one without a limit, and one for each resource that is limited."""
    name = phase.replace(" ", "-")
    return [f"{name}-{kind}" for kind in ("free", "requests", "tokens", "money")]


def amounts(requests: int) -> dict[str, int]:
    """By resource, the limits that about so many requests use up."""
    tokens = requests * 18
    return {"requests": requests, "tokens": tokens, "money": tokens * (INPUT_PRICE + OUTPUT_PRICE) // 2}


def configuration(provider: str, phases: Sequence[str], requests: int, **stores: Any) -> str:
    """requests: how many of each limited key use up its limit."""
    limit = amounts(requests)
    limits: dict[str, dict[str, Any]] = {
        "free": {},
        "requests": {"limits": {"requests": f"{limit['requests']}/lifetime"}},
        "tokens": {"limits": {"tokens": f"{limit['tokens']}/lifetime"}},
        "money": {"limits": {"money": f"{limit['money'] / 1e9:.9f} USD"}},
    }
    keys = [
        {"name": name, "key": secret(name), **limits[name.rpartition("-")[2]]}
        for phase in phases
        for name in keys_of(phase)
    ]
    ops = {"name": "ops", "key": OPS, "scopes": ["inference", "admin"]}
    return json.dumps(
        {
            "providers": {"up": {"dialect": "openai_chat", "base_url": provider, "keys": ["up-key"]}},
            "retries": {"attempts": 1},
            "prices": {"up/m": {"input": INPUT_PRICE / 1000, "output": OUTPUT_PRICE / 1000}},
            "auth": {"keys": [ops, *keys]},
            "stores": stores,
        }
    )


def surroundings(base: Mapping[str, str], home: Path, clock: Clock | None = None) -> dict[str, str]:
    """The environment of a gateway with its own folder, and with a clock that a test can set."""
    made = {**base, "HOME": str(home), "DRAGOMAN_HOME": str(home)}
    if clock is not None:
        path = [str(ROOT / "tests/e2e/chaos/clock"), *filter(None, [base.get("PYTHONPATH")])]
        made |= {**clock.environment, "PYTHONPATH": os.pathsep.join(path)}
    return made


class Operator:
    """Whoever has the key of the administration."""

    def __init__(self) -> None:
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))

    async def call(self, method: str, url: str, body: Any = None, key: str = OPS) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {key}"}
        async with self.session.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def health(self, url: str) -> Any:
        return (await self.call("GET", f"{url}/health"))[1]

    async def well(self, url: str, fits: Callable[[Any], bool] = lambda _: True) -> None:
        """Wait until no usage waits, the shared limits are there, and `fits` says so of `/health`."""
        told: Any = None
        end = time.monotonic() + NEVER
        while time.monotonic() < end:
            try:
                told = await self.health(url)
                journal, limits = told["journal"], told.get("limits_store") or {}
                good = journal["healthy"] and not journal["waiting"] and not journal.get("ended")
                if good and limits.get("healthy") is not False and fits(told):
                    return
            except (aiohttp.ClientError, TimeoutError, ValueError):
                pass
            await asyncio.sleep(0.1)
        raise AssertionError(json.dumps(told))


class Strangers:
    """Keys that nobody may use, and one that ends: tried again and again while something is broken."""

    def __init__(self, operator: Operator, urls: Sequence[str], clock: Clock) -> None:
        self.tried = 0
        self.let_in: list[str] = []
        self.refused: list[str] = []
        self._operator = operator
        self._urls = urls
        self._clock = clock

    async def prepare(self, phase: str, lasts: float) -> None:
        """Make the keys of a phase. lasts: seconds until one of them is over, by the gateways' clock."""
        at = f"{self._urls[0]}/admin/keys"
        name = phase.replace(" ", "-")
        self._ends = float(int(time.time() + self._clock.ahead + lasts))
        until = dt.datetime.fromtimestamp(self._ends, dt.UTC).isoformat()
        self._keys = {}
        for kind, more in {"good": {}, "late": {"expires": until}, "revoked": {}}.items():
            status, told = await self._operator.call("POST", at, {"name": f"{name}-{kind}", **more})
            assert status == 200, told
            self._keys[kind] = told["key"]
        status, told = await self._operator.call("DELETE", f"{at}/{name}-revoked")
        assert status == 200, told
        await asyncio.sleep(1)  # in which every process has heard of them

    async def run(self, phase: str) -> None:
        """Try them until cancelled."""
        while True:
            for url in self._urls:
                await self._try(phase, url, "unknown", minted(os.urandom(32)), good=False)
                await self._try(phase, url, "revoked", self._keys["revoked"], good=False)
                await self._try(phase, url, "good", self._keys["good"], good=True)
                await self._try(phase, url, "late", self._keys["late"], good=None)
            await asyncio.sleep(0.05)

    async def _try(self, phase: str, url: str, kind: str, key: str, *, good: bool | None) -> None:
        began, before = time.time(), self._clock.ahead
        status, _ = await self._operator.call("GET", f"{url}/v1/models", key=key)
        if good is None:
            if before != self._clock.ahead:
                return
            if began + before >= self._ends:
                good = False
            elif time.time() + before < self._ends:
                good = True
        self.tried += good is False
        told = f"{phase}: the key {kind} got {status}"
        if good is False and status != 401:
            self.let_in.append(told)
        if good is True and status != 200:
            self.refused.append(told)
