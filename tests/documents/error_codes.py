"""Every error code that the gateway makes itself, read from its source.

A code is a text that ends up as the `code` of an `ir.Fault` or a `WireError`. The walk follows constants,
both sides of a condition, f-strings whose parts are known, and functions that take a `code` and pass it on.
What it cannot follow is reported, so that a new way of making a code does not hide one.
"""

from __future__ import annotations

import ast
import gc
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

SOURCE: Final = Path(__file__).parents[2] / "src" / "dragoman"
_PLACES: Final = {"Fault": 2, "WireError": 2}
"""Where `code` stands among the positional arguments of the classes that carry one."""
_IMPORTED: Final = {"failed": 2, "above": 2, "unsupported": 2}
"""Functions with a `code` that other modules call: of `transport`, `upstreams.counts`, `upstreams.local`."""
_NO_ANSWERS: Final = ("testing/", "cli/")
"""What answers no client: the fake providers, and the command."""
_BY_HAND: Final[dict[str, tuple[str, ...]]] = {
    "dialects/rules.py:f'{kind}_{side}_value'": (
        "decimal_below_min_value",
        "decimal_above_max_value",
        "integer_below_min_value",
        "integer_above_max_value",
    ),
    "verify/check.py:code": ("invalid_output", "output_check_too_long"),
    "upstreams/simulate/upstream.py:_CODES.get(status)": (
        "invalid_api_key",
        "model_not_found",
        "rate_limit_exceeded",
    ),
}
"""What the walk cannot follow, and which codes it makes."""
_PROVIDERS_OWN: Final = frozenset(
    {
        "dialects/anthropic/errors.py",
        "dialects/bedrock/errors.py",
        "dialects/cohere/errors.py",
        "dialects/gemini/errors.py",
        "dialects/gemini/stops.py",
        "dialects/mistral/errors.py",
        "dialects/ollama/errors.py",
        "dialects/openai/errors.py",
    }
)
"""Where the code of a provider's error is read."""
_PASSED_ON: Final = frozenset({"error.code", "error.code if error.code in LIMITED else 'unreadable'"})
"""A code that was made elsewhere, where the walk has found it."""


class Code(NamedTuple):
    """One place where a code is made. code: None = the walk cannot tell. kind: the fault's, if stated."""

    code: str | None
    kind: str | None
    place: str


@cache
def codes() -> list[Code]:
    """Every place in the source where a fault gets a code."""
    texts = {
        path.relative_to(SOURCE).as_posix(): path.read_text("utf-8") for path in sorted(SOURCE.rglob("*.py"))
    }
    with _uncollected():
        trees = {name: ast.parse(text) for name, text in texts.items()}
        constants = {name: value for tree in trees.values() for name, value in _constants(tree)}
        return [
            code
            for name, tree in trees.items()
            if not name.startswith(_NO_ANSWERS) and _MAKING.search(texts[name])
            for code in _made(tree, name, constants)
        ]


_MAKING: Final = re.compile(rf"\b(?:{'|'.join((*_PLACES, *_IMPORTED))})\s*\(|\bcode\s*:")
"""Matches in every text that calls one of these, or has a function of its own that takes a `code`."""


@contextmanager
def _uncollected() -> Iterator[None]:
    """Millions of nodes are made, and none is garbage: looking for some would take most of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                    yield target.id, node.value.value


def _made(tree: ast.Module, name: str, constants: dict[str, str]) -> Iterator[Code]:
    # A module's own constants win over others of the same name.
    known = {**constants, **dict(_constants(tree))}
    takers = _PLACES | dict(_takers(tree)) | _IMPORTED
    for function in _scopes(tree):
        parameters = _parameters(function)
        for call in _calls(function):
            called = _name(call.func)
            if called not in takers:
                continue
            value = _argument(call, takers[called])
            if value is None or (isinstance(value, ast.Constant) and value.value is None):
                continue
            if isinstance(value, ast.Name) and value.id in parameters:
                continue  # the caller's, which is found where it is called
            kind = call.args[0] if called == "Fault" and call.args else None
            stated = kind.value if isinstance(kind, ast.Constant) else None
            place = f"{name}:{ast.unparse(value)}"
            texts: Sequence[str | None] = _BY_HAND.get(place) or _values(value, known, function)
            told = name in _PROVIDERS_OWN or ast.unparse(value) in _PASSED_ON
            for code in texts:
                if code is not None or not told:
                    yield Code(code, stated if isinstance(stated, str) else None, place)


def _takers(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The module's functions that take a `code`, with its place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = [argument for argument in node.args.args if argument.arg != "self"]
            for place, argument in enumerate(arguments):
                annotation = argument.annotation
                if argument.arg == "code" and annotation is not None and "str" in ast.unparse(annotation):
                    yield node.name, place


_Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef


def _scopes(tree: ast.Module) -> Iterator[_Scope]:
    yield tree
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _parameters(scope: _Scope) -> set[str]:
    if isinstance(scope, ast.Module):
        return set()
    return {argument.arg for argument in (*scope.args.args, *scope.args.kwonlyargs)}


def _calls(scope: _Scope) -> Iterator[ast.Call]:
    """The calls of this scope, without those of functions inside of it."""
    left: list[ast.AST] = list(scope.body)
    while left:
        node = left.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.Call):
            yield node
        left.extend(ast.iter_child_nodes(node))


def _name(function: ast.expr) -> str | None:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def _argument(call: ast.Call, place: int) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == "code":
            return keyword.value
    return call.args[place] if place < len(call.args) else None


def _values(value: ast.expr, known: dict[str, str], scope: _Scope) -> Sequence[str | None]:
    """The texts that an expression may be; None = cannot be told. Nothing for Python's None."""
    if isinstance(value, ast.Constant):
        return [value.value] if isinstance(value.value, str) else []
    if isinstance(value, ast.IfExp):
        return [*_values(value.body, known, scope), *_values(value.orelse, known, scope)]
    if isinstance(value, ast.JoinedStr):
        parts = [
            _values(part.value if isinstance(part, ast.FormattedValue) else part, known, scope)
            for part in value.values
        ]
        return [
            None if None in texts else "".join(text for text in texts if text is not None)
            for texts in product(*parts)
        ]
    if isinstance(value, ast.Name):
        if assigned := _assigned(scope, value.id):
            return [text for one in assigned for text in _values(one, known, scope)]
        return [known.get(value.id)]
    return [None]


def _assigned(scope: _Scope, name: str) -> list[ast.expr]:
    """What a function assigns to a name of its own."""
    if isinstance(scope, ast.Module):
        return []
    found = []
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id == name:
                    found.append(node.value)
                elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = zip(target.elts, node.value.elts, strict=True)
                    found += [one for to, one in pairs if isinstance(to, ast.Name) and to.id == name]
    return found
