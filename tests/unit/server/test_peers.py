"""What workers and the keeper tell and ask each other, in one process: real lines, no forks."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from dragoman.config.scalars import Duration, Size
from dragoman.observe.board import Board
from dragoman.seams.clock import SYSTEM
from dragoman.seams.peers import KeeperState

if sys.platform != "win32":
    from dragoman.server import peers
    from dragoman.server.lines import pair
    from dragoman.server.peers import KeeperPeers, WorkerPeers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="lines are made for forks")


async def until(true: Callable[[], object]) -> None:
    end = asyncio.get_running_loop().time() + 10
    while not true():
        await asyncio.sleep(0.001)
        assert asyncio.get_running_loop().time() < end


class House:
    """Three workers and a keeper. heard: the values that each got, by the worker's number; 0 = the keeper."""

    def __init__(self) -> None:
        self.board = Board(3)
        self.pairs = [pair() for _ in range(3)]
        self.heard: dict[int, list[Any]] = {number: [] for number in range(4)}
        self.workers = [self.worker(number) for number in (1, 2, 3)]
        self.keeper = self.keep()

    def worker(self, number: int) -> WorkerPeers:
        made = WorkerPeers(number, self.pairs[number - 1][0], self.board)
        made.receive("news", self.heard[number].append)
        made.receive("double", lambda value: 2 * value)
        made.open()
        self.board.write(number, b"{}", SYSTEM.monotonic())
        return made

    def keep(self) -> KeeperPeers:
        made = KeeperPeers([theirs for _, theirs in self.pairs], self.board)
        made.receive("news", self.heard[0].append)
        made.receive("alert", lambda value: self.heard[0].append(("alert", value)))
        made.open()
        return made

    def kill_keeper(self) -> None:
        self.keeper.close()
        self.board.clear(self.board.keeper)

    def close(self) -> None:
        for one in (*self.workers, self.keeper):
            one.close()
        for ends in self.pairs:
            for end in ends:
                end.close()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    yield made
    made.close()


async def test_what_a_worker_tells_the_others_hear_and_the_keeper_too(house: House) -> None:
    house.workers[0].tell("news", {"text": "ä", "number": 1.5})
    await until(lambda: house.heard[2] and house.heard[3] and house.heard[0])
    assert house.heard == {number: [{"text": "ä", "number": 1.5}] for number in (2, 3, 0)} | {1: []}
    house.keeper.tell("news", "of the keeper")
    await until(lambda: house.heard[1])
    assert house.heard[1] == ["of the keeper"]
    assert len(house.heard[0]) == 1


async def test_numbers_of_settings_pass_as_plain_ones(house: House) -> None:
    house.workers[0].tell("news", [Duration(2.5), Size(3)])
    await until(lambda: house.heard[2])
    assert house.heard[2] == [[2.5, 3]]
    with pytest.raises(TypeError, match="set_iterator"):
        house.workers[0].tell("news", iter({1}))


async def test_all_others_answer_a_question(house: House) -> None:
    house.workers[0].receive("double", lambda _: "asked myself")
    assert await house.workers[0].ask("double", 4) == [8, 8]
    house.workers[0].receive("double", lambda value: value)
    assert sorted(await house.keeper.ask("double", 3)) == [3, 6, 6]
    answers = await asyncio.gather(*(house.workers[1].ask("double", number) for number in range(1, 6)))
    assert [sorted(answer) for answer in answers] == [[number, 2 * number] for number in range(1, 6)]


async def test_the_keeper_answers_too_if_it_can(house: House) -> None:
    house.keeper.receive("double", lambda value: -value)
    assert sorted(await house.workers[0].ask("double", 4)) == [-4, 8, 8]


async def test_large_answers_come_whole(house: House) -> None:
    for worker in house.workers:
        worker.receive("much", lambda _: "x" * 3_000_000)
    assert [len(answer) for answer in await house.workers[0].ask("much")] == [3_000_000] * 2


async def test_who_cannot_answer_is_not_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(peers, "ASK_PATIENCE", 30)
    house.workers[1].receive("double", lambda _: 1 / 0)
    async with asyncio.timeout(60):
        assert await house.workers[0].ask("double", 4) == [8]
        assert await house.workers[0].ask("unheard of") == []
    assert "'double' could not be handled" in caplog.text
    house.board.clear(2)
    house.workers[1].close()
    async with asyncio.timeout(60):
        assert await house.workers[0].ask("double", 4) == [8], "the second one has ended"


async def test_who_is_too_busy_is_waited_for_only_so_long(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "ASK_PATIENCE", 0.05)
    house.workers[1].close()
    assert await house.workers[0].ask("double", 4) == [8]
    assert house.workers[0]._questions == {}


async def test_what_is_handed_reaches_the_keeper_alone(house: House) -> None:
    house.workers[2].hand("alert", [1])
    house.keeper.hand("alert", [2])
    await until(lambda: len(house.heard[0]) == 2)
    assert sorted(house.heard[0]) == [("alert", [1]), ("alert", [2])]


async def test_without_a_keeper_workers_go_on_alone(house: House) -> None:
    assert house.workers[0].keeper() == KeeperState("running", os.getpid())
    assert house.keeper.keeper() == KeeperState("here")
    assert (house.keeper.keeps, house.workers[0].keeps, house.workers[0].alone) == (True, False, False)
    house.kill_keeper()
    assert house.workers[0].keeper() == KeeperState("missing")
    assert await house.workers[0].ask("double", 4) == []
    house.workers[0].hand("alert", "of meanwhile")
    house.keeper = house.keep()
    await until(lambda: house.heard[0])
    assert house.heard[0] == [("alert", "of meanwhile")]
    assert await house.workers[0].ask("double", 4) == [8, 8]


async def test_a_worker_that_replaces_another_is_heard_and_hears(house: House) -> None:
    house.workers[1].close()
    house.workers[0].tell("news", "for whoever comes")
    house.workers[1] = house.worker(2)
    await until(lambda: house.heard[2])
    assert await house.workers[1].ask("double", 4) == [8, 8]


async def test_an_answer_to_a_predecessor_is_dropped(house: House) -> None:
    letter = peers._Letter("answer", "double", msgspec.Raw(b"1"), 1, 12345)
    house.workers[1]._put(letter)
    house.workers[1]._put(peers._Letter("answer", "double", msgspec.Raw(b"1"), 9, 1))
    assert await house.workers[0].ask("double", 4) == [8, 8]


async def test_what_nobody_expects_is_dropped(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.workers[0].tell("unheard of", 1)
    house.workers[0].hand("unheard of", 1)
    house.workers[0].tell("news", "x" * 9_000_000)
    assert "was dropped" in caplog.text
    house.workers[0].tell("news", 1)
    await until(lambda: house.heard[3])
    assert house.heard[3] == [1]


async def test_nothing_is_sent_before_it_is_opened_or_after_it_was_closed(house: House) -> None:
    house.workers[0].close()
    house.workers[0].tell("news", 1)
    house.workers[0].open()
    house.workers[0].open()
    house.keeper.open()
    house.workers[0].tell("news", 2)
    await until(lambda: house.heard[2])
    assert house.heard[2] == [2]
