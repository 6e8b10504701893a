"""Functions and classes that check the types of members in a provider's response.

Some vendors and proxies write other types than the protocol states: a list instead of a number, a number for
an id. No IR field can hold such a member. The client has paid for the answer, so the answer is not refused:
the member becomes a leftover, which an encoder of the same dialect writes back, and encoders of other
dialects report as lost. Some members are required, because the answer cannot be read without them: if such a
member is wrong, an error names its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from dragoman.errors import WireError
from dragoman.ir import Block, Candidate, Extra, Logprob, Response, is_sound

Types: TypeAlias = type | tuple[type, ...]
_T = TypeVar("_T")

_Null: Final = type(None)
_MOST_FITTING: Final = 1000
"""The most combinations of types that one `Typed` remembers. A provider's answers have only a few
combinations."""


class Count:
    """A type for the `types` of a `Typed`: a count, which is an integer >= 0."""


class Typed:
    """The types of some members of one kind of wire object. null fits every type; a boolean is not a number.

    dialect: the name under which members of wrong types become leftovers. within: the name of the member that
    holds the object; the names of the leftovers begin with it (`usage.…`); "" = the names begin with nothing.
    types: member -> its type, or a tuple of its types.
    """

    __slots__ = ("_before", "_counts", "_dialect", "_fitting", "_members", "_types")

    def __init__(self, dialect: str, within: str = "", /, **types: Types) -> None:
        self._dialect = dialect
        self._before = within + "." if within else ""
        self._counts = tuple(member for member, kinds in types.items() if kinds is Count)
        self._types = [
            (member, frozenset(kinds if isinstance(kinds, tuple) else (int if kinds is Count else kinds,)))
            for member, kinds in types.items()
        ]
        self._members = tuple(types)
        self._fitting: set[tuple[type, ...]] = set()  # combinations of types that the members had before

    def sort(self, wire: dict[str, Any]) -> tuple[dict[str, Any], Extra]:
        """Return (the object without the members of wrong types, these members as leftovers). Members that
        are not in `types` stay in the object. If no member has a wrong type, the result is (`wire` itself,
        None). `wire` is never changed.
        """
        found = tuple(map(type, map(wire.get, self._members)))
        if found not in self._fitting and not self._fits(found):
            return self._sorted(wire)
        for member in self._counts:
            if (wire.get(member) or 0) < 0:
                return self._sorted(wire)
        return wire, None

    def _fits(self, found: tuple[type, ...]) -> bool:
        for kind, (_, kinds) in zip(found, self._types, strict=True):
            if kind is not _Null and kind not in kinds:
                return False
        if len(self._fitting) < _MOST_FITTING:
            self._fitting.add(found)
        return True

    def _sorted(self, wire: Mapping[str, Any]) -> tuple[dict[str, Any], Extra]:
        odd = {
            member: wire[member]
            for member, kinds in self._types
            if (value := wire.get(member)) is not None
            and (type(value) not in kinds or (member in self._counts and value < 0))
        }
        plain = {member: value for member, value in wire.items() if member not in odd}
        return plain, {self._dialect: {self._before + member: value for member, value in odd.items()}}


def required(wire: Any, member: str, kind: type[_T], where: str) -> _T:
    """Return the member `member` of `wire`. Raises WireError if `wire` is not an object, or if the member is
    missing or not of the type `kind`; a boolean is always refused. kind: str, list, dict, int or float (a
    number without a fraction, such as 3, is no float). where: the JSON path of `wire`, "" = it is the whole.
    """
    value = an_object(wire, where).get(member)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise WireError(f"expected {_WORDS[kind]}", f"{where}.{member}" if where else member, "invalid_type")
    return value


def an_object(value: Any, where: str) -> dict[str, Any]:
    """Return the value itself. Raises WireError if it is not a JSON object. where: the value's JSON path."""
    if type(value) is not dict:
        raise WireError("expected an object", where, "invalid_type")
    return value


_WORDS: Final[Mapping[type, str]] = {
    str: "a string",
    list: "an array",
    dict: "an object",
    int: "an integer",
    float: "a number",
}


OF_ANOTHER_SHAPE: Final = (AttributeError, KeyError, TypeError, ValueError)
"""Exceptions that code raises when it reads a value of an unexpected shape."""


def read_block(
    read: Callable[[dict[str, Any]], Block], value: dict[str, Any], native: Callable[[dict[str, Any]], Block]
) -> Block:
    """Return the block that `read` makes from the wire object `value`. If `read` raises one of
    `OF_ANOTHER_SHAPE`, or a field of its block has a wrong type, return the block that `native` makes. Other
    errors pass.
    """
    try:
        block = read(value)
    except OF_ANOTHER_SHAPE:
        return native(value)
    return block if is_sound(block) else native(value)


def counted(wire: dict[str, Any], *, details: bool = True) -> dict[str, Any]:
    """Return a usage object with only those members that are null or token counts: whole numbers >= 0. A
    count that is written as a float (3.0) becomes an integer. If nothing has to change, `wire` itself is
    returned, otherwise a new object.

    details: True = an inner object whose name ends in `_details` stays, too, reduced in the same way.
    """
    if _are_counts(wire, details=details):
        return wire
    out: dict[str, Any] = {}
    for member, value in wire.items():
        if type(value) is dict:
            if details and member.endswith(_DETAILS):
                out[member] = counted(value, details=False)
        elif type(value) is float and value.is_integer() and value >= 0:
            out[member] = int(value)
        elif value is None or (type(value) is int and value >= 0):
            out[member] = value
    return out


def _are_counts(wire: Mapping[str, Any], *, details: bool) -> bool:
    for member, value in wire.items():
        if type(value) is int:
            if value < 0:
                return False
        elif type(value) is dict and details and member.endswith(_DETAILS):
            if not _are_counts(value, details=False):
                return False
        elif value is not None:
            return False
    return True


_DETAILS: Final = "_details"


def sound(response: Response) -> Response:
    """Return the response itself. Raises WireError if a value in it does not have the type of its field;
    TypeError if the value is not even of a type that JSON has. Unknown words for a field with fixed words
    (`Literal`) are accepted.
    """
    try:
        msgspec.convert(msgspec.to_builtins(response), Response)
    except (msgspec.ValidationError, TypeError) as error:
        if is_sound(response):  # with a word that is not in a Literal
            return response
        if isinstance(error, TypeError):
            raise
        raise WireError(f"a value has the wrong type: {error}") from None
    return response


def sound_tokens(
    decode: Callable[[Any], tuple[Logprob, ...] | None], tokens: Any
) -> tuple[Logprob, ...] | None:
    """Return the result of `decode` for `tokens`, the log probabilities in a response as JSON values. None if
    `decode` raises one of `OF_ANOTHER_SHAPE`, if a value in its result has a wrong type, or if it returns
    None.
    """
    try:
        decoded = decode(tokens)
    except OF_ANOTHER_SHAPE:
        return None
    return decoded if decoded is not None and all(map(is_sound, decoded)) else None


def numbered(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates in the order of their index. If the indices are not exactly 0, 1, 2, … (one is
    missing or repeated), the candidates keep their order and get new indices from 0.
    """
    indices = [candidate.index for candidate in candidates]
    if indices == list(range(len(candidates))):
        return tuple(candidates)
    if sorted(indices) == list(range(len(candidates))):
        return tuple(sorted(candidates, key=lambda candidate: candidate.index))
    return tuple([msgspec.structs.replace(one, index=place) for place, one in enumerate(candidates)])
