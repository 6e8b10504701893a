"""The headers of an HTTP message. They stay bytes until one of them is read, because most are never read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any


class HeaderMap(Mapping[str, str]):
    """The headers of an HTTP message, by name. The caller must write all names in lower case, also to look
    one up.

    lines: a (name, value) pair for each header, or a dict of them; if a name comes twice, its last value
    counts. raw: the headers as bytes, {name: value}.
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
        """Return the headers whose names are in `names`, as (name, value) pairs of bytes, sorted by name."""
        raw = self.raw
        return [(name, raw[name]) for name in _there(names, tuple(raw))]

    def replaced(self, name: bytes, value: bytes) -> HeaderMap:
        """Return a copy of the headers in which the header `name` has this value; the header is added if it
        is missing.
        """
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
    """Return the `names` that are also in `given`, sorted. The result is cached, because servers send the
    same header names again and again.
    """
    return tuple(sorted(names.intersection(given)))
