"""docs/matrix.md: what the matrix came to. Written by `make matrix`, checked by the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.matrix.asked import ASKED
from tests.matrix.faces import FACES, Face
from tests.matrix.features import FEATURES
from tests.matrix.permitted import Cell, Done, Outcome, Permitted
from tests.matrix.upstreams import UPSTREAMS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "matrix.md"
_HEAD = """\
# What works where

Every client protocol over every provider's, feature by feature. Each cell is a run, whole, streamed and, where
the protocol has them, over a WebSocket: the official `openai` client asks the gateway, and behind the gateway
stands a fake provider that refuses what the real one refuses, the embedded model, or the simulator. What
arrived on both sides is looked at. `make matrix` runs them all and writes this page.

*yes*: it works, and nothing of the request is lost. A number: the status and code that the client gets,
before anything is sent. *loses*: it works without what is named below the table; `x-dragoman-losses` counts
it, and strict mode refuses what would change the meaning. A dash: the client's protocol has no words for it.
"""
_ASKED = "## Asked through "
_REASONS = "### Why not"
_TITLES = {upstream.name: upstream.title for upstream in UPSTREAMS}
_NONE = "–"


def render(outcomes: Mapping[Cell, Outcome], permitted: Permitted) -> str:
    """The whole page."""
    parts = [_HEAD, *_summary(outcomes)]
    for face in FACES:
        parts += [f"{_ASKED}{face.title}", "", *_table(_rows(face, outcomes)), ""]
        parts += [_REASONS, "", *_table(_reasons(face, outcomes, permitted)), ""]
    return "\n".join(parts)


def _summary(outcomes: Mapping[Cell, Outcome]) -> list[str]:
    told = list(outcomes.values())
    fine = told.count(Done())
    refused = sum(not isinstance(outcome, Done) for outcome in told)
    losing = len(told) - fine - refused
    return [f"Of {len(told)} cells {fine} work, {losing} work with a stated loss, {refused} are refused.", ""]


def _rows(face: Face, outcomes: Mapping[Cell, Outcome]) -> list[list[str]]:
    rows = [["", *_TITLES.values()]]
    for feature in FEATURES:
        keys = [(face.name, upstream, feature.name) for upstream in _TITLES]
        possible = feature.name in ASKED[face.name]
        rows.append([feature.name, *(cell(outcomes[key]) if possible else _NONE for key in keys)])
    return rows


def _reasons(face: Face, outcomes: Mapping[Cell, Outcome], permitted: Permitted) -> list[list[str]]:
    rows = [["provider", "what", "outcome", "reason"]]
    rows += [
        ["any", feature, _NONE, reason] for (name, feature), reason in permitted.absent.items() if name == face.name
    ]
    rows += [
        [_TITLES[key[1]], key[2], _full(outcomes[key]), permission.reason]
        for key, permission in permitted.cells.items()
        if key[0] == face.name
    ]
    return rows


def cell(outcome: Outcome) -> str:
    """What the table says of a cell."""
    if not isinstance(outcome, Done):
        return f"{outcome.status} `{outcome.code}`"
    if not outcome.losses:
        return "yes"
    worst = min(outcome.losses.values(), key=("meaning", "quality", "hint").index)
    return f"loses ({worst})"


def _full(outcome: Outcome) -> str:
    if isinstance(outcome, Done):
        return ", ".join(f"`{path}` ({severity})" for path, severity in outcome.losses.items())
    return f"{cell(outcome)} at `{outcome.param}`"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *rest = rows
    return [_row(one) for one in (head, ["---"] * len(head), *rest)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


@cache
def documented() -> dict[Cell, str]:
    """The cells of the page as it lies in the repository."""
    found: dict[Cell, str] = {}
    sections = PAGE.read_text(encoding="utf-8").split(_ASKED)[1:]
    for face, section in zip(FACES, sections, strict=True):
        table, _, _ = section.partition(_REASONS)
        rows = [line[2:-2].split(" | ") for line in table.splitlines() if line.startswith("|")]
        for name, *cells in rows[2:]:
            found |= {(face.name, up, name): told for up, told in zip(_TITLES, cells, strict=True)}
    return found
