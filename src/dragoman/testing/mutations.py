"""Mutants: recorded bodies and streams with one or two odd changes, such as a vendor or a proxy might make.
The changes depend only on the recorded value and a seed, so each mutant can be made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from dragoman.testing.case import copy_of
from dragoman.wire.json import UNDECODABLE

_Place: TypeAlias = tuple[Any, Any]
"""A container, and the key or index of one of its items."""
_T = TypeVar("_T")
_ODD: Final[tuple[Any, ...]] = (
    *("", "odd", 7, -1, 0.5, True, False),
    *([], {}, ["odd"], {"odd": 1}, [None], [[]], [{}]),
)
"""Values that replace a value of another type, or that are added."""


class Draw:
    """Pseudo-random choices, the same for the same seed."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._drawn = 0

    def below(self, limit: int) -> int:
        """Return a number from 0 to limit - 1. limit: at least 1."""
        self._drawn += 1
        digest = hashlib.blake2b(f"{self._seed} {self._drawn}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % limit

    def choice(self, of: Sequence[_T]) -> _T:
        """Return one of these values at random. of: not empty."""
        return of[self.below(len(of))]

    def shuffled(self, values: Sequence[_T]) -> list[_T]:
        """Return these values in a random order."""
        left = list(values)
        return [left.pop(self.below(len(left))) for _ in values]


class Mutant(msgspec.Struct, frozen=True):
    """An odd form of a recorded value. name: its number, and each change with its place ("3: null a.b, then
    removed c[0]"). value: the odd form, a copy.
    """

    name: str
    value: Any


def mutants(value: Any, seed: str, count: int) -> Iterator[Mutant]:
    """Yield `count` odd forms of a JSON value, the same for the same seed. Each form has one or two changes,
    at any depth. A form may be equal to `value`, for example if it has no members.
    """
    return _drawn(value, seed, count, copy_of, _mutate)


def odd_streams(frames: Sequence[bytes], seed: str, count: int) -> Iterator[Mutant]:
    """Yield `count` odd forms of a stream, the same for the same seed. frames: the data of each
    event. The value of a mutant is a list of frames: frames are removed, doubled or moved, the stream
    is cut off, or the JSON inside of a frame is changed. By chance, a mutant may be equal to the
    stream.
    """
    return _drawn(frames, seed, count, list, _mutate_stream)


def _drawn(
    value: Any,
    seed: str,
    count: int,
    copy: Callable[[Any], Any],
    mutate: Callable[[Any, Draw], str],
) -> Iterator[Mutant]:
    for number in range(count):
        draw = Draw(f"{seed} {number}")
        odd = copy(value)
        done = [mutate(odd, draw)]
        if draw.below(5) == 0:
            done.append(mutate(odd, draw))
        yield Mutant(f"{number}: " + ", then ".join(done), odd)


def _places(value: Any, path: str, found: list[tuple[str, _Place]]) -> list[tuple[str, _Place]]:
    """Add to `found` a pair (path, (container, key or index)) for each member and element of `value` and of
    the objects and arrays inside it. Returns `found`. path: the path of `value` itself.
    """
    if type(value) is dict:
        for key, inner in value.items():
            place = f"{path}.{key}" if path else key
            found.append((place, (value, key)))
            _places(inner, place, found)
    elif type(value) is list:
        for index, inner in enumerate(value):
            place = f"{path}[{index}]"
            found.append((place, (value, index)))
            _places(inner, place, found)
    return found


def _mutate(value: Any, draw: Draw) -> str:
    """Choose a member or element of `value`, or of an object or array inside it, and change it or its
    container in place. Returns the name of the change, and the path that was chosen ("null a.b"); "nothing to
    change" if `value` has no member and no element.
    """
    places = _places(value, "", [])
    if not places:
        return "nothing to change"
    path, (holder, key) = draw.choice(places)
    change = draw.choice(_CHANGES)
    change(holder, key, draw)
    return f"{change.__name__.strip('_')} {path}"


def _removed(holder: Any, key: Any, _draw: Draw) -> None:
    del holder[key]


def _null(holder: Any, key: Any, _draw: Draw) -> None:
    holder[key] = None


def _emptied(holder: Any, key: Any, _draw: Draw) -> None:
    holder[key] = type(holder[key])() if holder[key] is not None else {}


def _doubled(holder: Any, key: Any, _draw: Draw) -> None:
    """Double the item `key` of the container `holder`: an element of an array is inserted again; a list or
    text in an object becomes twice as long, and any other value in an object becomes a list of two.
    """
    value = holder[key]
    if type(holder) is list:
        holder.insert(key, copy_of(value))
    elif type(value) in {list, str}:
        holder[key] = value + copy_of(value)
    else:
        holder[key] = [value, copy_of(value)]


def _retyped(holder: Any, key: Any, draw: Draw) -> None:
    kind = type(holder[key])
    holder[key] = copy_of(draw.choice([odd for odd in _ODD if type(odd) is not kind]))


def _reordered(holder: Any, key: Any, draw: Draw) -> None:
    inner = holder[key] if type(holder[key]) in {list, dict} else holder
    if type(inner) is list:
        inner[:] = draw.shuffled(inner)
    else:
        members = draw.shuffled(list(inner.items()))
        inner.clear()
        inner.update(members)


def _unknown(holder: Any, key: Any, draw: Draw) -> None:
    """Add something unknown to the item `key` of the container `holder`: an object gets the member
    `odd_member`, an array gets an odd element at a random position, and a text is replaced by "odd_word". An
    item of another type stays; instead `holder` gets the member, or an element at its end.
    """
    value = holder[key]
    added = copy_of(draw.choice(_ODD))
    if type(value) is dict:
        value["odd_member"] = added
    elif type(value) is list:
        value.insert(draw.below(len(value) + 1), draw.choice([added, {"type": "odd_type", "odd": added}]))
    elif type(value) is str:
        holder[key] = "odd_word"
    elif type(holder) is dict:
        holder["odd_member"] = added
    else:
        holder.append(added)


_CHANGES: Final = (_removed, _null, _emptied, _doubled, _retyped, _retyped, _reordered, _unknown)


def _mutate_stream(frames: list[bytes], draw: Draw) -> str:
    """Change the JSON inside one frame, or the order or number of the frames, in place. Returns the name of
    the change ("frame 2: moved"); "nothing to change" if there are no frames.
    """
    if not frames:
        return "nothing to change"
    at = draw.below(len(frames))
    if draw.below(10) < 7:
        try:
            value = [msgspec.json.decode(frames[at])]
        except UNDECODABLE:
            pass  # the frame is a terminator
        else:
            done = _mutate(value, draw)
            frames[at : at + 1] = [msgspec.json.encode(one) for one in value]
            return f"frame {at}: {done}"
    change = draw.choice(("removed", "doubled", "moved", "cut off"))
    if change == "removed":
        del frames[at]
    elif change == "doubled":
        frames.insert(at, frames[at])
    elif change == "moved":
        frames.insert(draw.below(len(frames)), frames.pop(at))
    else:
        del frames[at:]
    return f"frame {at}: {change}"
