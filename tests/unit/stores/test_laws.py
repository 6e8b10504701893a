"""What every store does, wherever it keeps things."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman.state.store import (
    PAGE_SIZE,
    Conversation,
    HistoryTooLarge,
    Item,
    Store,
    StoredResponse,
    StoreFailed,
    StoreFull,
)
from tests.unit.stores.conftest import NOW, Clock, Make

replace = msgspec.structs.replace


def items(*names: str, size: int = 0) -> tuple[Item, ...]:
    return tuple(Item(name, b'{"id":"%b"}' % name.encode() + b" " * size) for name in names)


def answer(id_: str = "resp_1", tenant: str = "t", **more: Any) -> StoredResponse:
    standard = {"created": NOW, "status": "completed", "body": b'{"n":1}'}
    return StoredResponse(id=id_, tenant=tenant, **{**standard, **more})


RUNNING = answer(status="in_progress", input=items("in"), background=True, lease=NOW + 60, expires=NOW + 500)
DONE = replace(RUNNING, status="completed", body=b"done", output=items("out"), deployment="a/b", lease=None)


# --- Answers -------------------------------------------------------------------------------------


async def test_an_answer_is_read_as_it_was_saved(store: Store) -> None:
    for number, saved in enumerate(
        (
            answer(),
            answer(input=items("a", "b"), output=items("c"), deployment="openai/gpt"),
            answer(output=items("z", "y"), previous="resp_0", conversation="conv_1", expires=NOW + 0.5),
            RUNNING,
        )
    ):
        saved = replace(saved, id=f"resp_{number}")  # noqa: PLW2901 - the same with an id of its own
        await store.responses.save(saved)
        assert await store.responses.get("t", saved.id) == saved


async def test_an_id_is_taken_once(store: Store) -> None:
    await store.responses.save(answer(input=items("a")))
    with pytest.raises(StoreFailed):
        await store.responses.save(answer(body=b"other", tenant="u"))
    assert await store.responses.get("t", "resp_1") == answer(input=items("a"))


async def test_settling_writes_once(store: Store) -> None:
    await store.responses.save(RUNNING)
    assert await store.responses.settle(replace(RUNNING, status="queued", body=b"waits", lease=None))
    queued = await store.responses.get("t", "resp_1")
    assert queued == replace(RUNNING, status="queued", body=b"waits")  # the lease is its worker's
    assert await store.responses.settle(DONE)
    assert await store.responses.get("t", "resp_1") == DONE
    cancelled = replace(RUNNING, status="cancelled", body=b"late", output=())
    assert not await store.responses.settle(cancelled)
    assert await store.responses.get("t", "resp_1") == DONE


async def test_settling_replaces_what_it_said_before(store: Store) -> None:
    await store.responses.save(RUNNING)
    assert await store.responses.settle(replace(RUNNING, output=items("x", "y")))
    assert await store.responses.settle(DONE)
    assert await store.responses.get("t", "resp_1") == DONE
    assert set(await store.responses.items("t", ["in", "out", "x", "y"])) == {"in", "out"}


async def test_an_answer_is_settled_with_its_last_events_or_not_at_all(store: Store) -> None:
    await store.responses.save(RUNNING)
    await store.responses.append(RUNNING.id, 0, [b"0", b"1"])
    assert await store.responses.settle(DONE, 2, [b"2", b"3"])
    assert not await store.responses.settle(DONE, 4, [b"4"])
    kept = await store.responses.events(RUNNING.tenant, RUNNING.id, after=0)
    assert kept == [(1, b"1"), (2, b"2"), (3, b"3")]


async def test_what_was_cancelled_deleted_or_is_over_is_not_settled(store: Store, clock: Clock) -> None:
    for id_ in ("cancelled", "deleted"):
        await store.responses.save(replace(RUNNING, id=id_))
    await store.responses.save(replace(RUNNING, id="over", lease=None))
    assert await store.responses.settle(replace(RUNNING, id="cancelled", status="cancelled"))
    assert await store.responses.delete("t", "deleted")
    clock.now += 500
    for id_ in ("cancelled", "deleted", "over", "never"):
        assert not await store.responses.settle(replace(DONE, id=id_))
        assert await store.responses.get("t", id_) is None


async def test_history_is_the_chain_oldest_first(store: Store) -> None:
    chain = [
        answer(
            f"r{n}", previous=f"r{n - 1}" if n else None, input=items(f"i{n}"), output=items(f"o{n}", f"p{n}")
        )
        for n in range(4)
    ]
    for one in [*reversed(chain), answer("fork", previous="r1")]:
        await store.responses.save(one)
    assert await store.responses.history("t", "r3", expires=None) == chain
    assert await store.responses.history("t", "r0", expires=None) == chain[:1]
    forked = await store.responses.history("t", "fork", expires=None)
    assert forked is not None
    assert [one.id for one in forked] == ["r0", "r1", "fork"]


async def test_a_chain_that_lacks_one_is_none(store: Store, clock: Clock) -> None:
    await store.responses.save(answer("a", expires=NOW + 10))
    await store.responses.save(answer("b", previous="a"))
    await store.responses.save(answer("c", previous="b"))
    assert await store.responses.history("t", "nothing", expires=None) is None
    assert await store.responses.history("u", "c", expires=None) is None
    clock.now += 10
    assert await store.responses.history("t", "c", expires=None) is None
    await store.responses.delete("t", "b")
    assert await store.responses.history("t", "c", expires=None) is None


async def test_an_ancestor_of_another_tenant_is_missing(store: Store) -> None:
    await store.responses.save(answer("theirs", "u"))
    await store.responses.save(answer("mine", previous="theirs"))
    assert await store.responses.history("t", "mine", expires=None) is None


@pytest.mark.parametrize("expires", [NOW + 20, NOW + 100, None])
async def test_what_is_continued_lasts_longer(store: Store, clock: Clock, expires: float | None) -> None:
    await store.responses.save(answer("short", expires=NOW + 10))
    await store.responses.save(answer("long", previous="short", expires=NOW + 50))
    await store.responses.save(answer("ever", previous="long"))
    assert await store.responses.history("t", "ever", expires=expires) is not None
    after = [await store.responses.get("t", id_) for id_ in ("short", "long", "ever")]
    assert [one and one.expires for one in after] == [
        expires,
        None if expires is None else max(expires, NOW + 50),
        None,
    ]
    clock.now += 15
    assert await store.responses.get("t", "short") is not None


async def test_items_are_found_wherever_they_are(store: Store, clock: Clock) -> None:
    await store.responses.save(answer("r", input=items("i"), output=items("o"), expires=NOW + 10))
    await store.conversations.create(Conversation(id="c", tenant="t", created=NOW), items("x"))
    await store.conversations.append("t", "c", items("y", "i"), expires=None)
    names = ["i", "o", "x", "y", "z"]
    assert await store.responses.items("t", names) == {one.id: one.body for one in items("i", "o", "x", "y")}
    assert await store.responses.items("u", names) == {}
    assert await store.responses.items("t", []) == {}
    clock.now += 10
    assert set(await store.responses.items("t", names)) == {"i", "x", "y"}
    await store.conversations.remove("t", "c", "x")
    assert set(await store.responses.items("t", names)) == {"i", "y"}
    await store.conversations.delete("t", "c")
    assert await store.responses.items("t", names) == {}


async def test_an_item_of_several_answers_is_there_until_the_last_of_them_is_gone(store: Store) -> None:
    """Clients bring back the items of earlier answers, ids included."""
    for name in "abc":
        await store.responses.save(answer(name, input=items("shared"), output=items(f"own_{name}")))
    for name in "bca":
        found = await store.responses.items("t", ["shared", f"own_{name}"])
        assert set(found) == {"shared", f"own_{name}"}
        await store.responses.delete("t", name)
        assert f"own_{name}" not in await store.responses.items("t", [f"own_{name}"])
    assert await store.responses.items("t", ["shared"]) == {}
    await store.responses.save(answer("a", input=items("shared")))
    assert set(await store.responses.items("t", ["shared"])) == {"shared"}


async def test_deleting_takes_items_and_events_along(store: Store) -> None:
    await store.responses.save(RUNNING)
    await store.responses.append("resp_1", 0, [b"e"])
    assert await store.responses.delete("t", "resp_1")
    assert not await store.responses.delete("t", "resp_1")
    assert await store.responses.items("t", ["in"]) == {}
    await store.responses.append("resp_1", 1, [b"late"])  # its worker does not know yet
    await store.responses.save(RUNNING)
    assert not await store.responses.events("t", "resp_1", after=-1)


async def test_events_are_read_in_order_from_anywhere(store: Store) -> None:
    await store.responses.save(RUNNING)
    await store.responses.append("resp_1", 0, [b"0", b"1"])
    await store.responses.append("resp_1", 2, [])
    await store.responses.append("resp_1", 2, [b"2"])
    every = [(0, b"0"), (1, b"1"), (2, b"2")]
    assert await store.responses.events("t", "resp_1", after=-1) == every
    assert await store.responses.events("t", "resp_1", after=0) == every[1:]
    assert await store.responses.events("t", "resp_1", after=-1, limit=2) == every[:2]
    assert await store.responses.events("t", "resp_1", after=2) == []


async def test_the_last_event_is_read_alone(store: Store) -> None:
    await store.responses.save(RUNNING)
    assert await store.responses.last_event("t", "resp_1") is None
    await store.responses.append("resp_1", 0, [b"0", b"1"])
    assert await store.responses.last_event("t", "resp_1") == (1, b"1")
    await store.responses.append("resp_1", 2, [b"2"])
    assert await store.responses.last_event("t", "resp_1") == (2, b"2")
    assert await store.responses.last_event("u", "resp_1") is None
    await store.responses.delete("t", "resp_1")
    assert await store.responses.last_event("t", "resp_1") is None


async def test_leases(store: Store) -> None:
    await store.responses.save(RUNNING)
    await store.responses.save(replace(RUNNING, id="other", lease=NOW + 30))
    await store.responses.save(answer("settled", lease=NOW))
    await store.responses.save(answer("nobody's", status="queued"))
    assert await leases(store) == {"resp_1": NOW + 60, "other": NOW + 30}
    renewed = await store.responses.renew(["resp_1", "other", "settled", "gone"], NOW + 90)
    assert set(renewed) == {"resp_1", "other"}
    assert await leases(store) == {"resp_1": NOW + 90, "other": NOW + 90}
    assert await store.responses.settle(replace(DONE, id="other"))
    assert await leases(store) == {"resp_1": NOW + 90}
    assert set(await store.responses.renew(["resp_1", "other"], NOW + 99)) == {"resp_1"}


async def leases(store: Store) -> dict[str, float]:
    return {one.id: one.lease for one in await store.responses.leases()}


async def test_who_settles_for_another_does_so_only_while_nothing_was_heard_of_it(store: Store) -> None:
    await store.responses.save(RUNNING)
    await store.responses.renew(["resp_1"], NOW + 61)
    failed = replace(RUNNING, status="failed", lease=None)
    assert not await store.responses.settle(failed, lease=NOW + 60)
    assert await store.responses.settle(failed, lease=NOW + 61)


async def test_what_runs_does_not_expire_and_lasts_since_it_was_settled(store: Store, clock: Clock) -> None:
    """However far the clock has jumped meanwhile."""
    await store.responses.save(RUNNING)
    clock.now += 100_000
    await store.sweep(clock.now)
    assert await store.responses.get("t", "resp_1") == RUNNING
    assert set(await store.responses.items("t", ["in"])) == {"in"}
    assert await store.responses.settle(replace(DONE, expires=clock.now + 10))
    assert await store.responses.get("t", "resp_1") == replace(DONE, expires=clock.now + 10)
    clock.now += 10
    assert await store.responses.get("t", "resp_1") is None


# --- Conversations -------------------------------------------------------------------------------


async def test_a_conversation_keeps_the_order_of_its_items(store: Store) -> None:
    made = Conversation(id="c", tenant="t", created=NOW, metadata=b'{"a":1}')
    await store.conversations.create(made, items("z", "a"))
    assert await store.conversations.get("t", "c") == made
    assert await store.conversations.append("t", "c", items("m"), expires=None)
    assert await store.conversations.append("t", "c", (), expires=None)
    assert await store.conversations.remove("t", "c", "m")
    assert not await store.conversations.remove("t", "c", "m")
    assert await store.conversations.append("t", "c", items("b", "0"), expires=None)
    assert await store.conversations.items("t", "c") == list(items("z", "a", "b", "0"))
    assert await store.conversations.update("t", "c", b"{}")
    assert await store.conversations.get("t", "c") == replace(made, metadata=b"{}")


async def test_a_conversation_lasts_since_its_last_turn(store: Store, clock: Clock) -> None:
    await store.conversations.create(Conversation(id="c", tenant="t", created=NOW, expires=NOW + 10))
    assert await store.conversations.items("t", "c") == []
    assert await store.conversations.append("t", "c", items("a"), expires=NOW + 5)
    assert await store.conversations.append("t", "c", items("b"), expires=NOW + 20)
    clock.now += 19
    assert await store.conversations.items("t", "c") == list(items("a", "b"))
    clock.now += 1
    assert await store.conversations.items("t", "c") is None
    assert await store.conversations.get("t", "c") is None
    assert not await store.conversations.append("t", "c", items("d"), expires=None)
    assert not await store.conversations.update("t", "c", b"{}")
    assert not await store.conversations.remove("t", "c", "a")
    assert not await store.conversations.delete("t", "c")


async def test_a_deleted_conversation_is_gone_with_its_items(store: Store) -> None:
    made = Conversation(id="c", tenant="t", created=NOW)
    await store.conversations.create(made, items("a"))
    with pytest.raises(StoreFailed):
        await store.conversations.create(made)
    assert await store.conversations.delete("t", "c")
    assert not await store.conversations.delete("t", "c")
    assert await store.conversations.items("t", "c") is None
    assert not await store.conversations.append("t", "c", items("b"), expires=None)
    await store.conversations.create(made)
    assert await store.conversations.items("t", "c") == []


# --- Sessions ------------------------------------------------------------------------------------


async def test_a_session_keeps_its_turns_in_order(store: Store) -> None:
    for number in range(3):
        await store.sessions.append("t", "s", b"%d" % number, now=NOW + number, expires=NOW + 100)
    await store.sessions.append("u", "s", b"theirs", now=NOW, expires=NOW + 100)
    assert await store.sessions.turns("t", "s") == [b"0", b"1", b"2"]
    assert await store.sessions.turns("u", "s") == [b"theirs"]
    assert list(await store.sessions.turns("t", "x")) == []
    assert await store.sessions.count() == 2
    (mine,) = await store.sessions.listed("t")
    assert (mine.id, mine.tenant, mine.turns, mine.size, mine.used) == ("s", "t", 3, 3, NOW + 2)
    assert [one.tenant for one in await store.sessions.listed()] == ["t", "u"]
    assert len(await store.sessions.listed(limit=1)) == 1


async def test_a_session_is_deleted_for_one_or_for_all(store: Store) -> None:
    for tenant in ("t", "u", "v"):
        await store.sessions.append(tenant, "s", b"1", now=NOW, expires=NOW + 100)
    assert await store.sessions.delete("s", "t") == 1
    assert await store.sessions.delete("s", "t") == 0
    assert await store.sessions.count() == 2
    assert await store.sessions.delete("s") == 2
    assert await store.sessions.count() == 0


async def test_a_session_that_is_over_begins_anew(store: Store, clock: Clock) -> None:
    await store.sessions.append("t", "s", b"old", now=NOW, expires=NOW + 10)
    await store.sessions.append("t", "other", b"old", now=NOW, expires=NOW + 10)
    clock.now += 10
    assert list(await store.sessions.turns("t", "s")) == []
    assert (await store.sessions.count(), await store.sessions.listed()) == (0, [])
    assert await store.sessions.delete("other") == 0
    await store.sessions.append("t", "s", b"new", now=clock.now, expires=clock.now + 10)
    assert await store.sessions.turns("t", "s") == [b"new"]


async def test_the_oldest_turns_leave_a_session_that_is_too_large(make: Make) -> None:
    sessions = make(session_size=10).sessions
    for turn in (b"aaaa", b"bbbb", b"cc"):
        await sessions.append("t", "s", turn, now=NOW, expires=NOW + 1)
    assert await sessions.turns("t", "s") == [b"aaaa", b"bbbb", b"cc"]
    await sessions.append("t", "s", b"ddddd", now=NOW, expires=NOW + 1)
    assert await sessions.turns("t", "s") == [b"cc", b"ddddd"]
    assert [(one.turns, one.size) for one in await sessions.listed()] == [(2, 7)]
    with pytest.raises(StoreFull):
        await sessions.append("t", "s", b"x" * 11, now=NOW, expires=NOW + 1)
    assert await sessions.turns("t", "s") == [b"cc", b"ddddd"]
    await sessions.append("t", "s", b"e" * 10, now=NOW, expires=NOW + 1)
    assert await sessions.turns("t", "s") == [b"e" * 10]


async def test_the_least_recently_used_sessions_leave(make: Make) -> None:
    sessions = make(session_count=2).sessions
    for number, id_ in enumerate(("a", "b", "a", "c")):
        await sessions.append("t", id_, b"1", now=NOW + number, expires=NOW + 100)
    assert [one.id for one in await sessions.listed()] == ["c", "a"]
    await sessions.append("u", "d", b"1", now=NOW, expires=NOW + 100)  # the newest stays, whatever its clock
    assert {one.id for one in await sessions.listed()} == {"c", "d"}


async def test_the_tenant_with_most_sessions_makes_room(make: Make) -> None:
    """Whoever opens many throws out nobody's but its own."""
    sessions = make(session_count=10).sessions
    for tenant, count in (("quiet", 2), ("other", 3), ("loud", 500)):
        for number in range(count):
            await sessions.append(tenant, f"s{number}", b"1", now=NOW + number, expires=NOW + 1000)
    assert await sessions.count() == 10
    assert len(await sessions.listed("quiet")) == 2
    assert len(await sessions.listed("other")) == 3
    assert [one.id for one in await sessions.listed("loud")] == ["s499", "s498", "s497", "s496", "s495"]
    await sessions.append("late", "s", b"1", now=NOW, expires=NOW + 1000)
    assert len(await sessions.listed("loud")) == 4
    assert len(await sessions.listed("late")) == 1


