"""The laws over a folder of exchanges: counts, exceptions and violations.

At most 1 % of a dialect's exchanges may have an exception, and an exception that is no longer needed counts
as a problem. An exception names one exchange, one law, and the reason why the recording is wrong and not the
codec. It is an entry in a TOML file:

    [[exception]]
    law = "stream.grammar"
    id = "ai-0123456789ab"
    reason = "the sample is two answers, one after the other"
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from dragoman.dialects.dialect import Dialect
from dragoman.testing.case import APIS, Case, dialect_of
from dragoman.testing.corpus import Exchange
from dragoman.testing.hosted import unwrapped
from dragoman.testing.laws import LAWS, Broken, crash, hold, leftovers

BOUND = 0.01
"""The largest fraction of a dialect's exchanges that may have an exception."""
SAMPLE = 1
"""The number of odd forms of each recorded body and stream in the test suite."""
ALL = 8
"""The number of odd forms of each recorded body and stream in the command."""


class Exceptions:
    """The violations that are known and permitted. reasons: the reason for each, by (law, exchange's id).
    met: the keys (law, id) of those for which `covers` has returned True.
    """

    def __init__(self, reasons: Mapping[tuple[str, str], str]) -> None:
        self.reasons = dict(reasons)
        self.met: set[tuple[str, str]] = set()

    @classmethod
    def load(cls, path: Path | None) -> Exceptions:
        """Return the exceptions in a TOML file; None = no exceptions. Raises ValueError for text that is not
        TOML, an unknown law, an empty reason, or two entries for one law and exchange; KeyError for an entry
        without `law`, `id` or `reason`; OSError if the file cannot be read.
        """
        reasons: dict[tuple[str, str], str] = {}
        for entry in tomllib.loads("" if path is None else path.read_text()).get("exception", []):
            key = (entry["law"], entry["id"])
            if entry["law"] not in LAWS or not entry["reason"].strip() or key in reasons:
                raise ValueError(f"{path}: unknown law, no reason, or named twice: {key}")
            reasons[key] = entry["reason"]
        return cls(reasons)

    def covers(self, broken: Broken) -> bool:
        """Return whether an exception permits this violation. If so, add the exception's key to `met`."""
        key = (broken.law, broken.id)
        if key in self.reasons:
            self.met.add(key)
        return key in self.reasons

    def unused(self, ids: Iterable[str]) -> list[tuple[str, str]]:
        """Return the (law, id) of each exception that is not in `met` although its id is in `ids`, sorted.
        ids: of the exchanges that were tested.
        """
        seen = set(ids)
        return sorted(key for key in self.reasons.keys() - self.met if key[1] in seen)


class ApiCounts(msgspec.Struct):
    """The counts of one API.

    exchanges: tested exchanges. request, response, stream, error: exchanges with this subject. mutants,
    refused: tests of odd forms and refusals in them (`Case.tried`, `Case.refused`). excepted: exchanges with
    violations, all of which have exceptions. failed: exchanges with a violation that has none.
    """

    exchanges: int = 0
    request: int = 0
    response: int = 0
    stream: int = 0
    error: int = 0
    mutants: int = 0
    refused: int = 0
    excepted: int = 0
    failed: int = 0

    def add(self, case: Case) -> None:
        """Count one more exchange, and its subjects. The other counts stay as they are."""
        self.exchanges += 1
        for subject in case.subjects:
            setattr(self, subject, getattr(self, subject) + 1)


