"""The headers of a message, each decoded when it is read. Most are never read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any


class HeaderMap(Mapping[str, str]):
    """The headers of a message by lower-case name. lines: (lower-case name, value) of each. If a header comes
    twice, the last one counts. raw: all of them, undecoded.
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
        """Those of these lower-case names that are there, with their values, undecoded."""
        raw = self.raw
        return [(name, raw[name]) for name in _there(names, tuple(raw))]

    def replaced(self, name: bytes, value: bytes) -> HeaderMap:
        """The same headers with another value of one of them, which has this lower-case name."""
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
    """The names that are among the given ones, sorted. Cached: a server repeats its names."""
    return tuple(sorted(names.intersection(given)))
