"""Finds tool calls in a text that comes in parts.

A reader takes the parts, and gives the plain text and the calls in them, in order. A text that may be the
beginning of a call is held back until this is decided: at most as long as the longest mark with which a call
begins, and white space before it. The text behind such a mark is held back until the call is complete. A call
that is not well-formed is plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

import msgspec


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
Written, and one Ended."""


class CallReader(Protocol):
    """Reads one text of an answer, which comes in parts."""

    def feed(self, text: str) -> Sequence[Piece]:
        """Take the next part of the text, and return the pieces that it completes; [] = the text is held
        back.
        """

    def close(self) -> Sequence[Piece]:
        """The pieces of the text that was held back. Called once, after the last part."""


class Call(msgspec.Struct, frozen=True):
    """A complete call. name: the tool. arguments: JSON text."""

    name: str
    arguments: str


class Complete(msgspec.Struct, frozen=True):
    """The result of `Body.feed`: the calls are complete. rest: the text behind them."""

    calls: tuple[Call, ...]
    rest: str


class Broken(msgspec.Struct, frozen=True):
    """The result of `Body.feed`: the text is not a call, whatever text follows."""


BROKEN: Final = Broken()


class Body(Protocol):
    """Reads the text of a call behind its opening mark. The text comes in parts."""

    def feed(self, text: str) -> Complete | Broken | None:
        """Take the next part of the text. Returns None if more text is needed to decide whether this is a
        call.
        """


Opening: TypeAlias = Callable[[], Body]

_MOST_CALLS: Final = 1000
"""After so many calls, the rest of an answer is plain text. This limits the number of its blocks, because the
limits on a provider's JSON do not count calls in a text."""
_PART: Final = 4096
_MOST_BROKEN: Final = 64
"""After so many broken calls, the rest of an answer is plain text. The text of each broken call is read a
second time, so without a limit an answer with nothing but opening marks would cost much work."""


class TextReader:
    """The `CallReader` of texts in which each call begins with an opening mark.

    openings: opening mark -> a function that makes the reader of the text behind it. single: True = the
    answer may have only one call; later calls are plain text. White space of at most `_MOST_SPACE` characters
    is left out between two calls, after the last call, and before the first call if no other text precedes
    it.
    """

    __slots__ = (
        *("_behind", "_body", "_broken", "_called", "_firsts", "_held", "_longest", "_mark"),
        *("_marks", "_most", "_openings", "_speaking"),
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
        self._behind: list[str] = []  # the text behind this mark
        self._held = ""  # plain text so far: the beginning of a mark, or white space before a call
        self._speaking = False  # whether plain text was passed after the last call
        self._called = 0
        self._broken = 0

    def feed(self, text: str) -> Sequence[Piece]:
        """Take the next part of the text, and return the pieces that it completes; [] = the text is held
        back.
        """
        pieces: list[Piece] = []
        # In parts, because each mark and each call cuts off the rest of the text, which copies it.
        for start in range(0, len(text), _PART):
            left: str | None = text[start : start + _PART]
            while left is not None:
                if len(left) > _PART:  # a broken call is read again
                    pieces += self.feed(left)
                    break
                body = self._body
                left = self._plain(left, pieces) if body is None else self._inside(body, left, pieces)
        return pieces

    def close(self) -> Sequence[Piece]:
        """The pieces of the text that was held back. A call that is not complete is plain text."""
        pieces: list[Piece] = []
        while self._body is not None:
            pieces += self.feed(self._give_up(pieces))
        held, self._held = self._held, ""
        if held and (self._speaking or not self._called or not held.isspace()):
            pieces.append(held)
        return pieces

    def _plain(self, text: str, pieces: list[Piece]) -> str | None:
        """Read plain text up to the next opening mark, and append it to `pieces`. Returns the text behind the
        mark; None = there is no mark, or the limit of calls or of broken calls is reached.
        """
        text, self._held = self._held + text, ""
        if self._broken >= _MOST_BROKEN or self._called >= self._most:
            self._held = self._say(text, pieces)
            return None
        found = self._marks.search(text)
        if found is None:
            end = self._begins(text)
            self._held = self._say(text[:end], pieces) + text[end:]
            return None
        self._mark = self._say(text[: found.start()], pieces) + found[0]
        self._body = self._openings[found[0]]()
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
        """The index from which a text without marks may be the beginning of a mark. The text's length = it is
        not the beginning of a mark.
        """
        for place in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[place] in self._firsts:
                tail = text[place:]
                if any(mark.startswith(tail) for mark in self._openings):
                    return place
        return len(text)

    def _inside(self, body: Body, text: str, pieces: list[Piece]) -> str | None:
        """Read the text of a call, and append complete calls to `pieces`. Returns the text that must be read
        next; None = more text is needed.
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
        self._behind.append(text)
        return None if seen is None else self._give_up(pieces)

    def _give_up(self, pieces: list[Piece]) -> str:
        """Append the opening mark of a broken call to `pieces` as plain text. Returns the text behind the
        mark, which must be read again.
        """
        behind = "".join(self._behind)
        self._behind.clear()
        self._body = None
        self._broken += 1
        pieces.append(self._mark)
        self._speaking = True
        return behind


_MOST_SPACE: Final = 64
"""The most white space, in characters, that is held back because a call may follow."""
