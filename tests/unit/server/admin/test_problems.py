"""An error tells the first problem, counts the others, and lists all of them."""

from __future__ import annotations

import pytest

from dragoman.errors import Problem
from dragoman.server.admin.problems import shown, unusable


@pytest.mark.parametrize(
    ("count", "more"), [(1, ""), (2, " There is 1 further"), (3, " There are 2 further")]
)
def test_a_refusal_names_the_first_problem_and_counts_the_others(count: int, more: str) -> None:
    problems = [Problem(f"p{number}", "is bad", "f.yaml", number + 1) for number in range(count)]
    failed = unusable(problems, "p0")
    assert failed.fault.message.startswith("The configuration stays as it is: f.yaml:1: p0: is bad.")
    assert more in failed.fault.message
    assert (failed.fault.param, failed.fault.http_status) == ("p0", 400)
    assert failed.problems == tuple(problems)


def test_what_is_not_known_of_a_problem_is_left_out() -> None:
    assert shown(Problem("p", "is bad", hint="do it well")) == {
        "path": "p",
        "message": "is bad",
        "hint": "do it well",
    }
