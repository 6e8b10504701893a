"""Removes sampling parameters from requests for models that accept none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dragoman.dialects.chat.draft import Draft


def leave_out_sampling(body: dict[str, Any], members: Iterable[str], draft: Draft) -> None:
    """Remove these members from `body` and report them as lost; a 1 of this dialect's own client stays."""
    for member in members:
        if not (draft.own and body.get(member) == 1) and body.pop(member, None) is not None:
            draft.report.lose(
                "sampling." + member, "the model does not accept sampling parameters", "quality"
            )
