"""docs/matrix.md: what the matrix came to. Written by `make matrix`, compared by `make check`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.matrix.asked import ASKED
from tests.matrix.faces import FACES, Face
from tests.matrix.features import FEATURES
from tests.matrix.permitted import FREE, Cell, Done, Outcome, Permitted
from tests.matrix.upstreams import UPSTREAMS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "matrix.md"
_HEAD = """\
# What works where

Every client protocol over every provider's, feature by feature. Each cell is a run, whole, streamed and over
a WebSocket where the client's protocol has one: the official `openai` client asks the gateway, and behind the
gateway stands a fake provider that refuses what the real one refuses, the embedded model (which is asked in
fewer ways), or the simulator. What arrived on both sides is looked at. `make matrix` runs them all and writes
this page.

*yes*: it works, and nothing of the request is lost. A number: the status and code that the client gets,
before anything is sent. *loses*: it works without what is named below the table; `x-dragoman-losses` counts
it, and strict mode refuses what would change the meaning. A dash: the client's protocol has no words for it.
"""
_TITLES = {upstream.name: upstream.title for upstream in UPSTREAMS}
_NONE = "–"


def render(permitted: Permitted) -> str:
    """The whole page. Every cell comes to what it may come to, or its test fails."""
    outcomes = {key: permitted.outcome(key) for key in cells()}
    parts = [_HEAD, *_summary(list(outcomes.values()))]
    for face in FACES:
        parts += [f"## Asked through {face.title}", "", *_table(_rows(face, outcomes)), ""]
        parts += ["### Why not", "", *_table(_reasons(face, permitted)), ""]
    return "\n".join(parts)


def cells() -> Iterator[Cell]:
    """Every cell that can be asked, in the order of the page."""
    for face in FACES:
        for upstream in _TITLES:
            for feature in FEATURES:
                if feature.name in ASKED[face.name]:
                    yield face.name, upstream, feature.name


def _summary(outcomes: Sequence[Outcome]) -> list[str]:
    fine = outcomes.count(FREE)
    refused = sum(not isinstance(outcome, Done) for outcome in outcomes)
    losing = len(outcomes) - fine - refused
    told = f"Of {len(outcomes)} cells {fine} work, {losing} work with a stated loss, {refused} are refused."
    return [told, ""]


def _rows(face: Face, outcomes: Mapping[Cell, Outcome]) -> list[list[str]]:
    rows = [["", *_TITLES.values()]]
    for feature in FEATURES:
        keys = [(face.name, upstream, feature.name) for upstream in _TITLES]
        rows.append([feature.name, *(cell(outcomes[key]) if key in outcomes else _NONE for key in keys)])
    return rows


def _reasons(face: Face, permitted: Permitted) -> list[list[str]]:
    rows = [["provider", "what", "outcome", "reason"]]
    for (name, feature), reason in permitted.absent.items():
        if name == face.name:
            rows.append(["any", feature, _NONE, reason])
    for (name, upstream, feature), permission in permitted.cells.items():
        if name == face.name:
            rows.append([_TITLES[upstream], feature, _full(permission.outcome), permission.reason])
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
