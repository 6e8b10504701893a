"""What the keeper fetches, every worker uses; what cannot be fetched stays as it was."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.assembly.discovery import TOLD_EVERY
from dragoman.config.load import load
from dragoman.dialects.facts import Facts
from dragoman.gateway import Gateway
from dragoman.providers.listing import Page
from dragoman.seams.peers import Peers

UP = "http://127.0.0.1:9/v1"
SETTINGS = {"providers": {"up": {"base_url": UP, "keys": []}, "local": {"enabled": False}}}


class Linked(Peers):
    """The keeper and a worker in one process. dropping: messages about lists of models are lost."""

    alone = False

    def __init__(self, *, keeps: bool) -> None:
        super().__init__()
        self.keeps = keeps
        self.others: list[Linked] = []
        self.dropping = False

    def tell(self, subject: str, value: Any) -> None:
        for other in self.others:
            if subject in other._receivers and not (self.dropping and subject.startswith("models.")):
                other._receivers[subject](json.loads(json.dumps(value)))

    async def ask(self, subject: str, value: Any = None) -> list[Any]:
        found = [one._receivers[subject] for one in self.others if subject in one._receivers]
        return [json.loads(json.dumps(receiver(value))) for receiver in found]

    def hand(self, subject: str, value: Any) -> None:
        if self.keeps:
            super().hand(subject, value)
        else:
            self.others[0]._receivers[subject](value)


def gateway(home: Path, peers: Peers | None = None) -> Gateway:
    made = Gateway(load(SETTINGS, {"DRAGOMAN_HOME": str(home)}))
    if peers is not None:
        made.peers = peers
    return made


async def pair(home: Path) -> tuple[Gateway, Gateway, Linked]:
    """The keeper and a worker, which read different folders, so that only messages connect them."""
    ours, theirs = Linked(keeps=True), Linked(keeps=False)
    ours.others, theirs.others = [theirs], [ours]
    keeper, worker = gateway(home / "a", ours), gateway(home / "b", theirs)
    await keeper.start()
    await worker.start()
    return keeper, worker, ours


def ids(one: Gateway) -> list[str]:
    return [entry.id for entry in one.entries()]


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_worker_has_what_the_keeper_learns(tmp_path: Path) -> None:
    keeper, worker, _ = await pair(tmp_path)
    keeper.discovering.learn("up", UP, Page({"house": Facts(context=77)}, 2))
    await settled()
    for one in (keeper, worker):
        assert ids(one) == ["up/house"]
        assert one.engine.table.resolve("house").deployments[0].room == 77
        state = one.discovering.states["up"]
        assert (state.models, state.left_out, state.tries, state.failed) == (1, 2, 1, None)
    keeper.discovering.learn("up", UP, Page({"other": Facts()}))
    await settled()
    assert ids(worker) == ["up/other"]
    await keeper.close()
    await worker.close()


async def test_a_lost_message_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.assembly.discovery.TOLD_EVERY", 0.01)
    assert TOLD_EVERY == 10
    ours, theirs = Linked(keeps=True), Linked(keeps=False)
    ours.others, theirs.others = [theirs], [ours]
    keeper, worker = gateway(tmp_path / "a", ours), gateway(tmp_path / "b", theirs)
    keeper.discovering.active = True
    await keeper.start()
    await worker.start()
    ours.dropping = True
    keeper.discovering.learn("up", UP, Page({"house": Facts()}))
    await settled()
    assert ids(worker) == []
    ours.dropping = False
    async with asyncio.timeout(60):
        while ids(worker) != ["up/house"]:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    await keeper.close()
    await worker.close()


async def test_a_failure_changes_no_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = gateway(tmp_path)
    await one.start()
    caplog.set_level("INFO")
    one.discovering.fail("up", "down")
    assert "so only models that are known without it are listed: down" in caplog.text
    one.discovering.learn("up", UP, Page({"house": Facts()}))
    assert "is fetched again" in caplog.text
    one.discovering.fail("up", "down again")
    one.discovering.fail("up", "still down")
    assert caplog.text.count("stays in use") == 1
    assert ids(one) == ["up/house"]
    state = one.discovering.states["up"]
    assert (state.tries, state.failed, state.models) == (4, "still down", 1)
    shown = one.discovering.shown()["up"]
    assert (shown["stale"], shown["error"]) == (True, "still down")
    one.discovering.learn("up", "http://elsewhere/v1", Page({"strange": Facts()}))
    assert ids(one) == ["up/house"], "the list of an address that is not configured any more"
    await one.close()


async def test_names_that_were_made_meanwhile_stay(tmp_path: Path) -> None:
    one = gateway(tmp_path)
    await one.start()
    one.make("mine", one.engine.table.resolve("up/house"))
    one.discovering.learn("up", UP, Page({"house": Facts(context=99)}))
    assert ids(one) == ["mine", "up/house"]
    assert one.engine.table is one.assembly.names.table if one.assembly else False
    await one.close()


async def test_a_program_that_is_no_server_asks_nobody(tmp_path: Path) -> None:
    """A gateway inside another program fetches nothing; `dragoman serve` does, and stops at its end."""
    for active, tasks in ((False, []), (True, ["fetching the models of up"])):
        one = gateway(tmp_path)
        one.discovering.active = active
        await one.start()
        found = [task for task in asyncio.all_tasks() if task.get_name().startswith("fetching")]
        assert [task.get_name() for task in found] == tasks
        await one.close()
        await settled()
        assert all(task.done() for task in found)


async def test_a_refresh_waits_for_each_attempt(tmp_path: Path) -> None:
    one = gateway(tmp_path)
    one.discovering.active = True
    await one.start()
    await one.discovering.refresh([], 60)
    state = one.discovering.states["up"]
    assert state.tries >= 1
    assert state.failed
    await one.close()


async def test_a_refresh_of_unknown_providers_fetches_no_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = gateway(tmp_path)
    await one.start()
    handed: list[Any] = []
    monkeypatch.setattr(one.peers, "hand", lambda _, value: handed.append(value))
    await one.discovering.refresh(["nobody"], 60)
    assert not handed  # an empty list of names would mean all lists
    await one.discovering.refresh(["nobody", "up"], 0)
    assert handed == [["up"]]
    await one.close()
