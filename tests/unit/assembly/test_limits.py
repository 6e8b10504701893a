"""The limits of a configuration, and the counters that go on after a restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.ledger import Reservation
from dragoman.accounts.limits import Claim, Limit, Standing
from dragoman.accounts.watch import LimitEvent
from dragoman.accounts.windows import mark_of
from dragoman.assembly import limits as limits_module
from dragoman.assembly.limits import Restoring, held_limits, limits_of, seeds, teller
from dragoman.config.load import load
from dragoman.errors import RequestFailed
from dragoman.seams.clock import SYSTEM
from dragoman.state.store import StoreFailed
from dragoman.state.usage_archive import Spent
from dragoman.state.usage_sums import Dimension

NOW = datetime(2026, 11, 23, 15, 4, 38, tzinfo=UTC).timestamp()
DAY, MONTH = (int(datetime(2026, 11, day, tzinfo=UTC).timestamp()) for day in (23, 1))


def test_the_limits_of_all_sections_are_found_by_their_names() -> None:
    config = load(
        {
            "providers": {
                "a": {"base_url": "http://127.0.0.1:1", "keys": [], "limits": {"requests": "9/min"}}
            },
            "models": {
                "m": {
                    "limits": {"tokens": "8/day"},
                    "deployments": [{"use": "a/x", "limits": {"money": "7 USD"}}, "a/y"],
                },
                "n": {"deployments": [{"use": "a/x", "limits": {"money": "7 USD"}}]},
            },
            "limits": {"each": {"scope": "tenant", "only": ["acme"], "requests": "6/s"}},
            "auth": {"keys": [{"name": "k", "key": "0123456789abcdef", "limits": {"concurrency": 5}}]},
        },
        {},
    ).config
    assert list(limits_of(config)) == [
        Limit("each", "requests", 6, "second", "tenant", only=frozenset({"acme"})),
        Limit("provider a", "requests", 9, "minute", "provider", only=frozenset({"a"})),
        Limit("model m", "tokens", 8, "day", "model", only=frozenset({"m"})),
        Limit("deployment a/x", "money", 7_000_000_000, "lifetime", "deployment", only=frozenset({"a/x"})),
    ]
    assert list(held_limits(config, None)) == [
        Limit("key k", "concurrency", 5, None, "key", only=frozenset({"k"}))
    ]


class Records:
    """Usage records of a day and of a month. asked: what was asked of them."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, Dimension | None]] = []
        self.charges: dict[str, int] = {}
        self.away = False
        self.meanwhile: Callable[[], None] = lambda: None
        """Called while they are read."""

    async def charged(self, limits: Collection[str], now: float) -> Mapping[str, int]:
        if self.away:
            raise StoreFailed("the disk is gone")
        self.meanwhile()
        return {name: used for name, used in self.charges.items() if name.split("|")[0] in limits}

    async def spent(self, since: float, dimension: Dimension | None) -> Mapping[str, Spent]:
        self.asked.append((since, dimension))
        if dimension is None:
            return {"": Spent(9, 90, 9, 900, 12)}
        many = since == MONTH
        return {
            "acme": Spent(5, 40, 5, 600 if many else 60, 3),
            "lab": Spent(1, 2, 3, 4, 2),
            "": Spent(7, 7, 7, 7, 7),
        }


async def used(limits: list[Limit], records: Records) -> dict[str, int]:
    """With how much each counter begins."""
    return {name: max(amounts) for name, amounts in (await seeds(limits, records, NOW)).items()}


async def test_what_was_used_in_running_windows_is_restored() -> None:
    limits = [
        Limit("r", "requests", 9, "day", "tenant"),
        Limit("t", "tokens", 9, "day", "tenant", only=frozenset({"acme"})),
        Limit("o", "output_tokens", 9, "day", "tenant", only=frozenset({"l*"})),
        Limit("m", "money", 9, "month", "tenant", only=frozenset({"acme"})),
        Limit("all", "input_tokens", 9, "lifetime", "global"),
        Limit("here", "requests", 9, "day", "address"),
        Limit("some", "requests", 9, "day", "tenant", models=frozenset({"x"})),
        Limit("now", "concurrency", 9, None, "tenant"),
        Limit("attempts", "requests", 9, "month", "provider"),
    ]
    records = Records()
    assert await used(limits, records) == {
        f"r|requests|1day||acme|{DAY}": 3,
        f"r|requests|1day||lab|{DAY}": 1,
        f"t|tokens|1day||acme|{DAY}": 45,
        f"o|output_tokens|1day||lab|{DAY}": 3,
        f"m|money|1month||acme|{MONTH}": 600,
        "all|input_tokens|1lifetime||*|0": 90,
        f"attempts|requests|1month||acme|{MONTH}": 3,
        f"attempts|requests|1month||lab|{MONTH}": 2,
    }
    assert records.asked == [(DAY, "tenant"), (MONTH, "tenant"), (0, None), (MONTH, "provider")]


