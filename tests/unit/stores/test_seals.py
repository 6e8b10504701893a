"""The vault in memory: found by any key, bounded by time and size, shared fairly among its owners."""

from __future__ import annotations

import tracemalloc

import pytest

from dragoman.stores.seals import MemoryVault

DAY = 86_400.0
ME = b"the owner of nearly everything"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def vault(clock: Clock, *, ttl: float = DAY, max_size: int = 1_000_000) -> MemoryVault:
    return MemoryVault(bytes(32), ttl=ttl, max_size=max_size, now=clock)


async def test_an_entry_is_found_by_each_of_its_keys() -> None:
    kept = vault(Clock())
    await kept.keep([b"a", b"b"], b"entry", owner=ME)
    assert kept.holds
    assert await kept.find([b"a"]) == {b"a": b"entry"}
    assert await kept.find([b"x", b"b"]) == {b"b": b"entry"}
    assert await kept.find([]) == {}


async def test_a_newer_entry_takes_the_keys_of_an_older() -> None:
    kept = vault(Clock())
    await kept.keep([b"a", b"b"], b"old", owner=ME)
    await kept.keep([b"b"], b"new", owner=ME)
    assert await kept.find([b"a", b"b"]) == {b"a": b"old", b"b": b"new"}


async def test_an_entry_without_keys_leaves_no_trace() -> None:
    kept = vault(Clock())
    await kept.keep([b"a"], b"x" * 5000, owner=ME)
    before = kept.size
    await kept.keep([b"a"], b"y" * 5000, owner=ME)
    assert kept.size == before
    await kept.keep([], b"z", owner=ME)
    assert kept.size == before


async def test_entries_last_since_they_were_last_used() -> None:
    clock = Clock()
    kept = vault(clock, ttl=100)
    await kept.keep([b"a"], b"1", owner=ME)
    await kept.keep([b"b"], b"2", owner=ME)
    clock.now += 60
    await kept.find([b"a"])
    clock.now += 39.9
    assert await kept.find([b"b"]) == {b"b": b"2"}
    clock.now += 60.1
    assert await kept.find([b"a"]) == {}  # 100 s since it was found
    assert await kept.find([b"b"]) == {b"b": b"2"}
    clock.now += 100
    assert await kept.find([b"b"]) == {}
    assert (kept.holds, kept.size) == (False, 0)


async def test_the_least_recently_used_leaves_first() -> None:
    kept = vault(Clock(), max_size=10_000)
    for name in (b"a", b"b", b"c"):
        await kept.keep([name], name * 2000, owner=ME)
    await kept.find([b"a"])
    await kept.keep([b"d"], b"d" * 2000, owner=ME)
    assert set(await kept.find([b"a", b"b", b"c", b"d"])) == {b"a", b"c", b"d"}
    assert kept.size <= 10_000


async def test_one_owner_does_not_push_out_the_others() -> None:
    """Whoever takes most makes room: one who keeps much loses what is their own."""
    kept = vault(Clock(), max_size=20_000)
    await kept.keep([b"mine"], b"x" * 500, owner=b"quiet")
    for number in range(100):
        await kept.keep([b"%d" % number], b"x" * 2000, owner=b"loud")
    await kept.keep([b"other"], b"x" * 500, owner=b"another")
    assert set(await kept.find([b"mine", b"0", b"99", b"other"])) == {b"mine", b"99", b"other"}
    assert kept.size <= 20_000


async def test_what_is_larger_than_the_vault_is_not_kept() -> None:
    kept = vault(Clock(), max_size=4000)
    await kept.keep([b"a"], b"small", owner=ME)
    await kept.keep([b"big"], b"x" * 4000, owner=ME)
    assert set(await kept.find([b"a", b"big"])) == {b"a"}
    await kept.keep([b"a"], b"x" * 4000, owner=ME)
    assert not kept.holds  # an older content of that key would be a wrong one


@pytest.mark.parametrize(
    ("length", "keys", "owners"), [(10, 1, 1), (300, 5, 1), (5000, 2, 1), (300, 2, 1_000_000)]
)
async def test_the_size_is_about_the_memory_that_is_taken(length: int, keys: int, owners: int) -> None:
    limit = 2_000_000
    kept = vault(Clock(), max_size=limit)
    tracemalloc.start()
    try:
        for number in range(2 * limit // length // 20):
            names = [b"%018d%02d" % (number, key) for key in range(keys)]
            await kept.keep(names, bytes(length), owner=b"%020d" % (number % owners))
            if kept.size > 0.9 * limit:
                break
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 0.5 * kept.size < taken < 1.3 * kept.size
