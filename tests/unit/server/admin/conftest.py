"""Gateways whose administration is asked in this process, alone or as workers beside each other."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.seams.peers import Peers
from dragoman.server.app import App
from tests.unit.cli.conftest import folder, run
from tests.unit.turns.asking import Answer, Asker, Paced, Talk

__all__ = ["folder", "run"]

FIRST, SECOND = "sk-first-0123456789-aaaa", "sk-second-0123456789-bbbb"
SETTINGS: dict[str, Any] = {
    "providers": {
        "local": {"enabled": False},
        "simulate": {"enabled": True},
        "up": {"base_url": "http://127.0.0.1:9/v1", "keys": [FIRST, SECOND]},
        "other": {"base_url": "http://127.0.0.1:9/v1", "keys": [FIRST]},
    },
    "models": {"both": {"deployments": ["up/m", "simulate/echo"]}},
    "stores": {"sql": "memory"},
    "retries": {"attempts": 1},
}


class Wired(Peers):
    """Workers in one process: what is told goes as JSON to all others, at once."""

    def __init__(self, group: list[Wired]) -> None:
        super().__init__()
        self._group = group
        group.append(self)

    def _others(self) -> list[Wired]:
        return [one for one in self._group if one is not self]

    def tell(self, subject: str, value: Any) -> None:
        for one in self._others():
            one._receivers[subject](json.loads(json.dumps(value)))

    async def ask(self, subject: str, value: Any = None) -> list[Any]:
        return [json.loads(json.dumps(one._receivers[subject](value))) for one in self._others()]


class Desk(Asker):
    """A gateway with two configured providers, which nobody answers for, and one of ours."""

    def __init__(
        self, tmp_path: Path, settings: dict[str, Any], *, peers: Peers | None = None, worker: int = 1
    ) -> None:
        super().__init__(Paced(*["Hi.", "end"] * 8), tmp_path, json.dumps({**SETTINGS, **settings}))
        if peers is not None:
            self.gateway.peers = peers
            self.gateway.worker, self.gateway.workers = worker, 2
        self._app = App(self.gateway)
        self.admin = self._app.admin

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, **headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return await self.ask("POST", path, body, **headers)

    def behind(self, door: Any) -> App:
        """The application behind another door."""
        return App(self.gateway, door, self._app.admin)

    async def through(self, app: App, path: str, **headers: str) -> Answer:
        return await Talk(app, "GET", path, None, headers).answer()

    async def chat(self, model: str = "both") -> Answer:
        return await self.post(
            "/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        )


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))  # lists of models are kept there
    made = Desk(tmp_path, {})
    await made.gateway.start()
    yield made
    await made.close()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Desk, Desk]]:
    """Two workers of one gateway."""
    group: list[Wired] = []
    one, two = (Desk(tmp_path, {}, peers=Wired(group), worker=number) for number in (1, 2))
    for each in (one, two):
        await each.gateway.start()
    yield one, two
    for each in (one, two):
        await each.close()