# --- All of them ---------------------------------------------------------------------------------


async def test_what_is_anothers_is_missing(store: Store) -> None:
    """Who asks with another's id gets what a missing one gets, and changes nothing."""
    await store.responses.save(RUNNING)
    await store.responses.append("resp_1", 0, [b"e"])
    await store.conversations.create(Conversation(id="c", tenant="t", created=NOW), items("x"))
    await store.sessions.append("t", "s", b"1", now=NOW, expires=NOW + 1)
    for tenant, id_ in (("u", "resp_1"), ("t", "resp_2"), ("", "resp_1")):
        assert await store.responses.get(tenant, id_) is None
        assert await store.responses.history(tenant, id_, expires=None) is None
        assert not await store.responses.settle(replace(DONE, id=id_, tenant=tenant))
        assert not await store.responses.delete(tenant, id_)
        assert list(await store.responses.events(tenant, id_, after=-1)) == []
    for tenant, id_ in (("u", "c"), ("t", "d")):
        assert await store.conversations.get(tenant, id_) is None
        assert await store.conversations.items(tenant, id_) is None
        assert not await store.conversations.update(tenant, id_, b"stolen")
        assert not await store.conversations.append(tenant, id_, items("y"), expires=None)
        assert not await store.conversations.remove(tenant, id_, "x")
        assert not await store.conversations.delete(tenant, id_)
    assert await store.responses.items("u", ["in", "x"]) == {}
    assert list(await store.sessions.turns("u", "s")) == []
    assert await store.sessions.listed("u") == []
    assert await store.sessions.delete("s", "u") == 0
    assert await store.responses.get("t", "resp_1") == RUNNING
    assert await store.conversations.items("t", "c") == list(items("x"))
    assert await store.sessions.turns("t", "s") == [b"1"]


