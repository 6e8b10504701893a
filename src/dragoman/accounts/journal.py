"""The interface of a journal, which keeps usage records until the database has them; a journal in memory; and
the records that wait in memory.

An exchange that calls a provider is *opened* before the call, and *closed* before its client gets the last
bytes. So after a crash of the process, a journal in files has the usage of the exchanges that clients saw
end, and records of the opened exchanges that the crash has cut off, except those that the database has and
those that could not be written.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from dragoman.state.usage import UsageRecord

WAITING: Final = 20_000
"""The most records that may wait in the memory of one process, if `Backlog` gets no other number."""


class JournalFailed(Exception):
    """The usage of a request cannot be written down, and the operator wants such requests to be refused
    (`stores.when_lost`).
    """


class Journal(Protocol):
    """Keeps usage records until the database has them. `opened` and `closed` do not wait until a record is on
    a disk or in the database: a journal in files hands the bytes to the operating system.

    outlives: whether the journal remains after its process has ended, so that another process can read which
    exchanges were open. If it is False, `opened` need not be called.
    """

    @property
    def outlives(self) -> bool: ...

    def opened(self, record: UsageRecord) -> None:
        """Record that an exchange is about to call a provider. The same exchange may be opened again when it
        reserves more; its latest record counts. Raises JournalFailed if nothing can be written and the
        operator wants such requests to be refused. A record that cannot be encoded is counted as lost.

        record: what is known of the exchange. Its `units` are the reserved units (none if they are unknown),
        its `settled` states the reserved amount of each counter, and its `cut` is True.
        """

    def closed(self, record: UsageRecord) -> None:
        """Record that an exchange has ended. record: its complete usage. An exchange that called no provider
        need not have been opened. Raises nothing: a record that cannot be written waits in memory, or is lost
        and counted as lost.
        """

    def state(self) -> dict[str, Any]:
        """Return the fields that `/health` shows: `kind`, `healthy`, `last_error`, `in_memory` (records that
        wait in the memory of this process), `lost` (records for which there was no room, or that could not be
        encoded).
        """


class Backlog:
    """The records of ended exchanges that wait in the memory of a process, by id. most: the largest number of
    records that may wait.
    """

    def __init__(self, most: int = WAITING) -> None:
        self.records: dict[str, UsageRecord] = {}
        self.lost = 0
        """How many records were lost, because there was no room or they could not be encoded."""
        self._most = most

    def add(self, record: UsageRecord) -> bool:
        """Let a record wait; it replaces a waiting record with the same id. Returns False if there is no
        room; then the record is lost.
        """
        if len(self.records) >= self._most and record.id not in self.records:
            self.lost += 1
            return False
        self.records[record.id] = record
        return True

    def first(self, number: int) -> list[UsageRecord]:
        """Return the records that have waited longest, at most `number`. They go on waiting."""
        return [record for record, _ in zip(self.records.values(), range(number), strict=False)]


class MemoryJournal:
    """A journal in the memory of one process. Records that the database has not got yet are lost when the
    process ends.
    """

    outlives: Final = False

    def __init__(self, backlog: Backlog | None = None) -> None:
        self.backlog = Backlog() if backlog is None else backlog

    def opened(self, record: UsageRecord) -> None:
        """Do nothing, because nobody could read the record after this process has ended."""

    def closed(self, record: UsageRecord) -> None:
        """Let the record wait in memory. It is lost if there is no room."""
        self.backlog.add(record)

    def stored(self, ids: list[str]) -> None:
        """Remove the records with these ids, because the database has them."""
        for id_ in ids:
            self.backlog.records.pop(id_, None)

    def unreported(self, report: bytes) -> None:
        """Do nothing, because nobody could read the report after this process has ended. report: what the
        ledger cannot report to the store of shared limits (`Ledger.unreported`).
        """

    def tend(self) -> None:
        """Do nothing: memory needs no care."""

    def close(self) -> None:
        """Do nothing: there is no file."""

    def state(self) -> dict[str, Any]:
        """Return the fields of `Journal.state`. `healthy` is True if no record was lost."""
        lost = self.backlog.lost
        return {
            "kind": "memory",
            "healthy": not lost,
            "last_error": f"{lost} records were lost: there was no room" if lost else None,
            "in_memory": len(self.backlog.records),
            "lost": lost,
        }
