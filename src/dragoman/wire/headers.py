"""The headers of an HTTP message. They stay bytes until one of them is read, because most are never read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

_LISTS: Final = frozenset(
    {
        *(b"accept", b"accept-charset", b"accept-encoding", b"accept-language", b"te", b"prefer"),
        *(b"cache-control", b"pragma", b"expect", b"if-match", b"if-none-match", b"vary", b"allow"),
        *(b"connection", b"upgrade", b"transfer-encoding", b"trailer", b"content-encoding"),
        *(b"accept-ranges", b"www-authenticate", b"proxy-authenticate", b"link", b"warning", b"alt-svc"),
        *(b"authentication-info", b"proxy-authentication-info", b"server-timing", b"cache-status"),
        *(b"content-language", b"via", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto"),
        *(b"access-control-request-headers", b"access-control-allow-headers"),
        *(b"access-control-expose-headers", b"sec-websocket-extensions", b"sec-websocket-protocol"),
        *(b"ratelimit", b"ratelimit-policy", b"anthropic-beta", b"openai-beta"),
        *(b"x-dragoman-tags", b"x-litellm-tags"),
    }
)
"""Headers whose value is a list, of which each line may hold a part."""


class HeaderMap(Mapping[str, str]):
    """The headers of an HTTP message, by name. Names and values are read as Latin-1.

    The caller must write every name in lower case, in `lines` and in a look-up. lines: a (name, value) pair
    for each header, or {name: value}, which is copied. If a name comes several times, the last value counts;
    for the headers in `_LISTS`, whose value is a list, all values are joined by ", " (RFC 9110, section 5.3).
    raw: the headers as bytes, {name: value}.
    """

    __slots__ = ("raw",)

    def __init__(self, lines: Sequence[tuple[bytes, bytes]] | dict[bytes, bytes]) -> None:
        self.raw: dict[bytes, bytes] = dict(lines)
        if len(self.raw) < len(lines) and not isinstance(lines, dict):
            self._join(lines)

    def _join(self, lines: Sequence[tuple[bytes, bytes]]) -> None:
        """Join the values of each header whose value is a list and whose name comes several times."""
        raw = self.raw
        for name in _LISTS.intersection(raw):
            raw[name] = b", ".join([value for other, value in lines if other == name])

    def __getitem__(self, name: str) -> str:
        return self.raw[_encoded(name)].decode("latin-1")

    def get(self, name: str, default: Any = None) -> Any:
        value = self.raw.get(_encoded(name))
        return default if value is None else value.decode("latin-1")

    def picked(self, names: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
        """Return the headers whose names are in `names`, as (name, value) pairs of bytes, sorted by name;
        each name once. names: in lower case.
        """
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
        return isinstance(name, str) and _encoded(name) in self.raw

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self.raw)

    def __len__(self) -> int:
        return len(self.raw)


def _encoded(name: str) -> bytes:
    """Return the bytes of a header's name. A character outside of Latin-1 becomes a question mark, which no
    name of a header has (RFC 9110, section 5.6.2).
    """
    return name.encode("latin-1", "replace")


def members(value: str) -> list[str]:
    """Return the members of a comma-separated value of a header, in order, in lower case and without white
    space around them. Empty members are left out. A comma within quotes separates members, too.
    """
    return [name for member in value.lower().split(",") if (name := member.strip(" \t"))]


@lru_cache(maxsize=64)
def _there(names: frozenset[bytes], given: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return the `names` that are also in `given`, sorted."""
    return tuple(sorted(names.intersection(given)))