async def test_a_sweep_forgets_what_is_over_and_nothing_else(store: Store, clock: Clock) -> None:
    for end in (NOW + 10, None):
        await store.responses.save(answer(f"r{end}", input=items("i"), expires=end))
        await store.conversations.create(Conversation(id=f"c{end}", tenant="t", created=NOW, expires=end))
        await store.sessions.append("t", f"s{end}", b"1", now=NOW, expires=end or NOW + 99)
    clock.now += 10
    await store.sweep(clock.now)
    clock.now = NOW  # as if it were not over yet: it is gone all the same
    assert await store.responses.get("t", f"r{NOW + 10}") is None
    assert await store.conversations.get("t", f"c{NOW + 10}") is None
    assert await store.sessions.count() == 1
    assert await store.responses.get("t", "rNone") is not None
    assert await store.conversations.get("t", "cNone") is not None
    assert set(await store.responses.items("t", ["i"])) == {"i"}


async def test_whoever_takes_most_makes_room(make: Make, clock: Clock) -> None:
    store = make(size=100_000)
    await store.responses.save(answer("quiet", "q", input=items("i", size=5000)))
    for number in range(20):
        clock.now += 1
        await store.responses.save(answer(f"r{number}", input=items("i", size=8000)))
        clock.now += 1
        made = Conversation(id=f"c{number}", tenant="t", created=NOW)
        await store.conversations.create(made, items("x", size=8000))
    await store.responses.history("t", "r15", expires=None)
    await store.sweep(clock.now)
    assert await store.responses.get("q", "quiet") is not None
    there = [number for number in range(20) if await store.responses.get("t", f"r{number}")]
    talks = [number for number in range(20) if await store.conversations.get("t", f"c{number}")]
    assert 3 <= len(there) <= 6
    assert there == list(range(20 - len(there), 20))
    assert talks == list(range(20 - len(talks), 20))
    assert 0 <= len(talks) - len(there) <= 1


