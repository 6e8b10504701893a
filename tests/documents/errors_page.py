"""The table of kinds in docs/errors.md: how each kind of failure looks in each protocol.

`python -m tests.documents.errors_page --write` writes it into the page, `--check` tells whether it is current
(exit code 1 if not).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from dragoman import ir
from dragoman.dialects.table import DIALECTS
from tests.documents import generated

PAGE: Final = Path(__file__).parents[2] / "docs" / "errors.md"
BEGINNING: Final = "<!-- This table is made by `make docs` from the dialects. Do not edit it. -->\n"
END: Final = "<!-- The end of the table. -->\n"
_HEAD: Final = (
    "| kind | status | OpenAI: type, code | Responses, where it differs | Anthropic | Gemini |\n"
    "| --- | --- | --- | --- | --- | --- |"
)


def table() -> str:
    """One row for each kind, from the errors that the faces write."""
    return "\n".join([_HEAD, *(_row(kind) for kind in get_args(ir.Kind))])


def _row(kind: ir.Kind) -> str:
    fault = ir.Fault(kind, "A message.")
    status, chat = _told("openai_chat", fault)
    _, responses = _told("openai_responses", fault)
    told, anthropic = _told("anthropic", fault)
    code, gemini = _told("gemini", fault)
    cells = (
        f"`{kind}`",
        str(status),
        _words(chat),
        _words(responses) if responses != chat else "",
        f"`{anthropic['type']}`" + (f", status {told}" if told != status else ""),
        f"`{gemini['status']}`" + (f", status {code}" if code != status else ""),
    )
    return f"| {' | '.join(cells)} |"


def _told(face: str, fault: ir.Fault) -> tuple[int, dict[str, Any]]:
    status, _, body = DIALECTS[face].errors.encode(fault, None)
    return status, msgspec.json.decode(body)["error"]


def _words(error: dict[str, Any]) -> str:
    return f"`{error['type']}`, " + (f"`{error['code']}`" if error["code"] else "–")


def written(page: str) -> str:
    """The page with the table as it is now. Raises ValueError for a page that has no place for it."""
    return generated.between(page, BEGINNING, END, f"{table()}\n")


def main(arguments: list[str]) -> int:
    """Write or check the table. Returns the exit code."""
    return generated.main(PAGE, written, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
