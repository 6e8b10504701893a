"""Check file names, file sizes, unfinished marks, caught errors and missing unit tests; part of `make check`.

A name that says nothing hides what a file is for, and a file above 650 lines has more than one subject:
split it by direction or by noun. Nothing half-finished is committed under src. Each source module has a unit
test at the same place below tests/unit, or a reason in `unmirrored.toml`: a module without a test of its own
has nothing that keeps it simple. Code that decodes JSON by itself catches all that its decoder may raise.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

FOLDERS = ("src", "tests", "bench", "scripts", "dashboard/src")
CODE = {".py", ".js", ".mjs", ".ts", ".tsx", ".css", ".lua", ".sh"}
LONGEST = 650
VAGUE = re.compile(r"(test_)?(utils?|helpers?|common|misc|base|managers?|handlers?)")
UNMIRRORED = "scripts/unmirrored.toml"
UNDECODABLE = "src/dragoman/wire/json.py"
"""The file with the tuple `UNDECODABLE`."""
WITHOUT_WIRE = ("accounts", "observe", "state", "stores")
"""Rooms that may not import `wire`. They decode what the gateway has written itself."""
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b|not implemented yet")


def files(root: Path) -> Iterator[Path]:
    """Every file of code below `root`, without what other people wrote."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in CODE and not {".venv", "node_modules", "__pycache__"} & set(path.parts):
                yield path


def problems(root: Path) -> Iterator[str]:
    """What is wrong, a line each, with the path."""
    for path in files(root):
        name = path.relative_to(root)
        if vague := [part for part in name.parts if VAGUE.fullmatch(part.partition(".")[0])]:
            yield f"{name}: the name {vague[0]!r} says nothing about what is in it"
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > LONGEST:
            yield f"{name}: {len(lines)} lines, more than {LONGEST}"
        if name.parts[0] == "src":
            yield from (
                f"{name}:{n}: {mark[0]}"
                for n, line in enumerate(lines, 1)
                if (mark := UNFINISHED.search(line))
            )
            if path.suffix == ".py" and name.parts[2] not in WITHOUT_WIRE and name.as_posix() != UNDECODABLE:
                yield from (f"{name}:{line}: catch {UNDECODABLE}'s UNDECODABLE" for line in half_caught(path))
    yield from untested(root, excused(root))


def half_caught(path: Path) -> Iterator[int]:
    """The lines that catch msgspec's DecodeError or MsgspecError by name. A text that is nested too deeply
    raises RecursionError, and text that is not Unicode UnicodeError; neither is a MsgspecError.
    """
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            named = {one.attr for one in ast.walk(node.type) if isinstance(one, ast.Attribute)}
            if named & {"DecodeError", "MsgspecError"}:
                yield node.lineno


def excused(root: Path) -> list[str]:
    """The modules and folders that need no unit test. An entry without a reason raises KeyError."""
    table = root / UNMIRRORED
    groups = tomllib.loads(table.read_text(encoding="utf-8"))["excused"] if table.exists() else []
    return [path for group in groups if group["reason"] for path in group["modules"]]


def untested(root: Path, excuses: Sequence[str]) -> Iterator[str]:
    """The modules without a unit test and without an excuse, and the excuses that no module needs."""
    source = root / "src" / "dragoman"
    needed: set[str] = set()
    for path in sorted(source.rglob("*.py")):
        module = path.relative_to(source)
        if is_tested(root, module) or (path.name == "__init__.py" and not holds_code(path)):
            continue
        name = module.as_posix()
        found = {one for one in excuses if name == one or (one.endswith("/") and name.startswith(one))}
        if not found:
            yield f"src/dragoman/{name}: no {test_of(module)}, and no reason in {UNMIRRORED}"
        needed |= found
    yield from (f"{UNMIRRORED}: no module needs {one!r} any more" for one in excuses if one not in needed)


def test_of(module: Path) -> Path:
    """The unit test of a module, whose path is relative to src/dragoman."""
    folder = Path("tests/unit") / module.parent
    subject = (module.parent.name or "dragoman") if module.stem == "__init__" else module.stem.strip("_")
    return folder / f"test_{subject}.py"


def is_tested(root: Path, module: Path) -> bool:
    """Whether a module has its unit test: test_NAME.py, or at least one test_NAME_….py."""
    test = root / test_of(module)
    return test.exists() or any(test.parent.glob(f"{test.stem}_*.py"))


def holds_code(path: Path) -> bool:
    """Whether a package's file holds more than a docstring, imports and `__all__`."""
    for node in ast.parse(path.read_bytes()).body:
        match node:
            case ast.Import() | ast.ImportFrom() | ast.Expr(ast.Constant()):
                continue
            case ast.Assign([ast.Name("__all__")]):
                continue
        return True
    return False


def main() -> None:
    """Print each problem and end with 1 if there is one."""
    if found := list(problems(Path())):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
