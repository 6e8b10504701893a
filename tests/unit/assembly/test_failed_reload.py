"""A reload that fails late leaves the parts that the running configuration uses as they were."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dragoman.assembly import assemble as assembling
from dragoman.assembly.accounts import ledger_of
from dragoman.assembly.providers import transport_of
from dragoman.errors import ConfigError, Problem
from dragoman.upstreams.wire import WireUpstream
from tests.unit.assembly.test_reload import UP, Start, start

__all__ = ["start"]

LIMITED = "limits: {all: {scope: global, requests: 9/min}}\n"
FAILING = UP.replace("simulate:", "bad: {base_url: 'https://bad.example'}, simulate:")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text("the-key-in-a-file-1")
    file.chmod(0o600)
    return file


@pytest.fixture(autouse=True)
def bad(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connections of the provider `bad` cannot be made."""

    def make(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name == "bad":
            raise ConfigError(Problem("providers.bad", "cannot be used"))
        return transport_of(name, *arguments, **keywords)

    monkeypatch.setattr(assembling, "transport_of", make)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The ledgers that were made, the latest last."""
    made: list[Any] = []

    def note(*arguments: Any, **keywords: Any) -> Any:
        made.append(ledger_of(*arguments, **keywords))
        return made[-1]

    monkeypatch.setattr(assembling, "ledger_of", note)
    return made


async def test_a_running_journal_keeps_its_ledger(
    start: Start, secret: Path, tmp_path: Path, made: list[Any]
) -> None:
    shared = f"stores: {{valkey: 'unix://{tmp_path}/none', when_lost: open, sql: memory}}\n"
    house = await start(UP + shared)
    adopting = house.gateway.running.journaling.adopting
    assert adopting.ledger is made[0]
    assert (await house.reload(FAILING + shared + LIMITED)).failed
    assert len(made) == 2, "a ledger was made and closed"
    assert adopting.ledger is made[0] is house.gateway.running.accounting.ledger
    assert not (await house.reload(UP + shared + LIMITED)).failed
    assert house.gateway.running.journaling.adopting is adopting
    assert adopting.ledger is made[2] is house.gateway.running.accounting.ledger


async def test_a_running_passage_gets_new_keys(start: Start, secret: Path) -> None:
    up = UP.replace("[a-key-of-ours-1]", "[{file: key}], passthrough: [files]")
    house = await start(up)
    passage = house.gateway.running.passages["up"]
    failing = FAILING.replace("[a-key-of-ours-1]", "[{file: key}], passthrough: [files]")
    assert (await house.reload(failing)).failed
    await renew(house.upstream, secret, "the-key-in-a-file-2")
    assert passage.account.headers["authorization"] == "Bearer the-key-in-a-file-2"
    assert not (await house.reload(f"{up}models: {{m: up/x}}")).failed
    assert house.gateway.running.passages["up"] is not passage
    await renew(house.upstream, secret, "the-key-in-a-file-3")
    now = house.gateway.running.passages["up"].account.headers["authorization"]
    assert now == "Bearer the-key-in-a-file-3"


async def test_a_key_that_changes_during_a_reload_reaches_the_passage(start: Start, secret: Path) -> None:
    up = UP.replace("[a-key-of-ours-1]", "[{file: key}], passthrough: [files]")
    house = await start(up)
    house.file.write_text(f"{up}models: {{m: up/x}}")
    prepared = await house.gateway.reloads.prepare()
    await renew(house.upstream, secret, "the-key-in-a-file-2")
    house.gateway.reloads.use(prepared)
    now = house.gateway.running.passages["up"].account.headers["authorization"]
    assert now == "Bearer the-key-in-a-file-2"


async def renew(upstream: WireUpstream, secret: Path, key: str) -> None:
    """Have an upstream use another key, which its file has now."""
    renewal = upstream.accounts[0].renewal
    assert renewal is not None
    await asyncio.to_thread(secret.write_text, key)
    assert await renewal.credential.refused(renewal.credential.lease)
