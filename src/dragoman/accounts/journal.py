"""The interface of the journal: what makes that no usage is lost, whatever ends first.

An exchange that calls a provider is *opened* before the call and *closed* before its client has got the last
bytes. So after a crash the journal knows every usage that a client was told of, and every call that was cut.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from dragoman.state.usage import UsageRecord

WAITING: Final = 20_000
"""The most records that wait in the memory of one process."""


class JournalFailed(Exception):
    """The usage of a request cannot be noted, and the operator wants no such request (`stores.when_lost`)."""


class Journal(Protocol):
    """Keeps usage records until the database has them. Both methods return after the bytes were handed to the
    operating system; they never wait for a disk or a database.

    outlives: whether it outlives the process, so that somebody could read what was open; else nobody need
    call `opened`.
    """

    @property
    def outlives(self) -> bool: ...

    def opened(self, record: UsageRecord) -> None:
        """Note that an exchange is about to call a provider. record: what is known of it; its units are what
        is reserved, and `settled` the counters with the amounts that are reserved. `cut` is True. The same
        exchange may be opened again when it reserves more; the latest record counts. Raises JournalFailed
        only if the operator wants requests to be refused rather than not to be accounted.
        """

    def closed(self, record: UsageRecord) -> None:
        """Note that an exchange has ended, with its whole record. It may not have been opened, if it called
        nobody. Raises nothing: what cannot be written waits in memory.
        """

    def state(self) -> dict[str, Any]:
        """The members that `/health` tells: `kind`, `healthy`, `last_error`, `in_memory` (records that wait
        in the memory of this process), `lost` (records for which there was no room).
        """


class Backlog:
    """The closed records that wait in the memory of a process, by id. most: how many there may be."""

    def __init__(self, most: int = WAITING) -> None:
        self.records: dict[str, UsageRecord] = {}
        self.lost = 0
        """How many records were lost because there was no room."""
        self._most = most

    def add(self, record: UsageRecord) -> bool:
        """Let a record wait. False = there is no room, so it is lost."""
        if len(self.records) >= self._most and record.id not in self.records:
            self.lost += 1
            return False
        self.records[record.id] = record
        return True

    def first(self, number: int) -> list[UsageRecord]:
        """At most `number` of the waiting records, the oldest first."""
        return [record for record, _ in zip(self.records.values(), range(number), strict=False)]


class MemoryJournal:
    """A journal in the memory of one process: what the database has not got is lost with the process."""

    outlives: Final = False

    def __init__(self, backlog: Backlog | None = None) -> None:
        self.backlog = Backlog() if backlog is None else backlog

    def opened(self, record: UsageRecord) -> None:
        """See `Journal`. Nothing is noted, because nobody could read it after this process."""

    def closed(self, record: UsageRecord) -> None:
        """See `Journal`."""
        self.backlog.add(record)

    def stored(self, ids: list[str]) -> None:
        """Forget records that the database has."""
        for id_ in ids:
            self.backlog.records.pop(id_, None)

    def tend(self) -> None:
        """Do nothing: memory needs no care."""

    def close(self) -> None:
        """Do nothing: there is no file."""

    def state(self) -> dict[str, Any]:
        """See `Journal`. healthy: whether there was room for all records."""
        lost = self.backlog.lost
        return {
            "kind": "memory",
            "healthy": not lost,
            "last_error": f"{lost} records were lost: there was no room" if lost else None,
            "in_memory": len(self.backlog.records),
            "lost": lost,
        }
