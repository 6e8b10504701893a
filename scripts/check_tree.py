"""Check file names, file sizes and unfinished marks; part of `make check`.

A name that says nothing hides what a file is for, and a file above 700 lines has more than one subject:
split it by direction or by noun. Nothing half-finished is committed under src.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("src", "tests", "bench", "scripts", "dashboard/src")
CODE = {".py", ".js", ".mjs", ".ts", ".tsx", ".css", ".lua", ".sh"}
LONGEST = 700
VAGUE = re.compile(r"(test_)?(utils?|helpers?|common|misc|base|managers?|handlers?)")
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


def main() -> None:
    """Print each problem and end with 1 if there is one."""
    if found := list(problems(Path())):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
