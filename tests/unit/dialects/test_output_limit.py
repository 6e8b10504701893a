"""The most output tokens that are asked for."""

from __future__ import annotations

import pytest

from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.output_limit import within_maximum


@pytest.mark.parametrize(("stated", "most", "sent"), [(5, None, 5), (5, 9, 5), (9, 9, 9), (10, 9, 9)])
def test_no_more_is_asked_for_than_the_model_can_write(stated: int, most: int | None, sent: int) -> None:
    report = Report("t")
    assert within_maximum(stated, Facts(max_output=most), report, "max_tokens") == sent
    lowered = [("max_output", "max_tokens")] if sent < stated else []
    assert [(change.path, change.to) for change in report.changes] == lowered
    assert [loss.path for loss in report.losses] == [path for path, _ in lowered]
