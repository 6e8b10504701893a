"""Messages between the processes of one gateway, behind a value that tests replace.

A gateway is one process, or several workers and a keeper. The keeper is the process that does what must be
done only once on a machine. A message has a subject, which selects its receiver, and a value of JSON's types.
A message can be lost (when a process ends, for example), and is not sent again. So nothing that must not be
lost is sent this way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

Receive: TypeAlias = Callable[[Any], Any]
"""A function that gets the value of a message. What it returns is the answer, if the message was sent by
`ask`.
"""


class KeeperState(msgspec.Struct, frozen=True):
    """Where the keeper is. state: "here" = this process is the keeper, "running" = another process is,
    "missing" = no process has lately shown that it is the keeper, for example because the keeper has ended
    and is about to be replaced. process: the process id of the keeper if it is "running", else None.
    """

    state: Literal["here", "running", "missing"]
    process: int | None = None


class Peers:
    """The messages between this process and the other processes of its gateway. This class itself is for a
    process without others, which is its own keeper. Workers and the keeper have subclasses.

    keeps: whether this process is the keeper. alone: whether there are no other processes.
    """

    keeps: bool = True
    alone: bool = True

    def __init__(self) -> None:
        self._receivers: dict[str, Receive] = {}

    def open(self) -> None:
        """Begin to send and receive messages, in the running event loop. Before this call, and after `close`,
        a message to another process is dropped. A second call does nothing.
        """

    def close(self) -> None:
        """Stop sending and receiving messages."""

    def keeper(self) -> KeeperState:
        """Return where the keeper is now."""
        return KeeperState("here")

    def receive(self, subject: str, receiver: Receive) -> None:
        """Call `receiver` from now on for each incoming message with this subject, in place of an earlier
        receiver for the subject.
        """
        self._receivers[subject] = receiver

    def tell(self, subject: str, value: Any) -> None:
        """Send a message to all other workers, without waiting until it arrives. The keeper gets it too, if
        it has a receiver for the subject. A process without others does nothing.
        """

    async def ask(self, subject: str, value: Any = None) -> list[Any]:
        """Ask all other workers and the keeper. Returns the answers that arrive within a second, in any
        order. A process gives no answer if it has no receiver for the subject, or if its receiver fails. If
        the keeper is missing, or there are no other processes, the list is empty.
        """
        return []

    def hand(self, subject: str, value: Any) -> None:
        """Send a message to the keeper, without waiting until it arrives. If this process is the keeper, it
        calls its own receiver at once, and raises KeyError if it has none for the subject.
        """
        self._receivers[subject](value)
