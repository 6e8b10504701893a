r"""Patterns of schemas: measured before they are compiled, and compiled so that a search can be stopped.

A pattern comes from a client, so three costs need a bound, each of which the engine leaves open:

- Memory. The package `regex` writes a repetition out, as often as its lower count says and once more, and
  repetitions inside of repetitions multiply: fifteen nested `{2,}` take 18 GB. `MOST_PARTS` bounds what is
  written out, before anything is compiled. `regex` would also keep its last 500 patterns; it is told not to.
- Compilation. The table for a search of literal text grows with the cube of its length (1,600 letters take
  three seconds, and no time limit is looked at meanwhile). So no literal run is left longer than `_RUN`.
- Search. The engine looks at its clock every 256 steps, and one step may walk over the whole text. So the
  text's length times what one character costs is bounded (`Pattern.reach`).

Only the syntax of ECMA-262 is taken, as JSON Schema recommends, and what Python's `re` writes besides
(`(?P<name>…)`, `(?i)`, `\A`). What only `regex` knows (recursion, fuzzy matches, named lists) is refused or
means what ECMA-262 says: https://json-schema.org/understanding-json-schema/reference/regular_expressions
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

LONGEST_PATTERN: Final = 2_000
"""Characters of one pattern."""
MOST_PARTS: Final = 10_000
"""Parts of all patterns of one schema, repetitions written out. A part takes up to 700 bytes and 4 µs."""
_DEEPEST: Final = 50
"""Groups inside of groups. The engine's own parser calls itself for each."""
_RUN: Final = 4
"""Characters of literal text in a row that are left together."""
_REACH: Final = 2**19
"""Half nanoseconds that one step of the engine may take: 256 such steps, after which it looks at its clock
again, then take about a fifteenth of a second at most.
"""


class Pattern(NamedTuple):
    """A compiled pattern. parts: of what it is compiled to. reach: characters of the longest text that it may
    be searched in.
    """

    regex: Any
    parts: int
    reach: int


class TooCostly(ValueError):
    """A pattern that would take more memory or time than it may."""


