"""Finished exchanges in a database: what finds them, and which of them stay."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

from dragoman.seams.clock import SYSTEM, Seams
from dragoman.state.exchanges import Search, StoredExchange
from dragoman.state.store import StoreFailed
from dragoman.stores.address import Location
from dragoman.stores.sql.exchanges import SqlExchanges
from tests.unit.stores.conftest import ask

SIZE, TTL = 1_000_000, 1000.0
AT = Seams(lambda: 500.0, SYSTEM.monotonic, SYSTEM.random_id, SYSTEM.uniform)


@pytest.fixture
async def store(place: Location) -> AsyncIterator[SqlExchanges]:
    store = await SqlExchanges.open(place, SIZE, TTL, AT)
    yield store
    await store.close()


def one(number: int, **more: Any) -> StoredExchange:
    stated: dict[str, Any] = {
        "id": f"ex_{number:04}",
        "request_id": f"req_{number:04}",
        "created": float(number),
        "client": "ann",
        "model": "m",
        "status": 200,
        "end": "done",
        "error": None,
        "called": ("up/gpt",),
        "attempts": 1,
        "losses": 0,
        "line": b'{"id":"%04d"}' % number,
        "trace": b"trace %d" % number,
        **more,
    }
    return StoredExchange(**stated)


def failure(number: int, status: int, error: str, **more: Any) -> StoredExchange:
    return one(number, status=status, error=error, end=f"upstream/first_byte/{error}", **more)


async def found(store: SqlExchanges, limit: int = 100, **search: Any) -> list[int]:
    """The numbers of the exchanges that a search finds, in their order."""
    return [int(line[7:11]) for line in await store.listed(Search(**search), limit)]


async def test_one_is_found_by_either_id_the_latest_of_a_repeated_one(store: SqlExchanges) -> None:
    assert await store.keep([one(1), one(2, request_id="mine"), one(3, request_id="mine")]) == 3
    assert await store.find("ex_0001") == b"trace 1"
    assert await store.find("req_0001") == b"trace 1"
    assert await store.find("mine") == b"trace 3"
    assert await store.find("nobody") is None


async def test_nobody_hides_an_exchange_by_its_id(store: SqlExchanges) -> None:
    """A client may send the id of an exchange as the id of its own request."""
    await store.keep([one(1), one(2, request_id="ex_0001")])
    assert await store.find("ex_0001") == b"trace 1"


async def test_upper_and_lower_case_are_different(store: SqlExchanges) -> None:
    await store.keep([one(1, called=("Up/GPT",), request_id="Mine"), one(2, request_id="mine")])
    assert await found(store, deployment="up/gpt") == [2]
    assert await found(store, provider="Up") == [1]
    assert await found(store, q="ine") == [2, 1]
    assert await found(store, q="Mi") == [1]
    assert await found(store, q="EX_") == []
    assert await found(store, end="Done") == []


async def test_a_second_writing_changes_nothing(store: SqlExchanges) -> None:
    """A write may be repeated if nobody has heard that it succeeded."""
    await store.keep([one(1)])
    assert await store.keep([one(1, trace=b"other"), one(2)]) == 2
    assert await store.find("ex_0001") == b"trace 1"
    assert await found(store) == [2, 1]


async def test_each_filter(store: SqlExchanges) -> None:
    await store.keep(
        [
            one(1),
            one(2, client=None, model=None, status=None, end="client/body"),
            failure(3, 429, "rate_limit_exceeded"),
            failure(4, 502, "server_error", called=("up/gpt", "other/m_1"), attempts=2),
            one(5, client="ben", losses=2, called=("other/m-1",)),
        ]
    )
    for search, wanted in (
        ({}, [5, 4, 3, 2, 1]),
        ({"client": "ben"}, [5]),
        ({"model": "m", "until": 3.0}, [3, 1]),
        ({"status": (200, 200)}, [5, 1]),
        ({"status": (400, 499)}, [3]),
        ({"status": (500, 599)}, [4]),
        ({"error": "server_error"}, [4]),
        ({"end": "upstream"}, [4, 3]),
        ({"end": "client/"}, [2]),
        ({"deployment": "other/m_1"}, [4]),
        ({"deployment": "up/gp"}, []),
        ({"provider": "other"}, [5, 4]),
        ({"since": 2.0, "until": 4.0}, [4, 3, 2]),
        ({"failed": True}, [4, 3]),
        ({"failover": True}, [4]),
        ({"losses": True}, [5]),
        ({"q": "ex_0003"}, [3]),
        ({"q": "q_0003"}, [3]),
        ({"q": "%"}, []),
        ({"client": "ann", "failed": True, "status": (429, 429)}, [3]),
    ):
        assert await found(store, **search) == wanted, search


async def test_a_tenants_exchanges_are_found_for_this_tenant_alone(store: SqlExchanges) -> None:
    await store.keep(
        [
            one(1, tenant="acme", request_id="mine"),
            one(2, tenant="globex", request_id="mine"),
            one(3, request_id="mine"),
            one(4, tenant="acme", client="ben"),
        ]
    )
    acme = Search(tenant="acme")
    assert await found(store, tenant="acme") == [4, 1]
    assert await found(store, tenant="acme", client="ben") == [4]
    assert await found(store, tenant="acme", since=2.0) == [4]
    assert await found(store, tenant="acme", before=(4.0, "ex_0004")) == [1]
    assert await found(store, tenant="") == await found(store, tenant="nobody") == []
    assert await found(store) == [4, 3, 2, 1]
    assert await store.find("mine", acme) == b"trace 1"
    assert await store.find("mine") == b"trace 3"
    for foreign in ("ex_0002", "req_0003", "ex_0003"):
        assert await store.find(foreign, acme) is None
    assert await store.find("ex_0001", Search(tenant="acme", since=2.0)) is None


async def test_an_exchange_that_an_older_version_has_stored_is_no_tenants(
    place: Location, store: SqlExchanges
) -> None:
    await store.keep([one(1, tenant="acme")])
    ask(
        place,
        "INSERT INTO exchanges (id, request_id, created, owner, called, attempts, losses, size, line, trace)"
        " SELECT 'ex_0002', request_id, 2, owner, called, attempts, losses, size, line, trace FROM exchanges",
    )
    assert ask(place, "SELECT id, tenant FROM exchanges ORDER BY id") == [
        ("ex_0001", "acme"),
        ("ex_0002", None),
    ]
    assert len(await store.listed(Search(tenant="acme"), 9)) == 1
    assert len(await store.listed(Search(), 9)) == 2


async def test_tenants_with_long_names_do_not_share_exchanges(store: SqlExchanges) -> None:
    first, second = (f"{'a' * 600}{end}" for end in "xy")
    await store.keep([one(1, tenant=first), one(2, tenant=second)])
    assert (await found(store, tenant=first), await found(store, tenant=second)) == ([1], [2])


async def test_pages_go_on_where_the_one_before_ended_also_within_one_moment(store: SqlExchanges) -> None:
    await store.keep([one(number, created=float(number // 2)) for number in range(6)])
    assert await found(store, 2) == [5, 4]
    assert await found(store, 2, before=(2.0, "ex_0004")) == [3, 2]
    assert await found(store, 2, before=(1.0, "ex_0003")) == [2, 1]


async def test_the_usual_filters_use_indexes(tmp_path: Path) -> None:
    store = await SqlExchanges.open(tmp_path / "exchanges.db", SIZE, TTL, AT)
    await store.keep([one(1)])
    database = sqlite3.connect(tmp_path / "exchanges.db")
    for condition in (
        "id = 'x' OR request_id = 'x'",
        "owner = 'ann'",
        "model = 'm'",
        "error = 'e'",
        "error IS NOT NULL",
        "status >= 400 AND status BETWEEN 404 AND 404",
        "created <= 5",
        "tenant = 'acme'",
        "tenant = 'acme' AND created <= 5",
    ):
        text = (
            f"EXPLAIN QUERY PLAN SELECT line FROM exchanges WHERE {condition} ORDER BY created DESC, id DESC"
        )
        plan = " ".join(row[3] for row in database.execute(text))
        assert "INDEX" in plan, (condition, plan)
        assert "SCAN exchanges" not in plan.replace("SCAN exchanges USING INDEX", ""), (condition, plan)
        if condition.startswith("tenant"):
            assert "exchanges_by_tenant" in plan
            assert "TEMP B-TREE" not in plan
    database.close()
    await store.close()


async def test_texts_of_any_length_and_any_character_are_kept(store: SqlExchanges) -> None:
    """An index entry of PostgreSQL has at most 2,704 bytes, and its texts have no U+0000."""
    long = "".join(chr(0x4E00 + number) for number in range(3000)) + "\0"
    assert await store.keep([one(1, model=long, error=f"\0{long}", request_id=long)]) == 1
    assert await found(store, model=long) == await found(store, error=f"\0{long}") == [1]
    assert await store.find(long) == b"trace 1"


async def test_half_of_a_surrogate_pair_is_kept_as_a_question_mark_and_found(store: SqlExchanges) -> None:
    half = "m\ud800"
    texts = {"model": half, "error": half, "request_id": half, "client": half, "end": half, "tenant": half}
    assert await store.keep([one(1), one(2, called=(f"up/{half}",), **texts)]) == 2
    assert await store.find(half) == b"trace 2"
    searches: list[dict[str, Any]] = [
        {name: half} for name in ("model", "error", "client", "end", "tenant", "q")
    ]
    for search in searches:
        assert await found(store, **search) == [2], search
    assert await found(store, deployment=f"up/{half}") == [2]
    assert await found(store, model="m?") == [2]


async def test_what_is_too_old_goes(store: SqlExchanges) -> None:
    await store.keep([one(number) for number in range(1, 4)])
    await store.sweep(TTL + 2.0)
    assert await found(store) == [3]


async def test_the_size_is_bounded_and_the_largest_client_loses_its_oldest(place: Location) -> None:
    store = await SqlExchanges.open(place, 50_000, TTL, AT)
    await store.keep([one(0, client="ben")])
    for number in range(1, 100):
        assert await store.keep([one(number, trace=b"x" * 2000)]) == 1
    left = await found(store, 1000)
    assert left[0] == 99
    assert left[-1] == 0
    assert 10 < len(left) < 25
    ((size,),) = ask(place, "SELECT sum(size) FROM exchanges")
    assert size <= 50_000
    assert ask(place, "SELECT sum(size) FROM shares WHERE kind = 'exchanges'") == [(size,)]
    await store.close()


async def test_a_large_batch_fits_into_a_small_store_and_one_that_is_too_large_is_left_out(
    place: Location,
) -> None:
    store = await SqlExchanges.open(place, 50_000, TTL, AT)
    many = [one(number, trace=b"x" * 2000) for number in range(1, 100)]
    assert await store.keep([*many, one(100, trace=b"x" * 60_000)]) == 99
    assert (await found(store, 1000))[0] == 99
    assert await store.keep([one(101, trace=b"x" * 60_000)]) == 0
    await store.close()


async def test_a_lowered_size_counts_at_the_next_start(place: Location, store: SqlExchanges) -> None:
    await store.keep([one(number, trace=b"x" * 2000) for number in range(1, 100)])
    lower = await SqlExchanges.open(place, 50_000, TTL, AT)
    assert len(await found(lower, 1000)) < 25
    await lower.close()


async def test_several_processes_share_it(place: Location, store: SqlExchanges) -> None:
    other = await SqlExchanges.open(place, SIZE, TTL, AT)
    await store.keep([one(1)])
    await other.keep([one(2)])
    assert await found(store) == await found(other) == [2, 1]
    await other.close()


async def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    store = await SqlExchanges.open(tmp_path / "exchanges.db", SIZE, TTL, AT)
    await store.close()
    assert (tmp_path / "exchanges.db").stat().st_mode & 0o077 == 0


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "wrong.db").write_text("no database" * 200)
    with pytest.raises(StoreFailed, match="not a database"):
        await SqlExchanges.open(tmp_path / "wrong.db", SIZE, TTL, AT)
