"""What a process could not report before it ended is reported for it, and what it held is given back."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest

from dragoman.accounts.ledger import Reservation
from dragoman.accounts.limits import Claim, Standing
from dragoman.accounts.shared import adoption as adoption_module
from dragoman.accounts.shared.address import parsed
from dragoman.accounts.shared.ledger import PATIENCE, SharedLedger
from dragoman.accounts.shared.link import connect
from dragoman.state.usage import UsageRecord
from tests.unit.accounts.shared.world import World, adopt, claim, eventually, granted, settle, world
from tests.valkey_server import ValkeyServer

TOKENS = claim("tokens", 1000, 10, resource="tokens")
PLACE = claim("places", 10, resource="concurrency")


async def _pair(all_of: World) -> tuple[SharedLedger, SharedLedger]:
    """A process that holds more than it has used, and another one."""
    one, other = all_of.ledger(), all_of.ledger()
    await granted(other, claim("b", 10))
    settle(one, await granted(one, TOKENS, PLACE), tokens=7)
    await eventually(lambda: not one._blocks.changed)
    assert one._blocks.by_counter["tokens/all"].free > 20
    return one, other


def _lose(all_of: World, *ledgers: SharedLedger) -> None:
    """Let these processes lose the store for good. The others keep it."""
    nowhere = parsed(f"unix://{all_of.server.folder}/none")
    for ledger in ledgers:
        ledger._reach = partial(connect, nowhere, password="", ca=None, prefix="", patience=1.0)
    all_of.server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    for ledger in ledgers:
        ledger._wake.set()


async def _use(ledger: SharedLedger, wanted: Claim, used: int, *, now: float | None = None) -> None:
    """Use something while the store is lost."""
    await eventually(lambda: ledger._since is not None)
    held = await ledger.ask([wanted], time.time())
    assert isinstance(held, Reservation)
    ledger.settle(held, {wanted.counter: used}, time.time() if now is None else now)


@pytest.mark.parametrize("uses", [False, True])
async def test_a_process_that_ends_while_the_store_is_lost(valkey: ValkeyServer, uses: bool) -> None:
    async with world(valkey) as all_of:
        ending, other = await _pair(all_of)
        assert ending.unreported() == b""
        _lose(all_of, ending)
        await eventually(lambda: ending._since is not None)
        if uses:
            await _use(ending, TOKENS, 9)
            await _use(ending, claim("new", 1000, 10, resource="tokens"), 5)
        await ending.leave(0.1)
        report = ending.unreported()
        assert report
        place = [await other.ask([PLACE], time.time()) for _ in range(10)]
        for _ in range(2):  # and again, if who does it is killed after the first time
            assert await adopt(other, "process 0", report=report) == 0
            told = await other.standings()
            assert told["tokens/all"] == Standing(7 + 9 * uses, 0)
            assert told.get("new/all", Standing(0, 0)) == Standing(5 * uses, 0)
        for one in place:
            if isinstance(one, Reservation):
                settle(other, one)
        await granted(other, TOKENS._replace(amount=1000 - 7 - 9 * uses))
        await granted(other, PLACE._replace(amount=10))


async def test_a_process_that_leaves_in_time_leaves_nothing(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        ending, other = await _pair(all_of)
        late = await granted(ending, TOKENS)
        await ending.leave(5.0)
        assert ending.unreported() == b""
        assert (await other.standings())["tokens/all"] == Standing(7, 0)
        ending.settle(late, {TOKENS.counter: 4}, time.time())  # of an exchange that has ended too late
        assert await adopt(other, "process 0", report=ending.unreported()) == 0
        assert (await other.standings())["tokens/all"] == Standing(11, 0)


async def test_it_tries_until_its_patience_is_over(own_valkey: ValkeyServer) -> None:
    async with world(own_valkey) as all_of:
        ending, _ = await _pair(all_of)
        own_valkey.pause()
        ending._wake.set()
        await eventually(lambda: ending._since is not None)
        await _use(ending, TOKENS, 9)
        leaving = asyncio.create_task(ending.leave(60.0))
        await asyncio.sleep(PATIENCE)
        assert not leaving.done()
        own_valkey.go_on()
        await leaving
        assert ending.unreported() == b""
        assert (await all_of.ledgers[1].standings())["tokens/all"] == Standing(16, 0)


async def test_nobody_waits_for_a_store_that_need_not_be_told(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        ending, _ = await _pair(all_of)
        for block in ending._blocks.by_counter.values():
            block.give_back()
            ending._blocks.changed[block] = None
        ending._wake.set()
        await eventually(lambda: not ending._blocks.changed)
        _lose(all_of, ending)
        await eventually(lambda: ending._since is not None)
        async with asyncio.timeout(30.0):
            await ending.leave(60.0)


async def test_what_was_used_while_the_store_was_lost_counts_after_a_kill(valkey: ValkeyServer) -> None:
    """The report has what was settled until then, the journal the rest. Records come in any order."""
    async with world(valkey) as all_of:
        dying, other = await _pair(all_of)
        _lose(all_of, dying)
        await _use(dying, TOKENS, 9, now=4e9)
        report = dying.unreported()
        await _use(dying, TOKENS, 5, now=4e9 + 1)
        await all_of.crash(dying)

        def record(id_: str, ended: float, used: int, *, cut: bool = False) -> UsageRecord:
            settled = ((TOKENS.counter, used),)
            return UsageRecord(id=id_, created=0, ended=ended, settled=settled, cut=cut)

        records = [
            record("in the report", 4e9, 9),
            record("later", 4e9 + 1, 5),
            record("cut", 0, 2, cut=True),
        ]
        assert await adopt(other, "process 0", records[:2], records[2:], report=report) == 2
        assert await adopt(other, "process 0", records, report=report) == 0
        assert (await other.standings())["tokens/all"] == Standing(7 + 9 + 5 + 2, 0)


async def test_a_report_that_is_out_of_date_changes_nothing(valkey: ValkeyServer) -> None:
    """The store came back, and the process was killed before it had written so to its journal."""
    async with world(valkey) as all_of:
        dying, other = await _pair(all_of)
        reach = dying._reach
        _lose(all_of, dying)
        await _use(dying, TOKENS, 9)
        report = dying.unreported()
        dying._reach = reach
        await eventually(lambda: dying._joined and not dying._blocks.changed)
        assert dying.unreported() == b""
        dying._blocks.by_counter[TOKENS.counter].used -= 4  # as if the store had forgotten the process
        dying._blocks.changed.update(dict.fromkeys(dying._blocks.by_counter.values()))
        dying._wake.set()
        await eventually(lambda: not dying._blocks.changed)
        await all_of.crash(dying)
        assert await adopt(other, "process 0", report=report) == 0
        assert (await other.standings())["tokens/all"] == Standing(12, 0)


async def test_a_store_that_was_emptied_meanwhile(own_valkey: ValkeyServer) -> None:
    """Others have put back what they knew, and used more."""
    async with world(own_valkey) as all_of:
        ending, other = await _pair(all_of)
        settle(other, await granted(other, TOKENS), tokens=3)
        await eventually(lambda: not other._blocks.changed)
        for ledger in (ending, other):
            ledger._blocks.changed.update(dict.fromkeys(ledger._blocks.by_counter.values()))
            ledger._wake.set()
        await eventually(lambda: other.standing("tokens/all") == Standing(10, 0))
        own_valkey.pause()
        ending._wake.set()
        await eventually(lambda: ending._since is not None)
        await _use(ending, TOKENS, 9)
        await ending.leave(0.0)
        own_valkey.go_on()
        own_valkey.command("FLUSHALL")
        other._wake.set()
        await eventually(lambda: other._joined and not other._recovering and other._since is None)
        settle(other, await granted(other, TOKENS), tokens=2)
        await eventually(lambda: not other._blocks.changed)
        for _ in range(2):
            await adopt(other, "process 0", report=ending.unreported())
            assert (await other.standings())["tokens/all"] == Standing(7 + 3 + 9 + 2, 0)


async def test_a_report_of_many_counters_goes_in_several_messages(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption_module, "_PORTION", 2)
    async with world(valkey) as all_of:
        ending, other = await _pair(all_of)
        _lose(all_of, ending)
        names = [f"c{number}" for number in range(5)]
        for name in names:
            await _use(ending, claim(name, 100, 10, resource="tokens"), 6)
        over = Claim(claim("over", 100).limit, "over/all", 1000.0, 1)
        await _use(ending, over, 1)
        await ending.leave(0.0)
        await adopt(other, "process 0", report=ending.unreported())
        told = await other.standings()
        assert {name: told[f"{name}/all"].used for name in names} == dict.fromkeys(names, 6)
        assert "over/all" not in told


async def test_an_adoption_waits_until_the_others_have_put_back_what_they_know(
    own_valkey: ValkeyServer,
) -> None:
    """But nobody waits for the process that has ended."""
    async with world(own_valkey) as all_of:
        ending, other = await _pair(all_of)
        third = all_of.ledger()
        await granted(third, TOKENS)
        await asyncio.sleep(1.2)  # so that they know each other
        await all_of.crash(ending)
        own_valkey.command("FLUSHALL")
        began = time.monotonic()
        adopting = asyncio.create_task(adopt(other, "process 0"))
        for ledger in (other, third):
            ledger._wake.set()
        assert await adopting == 0
        await eventually(lambda: not (other._recovering or third._recovering))
        assert time.monotonic() - began < 4.0
        own_valkey.command("SET", f"{all_of.prefix}until", "1")
        own_valkey.command("SADD", f"{all_of.prefix}expected", "somebody")
        adopting = asyncio.create_task(adopt(other, "process 0"))
        await asyncio.sleep(0.1)
        assert not adopting.done()
        own_valkey.command("DEL", f"{all_of.prefix}until")
        assert await adopting == 0
