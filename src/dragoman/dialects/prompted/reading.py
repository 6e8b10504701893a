"""Finds tool calls in a text that comes in parts.

A reader takes the parts, and gives the plain text and the calls in them, in order. `TextReader` finds calls
that begin with a mark. A text that may be the beginning of a mark, and a little white space before it, is
held back until this is decided. The text after a mark is held back until the call is complete. If it is no
well-formed call, its mark is plain text, and the text after the mark is read again, because there may be
calls in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

import msgspec

from dragoman.dialects.prompted.work import Work


class Begun(msgspec.Struct, frozen=True):
    """The beginning of a call of the tool `name`."""

    name: str


class Written(msgspec.Struct, frozen=True):
    """A further part of the arguments of the call that has begun. arguments: JSON text."""

    arguments: str


class Ended(msgspec.Struct, frozen=True):
    """The end of the call that has begun."""


class Thought(msgspec.Struct, frozen=True):
    """A further part of the reasoning that the model writes before its answer."""

    text: str


Piece: TypeAlias = str | Begun | Written | Ended | Thought
"""What a reader gives: plain text (str), a part of a call, or reasoning. A call is one Begun, any number of
Written, and one Ended, with no other piece between them."""


class CallReader(Protocol):
    """Reads one text of an answer, which comes in parts."""

    def feed(self, text: str) -> Sequence[Piece]:
        """Take the next part of the text, and return the pieces that it completes; [] = none, for example
        because the text is held back or left out.
        """

    def close(self, *, cut: bool = False) -> Sequence[Piece]:
        """Return the pieces of the text that was held back, and the end of a call that has begun and not
        ended. Called once, after the last part of the text. cut: True = the model has not ended its answer
        itself, for example because it has reached its limit of tokens.
        """


class Call(msgspec.Struct, frozen=True):
    """A complete call. name: the tool. arguments: JSON text."""

    name: str
    arguments: str


class Complete(msgspec.Struct, frozen=True):
    """The result of `Body.feed`: the calls are complete. rest: the text after them."""

    calls: tuple[Call, ...]
    rest: str


class Broken(msgspec.Struct, frozen=True):
    """The result of `Body.feed`: the text is not a call, whatever text follows."""


BROKEN: Final = Broken()


class Body(Protocol):
    """Reads the text of a call after its opening mark. The text comes in parts."""

    def feed(self, text: str) -> Complete | Broken | None:
        """Take the next part of the text. Returns `Complete` at the end of the call, `Broken` if the text is
        not a call, and None if more text is needed.
        """


Opening: TypeAlias = Callable[[Work], Body]
"""Makes the reader of the text after an opening mark. `Work` limits how often this text is read again."""

_MOST_CALLS: Final = 1000
"""After so many calls, the rest of a text is plain text. This limits the number of blocks, because the limits
on a provider's JSON do not count calls in a text."""
_PART: Final = 4096


