"""Pages, or tables in a page, that are made from the code: written by `--write`, compared by `--check`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def between(page: str, beginning: str, end: str, table: str) -> str:
    """The page with this table between two marks. Raises ValueError for a page without the marks."""
    before, found, rest = page.partition(beginning)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError("the page has no place for the table")
    return f"{before}{beginning}\n{table}\n{end}{after}"


def main(page: Path, made: Callable[[str], str], arguments: Sequence[str]) -> int:
    """Write or check one page. made: its present text to the text it should have. Returns the exit code."""
    present = page.read_text("utf-8") if page.is_file() else ""
    if arguments == ["--write"]:
        page.write_text(made(present), "utf-8")
        return 0
    if arguments == ["--check"]:
        if present == made(present):
            return 0
        sys.stderr.write(f"error: docs/{page.name} does not say what the code does\n hint: make docs\n")
        return 1
    sys.stderr.write("error: expected --write or --check\n")
    return 2
