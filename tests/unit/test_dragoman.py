"""What `import dragoman` promises: sorted, present, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dragoman


def test_public_names_are_sorted_and_all_there() -> None:
    assert dragoman.__all__ == sorted(dragoman.__all__)
    assert dir(dragoman) == sorted(dragoman.__all__)
    for name in dragoman.__all__:
        assert getattr(dragoman, name) is not None


def test_other_names_do_not_exist() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = dragoman.nothing


HEAVY = {
    *("aiohttp", "alembic", "asyncio", "click", "cyllama", "sqlalchemy", "sqlite3", "ssl"),
    *("uvicorn", "uvloop", "yaml"),
}


def test_import_loads_no_server_database_model_or_command_line() -> None:
    program = "import sys; before = set(sys.modules); import dragoman; print(*set(sys.modules) - before)"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "dragoman" in loaded
    assert {name.partition(".")[0] for name in loaded} & HEAVY == set()
