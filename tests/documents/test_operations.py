"""docs/operations.md lists every field of the access log, every phase, and every member of /health."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, get_args

import msgspec

from dragoman.exchange import Phase
from dragoman.gateway import Gateway
from dragoman.observe import log
from dragoman.observe.families import FAMILIES
from dragoman.routing.outcome import Outcome

PAGE: Final = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")


def first_cells(heading: str) -> list[str]:
    """What stands in backticks in the first column of the table below a text."""
    table = PAGE.partition(heading)[2].lstrip("\n").partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row)]


def members(kind: type[msgspec.Struct]) -> set[str]:
    """The members that a value of this type has as JSON."""
    return {field.encode_name for field in msgspec.structs.fields(kind)}


def test_every_field_of_a_line_is_listed_and_no_other() -> None:
    written = members(log._Line) - {"shortened"}
    assert '`"shortened": true`' in PAGE
    assert len(written) > 20
    assert sorted(first_cells("The fields of a JSON line:")) == sorted(written)


def test_every_field_of_an_attempt_is_named() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `tried` "))
    assert set(re.findall(r"`(\w+)`", row)) == {*members(log._Tried), "tried"}


def test_every_phase_is_listed_in_its_order() -> None:
    assert first_cells("or a [kind](errors.md#kinds).") == list(get_args(Phase))


def test_every_metric_is_listed_with_its_labels() -> None:
    table = PAGE.partition("| metric | labels |")[2].partition("\n\n")[0]
    listed: dict[str, tuple[str, ...]] = {}
    for row in table.splitlines()[2:]:
        metrics, labels = (re.findall(r"`(\w+)`", cell) for cell in row.split("|")[1:3])
        listed |= {metric: tuple(labels) for metric in metrics}
    assert listed == {family.name: family.labels for family in FAMILIES}


def test_every_outcome_of_an_attempt_is_named() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `dragoman_upstream_outcomes_total` "))
    outcomes = {outcome.name.lower() for outcome in Outcome} | {"answered", "abandoned"}
    assert outcomes <= set(re.findall(r"`(\w+)`", row))


async def test_every_member_of_health_is_listed() -> None:
    gateway = Gateway({})
    gateway.connections = dict
    try:
        await gateway.start()
        members = await gateway.health(details=True)
    finally:
        await gateway.close()
    assert sorted(first_cells("asks every provider with every key.")) == sorted(members)