async def test_what_runs_makes_no_room(make: Make, clock: Clock) -> None:
    """Its worker would find nothing to settle. Whether it runs, no clock says."""
    store = make(size=100_000)
    body = items("i", size=30_000)
    await store.responses.save(replace(RUNNING, id="running", input=body, lease=NOW))
    await store.responses.save(answer("settled", input=body, lease=NOW + 60))
    clock.now += 100_000
    for id_ in ("new", "newer", "newest"):
        clock.now += 1
        await store.responses.save(answer(id_, input=body))
    names = ("running", "settled", "new", "newer", "newest")
    assert [name for name in names if await store.responses.get("t", name)] == ["running", "newer", "newest"]
    assert await store.responses.settle(replace(DONE, id="running", expires=None))
    for number in range(3):
        clock.now += 1
        await store.responses.save(answer(f"r{number}", input=body))
    assert await store.responses.get("t", "running") is None


async def test_where_all_is_running_there_is_no_room(make: Make) -> None:
    """Then nobody is thrown out in vain, and nothing is half written."""
    store = make(size=100_000)
    body = items("i", size=30_000)
    for id_ in ("a", "b"):
        await store.responses.save(replace(RUNNING, id=id_, input=body))
    await store.responses.save(answer("settled", "u", input=body[:0]))
    large = items("large", size=60_000)
    for refused in (
        store.responses.save(answer("c", "v", input=large)),
        store.responses.settle(replace(DONE, id="a", output=large)),
        store.responses.append("a", 0, [b"x" * 60_000]),
        store.conversations.create(Conversation(id="c", tenant="v", created=NOW), large),
        store.sessions.append("v", "s", bytes(60_000), now=NOW, expires=NOW + 9),
    ):
        with pytest.raises(StoreFull, match="still running"):
            await refused
    assert await store.responses.get("u", "settled") is not None
    assert await store.responses.get("t", "a") == replace(RUNNING, id="a", input=body)
    assert await store.sessions.count() == 0
    await store.responses.save(answer("small", "v"))


