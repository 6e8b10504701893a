"""Stores the latest finished exchanges in memory, so that an operator can see what happened to a request.

A usual exchange (one attempt, no error, no losses, …) is stored as it is: nothing is copied or encoded until
it is asked for. Of any other exchange, a copy is stored (`lean`), in which long texts and lists are cut, but
not the bodies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import msgspec

from dragoman import ir
from dragoman.exchange import AttemptRecord, Exchange

_ENTRIES: Final = 20
"""The most losses, and the most changes, that are stored for one exchange."""
_ATTEMPTS: Final = 20
_NAME: Final = 200
"""The most characters that are stored of a name, of a path, and of the reason of a change."""
_TEXT: Final = 300
"""The most characters that are stored of an error's message, and of the reason of a loss."""
_WORD: Final = 100
"""The most characters that are stored of an error's code, parameter and type."""
_EMPTY: Final = MappingProxyType[str, Any]({})

Trait: TypeAlias = Literal["losses", "failover", "error"]
"""A property by which exchanges can be selected: they have losses, more than one attempt, or an error."""


class Wanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A filter of exchanges. Each field that is not None has to match.

    client: equal to the exchange's. model: equal to the name that the client sent (`Exchange.asked`).
    deployment, provider: equal to that of one of the attempts. status: `404`, or `4xx` for a class. error:
    the code of the error, or its kind if it has no code. end: a prefix of the exchange's `end` (`upstream`,
    `client/stream`). since, until: the earliest and the latest beginning of the exchange, both included, Unix
    seconds. has: the exchange has all of these properties; () = any exchange. q: a prefix of the exchange's
    id, or a part of the request id. tenant: the name of the tenant of the client's key, as `Exchange.tenant`
    states it.
    """

    client: str | None = None
    model: str | None = None
    deployment: str | None = None
    provider: str | None = None
    status: str | None = None
    error: str | None = None
    end: str | None = None
    since: float | None = None
    until: float | None = None
    has: tuple[Trait, ...] = ()
    q: str | None = None
    tenant: str | None = None

    def matches(self, exchange: Exchange) -> bool:
        """Whether the exchange matches all fields of this filter."""
        if not self._is_named(exchange):
            return False
        if self.since is not None and exchange.created < self.since:
            return False
        if self.until is not None and exchange.created > self.until:
            return False
        if self.q is not None and not exchange.id.startswith(self.q) and self.q not in exchange.request_id:
            return False
        if self.end is not None and not (exchange.end or "").startswith(self.end):
            return False
        if self.error is not None and self.error != error_of(exchange):
            return False
        return self._was_called(exchange) and self._has_status(exchange) and self._has_traits(exchange)

    def _is_named(self, exchange: Exchange) -> bool:
        return (
            self.tenant in {None, exchange.tenant}
            and self.client in {None, exchange.client}
            and self.model in {None, exchange.asked}
        )

    def _was_called(self, exchange: Exchange) -> bool:
        called = [attempt.deployment for attempt in exchange.attempts]
        if self.deployment is not None and self.deployment not in called:
            return False
        return self.provider is None or self.provider in {name.partition("/")[0] for name in called}

    def _has_status(self, exchange: Exchange) -> bool:
        if self.status is None:
            return True
        told = str(exchange.status or "")
        return told[:1] == self.status[0] if self.status.endswith("xx") else told == self.status

    def _has_traits(self, exchange: Exchange) -> bool:
        found = {
            "losses": bool(exchange.losses),
            "failover": len(exchange.attempts) > 1,
            "error": exchange.fault is not None,
        }
        return all(found[trait] for trait in self.has)


ALL: Final = Wanted()
"""The filter that every exchange matches."""


class Finished:
    """The latest finished exchanges of one process. keep: the most exchanges that named a model and are
    stored, 0 = no exchanges are stored. Of exchanges that named no model, up to a tenth of this number
    (rounded up) is stored separately, so that requests of strangers cannot push out those of clients. room:
    the most bytes of all stored bodies together. body: the most bytes of each body, 0 = no bodies are stored;
    not enforced here, but read by the code that records bodies.
    """

    def __init__(self, keep: int, room: int = 0, body: int = 0) -> None:
        self.keep = keep
        self.body = body
        self._room = room
        self._models: deque[Exchange] = deque(maxlen=keep)
        self._others: deque[Exchange] = deque(maxlen=(keep + 9) // 10)
        self._bodied: deque[Exchange] = deque()
        """The exchanges with bodies, the oldest first. They may have left the queues above."""
        self._size = 0

    def note(self, exchange: Exchange) -> None:
        """Store an exchange that has ended, or a cut copy of it (`lean`); it must not be changed afterwards.
        If there is no room, the oldest one is dropped. Exchanges that named no model and have neither an
        error nor attempts (health probes, for example) are not stored, nor are the bodies of exchanges that
        named no model.
        """
        asked, usage = exchange.asked, exchange.usage
        if (
            asked is None
            or exchange.fault is not None
            or exchange.losses
            or exchange.changes
            or exchange.metadata
            or exchange.bodies is not None
            or len(exchange.attempts) != 1
            or len(asked) > _NAME
            or (usage is not None and (usage.extra is not None or usage.others))
        ):
            self._note_unusual(exchange)
        else:
            self._models.append(exchange)

    def _note_unusual(self, exchange: Exchange) -> None:
        if not self.keep or (exchange.asked is None and exchange.fault is None and not exchange.attempts):
            return
        kept = lean(exchange)
        if exchange.asked is None:
            kept.bodies = None  # of files, sessions, or these very answers
            self._others.append(kept)
            return
        self._models.append(kept)
        if kept.bodies is not None:
            self._bodied.append(kept)
            self._size += body_size(kept)
            self._drop_bodies()

    def _drop_bodies(self) -> None:
        """Drop the oldest bodies until the rest is within the limits."""
        while len(self._bodied) > self.keep or self._size > self._room:
            oldest = self._bodied.popleft()
            self._size -= body_size(oldest)
            oldest.bodies = None

    def resize(self, keep: int, room: int = 0, body: int = 0) -> None:
        """Use other limits from now on; the parameters are those of `Finished`. Of the stored exchanges and
        of their bodies, the latest that fit stay; `body` applies to new bodies only.
        """
        self.keep, self.body, self._room = keep, body, room
        self._models = deque(self._models, maxlen=keep)
        self._others = deque(self._others, maxlen=(keep + 9) // 10)
        self._drop_bodies()

    def all(self) -> Iterator[Exchange]:
        """Return all stored exchanges, in no particular order."""
        return chain(self._models, self._others)

    def find(self, id_: str, within: Wanted = ALL) -> Exchange | None:
        """Return the stored exchange with the id `id_`; if there is none, the latest one whose request id is
        `id_`; None = there is neither. within: exchanges that do not match this filter are not found.
        """
        named: list[Exchange] = []
        for one in self.all():
            if id_ not in (one.id, one.request_id) or not within.matches(one):
                continue
            if one.id == id_:
                return one
            named.append(one)
        return max(named, key=place, default=None)

    def listed(self, wanted: Wanted, before: tuple[float, str] | None, limit: int) -> list[Exchange]:
        """Return at most `limit` of the exchanges that match `wanted`, the latest first. before: a position
        in this order (see `place`), after which the list begins; None = it begins with the latest exchange.
        """
        found = [one for one in self.all() if wanted.matches(one)]
        if before is not None:
            found = [one for one in found if place(one) < before]
        return sorted(found, key=place, reverse=True)[:limit]


def error_of(exchange: Exchange) -> str | None:
    """Return the code of an exchange's error, or its kind if it has no code; None = the exchange has no
    error.
    """
    fault = exchange.fault
    return None if fault is None else fault.code or fault.kind


def place(exchange: Exchange) -> tuple[float, str]:
    """Return the position of an exchange in a list: (when it began in Unix seconds, its id)."""
    return exchange.created, exchange.id


def body_size(exchange: Exchange) -> int:
    """Return the number of bytes of an exchange's stored bodies (request and answer); 0 = none are stored."""
    bodies = exchange.bodies
    return 0 if bodies is None else len(bodies.request) + len(bodies.answer)


