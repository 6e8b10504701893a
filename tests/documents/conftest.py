"""The fixtures of running gateways, and an environment that tells examples nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.conftest import environment, provide, stack

__all__ = ["environment", "provide", "stack"]


@pytest.fixture(autouse=True)
def nothing_found(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Examples read the environment and the working directory, as users' programs do."""
    for name in os.environ:
        if name not in environment and not name.startswith("PYTEST"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