async def test_every_write_finds_room_before_it_is_written(make: Make, clock: Clock) -> None:
    """A sweep comes once a minute: that would be too late."""
    store = make(size=200_000)
    await store.responses.save(answer("quiet", "q", input=items("q", size=5000)))
    await store.conversations.create(Conversation(id="talk", tenant="q", created=NOW), items("w", size=5000))
    await store.sessions.append("q", "s", bytes(5000), now=NOW, expires=NOW + 1e6)
    made = Conversation(id="c", tenant="t", created=NOW)
    await store.conversations.create(made)
    await store.responses.save(RUNNING)
    writes = (
        lambda n: store.responses.save(answer(f"r{n}", input=items("i", size=9000))),
        lambda n: store.conversations.create(replace(made, id=f"c{n}"), items("i", size=9000)),
        lambda n: store.sessions.append("t", f"s{n}", bytes(9000), now=clock.now, expires=NOW + 1e6),
        lambda n: store.responses.append("resp_1", n, [bytes(1500)]),
        lambda n: store.conversations.append("t", "c", items(f"i{n}", size=1500), expires=None),
    )
    for number in range(40):
        for write in writes:
            clock.now += 1
            await write(number)
    kept = 0
    for number in range(40):
        for one in (store.responses.get("t", f"r{number}"), store.conversations.get("t", f"c{number}")):
            kept += await one is not None
        kept += len(await store.sessions.turns("t", f"s{number}")) > 0
    assert 2 <= kept <= 10  # of 120
    assert await store.responses.get("q", "quiet") is not None
    assert await store.conversations.get("q", "talk") is not None
    assert await store.sessions.turns("q", "s") == [bytes(5000)]
    assert len(await store.responses.events("t", "resp_1", after=-1)) == 40


