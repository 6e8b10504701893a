"""The places of a limit: in one process, and shared by several, of which one may be killed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

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
