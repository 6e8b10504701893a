"""Removes sampling parameters from requests for models that accept none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dragoman.dialects.chat.draft import Draft


def leave_out_sampling(body: dict[str, Any], members: Iterable[str], draft: Draft) -> None:
    """Remove the sampling parameters `members` from `body`, and report each that had a value (not null) as
    lost. If the request came in the dialect of `body` (`draft.own`), a parameter with the value 1, which
    changes nothing, stays and is not reported.
    """
    for member in members:
        if not (draft.own and body.get(member) == 1) and body.pop(member, None) is not None:
            draft.report.lose(
                "sampling." + member, "the model does not accept sampling parameters", "quality"
            )
