"""POST /admin/reload without a server around it."""

from __future__ import annotations

import pytest

from dragoman.assembly.reload import Outcome
from dragoman.config.differences import Difference
from dragoman.errors import Problem
from dragoman.server.admin.reload import _matches, _refused, _told


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        ('"mark"', True),
        ('"other", "mark"', True),
        ("*", True),
        ('"other"', False),
        ("mark", False),
        ('W/"mark"', False),
    ],
)
def test_if_match_names_the_configuration(wanted: str, matches: bool) -> None:
    assert _matches(wanted, "mark") is matches


def test_an_answer_tells_what_has_changed() -> None:
    changed = (Difference("models.m", "added"), Difference("auth.keys[0].key", "changed", "1234"))
    told = _told(Outcome(hash="mark", changed=changed, restart=("server.port",)))
    assert told == {
        "object": "reload",
        "hash": "mark",
        "changed": [
            {"setting": "models.m", "change": "added"},
            {"setting": "auth.keys[0].key", "change": "changed", "tail": "1234"},
        ],
        "restart": ["server.port"],
        "warnings": [],
    }


@pytest.mark.parametrize(
    ("count", "more"), [(1, ""), (2, " There is 1 further"), (3, " There are 2 further")]
)
def test_a_refusal_names_the_first_problem_and_counts_the_others(count: int, more: str) -> None:
    problems = [Problem(f"p{number}", "is bad", "f.yaml", number + 1) for number in range(count)]
    fault = _refused(Outcome(hash="mark", problems=tuple(problems)))
    assert fault.message.startswith("The configuration stays as it is: f.yaml:1: p0: is bad.")
    assert more in fault.message
    assert (fault.param, fault.http_status) == ("p0", 400)
