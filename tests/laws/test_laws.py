"""Every codec keeps its laws: over our own cases always, over recorded traffic where it lies beside us."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from dragoman import ir
from dragoman.dialects.table import DIALECTS
from dragoman.testing import corpus
from dragoman.testing.case import APIS
from dragoman.testing.laws import rendered
from dragoman.testing.ledger import BOUND, Exceptions, Ledger, shown

CASES = Path(__file__).parent.parent / "cases"
EXCEPTIONS = Path(__file__).parent / "exceptions.toml"
SHARDS = {"openai.chat": 4, "anthropic.messages": 6}
"""The largest APIs are run in parts, so that they spread over workers."""

PARTS = [
    (api, shard, SHARDS.get(api, 1))
    for apis in APIS.values()
    for api in apis
    for shard in range(SHARDS.get(api, 1))
]


def holds(exchanges: Iterator[corpus.Exchange]) -> Ledger:
    ledger = Ledger(DIALECTS, Exceptions.load(EXCEPTIONS))
    for exchange in exchanges:
        ledger.run(exchange)
    lines = [line for broken in ledger.broken[:20] for line in shown(broken, whole=True)]
    assert not ledger.broken, "\n".join([f"{len(ledger.broken)} breaches; the first:", *lines])
    return ledger


def test_over_our_own_cases() -> None:
    ledger = holds(corpus.read(CASES))
    assert {api.partition(".")[0] for api in ledger.counts} >= {"openai", "anthropic"}
    assert list(ledger.problems()) == []


@pytest.mark.wire
@pytest.mark.parametrize(("api", "shard", "of"), PARTS, ids=[f"{api}-{shard}" for api, shard, _ in PARTS])
def test_over_recorded_traffic(recorded: Path, api: str, shard: int, of: int) -> None:
    ledger = holds(e for e in corpus.read(recorded, api) if crc32(e.id.encode()) % of == shard)
    assert ledger.ids


@pytest.mark.wire
def test_exceptions_are_few_and_all_needed(recorded: Path) -> None:
    exceptions = Exceptions.load(EXCEPTIONS)
    excepted = {id for _, id in exceptions.reasons}
    ledger = Ledger(DIALECTS, exceptions)
    totals = dict.fromkeys(DIALECTS, 0)
    for exchange in corpus.read(recorded):
        if (case := ledger.case(exchange)) is not None:
            totals[case.dialect.name] += 1
            if exchange.id in excepted:
                ledger.run(exchange)
    assert exceptions.unused(excepted) == []
    for name, ids in ledger.excepted.items():
        assert len(ids) <= BOUND * totals[name], name


@pytest.mark.parametrize("face", DIALECTS)
@pytest.mark.parametrize("kind", ir.STATUS)
def test_every_kind_of_fault_renders_in_every_face(face: str, kind: ir.Kind) -> None:
    fault = ir.Fault(kind, "What went wrong, in “words”.")
    assert list(rendered(fault, DIALECTS[face])) == []


def test_our_own_cases_are_read_by_someone() -> None:
    """A case whose API no codec speaks would be silently skipped."""
    ledger = Ledger(DIALECTS, Exceptions({}))
    assert [e.id for e in corpus.read(CASES) if ledger.case(e) is None] == []
