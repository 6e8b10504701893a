r"""Regular expressions in schemas: measured before compilation, and searched with a time limit.

A client writes the pattern, so three costs need a limit that the engine does not set:

- Memory. The package `regex` copies the content of a repetition as often as its lower count says and once
  more, and nested repetitions multiply: fifteen nested `{2,}` take 18 GB. `MOST_PARTS` limits the copies
  before compilation. `regex` would also cache its last 500 patterns; that cache is turned off.
- Compilation. The table for a search of literal text grows with the cube of its length (1,600 letters take
  three seconds, without a check of the time limit). So no run of literal text is longer than `_RUN`.
- Search. The engine reads its clock every 256 steps, and one step may walk over the whole text. So the
  length of the text times the cost of one character is limited (`Pattern.reach`).

Patterns are written in the syntax of ECMA-262, which JSON Schema recommends. Some additions of Python's `re`
are accepted, too (`(?P<name>…)`, `(?i)`, `\A`). A `]` at the beginning of a class is a member of the class,
as in Python (`[]a]`), unless ECMA-262 must be meant (`_EMPTY`): there `[]` matches nothing and `[^]` matches
any character. Syntax that only `regex` has (recursion, fuzzy matches, named lists) is refused or means what
ECMA-262 says:
https://json-schema.org/understanding-json-schema/reference/regular_expressions
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

LONGEST_PATTERN: Final = 2_000
"""The most characters of one pattern."""
MOST_PARTS: Final = 10_000
"""The most compiled parts of all patterns in one schema, copies for repetitions included: 700 bytes and 4 µs
each.
"""
_DEEPEST: Final = 50
"""The most levels of nested groups. The parser of `regex` calls itself for each level."""
_RUN: Final = 4
"""Every fourth character of literal text is written as a class, so that no run of literal text is longer."""
_REACH: Final = 2**19
"""The most time that one step of the engine may take, in half nanoseconds. The 256 steps between two looks at
the clock then take at most about a fifteenth of a second.
"""


class Pattern(NamedTuple):
    """A compiled pattern.

    regex: the compiled expression of the package `regex`. parts: the number of its compiled parts. reach: the
    most characters of a text in which the pattern may be searched.
    """

    regex: Any
    parts: int
    reach: int


class TooCostly(ValueError):
    """The pattern would take more memory or time than allowed."""


def compiled(pattern: str, most: int = MOST_PARTS) -> Pattern:
    """Compile a pattern for `Budget.search`. most: the most compiled parts that the pattern may have.

    Raises TooCostly if it has too many characters, parts or nested groups, ValueError if it is invalid or not
    supported, and ImportError if the package `regex` is not installed.
    """
    import regex

    if len(pattern) > LONGEST_PATTERN:
        raise TooCostly(f"patterns of more than {LONGEST_PATTERN} characters are not supported")
    translator = _Translator(pattern, most)
    text = translator.translated()
    try:
        engine = regex.compile(text, regex.V0, cache_pattern=False)
    except (regex.error, OverflowError, RecursionError, ValueError) as error:
        raise _no_pattern(pattern) from error
    weight = translator.weight * (3 if translator.ignores_case else 1)
    return Pattern(engine, translator.parts, _REACH // weight)


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
_EMPTY: Final = re.compile(
    r"\[\^?\](?=[^\]\[\\]*+(?:\\.[^\]\[\\]*+)*+\Z|[*+?{](?:[^\]\[\\]|\\.|\[(?:[^\]\\]|\\.)*+\])*+\Z)",
    re.DOTALL,
)
"""Matches `[]` and `[^]` of ECMA-262: no later `]` could be the end of a class, or the class is repeated
(`[^]*`, which JavaScript has for "any text") and every later bracket belongs to a class of its own.
"""
_SIGNS: Final = {
    ".": ".",
    "|": "|",
    "^": "^",
    "$": r"\Z",
}  # in Python, `$` also matches before a final line end
_CONTROLS: Final = {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "0": "\0", "a": "\a"}
_PLACES: Final = {"b": r"\b", "B": r"\B", "A": r"\A", "Z": r"\Z", "z": r"\Z"}
_CLASSES: Final = {
    # ASCII characters only, as in ECMA-262; Python's own classes include all scripts. (members, cost)
    "d": ("0-9", 1),
    "D": (r"\x00-/:-\U0010ffff", 2),
    "w": ("A-Za-z0-9_", 4),
    "W": (r"\x00-/:-@\[-\^`{-\U0010ffff", 5),
    "s": (r"\s", 8),
    "S": (r"\S", 8),
}
_NEGATED: Final = {"D": "[^0-9]", "W": "[^A-Za-z0-9_]"}
r"""`\D` and `\W` outside of brackets. With `(?i)`, the form in `_CLASSES` matches `k` by the Kelvin sign."""
# What one character of the text costs in a step, in half nanoseconds.
_PROPERTY: Final = 16  # to look up its property (`\p{…}`)
_CHARACTER: Final = 8  # to compare it
_BACKWARDS: Final = 24  # to compare it with a group's text


@dataclass(slots=True)
class _Group:
    """The state of one group that is not closed yet. A term is one element of a pattern: a character, a
    class, a group or an assertion (`^`).

    parts: one for the group itself, and the parts of its terms so far, without those in `last`. last: the
    parts of the last term, if a quantifier may still follow it; else None. run: the number of literal
    characters at the end.
    """

    parts: int = 1
    last: int | None = None
    run: int = 0


class _Translator:
    """Translates one pattern to the syntax of `regex` and counts its compiled parts, in one pass without
    recursion. most: the most compiled parts that the pattern may have.
    """

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
        """The number of compiled parts of the pattern so far, without the parts of groups that are not closed
        yet.
        """
        return self._groups[0].parts + (self._groups[0].last or 0)

    def translated(self) -> str:
        """Return the pattern in the syntax of the package `regex`. Raises ValueError if the pattern is
        invalid or not supported, TooCostly if it has too many parts or nested groups.
        """
        steps = {"(": self._open, ")": self._close, "[": self._class, "\\": self._escape}
        steps |= dict.fromkeys("*+?{", self._repeat) | dict.fromkeys(_SIGNS, self._sign)
        while self._at < len(self._pattern):
            if (named := _NAMED.match(self._pattern, self._at)) is not None:
                self._at = named.end()
                self._term(f"(?P={named[1] or named[2]})")
                self.weight = max(self.weight, _BACKWARDS)
            else:
                steps.get(self._pattern[self._at], self._literal)()
            if self.parts > self._most or self._groups[-1].parts > self._most:
                raise TooCostly(f"the patterns have more than {self._most} parts, repetitions included")
        if len(self._groups) > 1:
            raise _no_pattern(self._pattern, "a group is not closed")
        return "".join(self._out)

    # --- One method for each kind of syntax at the current position ---------------------------------------

    def _term(self, text: str, parts: int = 1, *, repeatable: bool = True) -> None:
        """Write one term (a character, a class, a group, …) to the output. parts: how many compiled parts it
        has. repeatable: whether a quantifier may follow it.
        """
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
        # A class is not joined with its neighbours. The engine would turn `[a]` into the character again.
        self._term(f"[{code}{code}-{code}]" if split else code)
        group.run = 0 if split else run

    def _literal(self) -> None:
        character = self._pattern[self._at]
        self._at += 1
        self._character(character)

    def _sign(self) -> None:
        sign = self._pattern[self._at]
        self._at += 1
        self._term(_SIGNS[sign], repeatable=sign == ".")

    def _open(self) -> None:
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
            self._literal()  # a brace without a count is a literal character
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
        found = self._escaped()
        letter = found[7] or ""
        if found[6]:  # in a group, because digits after a bare reference would be read as part of it
            self._term(rf"(?:\{found[6]})")
            self.weight = max(self.weight, _BACKWARDS)
        elif letter in _PLACES:
            self._term(_PLACES[letter], repeatable=False)
        elif (members := self._members(found)) is not None:
            self.weight = max(self.weight, _CHARACTER + members[1])
            self._term(_NEGATED.get(letter, f"[{members[0]}]"))
        else:
            self._character(self._single(found))

    def _class(self) -> None:
        """Translate a character class. Each member is rewritten so that `regex` cannot read it as its own set
        syntax.
        """
        if (empty := _EMPTY.match(self._pattern, self._at)) is not None:
            self._at = empty.end()
            self.weight = max(self.weight, _CHARACTER + 2 * _CLASSES["s"][1])
            self._term(r"[\s\S]" if len(empty[0]) == len("[^]") else r"[^\s\S]")
            return
        negated = self._pattern.startswith("[^", self._at)
        self._at += 2 if negated else 1
        first = self._at
        members: list[str] = []
        cost = 0
        while self._at < len(self._pattern) and (self._pattern[self._at] != "]" or self._at == first):
            member, more = self._member()
            members.append(member)
            cost += more
        if self._at >= len(self._pattern):
            raise _no_pattern(self._pattern, "a character class is not closed")
        self._at += 1
        if {r"\s", r"\S"} <= set(members):
            cost = 0  # the class matches every character, and the engine notices that
        self.weight = max(self.weight, _CHARACTER + cost)
        # Each member takes memory during compilation, so members count as parts, too.
        self._term(f"[{'^' if negated else ''}{''.join(members)}]", 1 + len(members) // 4)

    def _member(self) -> tuple[str, int]:
        """Read one member of a character class: a character, a range, or an escape that means a class.
        Returns (member, cost). member: in the syntax of `regex`. cost: how many half nanoseconds the engine
        takes to compare one character of the text with the member.
        """
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
        r"""Return the members and the cost of the class that an escape like `\d` means; None if the escape
        means a single character.
        """
        return ("\\" + found[5], _PROPERTY) if found[5] else _CLASSES.get(found[7] or "")

    def _single(self, found: re.Match[str]) -> str:
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
    plain = character.isalnum() or not character.isascii()
    return character if plain else f"\\x{ord(character):02x}"
