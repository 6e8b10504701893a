"""What each of our own cases becomes in every other dialect, as files that are read as a diff.

`A-to-B.json` holds, for each case of dialect A: its request as an upstream of B gets it, its answer or
error as a client of B gets it, and what was lost or changed on the way. `make golden` writes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from dragoman.dialects.dialect import Dialect
from dragoman.dialects.loss import Report
from dragoman.dialects.reply import Framing
from dragoman.dialects.request import Target
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.testing import corpus
from dragoman.testing.case import Case, dialect_of, split

FOLDER = Path(__file__).parent
CASES = FOLDER.parent / "cases"


def request(case: Case, to: Dialect) -> dict[str, Any]:
    report = Report(to.name)
    try:
        if case.dialect.request.check_portable is not None:
            case.dialect.request.check_portable(case.wire_request)
        wire = to.request.encode(case.request, Target(report, model="the-model"))
    except WireError as error:
        return {"refused": str(error)}
    sent = {"path": wire.path, "headers": wire.headers, "body": wire.body}
    return {key: value for key, value in sent.items() if value} | said(report, case.dialect.request.locate)


def response(case: Case, to: Dialect) -> dict[str, Any]:
    report = Report(to.name, "response")
    body = to.response.encode(case.response, case.reply(to, report))
    return {"body": body} | said(report, str)


def stream(case: Case, to: Dialect) -> dict[str, Any]:
    report = Report(to.name, "response")
    encoder = to.stream.encoder(case.reply(to, report))
    written = b"".join(map(encoder.feed, case.events))
    return {"lines": lines(written, to.stream.framing)} | said(report, str)


def lines(written: bytes, framing: Framing) -> list[str]:
    """A stream as it is read: its lines, or the JSON in each message of one that is not text."""
    if framing != "eventstream":
        return written.decode().split("\n")
    return [frame.decode() for frame in split(written, framing=framing)]


def error(case: Case, to: Dialect) -> dict[str, Any]:
    status, headers, body = to.errors.encode(case.fault, "request-1")
    return {"status": status, "headers": headers, "body": json.loads(body)}


def said(report: Report, locate: Callable[[str], str]) -> dict[str, Any]:
    losses, changes = report.located(locate)
    found = {
        "losses": [f"{loss.severity}: {loss.path}: {loss.reason}" for loss in losses],
        "changes": [f"{change.path or 'nothing'} -> {change.to}: {change.reason}" for change in changes],
    }
    return {key: value for key, value in found.items() if value}


SUBJECTS = {"request": request, "response": response, "stream": stream, "error": error}


@pytest.mark.parametrize(("source", "target"), list(permutations(DIALECTS, 2)))
def test_what_each_case_becomes(source: str, target: str, update: bool) -> None:
    golden: dict[str, Any] = {}
    for exchange in corpus.read(CASES):
        if dialect_of(exchange.api) == source:
            case = Case(exchange, DIALECTS[source], [DIALECTS[target]])
            golden[exchange.id] = {
                subject: write(case, DIALECTS[target])
                for subject, write in SUBJECTS.items()
                if subject in case.subjects
            }
    assert golden
    path = FOLDER / f"{source}-to-{target}.json"
    text = json.dumps(golden, indent=1, ensure_ascii=False, sort_keys=False) + "\n"
    if update:
        path.write_text(text)
    assert path.read_text() == text, f"{path.name} differs: run `make golden` and read the diff"