async def test_removed_items_and_metadata_take_no_room(make: Make) -> None:
    store = make(size=25_000)
    await store.conversations.create(Conversation(id="c", tenant="t", created=NOW))
    for number in range(10):
        assert await store.conversations.append("t", "c", items(f"i{number}", size=10_000), expires=None)
        assert await store.conversations.remove("t", "c", f"i{number}")
        assert await store.conversations.update("t", "c", b"x" * (number % 2) * 9000)


async def test_ids_take_room_too(make: Make) -> None:
    store = make(size=20_000)
    with pytest.raises(StoreFull):
        await store.responses.save(answer(input=(Item("x" * 30_000, b"1"),)))


async def test_no_more_is_read_at_once_than_a_request_may_hold(make: Make) -> None:
    store = make(history_size=20_000)
    for number in range(3):
        before = f"r{number - 1}" if number else None
        body = items(f"i{number}", size=9000)
        await store.responses.save(answer(f"r{number}", previous=before, input=body))
        await store.responses.append(f"r{number}", 0, [bytes(30_000)])  # events are not read with a history
    assert len(await store.responses.history("t", "r1", expires=None) or ()) == 2
    with pytest.raises(HistoryTooLarge):
        await store.responses.history("t", "r2", expires=None)
    assert len(await store.responses.items("t", ["i0", "i1", "i1"])) == 2
    with pytest.raises(HistoryTooLarge):
        await store.responses.items("t", ["i0", "i1", "i2"])
    await store.conversations.create(Conversation(id="c", tenant="t", created=NOW), items("a", size=9000))
    with pytest.raises(StoreFull):
        await store.conversations.append("t", "c", items("b", size=12_000), expires=None)
    assert await store.conversations.items("t", "c") == list(items("a", size=9000))