# A copy of bounded size ----------------------------------------------------------------------------------


def lean(exchange: Exchange) -> Exchange:
    """Return a copy of an exchange in which texts and lists that clients and providers can make large are cut
    or removed, except the bodies, which the copy shares. At most 20 losses stay (the most severe ones), at
    most the first 20 changes, and at most the latest 20 attempts. If losses are left out, a further entry
    counts them; so for changes.
    """
    losses, changes = exchange.losses, exchange.changes
    if len(losses) > _ENTRIES:
        left = f"{len(losses) - _ENTRIES} further losses are not kept"
        last = msgspec.structs.replace(losses[-1], path="$", reason=left, severity="hint")
        losses = (*exchange.foremost_losses(_ENTRIES), last)
    if len(changes) > _ENTRIES:
        left = f"{len(changes) - _ENTRIES} further changes are not kept"
        changes = (*changes[:_ENTRIES], msgspec.structs.replace(changes[-1], path=None, to="", reason=left))
    return msgspec.structs.replace(
        exchange,
        path=cut(exchange.path),
        asked=exchange.asked and cut(exchange.asked),
        answered=exchange.answered and cut(exchange.answered),
        attempts=[_lean_attempt(attempt) for attempt in exchange.attempts[-_ATTEMPTS:]],
        losses=tuple(
            msgspec.structs.replace(loss, path=cut(loss.path), reason=cut(loss.reason, _TEXT))
            for loss in losses
        ),
        changes=tuple(
            msgspec.structs.replace(
                change, path=change.path and cut(change.path), to=cut(change.to), reason=cut(change.reason)
            )
            for change in changes
        ),
        taken=((), ()),
        metadata=_EMPTY,
        usage=exchange.usage and msgspec.structs.replace(exchange.usage, extra=None, others=()),
        fault=exchange.fault and _lean_fault(exchange.fault),
        end=exchange.end and cut(exchange.end),
    )


def _lean_attempt(attempt: AttemptRecord) -> AttemptRecord:
    return msgspec.structs.replace(
        attempt,
        deployment=cut(attempt.deployment),
        fault=attempt.fault and _lean_fault(attempt.fault),
        usage=attempt.usage and msgspec.structs.replace(attempt.usage, extra=None, others=()),
    )


def _lean_fault(fault: ir.Fault) -> ir.Fault:
    return msgspec.structs.replace(
        fault,
        message=cut(fault.message, _TEXT),
        code=fault.code and cut(fault.code, _WORD),
        param=fault.param and cut(fault.param, _WORD),
        type=fault.type and cut(fault.type, _WORD),
        extra=None,
    )


def cut(text: str, most: int = _NAME) -> str:
    """Return a text of at most `most` characters: the same text, or its beginning with `…` at the end."""
    return text if len(text) <= most else text[: most - 1] + "…"