def compiled(pattern: str, most: int = MOST_PARTS) -> Pattern:
    """A pattern, to be searched for by `Budget.search`. most: parts that it may have.

    Raises ValueError for what is none, and TooCostly for one that is too large.
    """
    import regex

    if len(pattern) > LONGEST_PATTERN:
        raise TooCostly(f"patterns of more than {LONGEST_PATTERN} characters are not supported")
    reader = _Reader(pattern, most)
    text = reader.translated()
    try:
        engine = regex.compile(text, regex.V0, cache_pattern=False)
    except (regex.error, OverflowError, RecursionError, ValueError) as error:
        raise _no_pattern(pattern) from error
    weight = reader.weight * (3 if reader.ignores_case else 1)
    return Pattern(engine, reader.parts, _REACH // weight)


def _no_pattern(pattern: str, why: str = "") -> ValueError:
    return ValueError(
        f"{pattern[:100]!r} is not a supported regular expression" + (f": {why}" if why else "")
    )


_QUANTIFIER: Final = re.compile(r"(?:[*+?]|\{(?=,?[0-9])([0-9]++)?(,)?([0-9]++)?\})[?+]?")
_GROUP: Final = re.compile(
    r"\((?:(?!\?)|\?(?:[:=!>]|<[=!]|P?<([A-Za-z_]\w{0,63})>|([aimsu]{0,5}(?:-[ims]{1,3})?)([:)])))", re.ASCII
)
_NAMED: Final = re.compile(r"\(\?P=([A-Za-z_]\w{0,63})\)|\\k<([A-Za-z_]\w{0,63})>", re.ASCII)
_ESCAPE: Final = re.compile(
    r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|c([A-Za-z])"
    r"|([pP](?:\{\^?[A-Za-z0-9_= -]{1,64}\}|[A-Z]))|([1-9][0-9]?)|(.))",
    re.DOTALL,
)
_CONTROLS: Final = {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "0": "\0", "a": "\a"}
_PLACES: Final = {"b": r"\b", "B": r"\B", "A": r"\A", "Z": r"\Z", "z": r"\Z"}
_CLASSES: Final = {
    # Of ASCII, as in ECMA-262; Python's own hold every script's. With what each costs.
    "d": ("0-9", 1),
    "D": (r"\x00-/:-\U0010ffff", 2),
    "w": ("A-Za-z0-9_", 4),
    "W": (r"\x00-/:-@\[-\^`{-\U0010ffff", 5),
    "s": (r"\s", 8),
    "S": (r"\S", 8),
}
_WHOLE: Final = {"D": "[^0-9]", "W": "[^A-Za-z0-9_]"}
"""Outside of a class, where `(?i)` would find `k` among all others: it is also a small Kelvin sign."""
_PROPERTY: Final = 16
_CHARACTER: Final = 8
_BACKWARDS: Final = 24
"""What a character costs: comparing it, finding its property, comparing it to a group's."""


class _Group:
    """What has been read of one group. parts: of its finished terms. last: of the term that a quantifier
    would repeat, None where none may follow.
    """

    __slots__ = ("last", "parts", "run")

    def __init__(self) -> None:
        self.parts = 1
        self.last: int | None = None
        self.run = 0


class _Reader:
    """Translates one pattern and counts what it would be compiled to, in one pass without recursion."""

    def __init__(self, pattern: str, most: int) -> None:
        self._pattern = pattern
        self._most = most
        self._at = 0
        self._out: list[str] = []
        self._groups = [_Group()]
        self.weight = _CHARACTER
        self.ignores_case = False

    @property
    def parts(self) -> int:
        """Parts of the whole pattern."""
        return self._groups[0].parts + (self._groups[0].last or 0)

    def translated(self) -> str:
        """The pattern in the engine's words. Raises ValueError."""
        steps = {"(": self._open, ")": self._close, "[": self._class, "\\": self._escape}
        steps |= dict.fromkeys("*+?{", self._repeat)
        steps |= {"|": self._alternative, "^": self._place, "$": self._place, ".": self._any}
        while self._at < len(self._pattern):
            steps.get(self._pattern[self._at], self._literal)()
            if self.parts > self._most or self._groups[-1].parts > self._most:
                raise TooCostly(f"the patterns have more than {self._most} parts, repetitions included")
        if len(self._groups) > 1:
            raise _no_pattern(self._pattern, "a group is not closed")
        return "".join(self._out)

    # --- One step each: what stands at the place that has been reached -------------------------------------

    def _term(self, text: str, parts: int = 1, *, repeatable: bool = True) -> None:
        """Something that a quantifier may follow."""
        group = self._groups[-1]
        group.parts += group.last or 0
        group.last = parts if repeatable else None
        if not repeatable:
            group.parts += parts
        group.run = 0
        self._out.append(text)

    def _character(self, character: str) -> None:
        group = self._groups[-1]
        run = group.run + 1
        split = run == _RUN
        code = _code(character)
        # A class is not joined to its neighbours. Of one member, it would become that character again.
        self._term(f"[{code}{code}-{code}]" if split else code)
        group.run = 0 if split else run

    def _literal(self) -> None:
        character = self._pattern[self._at]
        self._at += 1
        self._character(character)

    def _any(self) -> None:
        self._at += 1
        self._term(".")

    def _place(self) -> None:
        at_end = self._pattern[self._at] == "$"
        self._at += 1
        # In Python `$` also stands before a line's end.
        self._term(r"\Z" if at_end else "^", repeatable=False)

    def _alternative(self) -> None:
        self._at += 1
        self._term("|", repeatable=False)

    def _open(self) -> None:
        if (named := _NAMED.match(self._pattern, self._at)) is not None:
            self._back(named)
            return
        found = _GROUP.match(self._pattern, self._at)
        if found is None:
            raise _no_pattern(self._pattern, "a group has an unknown kind")
        self._at = found.end()
        flags = found[2] or ""
        self.ignores_case = self.ignores_case or "i" in flags.partition("-")[0]
        text = f"(?P<{found[1]}>" if found[1] else found[0]
        if found[3] == ")":
            self._term(text, repeatable=False)
            return
        if len(self._groups) > _DEEPEST:
            raise TooCostly(f"patterns with more than {_DEEPEST} nested groups are not supported")
        self._out.append(text)
        self._groups.append(_Group())

    def _close(self) -> None:
        if len(self._groups) == 1:
            raise _no_pattern(self._pattern, "a group is closed that was not opened")
        self._at += 1
        inner = self._groups.pop()
        self._term(")", inner.parts + (inner.last or 0) + 1)

    def _repeat(self) -> None:
        found = _QUANTIFIER.match(self._pattern, self._at)
        if found is None:
            self._literal()  # a brace that counts nothing is itself
            return
        group = self._groups[-1]
        if group.last is None:
            raise _no_pattern(self._pattern, "nothing to repeat")
        self._at = found.end()
        least = {"*": 0, "?": 0, "+": 1}.get(found[0][0], int(found[1] or 0))
        group.parts += group.last * (least + 1) + 1
        group.last = None
        group.run = 0
        self._out.append(found[0])

    def _escape(self) -> None:
        if (named := _NAMED.match(self._pattern, self._at)) is not None:
            self._back(named)
            return
        found = self._escaped()
        letter = found[7] or ""
        if found[6]:  # a number in braces would be read on with the digits that follow
            self._term(rf"(?:\{found[6]})")
            self.weight = max(self.weight, _BACKWARDS)
        elif letter in _PLACES:
            self._term(_PLACES[letter], repeatable=False)
        elif (members := self._members(found)) is not None:
            self.weight = max(self.weight, _CHARACTER + members[1])
            self._term(_WHOLE.get(letter, f"[{members[0]}]"))
        else:
            self._character(self._single(found))

    def _back(self, named: re.Match[str]) -> None:
        self._at = named.end()
        self._term(f"(?P={named[1] or named[2]})")
        self.weight = max(self.weight, _BACKWARDS)

    def _class(self) -> None:
        """A class, each of its members told so that the engine finds nothing of its own in it."""
        start = self._at
        self._at += 2 if self._pattern.startswith("[^", start) else 1
        members: list[str] = []
        cost = 0
        first = self._at
        while self._at < len(self._pattern) and (self._pattern[self._at] != "]" or self._at == first):
            member, more = self._member()
            members.append(member)
            cost += more
        if self._at >= len(self._pattern):
            raise _no_pattern(self._pattern, "a character class is not closed")
        self._at += 1
        if {r"\s", r"\S"} <= set(members):
            cost = 0  # every character, which the engine sees
        self.weight = max(self.weight, _CHARACTER + cost)
        negated = self._pattern.startswith("[^", start)
        # Each member is held while the pattern is compiled, so each counts, too.
        self._term(f"[{'^' if negated else ''}{''.join(members)}]", 1 + len(members) // 4)

    def _member(self) -> tuple[str, int]:
        """A character, a range or a class inside of a class, and what it costs."""
        low = self._one()
        if not isinstance(low, str):
            return low
        if not self._pattern.startswith("-", self._at) or self._pattern.startswith("-]", self._at):
            return _code(low), 1
        self._at += 1
        if self._at >= len(self._pattern):
            raise _no_pattern(self._pattern, "a character class is not closed")
        high = self._one()
        if not isinstance(high, str):
            return rf"{_code(low)}\-{high[0]}", high[1] + 2
        if low > high:
            raise _no_pattern(self._pattern, "a range is in reverse order")
        return f"{_code(low)}-{_code(high)}", 1

    def _one(self) -> str | tuple[str, int]:
        """The next character of a class, or the class that is written as one and its cost."""
        character = self._pattern[self._at]
        if character != "\\":
            self._at += 1
            return character
        found = self._escaped()
        if found[7] == "b":
            return "\b"
        return self._members(found) or self._single(found)

    def _escaped(self) -> re.Match[str]:
        found = _ESCAPE.match(self._pattern, self._at)
        if found is None:
            raise _no_pattern(self._pattern, "it ends with a backslash")
        self._at = found.end()
        return found

    def _members(self, found: re.Match[str]) -> tuple[str, int] | None:
        """The members of a class that is written as an escape, and their cost."""
        return ("\\" + found[5], _PROPERTY) if found[5] else _CLASSES.get(found[7] or "")

    def _single(self, found: re.Match[str]) -> str:
        """The character that an escape stands for."""
        if number := found[1] or found[2] or found[3]:
            if int(number, 16) > 0x10FFFF:
                raise _no_pattern(self._pattern, "a character code is invalid")
            return chr(int(number, 16))
        if found[4]:
            return chr(ord(found[4]) % 32)
        letter = found[7] or found[6]
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter.isascii() and letter.isalnum():
            raise _no_pattern(self._pattern, f"an unknown escape \\{letter}")
        return letter


def _code(character: str) -> str:
    """A character as one that means only itself, inside of a class and outside."""
    plain = character.isalnum() or not character.isascii()
    return character if plain else f"\\x{ord(character):02x}"
