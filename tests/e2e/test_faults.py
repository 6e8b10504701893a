"""docs/faults.md, read and held to: each fault of a provider, in each protocol, on real sockets."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.testing.provider import FakeProvider
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.faulty import NOT_REACHED, OVERSIZED, FaultyProvider
from tests.e2e.test_streams_that_break_off import FACES, failure

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
PAIRS = [
    *((face, "openai_chat") for face in FACES),
    *((face, "anthropic") for face in ("openai_chat", "anthropic", "ollama")),
    *((face, "openai_responses") for face in ("openai_chat", "openai_responses", "gemini")),
]
"""Protocols of client and provider: each client before one provider, each provider relayed and translated."""
SOON = {"slow_connect": {"connect": 0.2}, "silent": {"first_byte": 1.0}, "stalls": {"idle": 0.4}}
"""Only the faults that wait for a time limit have a short one, so that a busy machine makes no others."""


class Row(msgspec.Struct, frozen=True):
    """What the page says of a fault. end: as a pattern."""

    fault: str
    status: str
    code: str
    calls: int
    next: bool
    end: str


def table(title: str) -> list[list[str]]:
    """The cells of a table on the page, without its head."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {title}")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _row(fault: str, _: str, status: str, code: str, calls: str, further: str, end: str) -> Row:
    return Row(fault.strip("`"), status, code, int(calls), further == "yes", end.strip("`"))


BEFORE = [_row(*cells) for cells in table("Before the first content")]
AFTER = [
    (f.strip("`"), code.strip("`"), end.strip("`")) for f, _, code, end in table("After the first content")
]


def code_of(row: Row, *, streamed: bool) -> str | None:
    """The code that the page states; None = the provider's own."""
    codes = re.findall("`([^`]+)`", row.code)
    return codes[-1 if streamed else 0] if codes else None


def asking(face: str, model: str, *, streamed: bool) -> tuple[str, dict[str, Any]]:
    path, body = FACES[face]
    path = path.replace("up%2Fm", model)
    if not streamed:
        path = path.replace(":streamGenerateContent", ":generateContent").partition("?")[0]
    if "contents" in body:
        return path, body
    return path, {**body, "model": model, "stream": streamed}


class Site:
    """A gateway before a faulty provider: model `F` has one deployment, with the fault F, `F-next` two."""

    def __init__(self, base: str, faulty: FaultyProvider, gateway: Gateway, session: Any) -> None:
        self.base = base
        self.faulty = faulty
        self.gateway = gateway
        self.session = session
        self.exchanges: list[Exchange] = []

    async def ask(self, face: str, model: str, *, streamed: bool) -> tuple[int, Any, bytes]:
        path, body = asking(face, model, streamed=streamed)
        async with self.session.post(self.base + path, json=body) as response:
            return response.status, response.headers, await response.read()


async def site_of(stack: AsyncExitStack, dialect: str, faults: list[str]) -> Site:
    faulty = await stack.enter_async_context(FaultyProvider(dialect))
    good = await stack.enter_async_context(FakeProvider(stubs.openai_chat(stubs.Said("All is well"))))
    bounds = {"max_size": OVERSIZED // 2, "max_event": OVERSIZED // 2}
    providers: dict[str, Any] = {
        f"up-{fault}": {
            "dialect": dialect,
            "base_url": faulty.url(fault),
            "keys": [f"key-of-{fault}"],
            "timeouts": SOON.get(fault.partition("+")[0], {}),
            "answers": bounds,
        }
        for fault in faults
    }
    providers["good"] = {"dialect": "openai_chat", "base_url": good.url, "keys": ["key-of-good"]}
    models = {fault: {"deployments": [f"up-{fault}/m"]} for fault in faults}
    models |= {f"{fault}-next": {"deployments": [f"up-{fault}/n", "good/n"]} for fault in faults}
    config = {
        "providers": providers,
        "models": models,
        "retries": {"attempts": 2, "backoff": 0.01},
        "breaker": {"failures": 0},
    }
    exchanges: list[Exchange] = []
    gateway = Gateway(config, observers=[exchanges.append])
    base = await stack.enter_async_context(serving(gateway))
    session = await stack.enter_async_context(aiohttp.ClientSession())
    site = Site(base, faulty, gateway, session)
    site.exchanges = exchanges
    return site


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def settled(site: Site) -> None:
    """Wait until nothing runs any more, which is part of what is promised."""
    async with asyncio.timeout(60):
        while site.gateway.exchanges or site.faulty.open:  # noqa: ASYNC110 - nothing tells when they end
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("face", "dialect"), PAIRS)
async def test_before_the_first_content(
    stack: AsyncExitStack, face: str, dialect: str, *, streamed: bool
) -> None:
    site = await site_of(stack, dialect, [row.fault for row in BEFORE])
    await site.ask(
        face, "500-next", streamed=streamed
    )  # loads what a first request loads: no fault of theirs
    site.faulty.called.clear()
    site.exchanges.clear()
    wrong: list[str] = []
    await asyncio.gather(*(_alone(site, face, row, wrong, streamed=streamed) for row in BEFORE))
    # A key that was refused, or rests, is remembered: so the second question is asked afterwards, and anew.
    site.gateway.providers_health.revive()
    await asyncio.gather(*(_next(site, face, row, wrong, streamed=streamed) for row in BEFORE))
    assert not wrong, "\n".join(["", *wrong])
    await settled(site)


