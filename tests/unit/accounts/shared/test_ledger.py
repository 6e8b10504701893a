"""The shared ledger over a real Valkey server: exact sums, whoever holds blocks, ends, or loses the store."""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from dragoman.accounts.ledger import Refused, Reservation
from dragoman.accounts.limits import Claim, Standing
from dragoman.accounts.shared import ledger as ledger_module
from dragoman.accounts.shared import link as link_module
from dragoman.accounts.shared.address import parsed
from dragoman.accounts.shared.ledger import PATIENCE, SharedLedger
from dragoman.accounts.shared.link import Link, connect
from dragoman.accounts.shared.messages import Reply, Request
from dragoman.errors import RequestFailed
from dragoman.state.usage import UsageRecord
from tests.unit.accounts.shared.world import (
    World,
    adopt,
    claim,
    eventually,
    granted,
    refusal,
    settle,
    world,
)
from tests.valkey_server import ValkeyServer


async def _at_once(ledgers: list[SharedLedger], total: int, *claims: Claim) -> list[Reservation]:
    asked = [ledgers[i % len(ledgers)].ask(claims, time.time()) for i in range(total)]
    return [one for one in await asyncio.gather(*asked) if isinstance(one, Reservation)]


@pytest.mark.parametrize(("total", "most", "processes"), [(200, 50, 4), (4000, 1000, 4), (200, 50, 2)])
async def test_as_many_pass_as_the_limit_allows(
    valkey: ValkeyServer, total: int, most: int, processes: int
) -> None:
    async with world(valkey) as all_of:
        ledgers = [all_of.ledger() for _ in range(processes)]
        assert len(await _at_once(ledgers, total, claim("a", most))) == most


