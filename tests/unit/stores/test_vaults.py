"""What every vault of seals holds to, wherever it stores them."""

from __future__ import annotations

import pytest

from dragoman.stores.seals import MemoryVault
from tests.unit.stores.conftest import Clock, Make


async def test_seals_are_found_by_their_keys_and_last_while_they_are_used(make: Make, clock: Clock) -> None:
    vault = make(seals_ttl=160).seals
    assert vault is not None
    await vault.open()
    assert len(vault.secret) == 32
    await vault.keep([b"a", b"b"], b"old", owner=b"me")
    await vault.keep([b"b"], b"new", owner=b"me")
    assert vault.holds
    assert await vault.find([b"a", b"b", b"c"]) == {b"a": b"old", b"b": b"new"}
    assert await vault.find([]) == {}
    clock.now += 100
    assert await vault.find([b"a"]) == {b"a": b"old"}
    clock.now += 60
    assert await vault.find([b"a", b"b"]) == {b"a": b"old"}
    await vault.keep([], b"nothing leads to it", owner=b"me")
    clock.now += 160
    assert await vault.find([b"a"]) == {}


async def test_an_owner_without_seals_is_known_at_once(make: Make) -> None:
    """A vault in memory only knows whether it has any."""
    vault = make().seals
    assert vault is not None
    await vault.open()
    me, you = b"\x00\xab" * 10, b"\x01" * 20
    assert not await vault.has(me)
    await vault.keep([b"a"], b"x", owner=me)
    assert await vault.has(me)
    assert await vault.has(me)
    assert await vault.has(you) is isinstance(vault, MemoryVault)


async def test_the_owner_of_most_seals_makes_room(make: Make, clock: Clock) -> None:
    store = make(seals_size=50_000)
    vault = store.seals
    assert vault is not None
    await vault.open()
    await vault.keep([b"mine"], b"x" * 500, owner=b"quiet")
    for number in range(100):
        clock.now += 1
        await vault.keep([b"%d" % number], b"x" * 2000, owner=b"loud")
    await vault.keep([b"big"], b"x" * 50_000, owner=b"loud")
    await store.sweep(clock.now)
    kept = await vault.find([b"mine", b"big", b"0", b"50", b"99", b"98"])
    assert set(kept) == {b"mine", b"99", b"98"}


@pytest.mark.parametrize("limits", [{"seals_ttl": 0}, {"seals_size": 0}])
async def test_seals_may_be_kept_nowhere(make: Make, limits: dict[str, int]) -> None:
    assert make(**limits).seals is None
