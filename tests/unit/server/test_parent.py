"""A worker's side of a reload, with the parent played by the test."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.assembly.reload import Outcome
from dragoman.config.differences import fingerprint
from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.server import parent as module
from dragoman.server.parent import Parent


class Stage:
    """A worker's gateway, and the parent's end of its line."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "dragoman.yaml"
        self.file.write_text("strict: false")
        self.environ = {"DRAGOMAN_HOME": str(folder)}
        self.gateway = Gateway(load(self.file, self.environ))
        self.ours, theirs = socket.socketpair()
        self.theirs = theirs
        self.parent = Parent(theirs, self.gateway.reloads)
        self.ours.setblocking(False)

    async def said(self) -> dict[str, Any]:
        data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.ours, 65_536), 60)
        told: dict[str, Any] = json.loads(data)
        return told

    def prepare(self, text: str, round_: int = 1, mark: str | None = None) -> None:
        self.file.write_text(text)
        if mark is None:
            mark = fingerprint(load(self.file, self.environ).config)
        self.parent.heard({"do": "prepare", "round": round_, "hash": mark})


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    await stage.gateway.start()
    yield stage
    await stage.gateway.close()
    stage.ours.close()
    stage.theirs.close()


async def test_what_is_prepared_is_used_when_the_parent_says_so(stage: Stage) -> None:
    stage.prepare("strict: true")
    assert await stage.said() == {"round": 1, "did": "prepare"}
    assert stage.gateway.config.strict is False
    stage.parent.heard({"do": "use", "round": 1})
    assert await stage.said() == {"round": 1, "did": "use"}
    assert stage.gateway.config.strict is True


async def test_what_is_dropped_is_not_used_and_the_reason_is_known(stage: Stage) -> None:
    stage.prepare("strict: true")
    stage.parent.heard({"do": "drop", "round": 1, "problems": [["a", "is bad"]]})
    stage.parent.heard({"do": "use", "round": 1})
    async with asyncio.timeout(60):
        assert stage.parent._doing is not None
        await stage.parent._doing
    assert stage.gateway.config.strict is False
    assert stage.gateway.reloads.state()["error"] == "a: is bad"


async def test_what_has_problems_is_refused(stage: Stage) -> None:
    stage.prepare("nonsense: 1", mark="any")
    told = await stage.said()
    assert [problem[0] for problem in told["problems"]] == ["nonsense"]


async def test_files_that_are_others_than_the_parents_are_refused(stage: Stage) -> None:
    stage.prepare("strict: true", mark="of other files")
    assert "has changed while" in (await stage.said())["problems"][0][1]
    assert stage.gateway.config.strict is False


async def test_an_unexpected_mistake_is_a_refusal(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks() -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(stage.gateway.reloads, "prepare", breaks)
    stage.prepare("strict: true")
    assert "ZeroDivisionError" in (await stage.said())["problems"][0][1]


async def test_a_question_is_answered_with_what_became_of_it(stage: Stage) -> None:
    asking = asyncio.ensure_future(stage.gateway.reload())
    mark = (await stage.said())["ask"]
    outcome = {"hash": "1", "changed": [["strict", "changed", None]], "problems": [["a", "b", "f", 3, None]]}
    stage.parent.heard({"answer": mark + 1, "outcome": outcome})
    assert not asking.done()
    stage.parent.heard({"answer": mark, "outcome": outcome})
    found = await asking
    assert isinstance(found, Outcome)
    assert (found.changed[0].setting, str(found.problems[0])) == ("strict", "f:3: a: b")


async def test_a_stop_ends_the_wait_for_an_answer(stage: Stage) -> None:
    asking = asyncio.ensure_future(stage.gateway.reload())
    await stage.said()
    stage.parent.give_up()
    assert (await asking).failed
    assert (await stage.gateway.reload()).failed


async def test_a_parent_that_does_not_answer_is_not_waited_for_for_ever(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    outcome = await stage.gateway.reload()
    assert "does not answer" in outcome.problems[0].message
