"""Reloads the configuration in all processes of a gateway together: all of them use the new configuration, or
none does.

"Worker" stands here for each worker and for the keeper. A reload is called a round. The parent loads the new
configuration. If nothing that workers use has changed, and the latest round was not refused, the round is
over. Otherwise the parent asks each worker to prepare the configuration. When all workers have prepared it,
the parent adopts the new configuration, and each worker begins to use it. If a worker cannot prepare it, or
takes too long, all processes keep the old configuration. A worker that has prepared the configuration but
does not begin to use it in time must be ended. A worker that is started later begins with the configuration
that the parent has adopted. One round runs at a time; a request for a reload during a round makes another
round follow.

`Rounds` is a state machine: it gets the time (monotonic seconds) and the workers' messages as arguments, and
sends messages by a function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any, Final, Literal, TypeAlias

import msgspec

from dragoman.assembly.reload import Outcome, compared, has_no_news
from dragoman.config.load import Loaded
from dragoman.errors import ConfigError, Problem
from dragoman.server.orders import Message

LIMIT: Final = 30.0
"""The most seconds for which the parent waits for the workers in each half of a round."""
_MOST: Final = 20
_LONGEST: Final = 500
"""The most problems in a message, and the most characters of each problem's text: the line must take a
message at once.
"""

Phase: TypeAlias = Literal["rest", "preparing", "using"]
Asker: TypeAlias = tuple[int, Any]
"""The number of the worker that asks for a reload, and the mark by which it recognises the answer: any JSON
value, which the answer repeats.
"""


def brief(problems: Sequence[Problem]) -> list[Sequence[Any]]:
    """Return problems as lists, so that a message can contain them: at most the first `_MOST` problems, each
    with at most the first `_LONGEST` characters of its text.
    """
    return [list(one._replace(message=one.message[:_LONGEST])) for one in problems[:_MOST]]


class Rounds:
    """The rounds of one parent process, one after another. A round has up to two halves: in the first, the
    workers prepare the new configuration; in the second, they begin to use it.

    loaded: the configuration in use; a new worker begins with it. mark: the hash of this configuration. send:
    sends a message to the worker with this number. running: returns the numbers of the running workers (here
    and below, the keeper is one of them). told: called with the outcome of each round, except for quiet
    rounds without news (see `begin`). lost: called with the number of a worker that has not begun to use the
    new configuration in time; must end this worker. name: returns a worker's name for messages, from its
    number.
    """

    def __init__(
        self,
        loaded: Loaded,
        mark: str,
        *,
        send: Callable[[int, Message], None],
        running: Callable[[], Iterable[int]],
        told: Callable[[Outcome], None],
        lost: Callable[[int], None],
        name: Callable[[int], str] = "worker {}".format,
    ) -> None:
        self.loaded = loaded
        self.phase: Phase = "rest"
        self.due = inf
        """When the time of this half of the round is over (monotonic seconds); inf = no round runs."""
        self._mark = mark
        self._send = send
        self._running = running
        self._told = told
        self._lost = lost
        self._name = name
        self._number = 0
        self._fresh = loaded
        self._outcome = Outcome(hash=mark)
        self._waiting: set[int] = set()
        """The workers that have not answered in this half of the round."""
        self._problems: tuple[Problem, ...] = ()
        """Why the latest round was refused; () = it was not."""
        self._restart: tuple[str, ...] = ()
        """The settings whose new values are used only after a restart, as of the latest good round."""
        self._asking: list[Asker] = []
        """The askers that get the outcome of this round."""
        self._next: list[Asker] = []
        self._again = self._quiet = False

    def begin(self, now: float, asker: Asker | None = None, *, quiet: bool = False) -> None:
        """Begin a round; if a round is running, another round will follow it instead. If the configuration
        cannot be loaded, nothing is raised: the outcome of the round says why. asker: gets the outcome of the
        round that this call causes; None = nobody asks. quiet: True = `told` is not called if the outcome has
        no news (`has_no_news`). A round that follows a running one is never quiet.
        """
        if self.phase != "rest":
            self._again = True
            self._next += [asker] if asker is not None else []
            return
        self._number += 1
        self._quiet = quiet
        self._asking += [asker] if asker is not None else []
        try:
            self._fresh, self._outcome = compared(self.loaded, self._mark)
        except ConfigError as error:
            self._refuse(error.problems, now)
            return
        except Exception as error:  # noqa: BLE001 - the parent must live, whatever the files hold
            self._refuse([Problem("", f"could not be loaded: {type(error).__name__}: {error}")], now)
            return
        if self._outcome.changed or self._problems:
            self._ask_all("prepare", now)
        else:
            self.loaded = self._fresh
            self._over(now)

    def heard(self, number: int, message: Message, now: float) -> None:
        """Handle a message from the worker with this number: a request for a reload, or an answer in the
        running round. An answer of an earlier round, or of a half of this round that is over, is ignored.
        """
        if "ask" in message:
            self.begin(now, (number, message["ask"]))
            return
        if message.get("round") != self._number or number not in self._waiting:
            return  # of a round that is over
        if self.phase == "preparing" and "problems" in message:
            self._refuse(msgspec.convert(message["problems"], list[Problem]), now)
            return
        if message.get("did") == ("prepare" if self.phase == "preparing" else "use"):
            self._answered(number, now)

    def gone(self, number: int, now: float) -> None:
        """Record that the worker with this number has ended: a running round does not wait for it, and nobody
        gets the outcomes that it has asked for.
        """
        self._asking = [asker for asker in self._asking if asker[0] != number]
        self._next = [asker for asker in self._next if asker[0] != number]
        if number in self._waiting:
            self._answered(number, now)

    def tick(self, now: float) -> None:
        """If the time of the present half of the round is over, end this half. If workers have not prepared
        the configuration, the round fails. If workers have not begun to use it, `lost` is called for each of
        them, and the round ends.
        """
        if now < self.due:
            return
        late = sorted(self._waiting)
        if self.phase == "preparing":
            named = ", ".join(map(self._name, late))
            self._refuse([Problem("", f"{named} did not prepare it within {LIMIT:g} s")], now)
            return
        for number in late:
            self._lost(number)  # it would go on with the old one
        self._waiting.clear()
        self._over(now)

    def _answered(self, number: int, now: float) -> None:
        self._waiting.discard(number)
        if self._waiting:
            return
        if self.phase == "preparing":
            self.loaded, self._mark = self._fresh, self._outcome.hash
            self._ask_all("use", now)
        else:
            self._over(now)

    def _ask_all(self, what: Literal["prepare", "use"], now: float) -> None:
        """Begin one half of the round: ask all running workers to prepare the new configuration, or to use
        it. If no worker is running, this half is over at once.
        """
        self.phase = "preparing" if what == "prepare" else "using"
        self.due = now + LIMIT
        self._waiting = set(self._running())
        for number in sorted(self._waiting):
            self._send(number, {"do": what, "round": self._number, "hash": self._outcome.hash})
        if not self._waiting:
            self._answered(0, now)

    def _refuse(self, problems: Iterable[Problem], now: float) -> None:
        """End the round without a change: tell all running workers the problems, so that they drop the new
        configuration, and report the problems as the outcome.
        """
        self._outcome = Outcome(hash=self._mark, problems=tuple(problems))
        shown = brief(self._outcome.problems)
        for number in sorted(self._running()):
            self._send(number, {"do": "drop", "round": self._number, "problems": shown})
        self._over(now)

    def _over(self, now: float) -> None:
        outcome, problems, restart = self._outcome, self._problems, self._restart
        self.phase, self.due = "rest", inf
        self._waiting.clear()
        self._problems = outcome.problems
        if not outcome.failed:
            self._restart = outcome.restart
        told = {
            **msgspec.to_builtins(outcome),
            "problems": brief(outcome.problems),
            "warnings": brief(outcome.warnings),
        }
        for number, mark in self._asking:
            self._send(number, {"answer": mark, "outcome": told})
        self._asking, self._next = self._next, []
        if not (self._quiet and has_no_news(outcome, problems, restart)):
            self._told(outcome)
        if self._again:
            self._again = False
            self.begin(now)
