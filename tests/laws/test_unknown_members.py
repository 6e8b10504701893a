"""A member that no protocol knows is carried, or named at its place, wherever in a request it stands.

One is put into every object of every request of our own cases. The other laws compare what was read; this one
finds what is not read at all.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.dialects.dialect import Dialect
from dragoman.dialects.emulate import emulate
from dragoman.dialects.facts import UNKNOWN
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.dialects.unknown import in_words
from dragoman.errors import WireError
from dragoman.testing import corpus
from dragoman.testing.case import Case
from dragoman.testing.ledger import Exceptions, Ledger

CASES = Path(__file__).resolve().parents[1] / "cases"
MEMBER = "odd_member"


def objects(value: Any, path: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object in a JSON value, with its path."""
    if isinstance(value, dict):
        yield path, value
        for key, inner in value.items():
            yield from objects(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from objects(inner, f"{path}[{index}]")


def is_told(place: str, path: str) -> bool:
    """Whether a report that names `place` tells of the member at `path`: it is the member, or holds it."""
    return place == path or path.startswith((f"{place}.", f"{place}["))


def forgotten(case: Case, body: dict[str, Any], target: Dialect, marks: dict[str, str]) -> Iterator[str]:
    """The paths of marked members that the translation of the body neither has nor names. marks: path ->
    the member's value.
    """
    source, sent = case.dialect, case.wire_request
    wire = WireRequest(sent.operation, body, path=sent.path, params=sent.params, headers=sent.headers)
    report = Report(target.name)
    try:
        source.request.check(wire)
        if source.request.check_portable is not None and target is not source:
            source.request.check_portable(wire)
        asked = source.request.decode(wire)
        if target is not source:
            asked = in_words(asked)
        emulation = emulate(asked, target.abilities, UNKNOWN, STANDARD, report)
        written = target.request.encode(emulation.request, Target(report, "model"))
    except WireError:
        return
    text = json.dumps(written.body, default=str)
    losses, changes = report.located(source.locator(wire))
    named = [loss.path for loss in losses] + [change.path for change in changes if change.path is not None]
    for path, value in marks.items():
        if value not in text and not any(is_told(place, path) for place in named):
            yield path


def cases() -> list[Case]:
    ledger = Ledger(DIALECTS, Exceptions({}))
    found = (ledger.case(exchange) for exchange in corpus.read(CASES) if exchange.request is not None)
    return [case for case in found if case is not None and case.accepted and case.dialect.face is not None]


@pytest.mark.parametrize("target", DIALECTS)
def test_no_member_is_forgotten(target: str) -> None:
    tried = 0
    for case in cases():
        body = copy.deepcopy(case.body)
        marks = {}
        for number, (path, holder) in enumerate(list(objects(body))):
            holder[MEMBER] = marks[f"{path}.{MEMBER}"] = f"mark-{number}-"
        tried += 1
        lost = list(forgotten(case, body, DIALECTS[target], marks))
        # A tool that may not be called is left out whole; the choice is named.
        if "tool_choice" in case.body:
            lost = [path for path in lost if not path.startswith("$.tools[")]
        assert lost == [], f"{case.exchange.id} to {target}"
    assert tried > 100
