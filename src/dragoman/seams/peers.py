"""The other processes of one gateway, behind a value that tests replace.

A gateway is one process, or several workers with a keeper: the process that does what has to be done once on
a machine. Messages have a subject, which says whose they are, and a value of JSON's types. Nothing is sent
twice, and nothing is kept for a process that is not there: what must not be lost does not go this way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Receive: TypeAlias = Callable[[Any], Any]
"""Takes the value of a message. What it returns is the answer, if the message asks."""


class Peers:
    """A process without others: it is its own keeper."""

    def __init__(self) -> None:
        self._receivers: dict[str, Receive] = {}

    def receive(self, subject: str, receiver: Receive) -> None:
        """Call `receiver` for each message with this subject that comes in; it replaces an earlier one."""
        self._receivers[subject] = receiver

    def tell(self, subject: str, value: Any) -> None:
        """Send a message to all other workers, soon."""

    async def ask(self, subject: str, value: Any = None) -> list[Any]:
        """The answers of all other workers that answer in time, in no order."""
        return []

    def hand(self, subject: str, value: Any) -> None:
        """Send a message to the keeper, soon; without one, this process receives it."""
        self._receivers[subject](value)
