from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from dragoman.accounts.ledger import Refused, Reservation
from dragoman.accounts.limits import Claim, Limit
from dragoman.accounts.shared.address import Embedded
from dragoman.assembly import shared
from dragoman.assembly.shared import check_store, shared_ledger
from dragoman.config.load import load
from dragoman.config.settings import Config
from dragoman.errors import ConfigError
from dragoman.seams.clock import SYSTEM
from dragoman.seams.secret import Secret
from tests.valkey_server import ValkeyServer, free_port

CLAIM = Claim(Limit("a", "requests", 3, "hour"), "a/all", 4e9, 1)


def _config(**stores: Any) -> Config:
    return load({"stores": stores}, {}).config


async def test_one_process_without_a_server_counts_alone() -> None:
    assert shared_ledger(_config(), SYSTEM, name="x", workers=1, embedded=None) is None


async def test_a_named_server_is_shared_by_gateways_with_one_prefix() -> None:
    server = ValkeyServer("--requirepass", "secret")
    try:
        config = _config(valkey=server.url, valkey_password="secret")
        other = _config(valkey=server.url, valkey_password="secret", valkey_prefix="others:")
        ledgers = [
            shared_ledger(one, SYSTEM, name=f"process {n}", workers=1, embedded=None)
            for n, one in enumerate((config, config, other))
        ]
        passed = []
        for ledger in ledgers:
            assert ledger is not None
            asked = [await ledger.ask([CLAIM], time.time()) for _ in range(4)]
            passed.append(sum(isinstance(one, Reservation) for one in asked))
        assert passed == [3, 0, 3]
        state = ledgers[0].state() if ledgers[0] is not None else {}
        assert (state["kind"], state["address"], state["healthy"]) == ("valkey", server.url, True)
        assert "secret" not in str(state)
        for ledger in ledgers:
            assert ledger is not None
            await ledger.close()
    finally:
        server.close()


async def test_workers_share_their_own_server() -> None:
    server = ValkeyServer("--requirepass", "secret")
    try:
        embedded = Embedded(server.url, Secret("secret"))
        ledger = shared_ledger(_config(), SYSTEM, name="x", workers=4, embedded=embedded)
        assert ledger is not None
        assert isinstance(await ledger.ask([CLAIM], time.time()), Reservation)
        assert ledger.state()["kind"] == "embedded valkey"
        assert ledger.state()["processes"] == 4  # as long as fewer have come
        await ledger.close()
    finally:
        server.close()


async def test_closed_means_that_nothing_passes_without_the_server(tmp_path: Path) -> None:
    config = _config(valkey=f"unix://{tmp_path}/none", when_lost="open")
    ledger = shared_ledger(config, SYSTEM, name="x", workers=3, embedded=None)
    assert ledger is not None
    asked = await asyncio.gather(*(ledger.ask([CLAIM], time.time()) for _ in range(4)))
    assert [isinstance(one, Refused) for one in asked] == [False, True, True, True]
    await ledger.close()


def test_several_workers_need_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ConfigError, match=r"server\.workers: several workers with limits need the extra `valkey`"
    ):
        shared_ledger(_config(), SYSTEM, name="x", workers=2, embedded=None)
    monkeypatch.setattr(shared, "installed", lambda: False)
    with pytest.raises(ConfigError, match=r"stores\.valkey: needs the extra `valkey`"):
        shared_ledger(_config(valkey="redis://x"), SYSTEM, name="x", workers=1, embedded=None)


async def test_a_start_looks_at_the_server(tmp_path: Path) -> None:
    assert await check_store(_config()) is None
    assert await check_store(_config(valkey=f"unix://{tmp_path}/none")) is not None
    server = ValkeyServer("--cluster-enabled", "yes", "--cluster-port", str(free_port()), tcp=True)
    try:
        with pytest.raises(
            ConfigError, match=r"stores\.valkey: redis://127.0.0.1:\d+ cannot be used: it is a Clus"
        ):
            await check_store(_config(valkey=server.url))
    finally:
        server.close()
    server = ValkeyServer()
    try:
        assert await check_store(_config(valkey=server.url)) is None
    finally:
        server.close()


def test_a_wrong_address_is_a_problem_of_its_setting() -> None:
    with pytest.raises(ConfigError) as failed:
        _config(valkey="redis://:topsecret@a,b")
    (problem,) = failed.value.problems
    assert problem.path == "stores.valkey"
    assert problem.message.startswith("names several servers")
    assert "topsecret" not in str(failed.value)
