"""The interface of the journal: what makes that no usage is lost, whatever ends first.

An exchange that calls a provider is *opened* before the call and *closed* before its client has got the last
bytes. So after a crash the journal knows every usage that a client was told of, and every call that was cut.
"""

from __future__ import annotations

from typing import Any, Protocol

from dragoman.state.usage import UsageRecord


class Journal(Protocol):
    """Keeps usage records until the database has them. Both methods return after the bytes were handed to the
    operating system; they never wait for a disk or a database. They raise JournalFailed only if the operator
    wants requests to be refused rather than not to be accounted.
    """

    def opened(self, record: UsageRecord) -> None:
        """Note that an exchange is about to call a provider. record: what is known of it; its units are what
        is reserved, and `settled` the counters with the amounts that are reserved. `cut` is True.
        """

    def closed(self, record: UsageRecord) -> None:
        """Note that an exchange has ended, with its whole record. It may not have been opened, if it called
        nobody.
        """

    def state(self) -> dict[str, Any]:
        """The members that `/health` tells: `healthy`, `last_error`, `waiting` (records that the database has
        not got yet), ….
        """
