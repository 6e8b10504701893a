"""The audit: an entry for each change that an operator has made by a path below /admin. `operation.endpoints`
makes sure that none is missing. All entries are written to the log, as warnings; the latest ones are also in
memory.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Any, Final, Literal

import msgspec

from dragoman.observe.timestamps import utc
from dragoman.seams.clock import Seams
from dragoman.seams.peers import Peers

log = logging.getLogger("dragoman.audit")
SUBJECT: Final = "admin.audit"
"""The subject of the messages between workers: one by `Peers.tell` has an entry, one by `Peers.ask` asks for
all entries.
"""
KEPT: Final = 1_000
"""The most entries that a process has in memory; older ones are removed."""


class Entry(msgspec.Struct, frozen=True):
    """One change that an operator has made. time: RFC 3339 in UTC. who: the name of the operator's key; `uid
    N` for a user of this machine over the Unix socket, or `operator` if the system does not tell who it is;
    `anyone` if no key was asked for. address: the operator's IP address, null = a Unix socket, or unknown.
    action: what was done, such as `disable`. target: the changed object, such as `providers/openai`. before,
    after: the object, or the part of it that the action can change, before and after the change, without
    secrets; null = nothing is recorded. worker: the number of the worker that got the request. request_id:
    the id of the request that asked for the change.
    """

    id: str
    time: str
    who: str
    address: str | None
    action: str
    target: str
    before: Any
    after: Any
    worker: int
    request_id: str
    object: Literal["audit_entry"] = "audit_entry"


class Author(msgspec.Struct, frozen=True):
    """The operator who asks for a change, and the request. The fields are as in `Entry`."""

    who: str
    address: str | None
    request_id: str


class Notes:
    """Makes the entries for the changes of one request. made: whether it has made one."""

    def __init__(self, audit: Audit, author: Author) -> None:
        self._audit = audit
        self._author = author
        self.made = False

    def add(self, action: str, target: str, *, before: Any, after: Any) -> None:
        """Make an entry for a change that was just made; see `Audit.note`."""
        self.made = True
        self._audit.note(self._author, action, target, before=before, after=after)


class Audit:
    """The latest entries in the memory of one worker: those of its own requests, and those that other workers
    have sent. worker: the number of this worker.
    """

    def __init__(self, peers: Peers, seams: Seams, worker: int) -> None:
        self._peers = peers
        self._seams = seams
        self._worker = worker
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        peers.receive(SUBJECT, self._receive)

    def note(self, author: Author, action: str, target: str, *, before: Any, after: Any) -> Entry:
        """Make an entry for a change that was just made. Store it in memory, log it, send it to the other
        workers, and return it. action: what was done (`disable`). target: the changed object
        (`providers/openai`). before, after: what the action can change, before and after it, without secrets:
        a JSON value, None = there is nothing to record.
        """
        entry = Entry(
            f"audit_{self._seams.random_id()}",
            utc(self._seams.now()),
            author.who,
            author.address,
            action,
            target,
            before,
            after,
            self._worker,
            author.request_id,
        )
        self._entries.append(entry)
        told = msgspec.to_builtins(entry)
        # A warning, so that the log has it at its usual level: this is not what a gateway does by itself.
        log.warning(
            "%s: %s %s: %s → %s",
            *(entry.who, action, target, _written(before), _written(after)),
            extra={"event": "audit", "fields": {name: told[name] for name in told if name != "object"}},
        )
        self._peers.tell(SUBJECT, told)
        return entry

    async def entries(self) -> list[Entry]:
        """Return the entries in the memory of all workers, each once, the latest first. The entries of a
        worker that does not answer in time are missing, unless another worker has them.
        """
        every = {entry.id: entry for entry in self._entries}
        for answer in await self._peers.ask(SUBJECT):
            for one in msgspec.convert(answer, list[Entry]):
                every.setdefault(one.id, one)
        latest_first = reversed(every.values())  # those of the same millisecond stay in this order
        return sorted(latest_first, key=lambda entry: entry.time, reverse=True)

    def _receive(self, value: Any) -> Any:
        if value is None:
            return msgspec.to_builtins(list(self._entries))
        self._entries.append(msgspec.convert(value, Entry))
        return None


def _written(value: Any) -> str:
    return msgspec.json.encode(value).decode()
