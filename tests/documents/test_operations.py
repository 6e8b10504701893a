"""docs/operations.md lists every field of the access log, every phase, and every member of /health."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

from dragoman.exchange import Phase
from dragoman.gateway import Gateway
from dragoman.observe import log

PAGE: Final = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")


def first_cells(heading: str) -> list[str]:
    """What stands in backticks in the first column of the table below a text."""
    table = PAGE.partition(heading)[2].lstrip("\n").partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row)]


def keys(source: Any, record: str = "record") -> Iterator[str]:
    """The members that a function gives to the dictionary of this name."""
    for node in ast.walk(ast.parse(inspect.getsource(source))):
        if isinstance(node, ast.AnnAssign | ast.Assign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Name) and target.id == record and isinstance(node.value, ast.Dict):
                yield from (str(key.value) for key in node.value.keys if isinstance(key, ast.Constant))
            if isinstance(target, ast.Subscript) and ast.unparse(target.value) == record:
                assert isinstance(target.slice, ast.Constant)
                yield str(target.slice.value)


def test_every_field_of_a_line_is_listed_and_no_other() -> None:
    written = set(keys(log._for_machines))
    assert len(written) > 20
    assert sorted(first_cells("The fields of a JSON line:")) == sorted(written)


def test_every_field_of_an_attempt_is_named() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `tried` "))
    assert set(re.findall(r"`(\w+)`", row)) == {*keys(log._tried), "tried"}


def test_every_phase_is_listed_in_its_order() -> None:
    assert first_cells("or a [kind](errors.md#kinds).") == list(get_args(Phase))


async def test_every_member_of_health_is_listed() -> None:
    gateway = Gateway({})
    gateway.connections = dict
    try:
        await gateway.start()
        members = await gateway.health(details=True)
    finally:
        await gateway.close()
    assert sorted(first_cells("asks every provider with every key.")) == sorted(members)