async def test_what_is_too_large_alone_is_refused(make: Make) -> None:
    store = make(size=10_000)
    await store.responses.save(RUNNING)
    made = Conversation(id="c", tenant="t", created=NOW)
    await store.conversations.create(made)
    huge = items("huge", size=10_000)
    with pytest.raises(StoreFull):
        await store.responses.save(answer("r", input=huge))
    with pytest.raises(StoreFull):
        await store.responses.settle(replace(DONE, output=huge))
    with pytest.raises(StoreFull):
        await store.responses.append("resp_1", 0, [b"x" * 10_000])
    with pytest.raises(StoreFull):
        await store.conversations.create(replace(made, id="d"), huge)
    with pytest.raises(StoreFull):
        await store.conversations.append("t", "c", huge, expires=None)
    with pytest.raises(StoreFull):
        await store.conversations.update("t", "c", b"x" * 10_000)
    assert await store.responses.get("t", "resp_1") == RUNNING
    assert await store.conversations.items("t", "c") == []


# --- What is read at once ------------------------------------------------------------------------


async def test_a_page_of_a_conversation(store: Store) -> None:
    await store.conversations.create(Conversation(id="c", tenant="t", created=NOW), items(*"abcab"))

    async def read(*, after: str | None = None, limit: int = 2, newest: bool = False) -> tuple[str, bool]:
        found = await store.conversations.page("t", "c", after=after, limit=limit, newest=newest)
        assert found is not None
        return "".join(one.id for one in found.items), found.more

    assert await read() == ("ab", True)
    assert await read(newest=True) == ("ba", True)
    assert await read(after="c", limit=3) == ("ab", False)
    assert await read(after="c", limit=3, newest=True) == ("ba", False)
    assert await read(after="b", newest=True) == ("a", False)
    with pytest.raises(KeyError):
        await read(after="z")
    assert await store.conversations.page("u", "c", after=None, limit=1, newest=False) is None
    assert await store.conversations.item("t", "c", "c") == items("c")[0]
    assert await store.conversations.item("t", "c", "z") is None
    assert await store.conversations.item("u", "c", "c") is None


