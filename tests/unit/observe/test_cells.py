"""The memory in which workers count: it outlives them, and nobody reads half of an entry."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from dragoman.observe.cells import _DIRECTORY_BYTES, NOWHERE, Cells, Part

KEY = ("requests_total", "GET", "200")


def counted(part: Part) -> dict[tuple[str, ...], list[float]]:
    """All that a part has, as another process reads it."""
    return {key: list(part.numbers[first : first + width]) for key, first, width in part.series()}


def add(part: Part, key: tuple[str, ...], width: int = 1) -> int:
    first = part.add(key, width)
    assert first is not None
    return first


def other_view(cells: Cells, number: int) -> Part:
    """The part of a place as a process that has read nothing yet has it."""
    part = cells.parts[number]
    return Part(memoryview(part._memory))


def test_a_key_has_its_cells_and_no_other_has_them() -> None:
    part = Cells().parts[1]
    first, second = (
        add(part, KEY, 3),
        add(part, ("seconds", "é\n")),
    )
    part.numbers[first + 2] += 2.5
    part.numbers[second] += 1
    part.numbers[NOWHERE] += 1
    assert (part.first(KEY), part.first(("none",))) == (first, None)
    assert counted(part) == {KEY: [0, 0, 2.5], ("seconds", "é\n"): [1]}


def test_places_share_nothing() -> None:
    cells = Cells(2)
    add(cells.parts[1], KEY)
    assert [len(list(part.series())) for part in cells.parts] == [0, 1, 0]


def test_a_reader_sees_what_was_added_since_it_read() -> None:
    cells = Cells()
    reader = other_view(cells, 1)
    assert counted(reader) == {}
    for number in range(3):
        add(cells.parts[1], (f"metric {number}",), 2)
        assert len(counted(reader)) == number + 1


@pytest.mark.parametrize("broken", [0, 1, 2, 4, 7, 8, 12])
def test_half_an_entry_is_not_read_and_is_written_over(broken: int) -> None:
    """As a worker leaves it that is killed while it writes."""
    cells = Cells()
    add(cells.parts[1], ("first",))
    at = cells.parts[1]._end
    add(cells.parts[1], ("second", "x" * 30), 5)
    end = cells.parts[1]._end
    cells.parts[1]._directory[at + broken : end] = bytes(end - at - broken)
    successor = other_view(cells, 1)
    assert list(counted(successor)) == [("first",)]
    cell = add(successor, ("third",), 2)
    successor.numbers[cell + 1] = 7
    assert counted(other_view(cells, 1)) == {("first",): [0], ("third",): [0, 7]}


def test_a_full_memory_takes_no_more_and_says_so() -> None:
    part = Cells().parts[1]
    assert part.add(("all",), 65_520) is not None
    assert part.add(("more",), 1) is None
    part = Cells().parts[1]
    names = (part.add((f"{number}", "x" * 60_000), 1) for number in range(100))
    assert None in list(names)
    assert len(counted(part)) == _DIRECTORY_BYTES // 60_020


def test_only_a_living_process_counts_as_one() -> None:
    part = Cells().parts[1]
    assert part.living(0.0) is None
    part.beat(42, 10.0)
    assert part.living(14.9) == 42
    assert part.living(15.1) is None, "it hangs"
    part.bury()
    assert part.living(10.0) is None


def test_a_gateway_began_when_its_first_process_said_so() -> None:
    cells = Cells(2)
    assert [cells.began(at) for at in (5.0, 9.0)] == [5.0, 5.0]


@pytest.mark.skipif(sys.platform == "win32", reason="workers are forks")
def test_who_takes_the_place_of_a_killed_worker_goes_on_with_its_counts() -> None:
    cells = Cells()
    for round_ in (1, 2):
        child = os.fork()
        if child == 0:
            part = cells.parts[1]
            cell = part.first(KEY) or part.add(KEY, 1)
            for _ in range(1000):
                part.numbers[cell or NOWHERE] += 1
            os.kill(os.getpid(), signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        assert counted(cells.parts[1]) == {KEY: [1000 * round_]}
