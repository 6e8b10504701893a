"""The other processes of one gateway, behind a value that tests replace.

A gateway is one process, or several workers with a keeper: the process that does what has to be done once on
a machine. Messages have a subject, which says whose they are, and a value of JSON's types. Nothing is sent
twice, and a message can be lost when a process ends: what must not be lost does not go this way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

Receive: TypeAlias = Callable[[Any], Any]
"""Takes the value of a message. What it returns is the answer, if the message asks."""


class KeeperState(msgspec.Struct, frozen=True):
    """Where the keeper is. state: "here" = in this process, "running" = in its own, "missing" = it has ended
    and is about to be replaced. process: the id of another process that is the keeper, None = there is none.
    """

    state: Literal["here", "running", "missing"]
    process: int | None = None


class Peers:
    """The other processes of a gateway. This class is for a process without others: it is its own keeper.
    keeps: whether this process is the keeper. alone: whether there are no other processes.
    """

    keeps: bool = True
    alone: bool = True

    def __init__(self) -> None:
        self._receivers: dict[str, Receive] = {}

    def open(self) -> None:
        """Begin to receive messages, in the running event loop. Before it, and after `close`, nothing is sent
        and nothing comes in. A second call does nothing.
        """

    def close(self) -> None:
        """End what `open` has begun."""

    def keeper(self) -> KeeperState:
        """Where the keeper is now."""
        return KeeperState("here")

    def receive(self, subject: str, receiver: Receive) -> None:
        """Call `receiver` for each message with this subject that comes in; it replaces an earlier one."""
        self._receivers[subject] = receiver

    def tell(self, subject: str, value: Any) -> None:
        """Send a message to all other workers, soon. The keeper receives it, too, if it has a receiver."""

    async def ask(self, subject: str, value: Any = None) -> list[Any]:
        """Ask all other workers and the keeper. Returns the answers that come in time, in no order. A process
        without a receiver for the subject, or whose receiver fails, gives no answer. If there is no keeper,
        nobody answers.
        """
        return []

    def hand(self, subject: str, value: Any) -> None:
        """Send a message to the keeper, soon; without one, this process receives it."""
        self._receivers[subject](value)
