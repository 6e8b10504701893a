"""Finds tool calls in a text that comes in pieces.

A reader takes the text as it comes, and gives the plain text and the calls in it, in order. A text that could
be the beginning of a call is held back until that is decided: never more of it than the longest mark with
which a call begins (and white space before it). What follows such a mark is held until the call is complete;
a call that is not well-formed is plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

import msgspec


class Begun(msgspec.Struct, frozen=True):
    """A call of the tool `name` begins."""

    name: str


class Written(msgspec.Struct, frozen=True):
    """More of the arguments of the call that has begun: JSON text."""

    arguments: str


class Ended(msgspec.Struct, frozen=True):
    """The call that has begun ends."""


class Thought(msgspec.Struct, frozen=True):
    """More of the reasoning that the model writes before its answer."""

    text: str


Piece: TypeAlias = str | Begun | Written | Ended | Thought
"""Plain text, a part of a call, or reasoning. A call is Begun, any number of Written, Ended."""


class CallReader(Protocol):
    """Reads one text of an answer."""

    def feed(self, text: str) -> Sequence[Piece]:
        """What the next piece of the text has completed; [] = it is held back."""

    def close(self) -> Sequence[Piece]:
        """What was held back. Called once, after the last piece."""


class Call(msgspec.Struct, frozen=True):
    """A complete call. arguments: JSON text."""

    name: str
    arguments: str


class Complete(msgspec.Struct, frozen=True):
    """The body of a call is complete. rest: the text behind it."""

    calls: tuple[Call, ...]
    rest: str


class Broken(msgspec.Struct, frozen=True):
    """The text is no call, however it goes on."""


BROKEN: Final = Broken()


class Body(Protocol):
    """The text of one call from its opening mark on."""

    def feed(self, text: str) -> Complete | Broken | None:
        """Take the next piece; None = more text is needed to decide."""


Opening: TypeAlias = Callable[[], Body]

_MOST_CALLS: Final = 1000
"""After so many calls the rest of an answer is plain text. This bounds the number of its blocks, which the
limits on a provider's JSON do not count.
"""
_PART: Final = 4096
_MOST_BROKEN: Final = 64
"""After so many broken calls the rest of an answer is read as plain text, because the text of a broken call
is read again. This bounds the work on the answer of a model that writes nothing but openings."""


class TextReader:
    """The `CallReader` of texts in which each call begins with a mark of its own.

    openings: the marks, each with what reads the text behind it. single: True = the answer may have only one
    call; further ones are plain text. White space between calls, and around the calls of an answer that has
    no other text, is left out.
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
        """What the next piece has completed; [] = it is held back."""
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
        """What was held back: a call that is not complete is plain text."""
        pieces: list[Piece] = []
        while self._body is not None:
            pieces += self.feed(self._give_up(pieces))
        held, self._held = self._held, ""
        if held and (self._speaking or not self._called or not held.isspace()):
            pieces.append(held)
        return pieces

    def _plain(self, text: str, pieces: list[Piece]) -> str | None:
        """Read plain text up to the next opening mark. Returns the text behind the mark, None = no mark."""
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
        """Pass plain text. Returns what is held back: white space that may stand before a call."""
        if not self._speaking and text.isspace() and len(text) <= _MOST_SPACE:
            return text
        if text:
            pieces.append(text)
            self._speaking = True
        return ""

    def _begins(self, text: str) -> int:
        """The place in a text without marks from which on it may be the beginning of a mark; the text's
        length = nowhere.
        """
        for place in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[place] in self._firsts:
                tail = text[place:]
                if any(mark.startswith(tail) for mark in self._openings):
                    return place
        return len(text)

    def _inside(self, body: Body, text: str, pieces: list[Piece]) -> str | None:
        """Read the text of a call. Returns the text that is to be read next, None = the call needs more."""
        seen = body.feed(text)
        if isinstance(seen, Complete) and len(seen.calls) <= self._most:
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
        """Pass the mark of the open call as plain text. Returns the text behind it, to be read again."""
        behind = "".join(self._behind)
        self._behind.clear()
        self._body = None
        self._broken += 1
        pieces.append(self._mark)
        self._speaking = True
        return behind


_MOST_SPACE: Final = 64
"""The most white space that is held back because a call may follow it."""