class Untold(dict[str, Spent]):
    """Usage that can be looked up by name only."""

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("each limit of a key would look through all keys")

    items = values = keys = __iter__  # type: ignore[assignment]


async def test_the_usage_of_a_limit_for_names_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def spent(since: float, dimension: Dimension | None) -> Mapping[str, Spent]:
        return Untold({"acme": Spent(5, 40, 5, 60, 3), "lab": Spent(1, 2, 3, 4, 2)})

    records = Records()
    monkeypatch.setattr(records, "spent", spent)
    names = frozenset({"acme", "nobody"})
    assert await used([Limit("t", "tokens", 9, "day", "tenant", only=names)], records) == {
        f"t|tokens|1day||acme|{DAY}": 45
    }


async def test_what_was_charged_is_restored_whatever_a_limit_counts() -> None:
    some = frozenset({"x"})
    limits = [
        Limit("r", "requests", 9, "day", "tenant"),
        Limit("here", "requests", 9, "day", "address"),
        Limit("some", "money", 9, "lifetime", "tenant", models=some),
        Limit("model m", "tokens", 9, "month", "model", only=frozenset({"m"})),
    ]
    records = Records()
    of_some = f"some|money|1lifetime|{mark_of(some)}"
    records.charges = {
        f"r|requests|1day||lab|{DAY}": 4,  # records know of 1, as of a folded sum
        f"r|requests|1day||acme|{DAY}": 2,  # of 3: the limit is newer than some of them
        f"here|requests|1day||10.0.0.1|{DAY}": 5,
        f"{of_some}|acme|0": 70,
        "some|money|1lifetime|ffffffff|acme|0": 71,
        f"model m|tokens|1month||m|{MONTH}": 6,
        f"model m|tokens|1day||m|{DAY}": 7,
        f"model n|tokens|1month||n|{MONTH}": 8,
    }
    assert await used(limits, records) == {
        f"r|requests|1day||lab|{DAY}": 4,
        f"r|requests|1day||acme|{DAY}": 3,
        f"here|requests|1day||10.0.0.1|{DAY}": 5,
        f"{of_some}|acme|0": 70,
        f"model m|tokens|1month||m|{MONTH}": 6,
    }


ALL = Limit("all", "requests", 20, "day", "global")
ALL_OF_TODAY = f"all|requests|1day||*|{DAY}"


class Journal:
    """Brings usage into the records if it is asked to. behind: it cannot do so in time."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.behind = False
        self.left: dict[str, int] = {}

    async def stored_until(self, moment: float) -> bool:
        assert moment == NOW
        if not self.behind:
            self.records.charges.update(self.left)
        return not self.behind


class Place:
    """A process with its counters, its journal, and a database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, refuse: bool = False) -> None:
        monkeypatch.setattr(limits_module, "_PAUSES", (0.001, 0.001))
        self.records = Records()
        self.journal = Journal(self.records)
        seams = msgspec.structs.replace(SYSTEM, now=lambda: NOW)
        self.ledger = MemoryLedger(seams)
        store: Any = SimpleNamespace(usage=self.records)
        journal: Any = self.journal
        self.restoring = Restoring(self.ledger, store, journal, seams, refuse=refuse)

    def use(self, amount: int = 1) -> None:
        """Requests that are served."""
        claim = Claim(ALL, ALL_OF_TODAY, DAY + 86_400.0, amount)
        found = self.ledger.reserve([claim], NOW)
        assert isinstance(found, Reservation)
        self.ledger.settle(found, {ALL_OF_TODAY: amount}, NOW)

    @property
    def used(self) -> int:
        return self.ledger.standing(ALL_OF_TODAY).used

    async def restored(self) -> None:
        async with asyncio.timeout(60):
            while self.restoring._trying is not None:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.001)
        assert self.ledger.state()["healthy"]


async def test_counters_begin_with_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(monkeypatch)
    assert await place.restoring.restore([ALL], recovered=True)
    assert await place.ledger.standings() == {ALL_OF_TODAY: Standing(9, 0)}
    place.records.away = True  # nobody asks again
    assert await place.restoring.restore([msgspec.structs.replace(ALL, most=7)])
    assert place.used == 9


async def test_others_are_served_while_many_limits_are_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(monkeypatch)
    many = [Limit(f"key {n}", "requests", 9, "lifetime", "address") for n in range(3_000)]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    earlier = asyncio.create_task(place.restoring.restore(many))
    await asyncio.sleep(0)
    assert await place.restoring.restore([ALL])
    assert await earlier
    other.cancel()
    assert turns >= 3_000 / limits_module._AT_ONCE
    assert [*place.restoring._wanted.values()] == [ALL], "the later call has the last word"
    assert place.used == 9


