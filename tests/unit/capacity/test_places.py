"""The places of a limit: in one process, and shared by several, of which one may be killed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import struct
import sys
import time
from collections.abc import Callable
from typing import NoReturn

import pytest

from dragoman.capacity.places import OwnPlaces, Places, PlacesFile, SharedPlaces

shares = pytest.mark.skipif(sys.platform == "win32", reason="one worker only")


def of_one_process() -> Places:
    return OwnPlaces()


def of_a_file() -> Places:
    return SharedPlaces(PlacesFile(), "models.m", 1, 2)


BOTH = pytest.mark.parametrize("make", [of_one_process, pytest.param(of_a_file, marks=shares)])


@BOTH
def test_there_are_as_many_places_as_the_limit_says(make: Callable[[], Places]) -> None:
    places = make()
    taken = [places.take(2) for _ in range(3)]
    assert taken[2] is None
    assert None not in taken[:2]
    assert taken[0] is not None
    places.give(taken[0])
    assert places.take(2) is not None
    assert places.take(2) is None
    assert places.take(3) is not None, "a limit may grow"


@BOTH
def test_all_places_count_under_a_lower_limit(make: Callable[[], Places]) -> None:
    places = make()
    taken = [places.take(5) for _ in range(4)]
    taken += [places.take(None) for _ in range(2)]
    assert places.take(3) is None
    for left, place in zip((5, 4, 3, 2), taken, strict=False):
        assert place is not None
        places.give(place)
        more = places.take(3)
        assert (more is None) == (left >= 3)
        if more is not None:
            places.give(more)


@BOTH
def test_without_a_limit_there_are_any_number(make: Callable[[], Places]) -> None:
    places = make()
    taken = [places.take(None) for _ in range(5)]
    assert None not in taken
    for place in taken:
        assert place is not None
        places.give(place)


@BOTH
def test_starts_keep_their_distance(make: Callable[[], Places]) -> None:
    places = make()
    assert places.start(10.0, 2.0) == 10.0
    assert places.start(11.0, 2.0) == 12.0
    assert places.start(12.0, 2.0) == 12.0
    assert places.start(12.5, 0.5) == 13.0, "a shorter delay counts from now"
    assert places.start(12.6, 0.0) == 12.6


@BOTH
def test_who_asks_when_the_next_start_is_due_starts_nothing(make: Callable[[], Places]) -> None:
    places = make()
    places.start(10.0, 2.0)
    assert [places.due(now, 2.0) for now in (11.0, 12.0, 12.5, 12.5)] == [12.0, 12.0, 12.5, 12.5]


@BOTH
def test_nobody_else_waits_in_a_process_that_is_alone(make: Callable[[], Places]) -> None:
    places = make()
    places.wait(waiting=True)
    assert not places.others_wait()
    places.wait(waiting=False)


def elsewhere(work: Callable[[], bool]) -> bool:
    """What `work` returns in a process of its own."""
    pid = os.fork()
    if not pid:
        os._exit(int(work()))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


@shares
def test_what_one_process_has_the_others_have_not() -> None:
    file = PlacesFile()
    ours, theirs = SharedPlaces(file, "models.m", 1, 2), SharedPlaces(file, "models.m", 2, 2)
    assert ours.take(2) == 0
    assert elsewhere(lambda: theirs.take(2) == 1 and theirs.take(2) is None)
    assert elsewhere(lambda: SharedPlaces(file, "models.other", 2, 2).take(1) == 0)
    ours.give(0)
    assert elsewhere(lambda: {theirs.take(2), theirs.take(2)} == {0, 1})
    assert {ours.take(2), ours.take(2)} == {0, 1}, "a process that ends leaves nothing behind"


_ORDER = struct.Struct("=?id")


class Worker:
    """A process with places of its own, which does what it is told: take a place, give one back, end."""

    def __init__(self, file: PlacesFile, number: int, workers: int) -> None:
        (told, self._tell), (self._answered, answer) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(self._tell)
            self._serve(SharedPlaces(file, "models.m", number, workers), told, answer)
        os.close(told)
        os.close(answer)
        self.taken = 0

    def begin(self, limit: int, at: float = 0.0) -> None:
        """Have a place taken under a limit (-1 = none) at a time (monotonic seconds), without waiting for the
        answer.
        """
        os.write(self._tell, _ORDER.pack(True, limit, at))

    def end(self) -> int:
        """Return how many places were taken: 1 or 0."""
        taken = struct.unpack("=i", os.read(self._answered, 4))[0]
        self.taken += taken
        return int(taken)

    def take(self, limit: int | None) -> bool:
        self.begin(-1 if limit is None else limit)
        return self.end() == 1

    def give(self, number: int) -> None:
        """Give back the place that was taken as the one with this number among those that are held."""
        os.write(self._tell, _ORDER.pack(False, number, 0.0))
        os.read(self._answered, 4)
        self.taken -= 1

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._tell)
        os.close(self._answered)

    @staticmethod
    def _serve(places: SharedPlaces, told: int, answer: int) -> NoReturn:
        held: list[int] = []
        while asked := os.read(told, _ORDER.size):
            takes, number, at = _ORDER.unpack(asked)
            before = len(held)
            while time.monotonic() < at:
                pass
            if not takes:
                places.give(held.pop(number))
            elif (place := places.take(None if number < 0 else number)) is not None:
                held.append(place)
            os.write(answer, struct.pack("=i", len(held) - before))
        os._exit(0)


@shares
@pytest.mark.parametrize("seed", range(10))
def test_no_more_run_than_may_whatever_happens(seed: int) -> None:
    """Workers take and give back places, limits change, workers are killed: each answer is the model's."""
    chance = random.Random(seed)
    file = PlacesFile()
    workers = [Worker(file, number, 3) for number in (1, 2, 3)]
    limit: int | None = 4
    try:
        for _ in range(400):
            what, at = chance.random(), chance.randrange(3)
            if what < 0.55:
                running = sum(worker.taken for worker in workers)
                assert workers[at].take(limit) == (limit is None or running < limit), (limit, running)
            elif what < 0.92 and workers[at].taken:
                workers[at].give(chance.randrange(workers[at].taken))
            elif what < 0.98:
                limit = chance.choice([None, 1, 2, 3, 5, 8, 12])
            elif what > 0.99:
                workers[at].kill()
                workers[at] = Worker(file, at + 1, 3)
    finally:
        for worker in workers:
            worker.kill()


