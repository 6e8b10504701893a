"""An order reaches all workers, also those that start later."""

from __future__ import annotations

from pathlib import Path

from dragoman.routing.outcome import Outcome
from dragoman.server.admin.orders import Order
from tests.unit.server.admin.conftest import Desk, Wired


def disabled(desk: Desk) -> tuple[list[str], list[bool]]:
    health = desk.gateway.providers_health
    return sorted(health.disabled), [key.disabled for key in health.pools["up"].keys]


async def test_an_order_is_obeyed_by_all(pair: tuple[Desk, Desk]) -> None:
    one, two = pair
    second = one.gateway.providers_health.pools["up"].keys[1].id
    one.admin.orders.give(Order("disable", "other"))
    two.admin.orders.give(Order("disable", "up", second))
    assert disabled(one) == disabled(two) == (["other"], [False, True])
    one.admin.orders.give(Order("enable", "up", second))
    two.admin.orders.give(Order("enable", "other"))
    assert disabled(one) == disabled(two) == ([], [False, False])


async def test_who_starts_later_joins_in(tmp_path: Path) -> None:
    group: list[Wired] = []
    one = Desk(tmp_path, {}, peers=Wired(group))
    await one.gateway.start()
    first = one.gateway.providers_health.pools["up"].keys[0].id
    one.admin.orders.give(Order("disable", "own"))
    one.admin.orders.give(Order("disable", "up", first))
    two = Desk(tmp_path, {}, peers=Wired(group), worker=2)
    await two.gateway.start()
    assert disabled(two) == ([], [False, False])
    await two.admin.orders.join()
    assert disabled(two) == (["own"], [True, False])
    for each in (one, two):
        await each.close()


async def test_all_see_what_each_knows(pair: tuple[Desk, Desk]) -> None:
    one, two = pair
    two.gateway.providers_health.breakers.failed("up/m", Outcome.SERVER, 1.0)
    looks = await one.admin.orders.looks()
    assert [list(found["up"].breakers) for found in looks] == [[], ["up/m"]]
    one.admin.orders.give(Order("revive", "up"))
    assert [list(found["up"].breakers) for found in await one.admin.orders.looks()] == [[], []]


async def test_a_worker_that_has_not_started_knows_nothing(tmp_path: Path) -> None:
    group: list[Wired] = []
    one, two = (Desk(tmp_path, {}, peers=Wired(group), worker=number) for number in (1, 2))
    await one.gateway.start()
    assert (await one.admin.orders.looks())[1:] == [{}]
    for each in (one, two):
        await each.close()


async def test_who_is_revived_is_not_said_to_fail(pair: tuple[Desk, Desk]) -> None:
    one, two = pair
    for desk in pair:
        failing = desk.gateway.telling.figures.providers["up"]
        failing.failures, failing.failed = 3, 1.0
        assert failing.healthy is False
    key = one.gateway.providers_health.pools["up"].keys[0].id
    one.admin.orders.give(Order("revive", "up", key))
    assert one.gateway.telling.figures.providers["up"].healthy is False, "only one of its keys"
    one.admin.orders.give(Order("revive", "up"))
    for desk in (one, two):
        assert desk.gateway.telling.figures.providers["up"].healthy is None, "not asked yet"
