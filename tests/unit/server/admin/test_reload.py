"""POST /admin/reload without a server around it."""

from __future__ import annotations

import pytest

from dragoman.assembly.reload import Outcome
from dragoman.config.differences import Difference
from dragoman.server.admin.reload import _matches, _told


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