@shares
def test_workers_that_race_for_the_last_place_never_take_two() -> None:
    """Some run under no limit yet, so that the number of the place alone does not decide."""
    file = PlacesFile()
    workers = [Worker(file, number, 3) for number in (1, 2, 3)]
    try:
        for _ in range(3):
            assert workers[0].take(None)
        for _ in range(300):
            at = time.monotonic() + 0.0005
            for worker in workers[1:]:
                worker.begin(4, at)
            assert sum(worker.end() for worker in workers[1:]) <= 1
            for worker in workers[1:]:
                while worker.taken:
                    worker.give(0)
        assert workers[1].take(4), "who asks alone gets what is left"
    finally:
        for worker in workers:
            worker.kill()


@shares
def test_who_looks_whether_others_wait_does_not_hide_that_they_begin_to() -> None:
    file = PlacesFile()
    ours, theirs = SharedPlaces(file, "models.m", 1, 2), SharedPlaces(file, "models.m", 2, 2)
    (told, tell), (answered, answer) = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        os.set_blocking(told, False)
        while True:
            with contextlib.suppress(BlockingIOError):
                if not os.read(told, 1):
                    os._exit(0)
                os.write(answer, b"y" if theirs.others_wait() else b"n")
            theirs.others_wait()
    try:
        for _ in range(1000):
            ours.wait(waiting=True)
            os.write(tell, b"?")
            assert os.read(answered, 1) == b"y"
            ours.wait(waiting=False)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for end in (told, tell, answered, answer):
            os.close(end)


@shares
def test_a_start_in_one_process_delays_the_others() -> None:
    file = PlacesFile()
    ours, theirs = SharedPlaces(file, "models.m", 1, 2), SharedPlaces(file, "models.m", 2, 2)
    assert ours.start(10.0, 5.0) == 10.0
    assert elsewhere(lambda: theirs.start(12.0, 5.0) == 15.0 and theirs.start(15.0, 5.0) == 15.0)
    assert ours.start(16.0, 5.0) == 20.0


@shares
def test_others_are_seen_to_wait() -> None:
    file = PlacesFile()
    for own, other in ((1, 2), (2, 1), (2, 3)):
        ours, theirs = SharedPlaces(file, "models.m", own, 3), SharedPlaces(file, "models.m", other, 3)
        assert not elsewhere(theirs.others_wait)
        ours.wait(waiting=True)
        assert elsewhere(theirs.others_wait)
        ours.wait(waiting=False)
        assert not elsewhere(theirs.others_wait)


@shares
def test_a_killed_process_gives_its_places_back() -> None:
    file = PlacesFile()
    ours, theirs = SharedPlaces(file, "models.m", 1, 2), SharedPlaces(file, "models.m", 2, 2)
    told, tell = os.pipe()
    pid = os.fork()
    if not pid:
        theirs.take(1)
        os.write(tell, b"!")
        signal.pause()
        os._exit(0)
    os.read(told, 1)
    assert ours.take(1) is None
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert ours.take(1) == 0
    os.close(told)
    os.close(tell)
