"""A gateway for the tests of the paths for operators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.gateway import Gateway
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.server.app import App
from dragoman.state.directory import RowKind
from tests.unit.turns.asking import Answer, Talk

OPS = "the-key-of-the-operators"
CHAT = {"model": "simulate/echo", "messages": [{"role": "user", "content": "hi"}]}


class Office:
    """A gateway, and requests to it."""

    def __init__(self, file: Path, seams: Seams = SYSTEM) -> None:
        self.gateway = Gateway(file, seams=seams)
        self.app = App(self.gateway)

    async def ask(
        self, method: str, path: str, body: Any = None, *, key: str = OPS, **headers: str
    ) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["authorization"] = f"Bearer {key}"
        return await Talk(self.app, method, path, body, named).answer()

    async def chat(self, key: str, model: str = "simulate/echo") -> int:
        return (await self.ask("POST", "/v1/chat/completions", {**CHAT, "model": model}, key=key)).status


SETTINGS: dict[str, Any] = {
    "providers": {"simulate": {"enabled": True}},
    "models": {"fast": "simulate/echo", "slow": "simulate/slow"},
    "stores": {"sql": "sqlite"},
    "groups": {"quick": ["fast", "simulate/e*"]},
    "tenants": {"acme": {"models": ["fast", "simulate/*"]}},
    "auth": {"keys": [{"name": "ops", "key": OPS, "scopes": ["inference", "admin"]}]},
}


def started(folder: Path, settings: dict[str, Any], seams: Seams = SYSTEM) -> Office:
    """A gateway with these settings, which are written to a file in `folder`. Nothing is started yet. Skips
    the test if the settings need a database and none can be opened here.
    """
    if settings["stores"]["sql"] != "memory":
        pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
    file = folder / "dragoman.yaml"
    file.write_text(json.dumps(settings))
    return Office(file, seams)


async def spoilt(office: Office, kind: RowKind, name: str, **members: Any) -> None:
    """Write members into a stored entry as another version might: a member that is `...` is left out."""
    following = office.gateway.following
    assert following is not None
    row, latest = await following.store.find(kind, name), await following.store.version()
    assert row is not None
    assert row.text is not None
    stated = {**json.loads(row.text), **members}
    text = json.dumps({name: value for name, value in stated.items() if value is not ...}).encode()
    assert await following.store.change([msgspec.structs.replace(row, text=text, version=latest + 1)], latest)
    await following.catch_up()
