"""The table of chat fields as a page: docs/chat-fields.md.

`python -m tests.unit.dialects.chat_fields.page --write` writes it, `--check` tells whether it is current
(exit code 1 if not).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import msgspec

from dragoman.dialects.table import DIALECTS
from tests.documents import generated
from tests.unit.dialects.chat_fields.row import UPSTREAMS, Outcome, Row
from tests.unit.dialects.chat_fields.table import TABLE

PAGE: Final = Path(__file__).parents[4] / "docs" / "chat-fields.md"
_TITLES: Final = {"local": "Embedded model", "simulate": "Simulator"}
_SHORT: Final = 70
"""Characters of a value that are shown at most."""
_INTRODUCTION: Final = """\
<!-- Made by `make docs` from tests/unit/dialects/chat_fields. Do not edit. -->

# What becomes of each field of a chat request

A request to `/v1/chat/completions` can be sent to any of these provider APIs. This page says what each API
receives for each field of the request: OpenAI's documented fields, and further fields that clients send.
Every row is a test.

- A path is the place of the value in the provider's request; *as it is* means the same place and value.
- *Emulated*: the field is expressed in another way, and the response is converted back. *Lost*: the field is
  not sent, which costs **meaning** (the response may be different), **quality** (the response may be worse or
  more expensive) or a **hint** (nothing that matters). Both are listed in the header `x-dragoman-report` of
  the response to a request that has
  `x-dragoman-report: 1`; with `x-dragoman-strict: 1` a loss of meaning is a 400.
- *400*: the request is refused before anything is sent, with this `code` and the field's path as `param`.
- – means that nothing needs to be sent.

The columns are for each protocol's own vendor and for a model of which nothing special is known. What is
known of a model, and deviations of compatible vendors, may turn a value into a loss.
"""


def page() -> str:
    """The page, Markdown."""
    lines = [_INTRODUCTION]
    for title, rows in TABLE.items():
        lines += [f"## {title}\n", *_table(rows), "", *_mistakes(rows)]
    return "\n".join(lines)


def _table(rows: tuple[Row, ...]) -> Iterator[str]:
    titles = [DIALECTS[name].title if name in DIALECTS else _TITLES[name] for name in UPSTREAMS]
    yield _line(["member", *titles])
    yield _line(["---"] * (len(titles) + 1))
    entries = [
        (one, tuple(_cell(name, one.outcomes[name]) for name in UPSTREAMS))
        for one in rows
        if _refusal(one) is None
    ]
    for (field, cells), alike in groupby(entries, key=lambda entry: (entry[0].field, entry[1])):
        labels = ", ".join(one.label for one, _ in alike if one.label)
        yield _line([f"`{field}`" + (f": {labels}" if labels else ""), *cells])


def _mistakes(rows: tuple[Row, ...]) -> Iterator[str]:
    """What is refused for every upstream alike."""
    refusals = [(one, refusal) for one in rows if (refusal := _refusal(one)) is not None]
    if refusals:
        yield "Refused everywhere:\n"
        for one, refusal in refusals:
            yield f"- `{one.field}`: {one.label} ({_cell('', refusal)})"
        yield ""


def _refusal(row: Row) -> Outcome | None:
    """The outcome of a row that all upstreams refuse."""
    outcomes = list(row.outcomes.values())
    return (
        outcomes[0]
        if outcomes[0].kind == "refused" and outcomes.count(outcomes[0]) == len(outcomes)
        else None
    )


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _cell(upstream: str, outcome: Outcome) -> str:
    if outcome.kind == "refused":
        return f"400 `{outcome.code}`" if outcome.code else "400"
    note = outcome.note
    severities = ", ".join(sorted(set(outcome.losses.values())))
    if outcome.kind == "lost":
        part = "in part lost" if outcome.writes else "lost"
        return f"{part}: **{severities}**" + (f" ({note})" if note else "")
    if outcome.kind == "emulated":
        return f"emulated: {note}" + (f"; in part lost: **{severities}**" if severities else "")
    if outcome.kind == "nothing":
        return note or "–"
    if upstream in _TITLES or not outcome.writes:
        return note or "yes"
    places = ", ".join(_place(path, value) for path, value in outcome.writes.items() if value is not ...)
    return places + (f" ({note})" if note else "")


def _place(path: str, value: Any) -> str:
    """A path in the upstream's request, with its value where that is short."""
    plain = f"`{path.removeprefix('@')}`"
    try:
        written = msgspec.json.encode(value).decode()
    except TypeError:  # a pattern, or any value
        return plain
    return f"{plain} = `{written}`" if len(written) <= _SHORT else plain


def main(arguments: list[str]) -> int:
    """Write or check the page. Returns the exit code."""
    return generated.main(PAGE, lambda _: page(), arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
