"""Shows the progress of long work: on a terminal as one line that is updated, otherwise as a few lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dragoman.cli.terminal import Terminal, clean
from dragoman.seams.clock import SYSTEM

if TYPE_CHECKING:
    from dragoman.upstreams.local.weights import Progress as Step

_BAR: Final = 24
_SETTLED: Final = 0.5
"""Seconds after the beginning of a phase from which its rate is shown. Before, it is not exact."""
_SILENCE: Final = 10.0
"""The least seconds between two lines of a phase if stderr cannot update a line; its last line may come
sooner.
"""


class Progress:
    """Prints some steps of one job on stderr, unless `--json` or `--quiet` is set. A step with another text
    than the step before begins a new phase. now: returns monotonic seconds.
    """

    def __init__(self, terminal: Terminal, now: Callable[[], float] = SYSTEM.monotonic) -> None:
        self._terminal = terminal
        self._now = now
        self._phase = ""
        self._began = 0.0
        self._told = 0.0
        self._open = False

    def __call__(self, step: Step) -> None:
        """Print a step if it begins a phase, completes it (done == total), or comes at least 0.1 s after the
        last printed step (`_SILENCE` seconds if stderr cannot update a line). The line has the step's text
        and, as far as they are known, the MB that are done, the average rate and the seconds left.
        """
        now, text = self._now(), clean(step.text)
        begins = text != self._phase
        if begins:
            self.close()
            self._phase, self._began = text, now
        over_it = self._terminal.err.moves
        ends = step.total is not None and step.done == step.total
        if not begins and not ends and now - self._told < (0.1 if over_it else _SILENCE):
            return
        self._told = now
        line = self._line(text, step, now - self._began)
        if over_it:
            width = self._terminal.err.width - 1
            self._terminal.narrate(f"\r{line[:width]}\x1b[K")
            self._open = True
        else:
            self._terminal.say(line)

    def close(self) -> None:
        """End the line that is being updated, if there is one."""
        if self._open:
            self._terminal.say()
        self._open = False

    def _line(self, text: str, step: Step, seconds: float) -> str:
        if step.done is None or not step.total:
            return f"  {text}"
        filled = _BAR * step.done // step.total
        bar = f"{'━' * filled}{'─' * (_BAR - filled)} " if self._terminal.err.moves else ""
        amount = f"{step.done / 1e6:.1f} of {step.total / 1e6:.1f} MB"
        if seconds < _SETTLED or not step.done:
            return f"  {text} {bar}{amount}"
        rate = step.done / seconds
        left = "" if step.done == step.total else f"  {(step.total - step.done) / rate:.0f} s left"
        return f"  {text} {bar}{amount}  {rate / 1e6:.1f} MB/s{left}"
