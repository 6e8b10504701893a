"""The interface of the journal, which keeps usage records until the database has them.

An exchange that calls a provider is *opened* before the call and *closed* before its client has got the last
bytes. So after a crash the journal has all usage that a client was told of, and each call that was cut.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from dragoman.state.usage import UsageRecord

WAITING: Final = 20_000
"""The most records that wait in the memory of one process."""


class JournalFailed(Exception):
    """The usage of a request cannot be written down, and the operator wants such requests to be refused
    (`stores.when_lost`).
    """


class Journal(Protocol):
    """Keeps usage records until the database has them. `opened` and `closed` return after the bytes were
    handed to the operating system; they never wait for a disk or a database.

    outlives: whether the journal remains after its process has ended, so that another process can read which
    exchanges were open. If it is False, nobody needs to call `opened`.
    """

    @property
    def outlives(self) -> bool: ...

    def opened(self, record: UsageRecord) -> None:
        """Note that an exchange is about to call a provider. The same exchange may be opened again when it
        reserves more; the latest record counts. Raises JournalFailed if the record cannot be written and the
        operator wants such requests to be refused.

        record: what is known of the exchange. Its `units` are the reserved units, its `settled` states the
        reserved amount of each counter, and its `cut` is True.
        """

    def closed(self, record: UsageRecord) -> None:
        """Note that an exchange has ended, with its whole record. An exchange that called no provider need
        not have been opened. Raises nothing: a record that cannot be written waits in memory.
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
    """A journal in the memory of one process. Records that the database does not have yet are lost with the
    process.
    """

    outlives: Final = False

    def __init__(self, backlog: Backlog | None = None) -> None:
        self.backlog = Backlog() if backlog is None else backlog

    def opened(self, record: UsageRecord) -> None:
        """See `Journal`. Does nothing, because nobody could read the record after this process has ended."""

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
