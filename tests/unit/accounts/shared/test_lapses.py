"""A process that was silent for longer than its lease, as one that was stopped: others got its places."""

from __future__ import annotations

import time
from functools import partial

import msgspec
import pytest

from dragoman.accounts.ledger import Refused, Reservation
from dragoman.accounts.limits import Standing
from dragoman.accounts.shared.address import parsed
from dragoman.accounts.shared.ledger import SharedLedger
from dragoman.accounts.shared.link import connect
from dragoman.errors import RequestFailed
from dragoman.seams.clock import SYSTEM
from tests.unit.accounts.shared.world import (
    World,
    adopt,
    claim,
    eventually,
    go_on,
    granted,
    refusal,
    settle,
    stop,
    world,
)
from tests.valkey_server import ValkeyServer

MOST = 40
PLACE = claim("places", MOST, resource="concurrency")


async def _pair(all_of: World) -> tuple[SharedLedger, SharedLedger]:
    one, other = all_of.ledger(), all_of.ledger()
    for ledger in (other, one):
        await granted(ledger, claim("b", 10))
    return one, other


async def _all(ledger: SharedLedger) -> list[Reservation]:
    held = [await ledger.ask([PLACE], time.time()) for _ in range(MOST + 5)]
    return [one for one in held if isinstance(one, Reservation)]


@pytest.mark.parametrize("reconnects", [False, True])
async def test_places_that_it_held_unused_are_not_used(valkey: ValkeyServer, reconnects: bool) -> None:
    async with world(valkey) as all_of:
        stopped, other = await _pair(all_of)
        settle(stopped, await granted(stopped, PLACE))
        block = stopped._blocks.by_counter[PLACE.counter]
        assert block.free > 1
        await stop(all_of, stopped, connected=not reconnects)
        assert len(await _all(other)) == MOST
        go_on(all_of, stopped)
        assert isinstance(await stopped.ask([PLACE], time.time()), Refused)
        await eventually(lambda: stopped._joined and stopped._blocks.term > 1)
        assert block.granted == 0


