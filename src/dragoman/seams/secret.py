"""A value that must not be seen: an API key, a client key.

A `Secret` never shows itself: not when printed, logged, formatted, pickled, copied into JSON or named
in a traceback's message. Code that needs the value says so with `reveal()`, which is easy to search for.
"""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Final, NoReturn, Self, final

_SHORT: Final = 12


@final
class Secret:
    """A masked text. Equal in constant time to a secret with the same text, and to nothing else.

    value: the text itself; any Unicode text is accepted here, what a header can carry is checked where
    the value enters. file: what it was read from, None = it was stated itself.
    """

    __slots__ = ("_value", "file")

    def __init__(self, value: str, file: Path | None = None) -> None:
        self._value = value
        self.file = file

    def reveal(self) -> str:
        """The text itself. Call it only where the value leaves for its own destination."""
        return self._value

    @property
    def tail(self) -> str:
        """The last four characters, for its owner to recognise it; "" for a value below 12 characters."""
        return self._value[-4:] if len(self._value) >= _SHORT else ""

    def matches(self, candidate: str) -> bool:
        """Whether `candidate` is the same text, in time that does not depend on where they differ."""
        return hmac.compare_digest(
            self._value.encode("utf-8", "surrogatepass"), candidate.encode("utf-8", "surrogatepass")
        )

    def __eq__(self, other: object) -> bool:
        return self.matches(other._value) if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __str__(self) -> str:
        return f"…{self.tail}"

    def __repr__(self) -> str:
        return f"Secret({self})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not serialised")
