"""A store is opened by its first use, and how each use ended is known."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.errors import ConfigError
from dragoman.state.store import DataRefused, Store, StoreFailed, StoreFull
from dragoman.stores import open as opening
from dragoman.stores.lazy import LazyStore
from dragoman.stores.memory import MemoryStore
from dragoman.stores.open import open_store, writable

SQL = pytest.mark.usefixtures("sql")
UNUSED = """
import sys
from pathlib import Path
import dragoman.assembly.assemble
from dragoman.stores.open import installed, open_store
assert installed()
open_store("sqlite", Path(sys.argv[1]))
print(*sys.modules)
"""


@pytest.fixture
def sql() -> None:
    """For tests that open a database."""
    pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")


@SQL
async def test_the_first_use_opens_it_for_its_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    store = open_store("sqlite", home)
    assert (store.kind, store.shared, store.healthy) == ("sqlite", True, None)
    await store.sweep(0)
    assert not home.exists()
    assert await store.sessions.count() == 0
    assert (store.healthy, store.last_error) == (True, None)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in home.iterdir()} == {0o600}
    await store.close()
    with pytest.raises(StoreFailed, match="closed"):
        await store.sessions.count()


def test_an_unused_store_loads_no_database(tmp_path: Path) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", UNUSED, tmp_path], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "dragoman.stores.open" in loaded
    assert {name.partition(".")[0] for name in loaded} & {
        "sqlalchemy",
        "alembic",
        "sqlite3",
    } == set()
    assert list(tmp_path.iterdir()) == []


@SQL
async def test_a_first_use_that_fails_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    store = open_store("sqlite", tmp_path / "home")
    assert store.seals is not None
    for _ in range(2):
        with pytest.raises(StoreFailed, match="exists") as raised:
            await store.sessions.count()
        assert isinstance(raised.value.__cause__, StoreFailed)
        assert store.healthy is False
        assert "exists" in (store.last_error or "")
        with pytest.raises(StoreFailed):
            await store.seals.open()
        with pytest.raises(StoreFailed, match="not open"):
            _ = store.seals.secret
    (tmp_path / "home").unlink()
    await store.probe()
    assert (store.healthy, store.last_error) == (True, None)
    await store.close()


@SQL
@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
async def test_a_full_disk_is_a_failure_until_it_takes_what_is_written(tmp_path: Path) -> None:
    """Reading, and a step that finds nothing to write, succeed meanwhile."""
    import resource

    store = open_store("sqlite", tmp_path)
    await store.probe()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, before[1]))  # less than one page
    try:
        for _ in range(2):
            with pytest.raises(StoreFailed):
                await store.probe()
            assert await store.sessions.count() == 0
            assert await store.sessions.delete("nobody's") == 0
            assert store.healthy is False
            assert (store.last_error or "").startswith("the database: ")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    await store.sessions.append("one", "ann", b"{}", now=0, expires=1)
    assert store.healthy is False
    await store.probe()
    assert (store.healthy, store.last_error) == (True, None)
    await store.close()


@SQL
async def test_a_file_that_is_no_database_fails_without_a_trace_of_its_path(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("not a database at all" * 100)
    store = open_store("sqlite", tmp_path)
    with pytest.raises(StoreFailed, match="not a database"):
        await store.sessions.count()
    assert str(tmp_path) not in (store.last_error or "")
    await store.close()


async def test_many_first_uses_open_it_once_and_nobody_who_leaves_stops_it() -> None:
    opened, go = 0, asyncio.Event()

    async def slowly() -> Store:
        nonlocal opened
        opened += 1
        await go.wait()
        return MemoryStore()

    store = LazyStore("memory", slowly, seals=True)
    uses = [asyncio.ensure_future(store.sessions.count()) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    uses[0].cancel()
    await asyncio.wait(uses[:1])
    go.set()
    assert await asyncio.gather(*uses[1:]) == [0, 0]
    assert opened == 1
    await store.close()


@pytest.mark.parametrize("refused", [StoreFull("too large"), DataRefused("the id exists already")])
async def test_a_store_that_refuses_an_entry_is_well(refused: StoreFailed) -> None:
    async def full(_: Store) -> None:
        raise refused

    async def memory() -> Store:
        return MemoryStore()

    store = LazyStore("memory", memory, seals=True)
    assert await store.sessions.count() == 0
    with pytest.raises(type(refused)):
        await store.use(full)
    assert store.healthy
    await store.close()


async def test_closing_waits_for_who_opens() -> None:
    closed: list[bool] = []

    class Closing(MemoryStore):
        async def close(self) -> None:
            closed.append(True)

    async def slowly() -> Store:
        await asyncio.sleep(0.01)
        return Closing()

    store = LazyStore("memory", slowly, seals=True)
    use = asyncio.ensure_future(store.sessions.count())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await store.close()
    assert closed == [True]
    await asyncio.wait([use])


@SQL
@pytest.mark.parametrize(
    "where",
    [
        "postgresql://h/db?no=1",
        "mysql://h/db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "redis",
        "/var/db",
    ],
)
def test_what_is_no_store_is_a_problem_of_the_configuration(where: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"stores\.sql"):
        open_store(where, tmp_path)


@SQL
async def test_a_url_names_the_file(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'other.db'}", tmp_path / "home")
    assert await store.sessions.count() == 0
    assert (tmp_path / "other.db").is_file()
    await store.close()


def test_a_database_needs_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "find_spec", lambda name: None if name == "alembic" else True)
    with pytest.raises(ConfigError, match=r"needs the extra `sql`"):
        open_store("sqlite", tmp_path)
    assert open_store(None, tmp_path).kind == "memory"
    assert open_store("memory", tmp_path).kind == "memory"


def test_where_a_file_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert writable(tmp_path)
    assert writable(tmp_path / "to" / "be" / "made")
    (tmp_path / "file").write_text("")
    assert not writable(tmp_path / "file" / "home")
    monkeypatch.setattr(os, "access", lambda *_: False)  # as on a file system that is read only
    assert not writable(tmp_path)
