"""Whom an operator's command asks, and what it does where nobody answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dragoman.cli import operator
from dragoman.cli.asked import Asked, from_gateway, nobody
from dragoman.cli.operator import NotRunning, Way
from dragoman.cli.terminal import UNREACHABLE, Failure


def test_where_no_gateway_runs_there_is_no_answer() -> None:
    assert from_gateway(Asked(None, None), "/admin") is None
    assert nobody().code == UNREACHABLE


def test_a_socket_that_was_left_behind_is_nobody_and_a_url_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    async def call(there: Way, method: str, path: str, body: Any = None) -> Any:
        asked.append((method, path, body))
        raise NotRunning("refused")

    monkeypatch.setattr(operator, "call", call)
    there = Asked(None, Way(Path("/run/x.sock")))
    assert from_gateway(there, "/admin/models", "a/b", method="DELETE") is None
    assert asked == [("DELETE", "/admin/models/a%2Fb", None)]
    with pytest.raises(Failure, match="refused"):
        from_gateway(Asked(None, Way(None, "http://there")), "/admin")