async def test_a_limit_of_a_reload_begins_with_what_waits_in_the_journal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Place(monkeypatch)
    assert await place.restoring.restore([], recovered=True)
    place.journal.left = {ALL_OF_TODAY: 12}
    assert await place.restoring.restore([ALL])
    assert place.used == 12


@pytest.mark.parametrize(("known", "used"), [(9, 9), (5, 18)])
async def test_what_a_new_limit_has_counted_itself_is_not_added_again(
    monkeypatch: pytest.MonkeyPatch, known: int, used: int
) -> None:
    """As of a key that is used at once after it was made. known: what was charged of the 9 that records have;
    if it is less, the key was used before it had the limit.
    """
    place = Place(monkeypatch)
    assert await place.restoring.restore([], recovered=True)

    async def counts_meanwhile(moment: float) -> bool:
        place.use(9)
        place.records.charges = {ALL_OF_TODAY: known}
        return True

    monkeypatch.setattr(place.journal, "stored_until", counts_meanwhile)
    assert await place.restoring.restore([ALL])
    assert place.used == used


async def test_while_the_database_is_away_limits_begin_at_0_and_it_is_added_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(monkeypatch)
    place.records.away = True
    assert not await place.restoring.restore([ALL], recovered=True)
    assert place.ledger.state()["last_error"] == "limits begin at 0 until usage can be read: the disk is gone"
    place.use(4)
    place.journal.left = {ALL_OF_TODAY: 13}  # 9 of before, and these 4
    place.records.meanwhile = place.use
    place.records.away = False
    await place.restored()
    assert place.used == 14
    assert "the disk is gone" in caplog.text
    assert caplog.messages[-1] == "limits count what was used before"


async def test_or_they_refuse_everything_until_then(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(monkeypatch, refuse=True)
    place.records.away = True
    assert not await place.restoring.restore([ALL], recovered=True)
    for _ in range(2):
        with pytest.raises(RequestFailed) as refused:
            place.use()
        assert (refused.value.fault.kind, refused.value.fault.code) == ("unavailable", "limits_unavailable")
    place.records.away = False
    await place.restored()
    place.use()
    assert place.used == 10


async def test_what_an_earlier_process_has_left_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(monkeypatch)
    place.journal.behind = True
    place.journal.left = {ALL_OF_TODAY: 15}
    assert not await place.restoring.restore([ALL], recovered=False)
    assert place.used == 9
    assert not await place.restoring.restore([ALL], recovered=True)  # the same start, with keys
    place.use(2)
    place.journal.left = {ALL_OF_TODAY: 17}
    place.journal.behind = False
    await place.restored()
    assert place.used == 17


async def test_a_limit_is_tried_again_although_another_configuration_is_restored_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Keys may change while a reload is prepared: then the limits of the running configuration are restored
    after those of the next one.
    """
    place = Place(monkeypatch)
    assert await place.restoring.restore([], recovered=True)
    place.records.away = True
    assert not await place.restoring.restore([ALL])
    assert await place.restoring.restore([]), "it has no limit whose usage is unknown"
    assert not await place.restoring.restore([ALL]), "it is not known yet"
    assert await place.restoring.restore([])
    place.records.away = False
    await place.restored()
    assert place.used == 9


async def test_it_is_not_tried_any_more_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(monkeypatch)
    place.records.away = True
    await place.restoring.restore([ALL])
    await place.restoring.close()
    asked = len(place.records.asked)
    place.records.away = False
    await asyncio.sleep(0.02)
    assert (len(place.records.asked), place.used) == (asked, 0)


def test_operators_read_events_in_the_log_and_as_alerts(caplog: pytest.LogCaptureFixture) -> None:
    alerts: list[dict[str, Any]] = []
    event = LimitEvent("limit_warning", "each", "key ci", "5 requests per minute", "the limit is 80 % used")
    with caplog.at_level(logging.WARNING):
        teller(lambda: 12.0, alerts.append)(event)
        teller(lambda: 12.0, None)(event)
    assert caplog.messages == ["the limit is 80 % used"] * 2
    (alert,) = alerts
    assert (alert["type"], alert["at"], alert["whose"]) == ("limit_warning", 12.0, "key ci")
    assert (alert["limit"], alert["message"]) == ("each: 5 requests per minute", "the limit is 80 % used")


async def test_nothing_is_tried_again_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not by a call that was on its way when the gateway closed, and finds its store closed."""
    place = Place(monkeypatch)
    place.records.away = True
    await place.restoring.close()
    assert not await place.restoring.restore([ALL])
    assert place.restoring._trying is None
