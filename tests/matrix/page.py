"""docs/chat-matrix.md: what the matrix came to. Written by `make matrix`, checked by the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.matrix.features import FEATURES
from tests.matrix.permitted import Done, Outcome, Permission
from tests.matrix.upstreams import UPSTREAMS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "chat-matrix.md"
_HEAD = """\
# What a chat can hold, by upstream

Every cell is a run, whole and streamed: the official `openai` client asks the gateway, and behind the gateway
stands a fake provider that refuses what the real one refuses, the embedded model, or the simulator. What
arrived on both sides is looked at. `make matrix` runs them all and writes this page.

*yes*: it works, and nothing of the request is lost. A number: the status and code that the client gets,
before anything is sent. *loses*: it works without what is named below; `x-dragoman-losses` counts it, and
strict mode refuses what would change the meaning.
"""
_REASONS = "## Why not"
_TITLES = {upstream.name: upstream.title for upstream in UPSTREAMS}


def render(
    outcomes: Mapping[tuple[str, str], Outcome], permissions: Mapping[tuple[str, str], Permission]
) -> str:
    """The whole page. Both by (upstream, feature)."""
    rows = [["", *_TITLES.values()]]
    rows += [
        [feature.name, *(cell(outcomes[name, feature.name]) for name in _TITLES)] for feature in FEATURES
    ]
    reasons = [["upstream", "what", "outcome", "reason"]]
    reasons += [
        [_TITLES[upstream], feature, _full(outcomes[upstream, feature]), permission.reason]
        for (upstream, feature), permission in permissions.items()
    ]
    return "\n".join([_HEAD, *_table(rows), "", _REASONS, "", *_table(reasons), ""])


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
def documented() -> dict[tuple[str, str], str]:
    """The cells of the page as it lies in the repository, by (upstream, feature)."""
    table, _, _ = PAGE.read_text(encoding="utf-8").partition(_REASONS)
    rows = [line[2:-2].split(" | ") for line in table.splitlines() if line.startswith("|")]
    return {(name, row[0]): told for row in rows[2:] for name, told in zip(_TITLES, row[1:], strict=True)}
