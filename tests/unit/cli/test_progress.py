"""Progress: written over on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import io

from dragoman.cli.progress import Progress
from dragoman.cli.terminal import Terminal
from dragoman.upstreams.local.weights import Progress as Step
from tests.unit.cli.conftest import Window


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def told(err: io.StringIO, steps: list[tuple[float, Step]]) -> str:
    clock = Clock()
    progress = Progress(Terminal(io.StringIO(), err), clock)
    for at, step in steps:
        clock.now = at
        progress(step)
    progress.close()
    return err.getvalue()


STEPS = [
    (0.0, Step("looking")),
    (1.0, Step("downloading x", 0, 100_000_000)),
    (1.05, Step("downloading x", 1_000_000, 100_000_000)),
    (6.0, Step("downloading x", 50_000_000, 100_000_000)),
    (12.0, Step("downloading x", 60_000_000, 100_000_000)),
    (21.0, Step("downloading x", 100_000_000, 100_000_000)),
]


def test_a_terminal_is_written_over(window: Window) -> None:
    shown = told(window, STEPS)
    assert shown.count("\n") == 2
    assert shown.endswith(f"{'━' * 24} 100.0 of 100.0 MB  5.0 MB/s\x1b[K\n")
    assert f"{'━' * 12}{'─' * 12} 50.0 of 100.0 MB  10.0 MB/s  5 s left" in shown
    assert " 1.0 of" not in shown, "too soon after the step before it"
    assert all(len(line) < 90 for line in shown.split("\r"))


def test_elsewhere_a_line_for_each_phase_and_one_every_ten_seconds() -> None:
    assert told(io.StringIO(), STEPS).splitlines() == [
        "  looking",
        "  downloading x 0.0 of 100.0 MB",
        "  downloading x 60.0 of 100.0 MB  5.5 MB/s  7 s left",
        "  downloading x 100.0 of 100.0 MB  5.0 MB/s",
    ]


def test_words_of_the_installer_are_cleaned() -> None:
    assert told(io.StringIO(), [(0.0, Step("\x1b[2Jgone"))]) == "  [2Jgone\n"
