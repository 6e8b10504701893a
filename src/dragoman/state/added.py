"""What operators have added to the configuration while the gateway ran, and the interface of the store that
keeps it.

Each change gets the next number, the version. A process that remembers the version of the entries in use
needs to compare only this number to see whether anything has changed since.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

AddedKind: TypeAlias = Literal["providers", "models", "aliases", "limits", "prices"]
KINDS: Final[tuple[AddedKind, ...]] = ("providers", "models", "aliases", "limits", "prices")
"""The parts of a configuration whose entries can be added."""


class AddedEntry(msgspec.Struct, frozen=True):
    """One entry that was added. kind: the part of the configuration. name: the entry's name in it. text: the
    entry as JSON, as the client sent it: variables are not replaced. version: the number of the change that
    wrote it. author: who made this change. at: when, Unix seconds.
    """

    kind: AddedKind
    name: str
    text: bytes
    version: int
    author: str
    at: float

    @property
    def place(self) -> tuple[AddedKind, str]:
        """The part of the configuration and the name in it, which together identify the entry: `("models",
        "fast")`.
        """
        return self.kind, self.name


class KeptEntries(msgspec.Struct, frozen=True):
    """All entries that are kept, in the order of their versions. version: the number of the latest change,
    also of one that removed an entry; 0 = there was none.
    """

    version: int = 0
    entries: Sequence[AddedEntry] = ()


class Additions(Protocol):
    """Keeps the entries that were added. Each method raises StoreFailed if the database fails."""

    async def read(self) -> KeptEntries:
        """All entries."""

    async def change(self, entry: AddedEntry, *, removed: bool = False) -> bool:
        """Write an entry, which replaces an older one of the same name; or, if `removed`, remove it. Returns
        False, and changes nothing, unless `entry.version` is the number after the latest change: otherwise
        somebody else has made a change in between.
        """
