"""A text that must not become visible: a provider's API key, a client's API key, or another secret setting.

A `Secret` that is printed, logged, formatted or part of an error message shows at most its `tail`, and it
cannot be pickled or encoded as JSON. Code that needs the text calls `reveal()`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn, Self, final

import msgspec

_SHORT: Final = 12


@final
class Secret:
    """A hidden text. It is equal only to secrets with the same text. file: the file that the text was read
    from, None = no file. variable: the names of the environment variables whose values the text contains
    ("A, B"), None = none. A secret is false if its text is empty. A copy is the same object.
    """

    __slots__ = ("_value", "file", "variable")

    def __init__(self, value: str, file: Path | None = None, variable: str | None = None) -> None:
        self._value = value
        self.file = file
        self.variable = variable

    def reveal(self) -> str:
        """Return the text. Call this only where the text is sent or compared."""
        return self._value

    @property
    def tail(self) -> str:
        """The last four characters of the text, by which its owner recognises it; "" if the text has fewer
        than 12 characters.
        """
        return self._value[-4:] if len(self._value) >= _SHORT else ""

    def matches(self, candidate: str) -> bool:
        """Whether `candidate` is the same text. The time that the comparison takes does not tell where the
        texts differ.
        """
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


def secrets_in(value: Any) -> Iterator[Secret]:
    """Yield all secrets in a value: the value itself if it is a `Secret`, and those in the fields of structs,
    the values of dicts, and the items of lists and tuples, however deeply nested. The keys of dicts, and
    other types, are not searched.
    """
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from secrets_in(getattr(value, name))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from secrets_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from secrets_in(inner)
