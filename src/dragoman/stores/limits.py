"""How much a store keeps, and for how long."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of one store.

    size: bytes of answers, conversations and sessions. history_size: bytes that are read at once: an answer
    with all that it continues, a conversation, or the items that one request refers to. history_count: items,
    and answers, that are read at once: each costs time beside its bytes. session_count: sessions.
    session_size: bytes of one session. seals_size: bytes of seals; seals_ttl: seconds that one lasts since it
    was last used. Either of the last two being 0 means that no seals are kept.
    """

    size: int = 500_000_000
    history_size: int = 64_000_000
    history_count: int = 20_000
    session_count: int = 10_000
    session_size: int = 4_000_000
    seals_size: int = 64_000_000
    seals_ttl: float = 86_400.0

    @property
    def seals(self) -> bool:
        """Whether seals are kept at all."""
        return self.seals_size > 0 and self.seals_ttl > 0


STANDARD = Limits()
"""What the settings say where nobody says otherwise."""


def later(end: float | None, other: float | None) -> float | None:
    """The later of two ends, None = never."""
    return None if end is None or other is None else max(end, other)
