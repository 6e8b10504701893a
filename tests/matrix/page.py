"""docs/matrix.md: what the matrix came to. Written by `make matrix`, compared by `make check`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.matrix.faces import FACES
from tests.matrix.faces.face import Face
from tests.matrix.features import FEATURES
from tests.matrix.permitted import FREE, Cell, Done, Outcome, Permitted
from tests.matrix.upstreams import UPSTREAMS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "matrix.md"
_HEAD = """\
# What works where

Every client protocol over every provider's, feature by feature. Each cell is a run, whole, streamed and over
a WebSocket where the client's protocol has one: the official client of the protocol (`openai`, `anthropic`,
`google-genai`, `ollama`) asks the gateway, and behind the gateway stands a fake provider that refuses what
the real one refuses, the embedded model, or the simulator. What arrived on both sides is looked at.
`make matrix` runs them all and writes this page.

The official clients on Node (`openai`, `@anthropic-ai/sdk`, `@google/genai`, `ollama`) run over the same
upstreams but the embedded model: text, stream, tools, parallel tools, tool results, image in and JSON schema
come to the same with them, and so do errors, broken streams and the model list.

- *yes*: it works, and nothing of the request is lost.
- *no*: the client gets an error before anything is sent; the number leads to it, and to the reason.
- *less*: it works without what the number names; `x-dragoman-losses` counts it, and strict mode refuses what
  would change the meaning.
- *as above*: the embedded model takes its time, and is asked for this through OpenAI chat alone. What the
  other protocols make of such answers the simulator shows.
- A dash: the client's protocol has no words for it.
"""
_TITLES = {upstream.name: upstream.title for upstream in UPSTREAMS}
_NONE = "–"


def render(permitted: Permitted) -> str:
    """The whole page. Every cell comes to what it may come to, or its test fails."""
    outcomes = {key: permitted.outcome(key) for key in cells()}
    parts = [_HEAD, *_summary(outcomes)]
    for face in FACES:
        notes = _notes(face, permitted)
        parts += [f"## {face.title}", "", *_table(_rows(face, outcomes, notes)), ""]
        parts += [f"{number}. {note}" for number, note in enumerate(notes, 1)]
        absent = [(name, reason) for (asked, name), reason in permitted.absent.items() if asked == face.name]
        parts += [f"- {', '.join(names)}: {reason}" for reason, names in _grouped(absent)]
        parts.append("")
    return "\n".join(parts)


def cells() -> Iterator[Cell]:
    """Every cell that is asked, in the order of the page."""
    for face in FACES:
        for upstream in UPSTREAMS:
            for feature in FEATURES:
                again = face is FACES[0] or upstream.again is None or feature.name in upstream.again
                if feature.name in face.fields and again:
                    yield face.name, upstream.name, feature.name


def _summary(outcomes: Mapping[Cell, Outcome]) -> list[str]:
    """How many cells work, by face and upstream."""
    told = [outcome == FREE for outcome in outcomes.values()]
    refused = sum(not isinstance(outcome, Done) for outcome in outcomes.values())
    fine, losing = sum(told), len(told) - sum(told) - refused
    said = f"Of {len(told)} cells {fine} work, {losing} work with a stated loss, {refused} are refused."
    rows = [["", *_TITLES.values()]]
    for face in FACES:
        row = [f"[{face.title}](#{face.title.lower().replace(' ', '-')})"]
        for upstream in _TITLES:
            here = [outcome for key, outcome in outcomes.items() if key[:2] == (face.name, upstream)]
            row.append(f"{sum(isinstance(outcome, Done) for outcome in here)}/{len(here)}")
        rows.append(row)
    return [said, "How many of the features each answers, with or without a loss:", "", *_table(rows), ""]


def _rows(face: Face, outcomes: Mapping[Cell, Outcome], notes: Mapping[str, set[Cell]]) -> list[list[str]]:
    rows = [["", *_TITLES.values()]]
    for feature in FEATURES:
        row = [feature.name]
        for upstream in _TITLES:
            key = (face.name, upstream, feature.name)
            number = next((place for place, named in enumerate(notes.values(), 1) if key in named), 0)
            if key in outcomes:
                row.append(cell(outcomes[key], number))
            else:
                row.append("as above" if feature.name in face.fields else _NONE)
        rows.append(row)
    return rows


def _notes(face: Face, permitted: Permitted) -> dict[str, set[Cell]]:
    """What is said below the table, in order, with the cells of each."""
    notes: dict[str, set[Cell]] = {}
    for key, permission in permitted.cells.items():
        if key[0] == face.name:
            notes.setdefault(f"{_full(permission.outcome)}. {permission.reason}", set()).add(key)
    return notes


def _grouped(absent: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    by_reason: dict[str, list[str]] = {}
    for name, reason in absent:
        by_reason.setdefault(reason, []).append(name)
    return list(by_reason.items())


def cell(outcome: Outcome, number: int) -> str:
    """What the table says of a cell."""
    if outcome == FREE:
        return "yes"
    return f"{'less' if isinstance(outcome, Done) else 'no'} ({number})"


def _full(outcome: Outcome) -> str:
    if isinstance(outcome, Done):
        lost = ", ".join(f"`{path}` ({severity})" for path, severity in outcome.losses.items())
        return f"Without {lost}"
    code = f" `{outcome.code}`" if outcome.code else ""
    place = f" at `{outcome.param}`" if outcome.param else ""
    return f"{outcome.status}{code}{place}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *rest = rows
    return [_row(one) for one in (head, ["---"] * len(head), *rest)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
