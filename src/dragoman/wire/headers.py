"""The headers of a message. They stay bytes until somebody reads one of them, because most are never read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any


class HeaderMap(Mapping[str, str]):
    """The headers of a message, by lower-case name. lines: a (lower-case name, value) pair for each header,
    or a dict of them; if a name comes twice, its last value counts. raw: the headers as bytes, {name: value}.
    """

    __slots__ = ("raw",)

    def __init__(self, lines: Iterable[tuple[bytes, bytes]] | dict[bytes, bytes]) -> None:
        self.raw: dict[bytes, bytes] = dict(lines)

    def __getitem__(self, name: str) -> str:
        return self.raw[name.encode("latin-1")].decode("latin-1")

    def get(self, name: str, default: Any = None) -> Any:
        value = self.raw.get(name.encode())
        return default if value is None else value.decode("latin-1")

    def picked(self, names: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
        """The headers whose names are in `names` (lower case), as (name, value) pairs of bytes, sorted by
        name.
        """
        raw = self.raw
        return [(name, raw[name]) for name in _there(names, tuple(raw))]

    def replaced(self, name: bytes, value: bytes) -> HeaderMap:
        """A copy of the headers in which the header `name` (lower case) has this value."""
        changed = HeaderMap(())
        changed.raw = {**self.raw, name: value}
        return changed

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.encode("latin-1") in self.raw

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self.raw)

    def __len__(self) -> int:
        return len(self.raw)


@lru_cache(maxsize=64)
def _there(names: frozenset[bytes], given: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Those of `names` that are among `given`, sorted. The result is cached, because a server sends the same
    names again and again.
    """
    return tuple(sorted(names.intersection(given)))
