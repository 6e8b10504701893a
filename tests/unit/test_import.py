"""`import dragoman` is cheap: server, database, model and command line load when they are used."""

from __future__ import annotations

import subprocess
import sys

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