class Ledger:
    """Checks exchanges against the laws and collects the results. dialects: by name; exchanges of other
    dialects are not tested. mutants: the number of odd forms of each body and stream. counts: by API. broken:
    the violations without an exception. ids: the ids of all tested exchanges. leftovers: by dialect, how
    often each unknown key ("STRUCT.KEY") occurs in requests and answers of the exchanges that violate no law.
    excepted: by dialect, the ids of the exchanges with a violation that an exception permits.
    """

    def __init__(
        self, dialects: Mapping[str, Dialect], exceptions: Exceptions, mutants: int = SAMPLE
    ) -> None:
        self.dialects = dialects
        self.mutants = mutants
        self.exceptions = exceptions
        self.counts: dict[str, ApiCounts] = {}
        self.broken: list[Broken] = []
        self.ids: list[str] = []
        self.excepted: dict[str, set[str]] = {}
        self.leftovers: dict[str, Counter[str]] = {}

    def case(self, exchange: Exchange) -> Case | None:
        """Return the exchange as a case of its dialect; None = the ledger does not have the dialect of its
        API, or, in an API that passes many protocols through, the exchange has no request or the body of
        another protocol.
        """
        name = dialect_of(exchange.api)
        if name is None or name not in self.dialects or (plain := unwrapped(exchange)) is None:
            return None
        exchange = plain
        others = [dialect for dialect in self.dialects.values() if dialect.name != name]
        return Case(exchange, self.dialects[name], others, self.mutants)

    def run(self, exchange: Exchange, laws: Sequence[str] = tuple(LAWS)) -> list[Broken]:
        """Check one exchange against the laws, and add the results to this ledger. Return the violations that
        no exception covers. Do nothing and return [] for an exchange for which `case` returns None. laws:
        names of `LAWS`.
        """
        if (case := self.case(exchange)) is None:
            return []
        count = self.counts.setdefault(exchange.api, ApiCounts())
        count.add(case)
        self.ids.append(exchange.id)
        broken = list(hold(case, laws))
        if not broken:
            broken = list(self._leftovers(case, laws))
        count.mutants += case.tried
        count.refused += case.refused
        known = [breach for breach in broken if self.exceptions.covers(breach)]
        if known:
            self.excepted.setdefault(case.dialect.name, set()).add(exchange.id)
        new = [breach for breach in broken if breach not in known]
        count.excepted += bool(known and not new)
        count.failed += bool(new)
        self.broken += new
        return new

    def _leftovers(self, case: Case, laws: Sequence[str]) -> Iterator[Broken]:
        """Count the unknown keys of the request and the answer, if `laws` test them. Yields a violation of
        the law `request.ir` or `response.ir` if one of them cannot be decoded.
        """
        found = self.leftovers.setdefault(case.dialect.name, Counter())
        tested = {law.partition(".")[0] for law in laws} & case.subjects
        for subject in sorted(tested & {"request", "response"}):
            try:
                found += leftovers(getattr(case, subject))
            except Exception as error:  # noqa: BLE001 - whatever a codec raises here is its failure
                yield Broken(f"{subject}.ir", case.exchange.api, case.exchange.id, (crash(error),))

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each problem that is not a violation: each exception that is no longer needed
        for a tested exchange, and each dialect with exceptions for more than `BOUND` of its tested exchanges.
        """
        for law, id in self.exceptions.unused(self.ids):
            yield f"the exception for {law} of {id} is no longer needed"
        for name, ids in self.excepted.items():
            total = sum(count.exchanges for api, count in self.counts.items() if dialect_of(api) == name)
            if len(ids) > BOUND * total:
                yield f"{name}: {len(ids)} of {total} exchanges have an exception, more than {BOUND:.0%}"

    def table(self) -> Iterator[str]:
        """Yield the counts as lines of text: a header, a line for each API, and the sums."""
        yield f"{'':24}" + "".join(f"{field:>10}" for field in ApiCounts.__struct_fields__)
        total = ApiCounts()
        for api, count in sorted(self.counts.items(), key=lambda item: _order(item[0])):
            yield _row(api, count)
            for field in ApiCounts.__struct_fields__:
                setattr(total, field, getattr(total, field) + getattr(count, field))
        yield _row("all", total)


def _order(api: str) -> tuple[int, int]:
    name = dialect_of(api) or ""
    apis = APIS.get(name, ())
    return [*APIS, name].index(name), apis.index(api) if api in apis else len(apis)


def _row(name: str, count: ApiCounts) -> str:
    return f"{name:24}" + "".join(f"{getattr(count, field):10}" for field in ApiCounts.__struct_fields__)


def shown(broken: Broken, *, whole: bool) -> Iterator[str]:
    """Yield a violation as lines of text. whole: True = with all its sentences, False = with the first 200
    characters of the first sentence, and the number of the other sentences.
    """
    yield f"{broken.law}  {broken.api}  {broken.id}"
    yield from (f"    {how if whole else how[:200]}" for how in (broken.how if whole else broken.how[:1]))
    if not whole and len(broken.how) > 1:
        yield f"    and {len(broken.how) - 1} more (-v shows them)"
