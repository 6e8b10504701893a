"""What the options for permissions become."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dragoman.cli.permissions import stated
from dragoman.cli.terminal import Failure

LISTS = ("models", "faces", "operations", "providers", "regions", "tags", "limits", "metadata")
NOTHING: dict[str, Sequence[str]] = dict.fromkeys(LISTS, ())


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({}, {}),
        ({"models": ["a", "b/*"]}, {"models": ["a", "b/*"]}),
        ({"models": ["all"], "tags": ["all"]}, {"models": None, "tags": []}),
        ({"limits": ["none"]}, {"limits": None}),
        (
            {"limits": ["tokens=5/min", "tokens=9/day", "concurrency=2"]},
            {"limits": {"tokens": ["5/min", "9/day"], "concurrency": 2}},
        ),
        ({"limits": ["concurrency=2", "concurrency=04"]}, {"limits": {"concurrency": 4}}),
        ({"metadata": ["a=b=c"]}, {"metadata": {"a": "b=c"}}),
    ],
)
def test_what_is_stated(options: dict[str, Sequence[str]], settings: dict[str, Any]) -> None:
    assert stated({**NOTHING, **options}) == settings


@pytest.mark.parametrize("options", [{"limits": ["5/min"]}, {"metadata": ["=x"]}])
def test_what_is_unreadable(options: dict[str, Sequence[str]]) -> None:
    with pytest.raises(Failure, match="expected NAME=VALUE"):
        stated({**NOTHING, **options})


@pytest.mark.parametrize("most", ["x", "", "-1", "\u00b2", "\u0664", "9" * 5000])
def test_a_concurrency_that_is_no_number(most: str) -> None:
    with pytest.raises(Failure, match="expected concurrency=NUMBER"):
        stated({**NOTHING, "limits": ["concurrency=4", f"concurrency={most}"]})