class TextReader:
    """The `CallReader` of one text in which each call begins with an opening mark.

    openings: opening mark -> a function that makes the reader of the text after it. single: True = the text
    may have only one call; what follows it is plain text. White space of at most `_MOST_SPACE` characters is
    left out between two calls, after the last call, and before the first call if no other text precedes it.
    When the `Work` is used up, the rest of the text is plain text.
    """

    __slots__ = (
        *("_behind", "_body", "_called", "_firsts", "_held", "_longest", "_mark", "_marks", "_most"),
        *("_openings", "_plain_only", "_speaking", "_work"),
    )

    def __init__(self, openings: Mapping[str, Opening], *, single: bool = False) -> None:
        self._openings = openings
        # The longest mark first: of two marks that begin alike, the longer one is meant.
        longest_first = sorted(openings, key=len, reverse=True)
        self._marks = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        self._firsts = frozenset(mark[0] for mark in openings)
        self._longest = max(map(len, openings), default=1)
        self._most = 1 if single else _MOST_CALLS
        self._body: Body | None = None
        self._mark = ""  # of the open call, with the white space before it
        self._behind: list[str] = []  # the text after this mark
        self._held = ""  # plain text so far: the beginning of a mark, or white space before a call
        self._speaking = False  # whether plain text was passed after the last call
        self._called = 0
        self._plain_only = False  # whether no more calls are looked for
        self._work = Work()

    def feed(self, text: str) -> Sequence[Piece]:
        """Take the next part of the text, and return the pieces that it completes; [] = none, for example
        because the text is held back.
        """
        pieces: list[Piece] = []
        self._work.grow(len(text))
        self._read(text, pieces)
        return pieces

    def close(self, *, cut: bool = False) -> Sequence[Piece]:
        """Return the pieces of the text that was held back. The text of a call that is not complete is read
        again after its mark, because there may be calls in it. cut: True = the model has not ended its answer
        itself; then no calls are read from this text, because they may be part of a value.
        """
        pieces: list[Piece] = []
        if cut and self._body is not None:
            self._plain_only = True
        while self._body is not None:
            self._read(self._give_up(pieces), pieces)
        held, self._held = self._held, ""
        if held and (self._speaking or not self._called or not held.isspace()):
            pieces.append(held)
        return pieces

    def _read(self, text: str, pieces: list[Piece]) -> None:
        waiting = [text]  # the next part comes last
        while waiting:
            left = waiting.pop()
            if len(left) > _PART:
                # In parts, because each mark and each call cuts off the rest of the text, which copies it.
                waiting += [left[start : start + _PART] for start in range(0, len(left), _PART)][::-1]
                continue
            body = self._body
            rest = self._plain(left, pieces) if body is None else self._inside(body, left, pieces)
            if rest is not None:
                waiting.append(rest)

    def _plain(self, text: str, pieces: list[Piece]) -> str | None:
        """Read plain text up to the next opening mark, and append it to `pieces`. Returns the text after the
        mark; None = there is no mark, or the limit of calls or the `Work` is used up.
        """
        text, self._held = self._held + text, ""
        if self._plain_only or self._called >= self._most:
            self._held = self._say(text, pieces)
            return None
        found = self._marks.search(text)
        if found is None:
            end = self._begins(text)
            self._held = self._say(text[:end], pieces) + text[end:]
            return None
        self._mark = self._say(text[: found.start()], pieces) + found[0]
        self._body = self._openings[found[0]](self._work)
        return text[found.end() :]

    def _say(self, text: str, pieces: list[Piece]) -> str:
        """Append plain text to `pieces`. Returns the text that is held back instead: white space that may
        stand before a call; "" = none.
        """
        if not self._speaking and text.isspace() and len(text) <= _MOST_SPACE:
            return text
        if text:
            pieces.append(text)
            self._speaking = True
        return ""

    def _begins(self, text: str) -> int:
        """Return the index at which the beginning of a mark may stand, which the next part of the text may
        complete. text: has no complete mark. The text's length = no end of the text begins a mark.
        """
        for place in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[place] in self._firsts:
                tail = text[place:]
                if any(mark.startswith(tail) for mark in self._openings):
                    return place
        return len(text)

    def _inside(self, body: Body, text: str, pieces: list[Piece]) -> str | None:
        """Read the text of a call, and append complete calls to `pieces`. If the text is not a call, append
        its opening mark as plain text. Returns the text that must be read next: the text after the call, or
        after that mark; None = more text is needed.
        """
        seen = body.feed(text)
        if isinstance(seen, Complete) and self._called + len(seen.calls) <= self._most:
            for call in seen.calls:
                pieces += (Begun(call.name), Written(call.arguments), Ended())
            self._called += len(seen.calls)
            self._speaking = False
            self._body = None
            self._behind.clear()
            return seen.rest
        if seen is None:
            self._behind.append(text)
            return None
        # The last part is no longer than `_PART`, so reading it again costs little.
        return self._give_up(pieces) + text

    def _give_up(self, pieces: list[Piece]) -> str:
        """End a broken call: append its opening mark to `pieces` as plain text. Returns the text after the
        mark, without the part that `_inside` is reading; it must be read again.
        """
        behind = "".join(self._behind)
        self._behind.clear()
        self._body = None
        self._plain_only |= not self._work.spend(len(behind))
        pieces.append(self._mark)
        self._speaking = True
        return behind


_MOST_SPACE: Final = 64
"""The most white space, in characters, that is held back because a call may follow."""