def _told(row: Row, what: str, seen: Any, stated: Any) -> str:
    return f"{row.fault}: {what} {seen!r}, but the page says {stated!r}"


async def _alone(site: Site, face: str, row: Row, wrong: list[str], *, streamed: bool) -> None:
    status, headers, raw = await site.ask(face, row.fault, streamed=streamed)
    exchange = next(one for one in site.exchanges if one.asked == row.fault)
    usual, _, anthropics = row.status.partition("/")
    stated = {int(usual), *({int(anthropics)} if anthropics and face == "anthropic" else ())}
    if status not in stated:
        wrong.append(_told(row, "status", (status, raw[:200]), stated))
    if (code := code_of(row, streamed=streamed)) is not None and face in {
        "openai_chat",
        "openai_completions",
    }:
        told = json.loads(raw)["error"]["code"]
        if told != code:
            wrong.append(_told(row, "code", told, code))
    begin, dots, _ = row.end.partition("…")
    if not (exchange.end or "").startswith(begin) or (not dots and exchange.end != row.end):
        wrong.append(_told(row, "end", exchange.end, row.end))
    called = len(exchange.attempts)
    if row.fault not in NOT_REACHED:
        called = await _called(site, row.fault, row.calls)
    if (called, len(exchange.attempts)) != (row.calls, row.calls):
        wrong.append(_told(row, "calls", (called, len(exchange.attempts)), row.calls))
    if row.fault == "429_later" and headers.get("retry-after") not in {"60", "59"}:
        wrong.append(_told(row, "retry-after", headers.get("retry-after"), 60))
    if b"key-of" in raw:
        wrong.append(f"{row.fault}: a key is told: {raw!r}")


async def _called(site: Site, fault: str, expected: int) -> int:
    """How often the provider was called: it may read a request after the gateway has given it up."""
    for _ in range(100):
        if site.faulty.called[fault] >= expected:
            break
        await asyncio.sleep(0.02)
    called = site.faulty.called[fault]
    # On a machine that stands still, the time of an attempt can be over before its request is sent.
    return expected if fault in SOON and called < expected else called


async def _next(site: Site, face: str, row: Row, wrong: list[str], *, streamed: bool) -> None:
    before = site.faulty.called[row.fault]
    status, headers, raw = await site.ask(face, f"{row.fault}-next", streamed=streamed)
    answered = (status, headers.get("x-dragoman-deployment")) == (200, "good/n")
    if answered is not row.next or (row.next and b"All i" not in raw):
        wrong.append(_told(row, "next", (status, raw[:200]), row.next))
    more = 0 if row.fault in NOT_REACHED else 1
    if (called := await _called(site, row.fault, before + more) - before) != more:
        wrong.append(_told(row, "calls of the first of two", called, 1))


@pytest.mark.parametrize(("face", "dialect"), PAIRS)
async def test_after_the_first_content(stack: AsyncExitStack, face: str, dialect: str) -> None:
    faults = [f"{fault}+said" for fault, _, _ in AFTER]
    site = await site_of(stack, dialect, faults)
    wrong: list[str] = []

    async def ask(fault: str, code: str, end: str) -> None:
        model = f"{fault}+said-next"
        status, _, raw = await site.ask(
            face, model.replace("+", "%2B") if "gemini" in face else model, streamed=True
        )
        exchange = next(one for one in site.exchanges if one.asked == model)
        seen = (status, b"Half an" in raw, exchange.end, len(exchange.attempts), bool(failure(face, raw)))
        if seen != (200, True, end, 1, True):
            wrong.append(f"{fault}: {seen}, but the page says {code}, {end}")

    await asyncio.gather(*(ask(*row) for row in AFTER))
    assert not wrong, "\n".join(["", *wrong])
    await settled(site)


async def test_nothing_is_left_behind(stack: AsyncExitStack) -> None:
    """No task and no descriptor, after all faults in one protocol."""
    site = await site_of(stack, "openai_chat", [row.fault for row in BEFORE])
    counted: list[tuple[int, int]] = []
    for _ in range(3):
        for streamed in (False, True):
            site.gateway.providers_health.revive()
            await asyncio.gather(*(site.ask("openai_chat", row.fault, streamed=streamed) for row in BEFORE))
        await settled(site)
        counted.append((len(asyncio.all_tasks()), descriptors()))
    assert counted[2][0] <= counted[1][0]
    assert counted[2][1] <= counted[1][1] + 2
