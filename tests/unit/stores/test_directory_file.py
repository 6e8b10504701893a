"""The version of the keys is read straight from the file, as the store has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.state.directory import Row
from dragoman.state.store import StoreFailed
from dragoman.stores.directory_file import version
from dragoman.stores.open import open_store


async def test_the_version_is_that_of_the_latest_change(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
    file = tmp_path / "state.db"
    assert version(file) == 0
    store = open_store(f"sqlite:///{file}", tmp_path)
    assert store.directory is not None
    assert await store.directory.version() == 0
    assert version(file) == 0
    assert await store.directory.change([Row("keys", "ann", b"{}", 1, "me", 1.0)], 0)
    assert version(file) == 1
    await store.close()


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    file.write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    with pytest.raises(StoreFailed, match="the database"):
        version(file)