async def test_a_page_holds_few_large_items(store: Store) -> None:
    large = items(*"abc", size=PAGE_SIZE // 2)
    await store.conversations.create(Conversation(id="c", tenant="t", created=NOW), large)
    found = await store.conversations.page("t", "c", after=None, limit=9, newest=False)
    assert found is not None
    assert (len(found.items), found.more) == (1, True)


async def test_more_items_than_are_read_at_once(make: Make) -> None:
    store = make(history_count=3)
    await store.conversations.create(Conversation(id="c", tenant="t", created=NOW), items(*"abcd"))
    with pytest.raises(HistoryTooLarge):
        await store.conversations.items("t", "c")
    assert await store.conversations.page("t", "c", after="b", limit=9, newest=False) is not None
    for number in range(4):  # nobody said anything in them: each is counted all the same
        await store.responses.save(answer(f"r{number}", previous=f"r{number - 1}" if number else None))
    assert len(await store.responses.history("t", "r2", expires=None) or ()) == 3
    with pytest.raises(HistoryTooLarge):
        await store.responses.history("t", "r3", expires=None)


async def test_nothing_is_too_large_for_what_is_not_there(make: Make) -> None:
    store = make(size=10_000)
    huge = items("huge", size=10_000)
    assert not await store.conversations.append("t", "c", huge, expires=None)
    assert not await store.conversations.update("t", "c", b"x" * 10_000)
    assert not await store.responses.settle(replace(DONE, output=huge))
    await store.responses.append("resp_1", 0, [b"x" * 10_000])
    assert not await store.responses.events("t", "resp_1", after=-1)
