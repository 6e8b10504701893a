"""docs/administration.md lists every path for operators, every state of a key, and what an audit line has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final, get_args

import msgspec

from dragoman.routing.pool import Standing
from dragoman.server.admin.api import OPERATIONS
from dragoman.server.admin.audit import Entry

PAGE: Final = (Path(__file__).parents[2] / "docs" / "administration.md").read_text("utf-8")


def test_every_path_is_listed_and_no_other() -> None:
    listed = re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", PAGE, re.MULTILINE)
    assert listed == [f"{one.method} {one.path}" for one in OPERATIONS]


def test_every_state_of_a_key_is_listed() -> None:
    table = PAGE.partition("| state of a key |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(get_args(Standing))


def test_the_audit_line_has_every_member() -> None:
    line = json.loads(PAGE.partition("```json\n")[2].partition("```")[0])
    fields = {field.name for field in msgspec.structs.fields(Entry)} - {"object"}
    assert set(line) == fields | {"event"}
