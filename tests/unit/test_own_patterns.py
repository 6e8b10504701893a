"""No regular expression of ours takes time that grows faster than the text it is held against.

Texts come from clients and providers, up to megabytes. Each pattern that a module makes is held against
texts from its own characters: runs of what it repeats, with and without what stands before, and an end that
does not match. This finds most of what is quadratic, not all of it.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import pkgutil
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dragoman

sre: Any = importlib.import_module("re._constants")
parser: Any = importlib.import_module("re._parser")

_METHODS = ("search", "match", "fullmatch", "finditer", "findall", "split", "sub")
_SHORT, _TIMES = 2_000, 4
_NOISE_SECONDS = 0.004
"""What a text of the longer length may take in any case; what is quadratic takes ten times as long."""


def _modules() -> Iterator[Any]:
    for info in pkgutil.walk_packages(dragoman.__path__, "dragoman."):
        if not info.name.endswith(("__main__", "migrations.env")):  # they run when they are imported
            yield importlib.import_module(info.name)


def _uses(module: Any) -> dict[str, set[str]]:
    """How each name of a module is searched with: the methods that are called on it."""
    uses: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(Path(module.__file__).read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in _METHODS:
            uses.setdefault(node.value.id, set()).add(node.attr)
    return uses


def _patterns() -> Iterator[tuple[str, re.Pattern[Any], set[str]]]:
    """Every pattern that a module makes when it is imported, with the methods that it is used by."""
    for module in _modules():
        uses = _uses(module)
        for name, value in vars(module).items():
            several = value.values() if isinstance(value, dict) else value
            inside = several if isinstance(value, tuple | list | dict) else [value]
            for one in itertools.chain.from_iterable(i if isinstance(i, tuple) else (i,) for i in inside):
                if isinstance(one, re.Pattern):
                    methods = uses.get(name, set()) if one is value else {"search", "sub"}
                    yield f"{module.__name__}.{name}", one, methods


def _characters(node: Any, flags: int) -> list[str]:
    """Some characters that one element takes."""
    kind, value = node
    if kind is sre.LITERAL:
        return [chr(value)]
    if kind is sre.NOT_LITERAL:
        return [next(c for c in "a0 \n" if ord(c) != value)]
    if kind is sre.ANY:
        return ["a"]
    if kind is sre.IN:
        return [c for c in _ALPHABET if _is_in(value, c)][:4]
    return []


_ALPHABET = [chr(n) for n in range(256)] + ["\u2028", "\u0391"]


def _is_in(members: Any, character: str) -> bool:
    positive, found, code = True, False, ord(character)
    for kind, value in members:
        if kind is sre.NEGATE:
            positive = False
        elif kind is sre.LITERAL:
            found = found or code == value
        elif kind is sre.RANGE:
            found = found or value[0] <= code <= value[1]
        elif kind is sre.CATEGORY:
            found = found or re.match(_CATEGORIES[value], character) is not None
    return found is positive


_CATEGORIES = {
    sre.CATEGORY_DIGIT: r"\d",
    sre.CATEGORY_NOT_DIGIT: r"\D",
    sre.CATEGORY_SPACE: r"\s",
    sre.CATEGORY_NOT_SPACE: r"\S",
    sre.CATEGORY_WORD: r"\w",
    sre.CATEGORY_NOT_WORD: r"\W",
}


def _sample(nodes: Any, flags: int) -> str:
    """One text that a sequence takes, as short as it gets."""
    text = ""
    for kind, value in nodes:
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            text += _sample(value[2], flags) * max(value[0], 1)
        elif kind is sre.SUBPATTERN:
            text += _sample(value[3], flags)
        elif kind is sre.ATOMIC_GROUP:
            text += _sample(value, flags)
        elif kind is sre.BRANCH:
            text += _sample(value[1][0], flags)
        elif kind not in (sre.AT, sre.ASSERT, sre.ASSERT_NOT, sre.GROUPREF):
            text += next(iter(_characters((kind, value), flags)), "")
    return text


def _repeated(nodes: Any, flags: int) -> Iterator[str]:
    """What each repetition without a small limit repeats, as texts."""
    for kind, value in nodes:
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            _, most, inner = value
            if most > 64:
                yield _sample(inner, flags)
                if len(inner) == 1:
                    yield from _characters(inner[0], flags)
            yield from _repeated(inner, flags)
        elif kind is sre.SUBPATTERN:
            yield from _repeated(value[3], flags)
        elif kind is sre.ATOMIC_GROUP:
            yield from _repeated(value, flags)
        elif kind is sre.BRANCH:
            for branch in value[1]:
                yield from _repeated(branch, flags)
        elif kind in (sre.ASSERT, sre.ASSERT_NOT):
            yield from _repeated(value[1], flags)


def _alternatives(nodes: Any, flags: int) -> Iterator[str]:
    """A text for each alternative, and what it begins with."""
    for kind, value in nodes:
        if kind is sre.BRANCH:
            for branch in value[1]:
                yield _sample(branch, flags)
                yield "".join(itertools.takewhile(bool, (_literal(one) for one in branch)))
                yield from _alternatives(branch, flags)
        elif kind is sre.SUBPATTERN:
            yield from _alternatives(value[3], flags)


def _literal(node: Any) -> str:
    return chr(node[1]) if node[0] is sre.LITERAL else ""


def _prefixes(nodes: Any, flags: int) -> list[str]:
    """Texts that lead to each element: what stands before it, once."""
    return ["", *(_sample(list(nodes)[: index + 1], flags) for index in range(len(nodes)))]


def _texts(pattern: re.Pattern[Any], length: int) -> list[str]:
    tree = parser.parse(pattern.pattern, pattern.flags)
    flags = pattern.flags
    prefixes = list(dict.fromkeys(_prefixes(tree, flags)))[:8]
    pieces = list(dict.fromkeys(one for one in _repeated(tree, flags) if one))[:8]
    pieces += [one for one in prefixes if one][:6]
    starts = list(dict.fromkeys(one for one in _alternatives(tree, flags) if one))[:24]
    pieces += starts + [f"{one}-" for one in starts]
    made = []
    for piece in dict.fromkeys(pieces):
        run = piece * (length // len(piece))
        made += [run, run + "\x00", run + "\n!"]
        made += [prefix + run for prefix in prefixes[1:4]] + [
            prefix + run + "\x00" for prefix in prefixes[1:4]
        ]
    return list(dict.fromkeys(made))


def _call(pattern: re.Pattern[Any], method: str, text: Any) -> None:
    if method == "sub":
        pattern.sub(text[:0], text)
    elif method == "finditer":
        for _ in pattern.finditer(text):
            pass
    else:
        getattr(pattern, method)(text)


def _seconds(pattern: re.Pattern[Any], method: str, text: str | bytes) -> float:
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        _call(pattern, method, text)
        best = min(best, time.process_time() - began)
        if best < _NOISE_SECONDS:
            break
    return best


def grows(pattern: re.Pattern[Any], methods: set[str]) -> str | None:
    """A text whose fourfold length takes more than eight times as long, None where there is none."""
    as_bytes = isinstance(pattern.pattern, bytes)
    short, long = (_texts(pattern, length) for length in (_SHORT, _SHORT * _TIMES))
    for method in methods:
        for less, more in zip(short, long, strict=False):
            few: str | bytes = less.encode("latin-1", "replace") if as_bytes else less
            many: str | bytes = more.encode("latin-1", "replace") if as_bytes else more
            taken = _seconds(pattern, method, many)
            if taken > _NOISE_SECONDS and taken > 8 * _seconds(pattern, method, few):
                return f"{method} {more[:20]!r}… {taken:.3f} s"
    return None


@pytest.mark.parametrize(
    ("written", "method"),
    [
        (r"a+b", "search"),
        (r"\s*x", "search"),
        (r"(.*)x(.*)y", "match"),
        (r"<[^>]*>", "sub"),
        (r"(?:\d+\.?\d*s)+", "fullmatch"),
        (r"(?:ab|sk-|cd)(?=[\w-]*\d)[\w-]{6}", "search"),
    ],
)
def test_what_is_quadratic_is_noticed(written: str, method: str) -> None:
    assert grows(re.compile(written), {method}) is not None


@pytest.mark.parametrize("written", [r"a+", r"[a-z]+\Z", r"a{1,20}b", r"(?:a|b)+", r"\s{0,200}x"])
def test_what_is_not_passes(written: str) -> None:
    assert grows(re.compile(written), {"match"}) is None


def test_no_pattern_of_ours_is_quadratic() -> None:
    patterns = list(_patterns())
    assert len(patterns) > 100
    assert {name: told for name, one, methods in patterns if (told := grows(one, methods)) is not None} == {}