async def test_what_others_hold_unused_is_recalled(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        first, second = all_of.ledger(), all_of.ledger()
        held = await granted(first, claim("a", 1000))
        assert first._blocks.by_counter["a/all"].free > 100
        assert len(await _at_once([second], 1200, claim("a", 1000))) == 999
        settle(first, held)


async def test_requests_that_come_together_get_one_rest(valkey: ValkeyServer) -> None:
    """Otherwise one process would hold most of a small limit, and others would have to wait for it."""
    async with world(valkey) as all_of:
        ledger = all_of.ledger()
        await granted(ledger, claim("before", 10))
        assert len(await _at_once([ledger], 12, claim("a", 100))) == 12
        assert 10 < ledger._blocks.by_counter["a/all"].free <= 99 // 4


async def test_places_that_nobody_has_used_for_a_while_are_given_back(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_SWEEP", 0.2)
    monkeypatch.setattr(ledger_module, "_IDLE", 0.1)
    async with world(valkey) as all_of:
        idle, other = all_of.ledger(lease=1.0), all_of.ledger(lease=1.0)
        place = claim("places", 100, resource="concurrency")
        settle(idle, await granted(idle, place))
        assert idle._blocks.by_counter[place.counter].free > 20
        await eventually(lambda: not idle._blocks.by_counter)
        assert len(await _at_once([other], 120, place)) == 100


async def test_a_common_request_asks_nobody(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        ledger = all_of.ledger()
        settle(ledger, await granted(ledger, claim("a", 1000)))
        alone = sum(
            isinstance(ledger.reserve([claim("a", 1000)], time.time()), Reservation) for _ in range(400)
        )
        assert alone == 999 // 4  # the block: a quarter of what is left


async def test_operators_see_what_was_used_before_the_start(valkey: ValkeyServer) -> None:
    """Also of counters that nobody has used since, which the store does not have yet."""
    async with world(valkey) as all_of:
        ledger = all_of.ledger()
        ends = int(time.time()) + 60
        name, over = f"a|requests|1day||ci|{ends // 86_400 * 86_400}", "a|requests|1day||ci|0"
        ledger.seed({name: 7, over: 8})
        assert await ledger.standings() == {name: Standing(7, 0)}
        valkey.kill()
        assert await ledger.standings() == {name: Standing(7, 0)}
        valkey.start()


async def test_a_seed_that_comes_after_the_first_request_counts(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        one, other = all_of.ledger(), all_of.ledger()
        settle(one, await granted(one, claim("a", 100)), a=1)
        for ledger in (one, other):
            ledger.seed({"a/all": 90})
        await eventually(lambda: one.standing("a/all") == Standing(90, 0))
        assert len(await _at_once([other], 20, claim("a", 100))) == 10


async def test_a_lowered_limit_binds_at_once_who_holds_more(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        one = all_of.ledger()
        settle(one, await granted(one, claim("a", 1000)), a=1)
        assert one._blocks.by_counter["a/all"].free > 100
        assert len(await _at_once([one], 50, claim("a", 10))) == 9


async def test_an_unexpected_error_does_not_end_the_exchange_with_the_store(
    valkey: ValkeyServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [ValueError("odd")]

    async def odd(link: Link, request: Request) -> Reply:
        if failures and request.asks:
            raise failures.pop()
        return await exchange(link, request)

    exchange = Link.exchange
    monkeypatch.setattr(Link, "exchange", odd)
    async with world(valkey) as all_of:
        one = all_of.ledger()
        await granted(one, claim("a", 10))
        assert not failures
        assert "has failed" in caplog.text
        await eventually(lambda: one.state()["healthy"])


async def test_requests_that_come_together_do_not_get_in_each_others_way(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        one = all_of.ledger()
        await granted(one, claim("before", 10))
        assert len(await _at_once([one], 50, claim("a", 10))) == 10
        small, large = (claim("t", 100, amount, resource="tokens") for amount in (10, 85))
        found = await asyncio.gather(*(one.ask([wanted], time.time()) for wanted in (small, large)))
        assert all(isinstance(each, Reservation) for each in found)


async def test_all_claims_or_none(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        one, other = all_of.ledger(), all_of.ledger()
        await granted(one, claim("tokens", 100, 90, resource="tokens"))
        refused = await refusal(other, claim("a", 10), claim("tokens", 100, 20, resource="tokens"))
        assert (refused.claim.limit.name, refused.standing) == ("tokens", Standing(0, 90))
        assert len(await _at_once([one, other], 20, claim("a", 10))) == 10


async def test_money_and_tokens_settle_to_what_was_used(valkey: ValkeyServer) -> None:
    most = 5_000_000 * 10**9  # five million USD
    async with world(valkey) as all_of:
        one, other = all_of.ledger(), all_of.ledger()
        held = await granted(one, claim("money", most, most - 7, resource="money"))
        assert isinstance(await other.ask([claim("money", most, 8, resource="money")], 0.0), Refused)
        settle(one, held, money=most - 3)
        await eventually(lambda: not one._blocks.changed)
        await granted(other, claim("money", most, 3, resource="money"))
        refused = await refusal(other, claim("money", most, 1, resource="money"))
        assert refused.standing == Standing(most - 3, 3)


async def test_a_reservation_grows(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        ledger = all_of.ledger()
        held = await granted(ledger, claim("tokens", 100, 60, resource="tokens"))
        assert await granted(ledger, claim("tokens", 100, 40, resource="tokens"), onto=held) is held
        assert held.claims["tokens/all"].amount == 100
        await refusal(ledger, claim("tokens", 100, 1, resource="tokens"))
        settle(ledger, held, tokens=10)
        assert ledger.standing("tokens/all") == Standing(10, 0)
        await granted(ledger, claim("tokens", 100, 90, resource="tokens"))


async def test_requests_at_once_are_counted_over_all_processes(valkey: ValkeyServer) -> None:
    one_place = claim("places", 3, resource="concurrency")
    async with world(valkey) as all_of:
        one, other = all_of.ledger(), all_of.ledger()
        held = [await granted(one, one_place), await granted(other, one_place), await granted(one, one_place)]
        refused = await refusal(other, one_place)
        assert refused.again is not None
        assert refused.again - time.time() < 2
        settle(one, held[0])
        await eventually(lambda: not one._blocks.changed)
        await granted(other, one_place)


async def test_a_refused_request_leaves_no_place_reserved_at_the_store(valkey: ValkeyServer) -> None:
    """Its place was reserved while the store was asked for its other limit, and reports told of it."""
    async with world(valkey) as all_of:
        one, other = all_of.ledger(lease=600.0), all_of.ledger(lease=600.0)
        place, request = claim("places", 100, resource="concurrency"), claim("requests", 2)
        settle(one, await granted(one, place))
        await granted(other, request)
        await granted(other, request)
        block = one._blocks.by_counter[place.counter]
        asking = asyncio.create_task(refusal(one, place, request))
        await asyncio.sleep(0)
        assert block.reserved == 1
        one._blocks.changed[block] = None  # another request has changed it
        await asking
        assert block.reserved == 0
        async with asyncio.timeout(5.0):
            while (await other.standings())[place.counter].reserved:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)


async def test_a_soft_limit_is_counted_and_refuses_nobody(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        one, other = all_of.ledger(), all_of.ledger()
        for ledger in (one, other):
            for _ in range(3):
                settle(ledger, await granted(ledger, claim("soft", 2, hard=False)))
        assert (await one.standings())["soft/all"].used >= 3
        await eventually(lambda: not one._blocks.changed and not other._blocks.changed)
        assert (await one.standings())["soft/all"] == Standing(6, 0)


async def test_what_is_too_large_is_never_granted(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        ledger = all_of.ledger()
        assert (await refusal(ledger, claim("a", 10, 11))).again is None
        assert (await refusal(ledger, claim("life", 10, 11, window="lifetime"))).again is None
        held = await granted(ledger, claim("a", 10, 10, resource="tokens"))
        busy = (await refusal(ledger, claim("a", 10, 5, resource="tokens"))).again
        assert busy is not None, "the running request may use less than it has reserved"
        assert busy - time.time() < 2
        settle(ledger, held)
        assert (await refusal(ledger, claim("a", 10, 10, resource="tokens"))).again == 4e9


async def test_a_full_counter_is_refused_without_asking(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        ledger = all_of.ledger()
        settle(ledger, await granted(ledger, claim("a", 10, 10)))
        found = ledger.reserve([claim("a", 10)], time.time())
        assert isinstance(found, Refused)
        assert found.standing == Standing(10, 0)


async def test_a_cancelled_question_leaves_nothing_reserved(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        ledger = all_of.ledger()
        await granted(ledger, claim("other", 10))
        asking = [asyncio.ensure_future(ledger.ask([claim("a", 10)], 0.0)) for _ in range(10)]
        await asyncio.sleep(0)
        for one in asking:
            one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert len(await _at_once([ledger, all_of.ledger()], 20, claim("a", 10))) == 10


async def _over(all_of: World, dead: SharedLedger) -> None:
    """Wait until the store has noticed that the lease of a process is over, from the others' messages."""
    until = time.monotonic() + 60
    while not all_of.server.command("ZSCORE", f"{all_of.prefix}buried", dead._name).startswith(b"$1"):
        assert time.monotonic() < until
        await asyncio.sleep(0.02)


async def test_what_a_dead_process_held_counts_as_reserved_when_its_lease_is_over(
    valkey: ValkeyServer,
) -> None:
    """Its running requests may have used it, and those that it has settled, too, but not reported. Nobody
    waits for it, since it cannot give back anything.
    """
    async with world(valkey) as all_of:
        dying, other = all_of.ledger(lease=1.0), all_of.ledger(lease=1.0)
        await granted(other, claim("b", 10))
        settle(dying, await granted(dying, claim("a", 100, 3)))
        await eventually(lambda: not dying._blocks.changed)
        block = dying._blocks.by_counter["a/all"]
        settle(dying, await granted(dying, claim("a", 100, 4)))
        await granted(dying, claim("a", 100, 5))
        held = block.granted - 3
        assert held > 9
        await all_of.crash(dying)
        await _over(all_of, dying)
        began = time.monotonic()
        assert len(await _at_once([other], 100, claim("a", 100))) == 97 - held
        assert (await refusal(other, claim("a", 100))).standing == Standing(3, 97)
        assert time.monotonic() - began < 0.4


async def test_places_of_a_dead_process_are_free_when_its_lease_is_over(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        dying, other = all_of.ledger(lease=1.0), all_of.ledger(lease=1.0)
        place = claim("places", 10, resource="concurrency")
        await granted(other, claim("b", 10))
        for _ in range(10):
            await granted(dying, place)
        await all_of.crash(dying)
        assert isinstance(await other.ask([place], time.time()), Refused)
        await _over(all_of, dying)
        assert len(await _at_once([other], 20, place)) == 10


async def test_what_a_dead_process_held_is_free_at_once_when_its_journal_was_read(
    valkey: ValkeyServer,
) -> None:
    """Before and after the end of its lease, also if none of its requests was running."""
    async with world(valkey) as all_of:
        for lease in (600.0, 1.0):
            dying, other = all_of.ledger(lease=lease), all_of.ledger(lease=lease)
            wanted = claim(f"a{lease}", 100), claim(f"p{lease}", 100, resource="concurrency")
            await granted(other, claim("b", 10))
            settle(dying, await granted(dying, *wanted))
            await eventually(partial(_has_reported, dying))
            await all_of.crash(dying)
            if lease < 600:
                await _over(all_of, dying)
            assert await adopt(other, dying._name) == 0
            assert len(await _at_once([other], 120, *wanted)) == 99


async def test_a_process_that_was_silent_says_what_it_holds_when_it_is_back(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        silent, other = all_of.ledger(lease=1.0), all_of.ledger(lease=1.0)
        await granted(other, claim("b", 10))
        held = await granted(silent, claim("a", 100, 10))
        living = silent._living
        assert living is not None
        living.cancel()
        await asyncio.wait({living})
        silent._living, silent._joined = None, False
        await _over(all_of, silent)
        settle(silent, held, a=4)
        silent._blocks.by_counter["a/all"].give_back()
        await granted(silent, claim("b", 10))
        assert (await other.standings())["a/all"] == Standing(4, 0)
        assert len(await _at_once([other], 120, claim("a", 100))) == 96


async def test_what_nobody_has_told_of_a_dead_process_is_used_at_last(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be reserved for ever at a limit without an end. A journal that is found later charges
    nothing again.
    """
    text, _ = link_module._script("exchange")
    assert b"local BURIED = 600000" in text
    quick = text.replace(b"local BURIED = 600000", b"local BURIED = 300")
    scripts = {"exchange": (quick, hashlib.sha1(quick, usedforsecurity=False).hexdigest().encode())}
    original = link_module._script
    monkeypatch.setattr(link_module, "_script", lambda name: scripts.get(name) or original(name))
    async with world(valkey) as all_of:
        dying, other = all_of.ledger(lease=1.0), all_of.ledger(lease=1.0)
        await granted(other, claim("b", 10))
        await granted(dying, claim("a", 10, 9))
        await all_of.crash(dying)
        until = time.monotonic() + 60
        while (await other.standings())["a/all"] != Standing(9, 0):
            assert time.monotonic() < until
            await asyncio.sleep(0.02)
        cut = [_record("cut long ago", dying._name, 900.0, 9, cut=True)]
        assert await adopt(other, dying._name, cut) == 0
        assert len(await _at_once([other], 5, claim("a", 10))) == 1


def _record(id: str, process: str, ended: float, used: int, *, cut: bool = False) -> UsageRecord:
    return UsageRecord(id=id, created=0, ended=ended, process=process, settled=(("a/all", used),), cut=cut)


async def test_what_a_dead_process_had_used_is_charged_once(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        dying, other = all_of.ledger(), all_of.ledger()
        await granted(other, claim("b", 10))
        settle(dying, await granted(dying, claim("a", 100, 10)), now=1000.0)
        await eventually(lambda: not dying._blocks.changed)
        last = await granted(dying, claim("a", 100, 20))
        await granted(dying, claim("a", 100, 30))  # never settled
        settle(dying, last, now=1001.0)  # not reported
        await all_of.crash(dying)
        records = [
            _record("reported", "process 0", 1000.0, 10),
            _record("not reported", "process 0", 1001.0, 20),
            _record("cut", "process 0", 900.0, 30, cut=True),
        ]
        assert await adopt(other, "process 0", records[:1], records[1:]) == 2
        assert await adopt(other, "process 0", records) == 0
        assert (
            await adopt(other, "process 9", [_record("of an unknown process", "process 9", 5000.0, 40)]) == 0
        )
        assert (await other.standings())["a/all"] == Standing(60, 0)
        await granted(other, claim("a", 100, 40))
        await refusal(other, claim("a", 100, 1))


async def test_what_a_dead_process_held_stays_held_until_its_last_exchanges_are_charged(
    valkey: ValkeyServer,
) -> None:
    """But not its places, which end with it."""
    async with world(valkey) as all_of:
        dying, other = all_of.ledger(), all_of.ledger()
        await granted(other, claim("b", 10))
        place = claim("places", 1, resource="concurrency")
        closed = await granted(dying, claim("a", 10, 2), place)
        await granted(dying, claim("a", 10, 8))  # never settled
        settle(dying, closed, now=1001.0)  # not reported
        await all_of.crash(dying)
        read = asyncio.Event()

        async def records() -> AsyncIterator[list[UsageRecord]]:
            yield [_record("closed", "process 0", 1001.0, 2)]
            await read.wait()
            yield [_record("cut", "process 0", 900.0, 8, cut=True)]

        adopting = asyncio.create_task(other.adopted("process 0", b"", records()))
        await granted(other, place)
        assert isinstance(await other.ask([claim("a", 10)], time.time()), Refused)
        read.set()
        assert await adopting == 2
        assert isinstance(await other.ask([claim("a", 10)], time.time()), Refused)
        assert (await other.standings())[claim("a", 10).counter] == Standing(10, 0)


def _has_reported(ledger: SharedLedger) -> bool:
    return not ledger._blocks.changed


async def test_a_restarted_store_gets_back_what_processes_know(own_valkey: ValkeyServer) -> None:
    async with world(own_valkey) as all_of:
        ledgers = [all_of.ledger() for _ in range(3)]
        passed = await _at_once(ledgers, 60, claim("a", 100))
        for i, held in enumerate(passed[:30]):
            settle(ledgers[i % 3], held)
        await asyncio.sleep(1.2)  # so that they know each other
        own_valkey.kill()
        own_valkey.start()
        again = await _at_once(ledgers, 200, claim("a", 100))
        assert len(passed) + len(again) == 100
        await eventually(lambda: all(one.state()["healthy"] for one in ledgers))
        assert (await ledgers[0].standings())["a/all"] == Standing(30, 70)


async def test_an_emptied_store_gets_back_what_processes_know(own_valkey: ValkeyServer) -> None:
    async with world(own_valkey) as all_of:
        ledgers = [all_of.ledger() for _ in range(3)]
        passed = await _at_once(ledgers, 60, claim("a", 100))
        await asyncio.sleep(1.2)
        own_valkey.command("FLUSHALL")
        again = await _at_once(ledgers, 200, claim("a", 100))
        assert len(passed) + len(again) == 100


async def test_a_process_alone_puts_back_what_it_knows_once(
    own_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is waited for then, as the server did not just start."""
    monkeypatch.setattr(link_module, "_YOUNG", 0)
    async with world(own_valkey) as all_of:
        one = all_of.ledger()
        settle(one, await granted(one, claim("a", 100, 10)), a=4)
        await eventually(lambda: not one._blocks.changed)
        own_valkey.command("FLUSHALL")
        settle(one, await granted(one, claim("a", 100, 10)), a=4)
        await eventually(lambda: not one._blocks.changed)
        assert (await one.standings())["a/all"] == Standing(8, 0)


async def test_a_replica_that_lacks_writes_is_noticed_by_its_run_id(own_valkey: ValkeyServer) -> None:
    async with world(own_valkey) as all_of:
        ledgers = [all_of.ledger() for _ in range(2)]
        await _at_once(ledgers, 20, claim("a", 100))
        own_valkey.command("SAVE")
        more = await _at_once(ledgers, 50, claim("a", 100))
        assert len(more) == 50
        await asyncio.sleep(1.2)
        own_valkey.kill()
        assert (own_valkey.folder / "dump.rdb").exists()
        own_valkey.start()  # with the state after the first twenty
        assert len(await _at_once(ledgers, 200, claim("a", 100))) == 30


async def test_without_the_store_each_process_has_its_share(own_valkey: ValkeyServer) -> None:
    async with world(own_valkey) as all_of:
        ledgers = [all_of.ledger() for _ in range(4)]
        await asyncio.gather(*(granted(one, claim("b", 10)) for one in ledgers))
        await eventually(lambda: all(one.state()["processes"] == 4 for one in ledgers))
        own_valkey.pause()
        try:
            began = time.monotonic()
            passed = await _at_once(ledgers, 400, claim("a", 100))
            assert len(passed) == 100
            state = ledgers[0].state()
            assert (state["healthy"], state["mode"]) == (False, "by share")
            assert "does not answer" in state["last_error"]
            assert state["since"] <= time.time()
            await eventually(lambda: time.monotonic() > began + 2 * PATIENCE + 0.1)
            found = ledgers[0].reserve([claim("c", 100)], time.time())
            assert isinstance(found, Reservation)  # nobody waits again
        finally:
            own_valkey.go_on()
        await eventually(lambda: all(one.state()["healthy"] for one in ledgers))
        await refusal(ledgers[0], claim("a", 100))
        assert (await ledgers[0].standings())["a/all"] == Standing(0, 100)


async def test_without_the_store_requests_may_be_refused(own_valkey: ValkeyServer) -> None:
    async with world(own_valkey) as all_of:
        ledger = all_of.ledger(serve_without=False)
        await granted(ledger, claim("a", 1000))
        own_valkey.kill()
        with pytest.raises(RequestFailed) as failed:
            await ledger.ask([claim("b", 1000)], time.time())
        assert (failed.value.fault.kind, failed.value.fault.code) == ("unavailable", "limits_unavailable")
        assert isinstance(ledger.reserve([claim("a", 1000)], time.time()), Reservation)  # of its block
        own_valkey.start()
        await eventually(lambda: ledger.state()["healthy"])
        await granted(ledger, claim("b", 1000))


async def test_a_store_that_was_never_there_counts_as_lost(tmp_path: Path, valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        ledger = all_of.ledger(processes=4)
        assert ledger.state()["healthy"] is None
        nowhere = parsed(f"unix://{tmp_path}/none")
        ledger._reach = partial(connect, nowhere, password="", ca=None, prefix="", patience=1.0)
        assert len(await _at_once([ledger], 200, claim("a", 40))) == 10
        assert ledger.state()["healthy"] is False


async def test_the_first_numbers_come_from_the_database(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        one, other = all_of.ledger(), all_of.ledger()
        for ledger in (one, other):
            ledger.seed({"a/all": 95})
            assert ledger.standing("a/all") == Standing(95, 0)
        assert len(await _at_once([one, other], 20, claim("a", 100))) == 5
        late = all_of.ledger()
        late.seed({"a/all": 97})  # it knows of two that the store has counted already
        assert (await refusal(late, claim("a", 100))).standing == Standing(95, 5)


async def test_a_full_store_counts_as_lost(own_valkey: ValkeyServer) -> None:
    async with world(own_valkey) as all_of:
        ledger = all_of.ledger()
        await granted(ledger, claim("a", 1000))
        own_valkey.command("CONFIG", "SET", "maxmemory", "1")
        await granted(ledger, claim("b", 1000))
        assert ledger.state()["healthy"] is False
        assert "memory" in ledger.state()["last_error"]
        own_valkey.command("CONFIG", "SET", "maxmemory", "0")
        await eventually(lambda: ledger.state()["healthy"])


async def test_closing_gives_all_back(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        one, other = all_of.ledger(), all_of.ledger()
        settle(one, await granted(one, claim("a", 1000, 10)))
        await one.close()
        await granted(other, claim("a", 1000, 990))
        await refusal(other, claim("a", 1000))


def _process(url: str, prefix: str, number: int, asked: int, most: int, gate: object, passed: object) -> None:
    async def run() -> None:
        there = World(_Elsewhere(url))  # type: ignore[arg-type]
        there.prefix = prefix
        ledger = there.ledger()
        ledger._name = f"process {number}"
        await granted(ledger, claim("warm", 100))
        gate.wait()  # type: ignore[attr-defined]
        held = await _at_once([ledger], asked, claim("a", most))
        passed.put(len(held))  # type: ignore[attr-defined]
        for one in held:
            settle(ledger, one)
        await ledger.close()

    asyncio.run(run())


class _Elsewhere:
    def __init__(self, url: str) -> None:
        self.url = url


@pytest.mark.parametrize(("asked", "most", "processes"), [(200, 50, 4), (4000, 1000, 4), (200, 50, 2)])
def test_real_processes(valkey: ValkeyServer, asked: int, most: int, processes: int) -> None:
    forks = multiprocessing.get_context("spawn")
    gate, passed = forks.Barrier(processes), forks.Queue()
    prefix = f"real-{asked}-{processes}:"
    running = [
        forks.Process(target=_process, args=(valkey.url, prefix, n, asked // processes, most, gate, passed))
        for n in range(processes)
    ]
    for one in running:
        one.start()
    counts = [passed.get(timeout=60) for _ in running]
    for one in running:
        one.join(60)
    assert sum(counts) == most, counts


async def test_nothing_is_reserved_until_it_is_known_what_was_used(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        ledger = all_of.ledger()
        ledger.wait("the database is away", refuse=True)
        wanted = claim("a", 10)
        with pytest.raises(RequestFailed):
            ledger.reserve([wanted], time.time())
        with pytest.raises(RequestFailed):
            await ledger.ask([wanted], time.time())
        assert (ledger.state()["healthy"], ledger.state()["last_error"]) == (False, "the database is away")
        ledger.seed({wanted.counter: 9})
        ledger.wait(None)
        assert isinstance(await ledger.ask([wanted], time.time()), Reservation)
        assert isinstance(await ledger.ask([wanted], time.time()), Refused)
        assert ledger.state()["healthy"]
