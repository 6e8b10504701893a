"""What the configuration states about the spread of requests."""

from __future__ import annotations

from typing import get_args

import pytest

from dragoman.config import balancing
from dragoman.routing import spread
from dragoman.routing.policy import POLICIES
from dragoman.routing.spread import Price


def test_every_policy_has_one_name_everywhere() -> None:
    names = set(get_args(spread.PolicyName))
    assert set(POLICIES) == names == set(get_args(balancing.PolicyName))


def test_a_prompt_weighs_three_times_its_answer() -> None:
    assert Price(1.0, 5.0).mixed == pytest.approx(2.0)
