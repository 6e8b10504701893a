"""A small reader of GBNF for tests: it draws texts from a grammar and says whether a text belongs to it.

Written from the description of the format, apart from the code that writes grammars, so that each can
find the other's mistakes. Knows literals, classes, groups, alternatives, rules and repetitions.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import NamedTuple

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_NAMED = {"n": "\n", "r": "\r", "t": "\t"}
_SAMPLES = [*"aZ09 _-.:é字🦊", "\u2028", "\x80"]
"""Characters tried where a grammar leaves almost everything open."""


class Literal(NamedTuple):
    text: str


class Class(NamedTuple):
    ranges: tuple[tuple[str, str], ...]
    negated: bool

    def has(self, char: str) -> bool:
        return any(low <= char <= high for low, high in self.ranges) != self.negated


class Rule(NamedTuple):
    name: str


class Sequence(NamedTuple):
    items: tuple[Node, ...]


class Choice(NamedTuple):
    options: tuple[Node, ...]


class Repeat(NamedTuple):
    item: Node
    least: int
    most: int | None


Node = Literal | Class | Rule | Sequence | Choice | Repeat


class Grammar:
    """A grammar read from its text; raises AssertionError where that is malformed."""

    def __init__(self, text: str) -> None:
        self.rules: dict[str, Node] = {}
        for line in text.splitlines():
            name, arrow, body = line.partition(" ::= ")
            assert arrow, line
            assert re.fullmatch(r"[a-zA-Z0-9-]+", name), name
            assert name not in self.rules, f"{name} is defined twice"
            parser = _Parser(body)
            self.rules[name] = parser.choice()
            assert parser.done(), f"{line!r} goes on at {parser.at}"
        used = {node.name for rule in self.rules.values() for node in _walk(rule) if isinstance(node, Rule)}
        assert used <= self.rules.keys(), f"undefined: {used - self.rules.keys()}"

    def draw(self, rng: random.Random, depth: int = 12) -> str:
        """A text of the grammar. depth: how deep rules may nest before short ways are preferred."""
        return self._draw(self.rules["root"], rng, depth)

    def _draw(self, node: Node, rng: random.Random, depth: int) -> str:
        match node:
            case Literal(text):
                return text
            case Class():
                pool = [c for c in _SAMPLES if node.has(c)] if node.negated else _members(node)
                return rng.choice(pool)
            case Rule(name):
                return self._draw(self.rules[name], rng, depth - 1)
            case Sequence(items):
                return "".join(self._draw(item, rng, depth) for item in items)
            case Choice(options):
                if depth < 0:
                    return self._draw(min(options, key=self._weight), rng, depth)
                return self._draw(rng.choice(options), rng, depth)
            case Repeat(item, least, most):
                extra = 0 if depth < 0 else rng.randint(0, min(3, 3 if most is None else most - least))
                return "".join(self._draw(item, rng, depth) for _ in range(least + extra))

    def _weight(self, node: Node, seen: frozenset[str] = frozenset()) -> int:
        """How far a node is from writing nothing but literals, so that recursion finds its end."""
        match node:
            case Rule(name):
                return 1000 if name in seen else 1 + self._weight(self.rules[name], seen | {name})
            case Sequence(items):
                return sum(self._weight(item, seen) for item in items)
            case Choice(options):
                return min(self._weight(option, seen) for option in options)
            case Repeat(item, least, _):
                return least and self._weight(item, seen)
            case _:
                return 0

    def accepts(self, text: str) -> bool:
        """Whether the whole text belongs to the grammar."""
        return len(text) in set(self._ends(self.rules["root"], text, 0))

    def _ends(self, node: Node, text: str, at: int) -> Iterator[int]:
        match node:
            case Literal(word):
                if text.startswith(word, at):
                    yield at + len(word)
            case Class():
                if at < len(text) and node.has(text[at]):
                    yield at + 1
            case Rule(name):
                yield from self._ends(self.rules[name], text, at)
            case Sequence(items):
                places = {at}
                for item in items:
                    places = {end for place in places for end in self._ends(item, text, place)}
                yield from places
            case Choice(options):
                for option in options:
                    yield from self._ends(option, text, at)
            case Repeat(item, least, most):
                places, count, seen = {at}, 0, set[int]()
                while places and (most is None or count <= most):
                    if count >= least:
                        yield from places - seen
                        seen |= places
                    places = {end for place in places for end in self._ends(item, text, place)}
                    places = places if count < least else places - seen
                    count += 1


def _members(node: Class) -> list[str]:
    return [chr(c) for low, high in node.ranges for c in range(ord(low), ord(high) + 1)]


def _walk(node: Node) -> Iterator[Node]:
    yield node
    match node:
        case Sequence(children) | Choice(children):
            for child in children:
                yield from _walk(child)
        case Repeat(item):
            yield from _walk(item)
        case _:
            pass


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def done(self) -> bool:
        self.blanks()
        return self.at == len(self.text)

    def blanks(self) -> None:
        while self.peek() == " ":
            self.at += 1

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def choice(self) -> Node:
        options = [self.sequence()]
        while self.peek() == "|":
            self.at += 1
            options.append(self.sequence())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def sequence(self) -> Node:
        items: list[Node] = []
        while True:
            self.blanks()
            if self.peek() in {"", "|", ")"}:
                return items[0] if len(items) == 1 else Sequence(tuple(items))
            items.append(self.repeated(self.item()))

    def item(self) -> Node:
        head = self.peek()
        if head == '"':
            return Literal("".join(char for char, _ in self.chars('"')))
        if head == "[":
            return self.klass()
        if head == "(":
            self.at += 1
            inner = self.choice()
            assert self.peek() == ")", self.text[self.at :]
            self.at += 1
            return inner
        found = re.compile(r"[a-zA-Z0-9-]+").match(self.text, self.at)
        assert found, f"cannot read {self.text[self.at :]!r}"
        self.at = found.end()
        return Rule(found[0])

    def chars(self, close: str) -> Iterator[tuple[str, bool]]:
        """The characters up to `close`, and whether each was escaped."""
        self.at += 1
        while self.peek() != close:
            assert self.peek(), f"{close} is missing"
            if found := _ESCAPE.match(self.text, self.at):
                self.at = found.end()
                code = found[1] or found[2] or found[3]
                yield (chr(int(code, 16)) if code else _NAMED.get(found[4], found[4])), True
            else:
                self.at += 1
                yield self.text[self.at - 1], False
        self.at += 1

    def klass(self) -> Class:
        chars = list(self.chars("]"))
        negated = chars[0] == ("^", False)
        chars = chars[1:] if negated else chars
        ranges, i = [], 0
        while i < len(chars):
            if i + 2 < len(chars) and chars[i + 1] == ("-", False):
                ranges.append((chars[i][0], chars[i + 2][0]))
                i += 3
            else:
                ranges.append((chars[i][0], chars[i][0]))
                i += 1
        return Class(tuple(ranges), negated)

    def repeated(self, item: Node) -> Node:
        head = self.peek()
        if head and head in "*+?":
            self.at += 1
            return Repeat(item, int(head == "+"), 1 if head == "?" else None)
        if found := re.compile(r"\{(\d+)(,(\d*))?\}").match(self.text, self.at):
            self.at = found.end()
            least = int(found[1])
            most = least if found[2] is None else int(found[3]) if found[3] else None
            # llama.cpp: `MAX_REPETITION_THRESHOLD`
            assert max(least, most or 0) < 2000, found[0]
            assert most is None or least <= most, found[0]
            return Repeat(item, least, most)
        return item
