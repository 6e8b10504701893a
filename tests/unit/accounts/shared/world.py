"""Several processes that share one store, as ledgers in one event loop."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib import resources
from math import inf
from typing import Any

from dragoman.accounts.ledger import Refused, Reservation
from dragoman.accounts.limits import Claim, Limit
from dragoman.accounts.shared.address import parsed
from dragoman.accounts.shared.ledger import SharedLedger
from dragoman.accounts.shared.link import LinkFailed, connect
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.state.counters import Resource, Window
from dragoman.state.usage import UsageRecord
from tests.valkey_server import PATIENCE, ValkeyServer

_numbers = itertools.count(1)
_STORE = (resources.files("dragoman.accounts.shared") / "store.lua").read_text()
BURY = _STORE.replace("cmsgpack.unpack(ARGV[2])", "ARGV[2]") + "bury(q) return 1"
"""What the store does when the lease of a process is over, as a script. ARGV[2]: the name of the process."""


def claim(
    name: str,
    most: int,
    amount: int = 1,
    *,
    resource: Resource = "requests",
    window: Window | None = "hour",
    hard: bool = True,
) -> Claim:
    window = None if resource == "concurrency" else window
    ends = inf if window in {None, "lifetime"} else 4e9
    counter = f"{name}|concurrency|1lifetime||all|0" if resource == "concurrency" else f"{name}/all"
    return Claim(Limit(name, resource, most, window, hard=hard), counter, ends, amount)


class World:
    def __init__(self, server: ValkeyServer) -> None:
        self.server = server
        self.prefix = f"t{next(_numbers)}-{time.monotonic_ns()}:"
        self.ledgers: list[SharedLedger] = []
        self.stopped: dict[SharedLedger, asyncio.Event] = {}
        self._names = itertools.count()

    def ledger(self, *, seams: Seams = SYSTEM, **options: Any) -> SharedLedger:
        address = parsed(self.server.url)
        reach = partial(connect, address, password="", ca=None, prefix=self.prefix, patience=1.0)
        name = f"process {next(self._names)}"
        made = SharedLedger(reach, seams, name=name, address=address.shown(), **options)
        self.ledgers.append(made)
        return made

    async def crash(self, ledger: SharedLedger) -> None:
        """End it as `kill -9` does: nothing is reported any more."""
        living, ledger._living = ledger._living, None
        ledger._closing = True
        if living is not None:
            living.cancel()
            await asyncio.wait({living})
        self.ledgers.remove(ledger)


@asynccontextmanager
async def world(server: ValkeyServer) -> AsyncIterator[World]:
    made = World(server)
    try:
        yield made
    finally:
        for stopped in made.stopped.values():
            stopped.set()
        for ledger in made.ledgers:
            await ledger.close()


async def eventually(what: Callable[[], Any]) -> None:
    until = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < until, "it never came"
        await asyncio.sleep(0.005)


async def granted(ledger: SharedLedger, *claims: Claim, onto: Reservation | None = None) -> Reservation:
    found = await ledger.ask(claims, time.time(), onto)
    assert isinstance(found, Reservation), found
    return found


async def refusal(ledger: SharedLedger, *claims: Claim) -> Refused:
    found = await ledger.ask(claims, time.time())
    assert isinstance(found, Refused), found
    return found


async def stop(all_of: World, ledger: SharedLedger, *, connected: bool = True) -> None:
    """Stop a process as SIGSTOP does, until both the store and the process itself find that its lease is
    over. connected: whether its connection outlasts that.
    """
    stopped = all_of.stopped[ledger] = asyncio.Event()
    exchange = ledger._exchange
    reached = False

    async def held(*arguments: Any, **options: Any) -> None:
        nonlocal reached
        reached = True
        await stopped.wait()
        await exchange(*arguments, **options)

    ledger._exchange = held  # type: ignore[method-assign]
    ledger._wake.set()
    await eventually(lambda: reached)
    if not connected:
        living, ledger._living, ledger._joined = ledger._living, None, False
        assert living is not None
        living.cancel()
        await asyncio.wait({living})
    assert all_of.server.command("EVAL", BURY, "0", all_of.prefix, ledger._name) == b":1\r\n"
    ledger._sure = -inf


def go_on(all_of: World, ledger: SharedLedger) -> None:
    """Let a stopped process go on."""
    all_of.stopped.pop(ledger).set()
    ledger._begin()


def cut_off(ledger: SharedLedger) -> None:
    """Let a process lose the store for good. The others keep it."""

    async def lost(*_: Any, **__: Any) -> Any:
        raise LinkFailed("it is cut off")

    ledger._reach = lost
    ledger._exchange = lost  # type: ignore[method-assign]
    ledger._wake.set()


async def adopt(
    ledger: SharedLedger, process: str, *portions: Sequence[UsageRecord], report: bytes = b""
) -> int | None:
    """Let this ledger adopt a process that has ended. portions: of the records of its journal."""

    async def records() -> AsyncIterator[Sequence[UsageRecord]]:
        for portion in portions:
            yield portion

    return await ledger.adopted(process, report, records())


def settle(ledger: SharedLedger, held: Reservation, *, now: float | None = None, **used: int) -> None:
    """used: by the name of the limit; a limit that is not named has used what was reserved."""
    amounts = {
        counter: used.get(one.limit.name, one.amount)
        for counter, one in held.claims.items()
        if one.limit.resource != "concurrency"
    }
    ledger.settle(held, amounts, time.time() if now is None else now)
