"""What operators have added to the configuration while the gateway ran, and the interface of the store that
keeps this.

Each change (of one entry) gets the next number, called the version; the first is 1. A process that knows the
version of the entries that it uses needs to read only this number to find out whether anything has changed
since.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

AddedKind: TypeAlias = Literal["providers", "models", "aliases", "limits", "prices"]
KINDS: Final[tuple[AddedKind, ...]] = ("providers", "models", "aliases", "limits", "prices")
"""The parts of a configuration whose entries can be added."""


class AddedEntry(msgspec.Struct, frozen=True):
    """One entry that was added. kind: the part of the configuration, such as `models`. name: the entry's name
    in that part. text: the entry as JSON, as the operator sent it; variables in it are not replaced. version:
    the number of the change that wrote the entry. author: who made this change. at: when, in Unix seconds.
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
    """The entries that are stored now, in the order of their versions. version: the number of the latest
    change, which may be a change that removed an entry; 0 = there was no change.
    """

    version: int = 0
    entries: Sequence[AddedEntry] = ()


class Additions(Protocol):
    """Stores the entries that operators have added. Each method raises StoreFailed if the database fails."""

    async def read(self) -> KeptEntries:
        """Return all entries that are stored now, and the number of the latest change."""

    async def change(self, entry: AddedEntry, *, removed: bool = False) -> bool:
        """Make one change, and return True. removed: False = write `entry`, which replaces an older entry of
        the same kind and name. True = remove the entry with the kind and name of `entry`; the text of `entry`
        is then not used, and it is no error if there is no such entry. The caller sets `entry.version` to the
        number after the latest change that it knows. If that is not the next number, because somebody else
        has made a change since, do nothing and return False.
        """