async def test_a_request_that_waited_asks_for_its_place_again(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        stopped, other = await _pair(all_of)
        tokens = claim("tokens", 100, 10, resource="tokens")
        waiting = [await granted(stopped, PLACE, tokens) for _ in range(3)]
        assert not any(stopped.lapsed(one, time.time()) for one in waiting)
        await stop(all_of, stopped)
        assert all(stopped.lapsed(one, time.time()) for one in waiting)
        held = await _all(other)
        assert len(held) == MOST
        go_on(all_of, stopped)
        (first,) = stopped.withdraw(waiting[0])
        assert first == PLACE
        assert isinstance(await stopped.ask([first], time.time(), waiting[0]), Refused)
        assert set(waiting[0].claims) == {tokens.counter}
        for one in held[:3]:
            settle(other, one)
        await eventually(lambda: not other._blocks.changed)
        found = await stopped.ask(stopped.withdraw(waiting[1]), time.time(), waiting[1])
        assert found is waiting[1]
        assert not stopped.lapsed(found, time.time())
        assert set(found.claims) == {PLACE.counter, tokens.counter}
        for one in waiting:
            settle(stopped, one, tokens=1)
        await eventually(lambda: not stopped._blocks.changed)
        assert stopped.standing(tokens.counter) == Standing(3, 0)


async def test_a_place_that_another_process_has_is_not_used_for_a_second_request(
    valkey: ValkeyServer,
) -> None:
    """It was at its provider when its process was stopped. When it ends, its place is gone."""
    async with world(valkey) as all_of:
        stopped, other = await _pair(all_of)
        running = [await granted(stopped, PLACE) for _ in range(3)]
        await stop(all_of, stopped)
        taken = await _all(other)
        assert len(taken) == MOST
        go_on(all_of, stopped)
        await eventually(lambda: stopped._joined and stopped._blocks.term > 1)
        assert (await other.standings())[PLACE.counter] == Standing(0, MOST + 3)
        for one in running[:2]:
            settle(stopped, one)
            assert isinstance(await stopped.ask([PLACE], time.time()), Refused)
        settle(other, taken.pop())
        settle(other, taken.pop())
        await eventually(lambda: not other._blocks.changed)
        assert isinstance(await granted(stopped, PLACE), Reservation)


async def test_a_lease_that_lasts_needs_no_question(valkey: ValkeyServer) -> None:
    """Also if the connection was lost for a moment."""
    async with world(valkey) as all_of:
        one, _ = await _pair(all_of)
        held = await granted(one, PLACE)
        term, free = one._blocks.term, one._blocks.by_counter[PLACE.counter].free
        assert free > 1
        epoch = one._number
        valkey.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        one._wake.set()
        await eventually(lambda: one._joined and one._number > epoch + 1)
        assert (one._blocks.term, one._blocks.by_counter[PLACE.counter].free) == (term, free)
        assert not one.lapsed(held, time.time())
        assert isinstance(one.reserve([PLACE], time.time()), Reservation)


async def test_a_machine_that_was_suspended_trusts_nothing(valkey: ValkeyServer) -> None:
    """Its monotonic clock has stood still."""
    ahead = [0.0]
    seams = msgspec.structs.replace(SYSTEM, now=lambda: time.time() + ahead[0])
    async with world(valkey) as all_of:
        one = all_of.ledger(seams=seams)
        held = await granted(one, PLACE)
        assert isinstance(one.reserve([PLACE], seams.now()), Reservation)
        ahead[0] = 6.0
        assert one.reserve([PLACE], seams.now()) is None
        assert one.lapsed(held, seams.now())
        found = await one.ask(one.withdraw(held), seams.now(), held)
        assert found is held  # nobody has noticed, so it has got its place again
        assert not one.lapsed(held, seams.now())


async def test_while_the_store_is_lost_places_are_as_the_operator_wants(own_valkey: ValkeyServer) -> None:
    async with world(own_valkey) as all_of:
        ledgers = {one: all_of.ledger(serve_without=one, lease=1.0) for one in (True, False)}
        held = {one: await granted(ledger, PLACE) for one, ledger in ledgers.items()}
        nowhere = parsed(f"unix://{own_valkey.folder}/none")
        for ledger in ledgers.values():
            ledger._reach = partial(connect, nowhere, password="", ca=None, prefix="", patience=1.0)
        own_valkey.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        for one, ledger in ledgers.items():
            ledger._wake.set()
            await eventually(partial(lambda ledger: ledger._since is not None, ledger))
            await eventually(
                partial(lambda ledger: not ledger._is_sure(time.perf_counter(), time.time()), ledger)
            )
            assert ledger.lapsed(held[one], time.time()) is not one
        closed = ledgers[False]
        with pytest.raises(RequestFailed):
            await closed.ask(closed.withdraw(held[False]), time.time(), held[False])


async def test_a_process_that_was_forgotten_keeps_its_name(valkey: ValkeyServer) -> None:
    """Its journal has this name: who reads it after a kill has to find the process in the store."""
    async with world(valkey) as all_of:
        stopped, other = await _pair(all_of)
        wanted = claim("a", 100, 10)
        settle(stopped, await granted(stopped, wanted), a=4)
        await eventually(lambda: not stopped._blocks.changed)
        await stop(all_of, stopped)
        valkey.command("ZADD", f"{all_of.prefix}buried", "1", stopped._name)
        other._wake.set()
        buried = f"{all_of.prefix}buried"
        await eventually(lambda: valkey.command("ZSCORE", buried, stopped._name).startswith(b"$-1"))
        go_on(all_of, stopped)
        await eventually(lambda: stopped._joined and stopped._blocks.term > 1)
        assert stopped._name == "process 0"
        await granted(stopped, claim("a", 100, 5))
        await eventually(lambda: not stopped._blocks.changed)
        await all_of.crash(stopped)
        before = (await other.standings())["a/all"]
        assert await adopt(other, "process 0") == 0
        after = (await other.standings())["a/all"]
        assert before.used == after.used
        assert after.reserved == 0 < before.reserved


async def test_what_was_refused_stays_refused(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        one, other = await _pair(all_of)
        assert len(await _all(other)) == MOST
        assert (await refusal(one, PLACE)).standing == Standing(0, MOST)
