"""Writes `docs/admin-openapi.json`, the description of the administration, or checks that it is current.

`python -m dragoman.server.admin.openapi_file --write` writes the file; `--check` exits with 1 if the file is
out of date; without an option it prints the description.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from dragoman.server.admin.api import OPERATIONS
from dragoman.server.admin.openapi import document

FILE: Final = Path(__file__).parents[4] / "docs" / "admin-openapi.json"


def written() -> str:
    """Return the text that `docs/admin-openapi.json` must have."""
    return json.dumps(document(OPERATIONS), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write, check or print the description, as `arguments` (without the program's name) say. Returns the
    exit code: 0 = done, or the file is current; 1 = the file is out of date; 2 = invalid arguments.
    """
    if arguments == ["--write"]:
        FILE.write_text(written(), "utf-8")
        return 0
    if arguments == ["--check"]:
        if FILE.is_file() and FILE.read_text("utf-8") == written():
            return 0
        sys.stderr.write(f"error: docs/{FILE.name} is not up to date with the operations\n hint: make docs\n")
        return 1
    if arguments:
        sys.stderr.write("error: expected --write, --check or nothing\n")
        return 2
    sys.stdout.write(written())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
