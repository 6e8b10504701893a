"""The limits of a store: how much it stores, for how long, and how much one call reads. Also compares expiry
times.
"""

from __future__ import annotations

import msgspec

from dragoman.state.store import HistoryTooLarge


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one store.

    size: the most bytes of all responses, conversations, sessions and chat completions together.
    history_size: the most bytes that one call reads (a response with all responses before it, or the items
    that a request refers to), and the most bytes of one conversation. history_count: the most items that one
    call reads, and the most responses. session_count: the most sessions of all clients. session_size: the
    most bytes of one session; above that, its oldest turns are removed. seals_size: the most bytes of all
    seals. seals_ttl: seconds that a seal is stored after its last use. If `seals_size` or
    `seals_ttl` is 0, no seals are stored. usage_records: seconds that usage records are stored. usage_hours,
    usage_days, usage_months: seconds that the sums of hours, days and months are stored. For each of these
    four, None = for ever. Only a database reads the limits of usage. usage_values: for a period that is over,
    the most tags whose sums are stored separately, and the most end users; the others are added up under one
    value.
    """

    size: int = 500_000_000
    history_size: int = 64_000_000
    history_count: int = 20_000
    session_count: int = 10_000
    session_size: int = 4_000_000
    seals_size: int = 64_000_000
    seals_ttl: float = 86_400.0
    usage_records: float | None = 90 * 86_400.0
    usage_hours: float | None = None
    usage_days: float | None = None
    usage_months: float | None = None
    usage_values: int = 1_000

    @property
    def seals(self) -> bool:
        """Whether seals are stored: `seals_size` and `seals_ttl` are above 0."""
        return self.seals_size > 0 and self.seals_ttl > 0


DEFAULT_LIMITS = Limits()


def later(end: float | None, other: float | None) -> float | None:
    """Return the later of two expiry times; None (never expires) if at least one of them is None."""
    return None if end is None or other is None else max(end, other)


def is_over(expires: float | None, now: float) -> bool:
    """Return whether an expiry time (Unix seconds) is at or before `now`. expires: None = never expires."""
    return expires is not None and expires <= now


def check_read(count: int, most: int, what: str = "bytes") -> None:
    """Raise HistoryTooLarge if `count` is above `most`. what: the unit of both, for the text of the error."""
    if count > most:
        raise HistoryTooLarge(f"{count} {what} are more than the {most} {what} that can be read at once")
