"""What a usage record adds to the sums of reports. All stores use this module, so that they agree. Pure.

A record has a part for the deployment that was called last (also if none was called), and one for each other
deployment in its lines. The first part counts as the request: only this part counts the request, whether it
failed, and its duration. The other parts have only what the calls of their deployments have used. So each
deployment has its own spend, and each request is counted once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar

from dragoman.ir.units import INPUT, OUTPUT
from dragoman.state.durations import bucket_of
from dragoman.state.usage import UsageLine, UsageRecord

K = TypeVar("K")
Dimension: TypeAlias = Literal[
    "key",
    "tenant",
    "team",
    "user",
    "model",
    "deployment",
    "provider",
    "face",
    "operation",
    "outcome",
    "tag",
    "end_user",
]
"""The dimensions by which usage can be grouped. key: the name of the client's key, which stays the same when
the key is rotated. outcome: the first word of `UsageRecord.end`: `done`, or who ended the exchange.
"""
CROSSED: Final[tuple[Dimension, ...]] = (
    "key",
    "tenant",
    "team",
    "user",
    "model",
    "deployment",
    "provider",
    "face",
    "operation",
    "outcome",
)
"""The dimensions that can be combined with each other."""
OPEN: Final[tuple[Dimension, ...]] = ("tag", "end_user")
"""The dimensions whose values clients may choose, so that there may be any number of values. A query cannot
combine them with another dimension.
"""
OTHER: Final = "(other)"
"""The value under which the usage of many tags or end users with little usage was added up."""
DIMENSIONS: Final = (*CROSSED, *OPEN)
LONGEST: Final = 200
"""The most characters of a value of a dimension: no name of a key, tenant, team or user that is made at run
time is longer. A longer value is cut, and ends with a hash.
"""
_HASHED: Final = 17

_NOT_FOUND: Final = 404
_REMEMBERED: Final = 1_000
"""The most groups that are cached by the values of their records, before these values are cut."""
COUNTS: Final = ("requests", "failed", "recovered", "cut", "streamed", "estimated", "calls", "failed_calls")
COST: Final = ("unpriced", "cost")
COMMON: Final = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
)
"""The units that have their own column in the database."""


class Group(NamedTuple):
    """The values of one part of a record, in each dimension that can be combined, in the form in which they
    are stored (`text`); "" = the part has no value in this dimension. The fields are those of `UsageRecord`,
    except that key is the name of the client's key, and outcome is `done` or who ended the exchange
    (`outcome_of`).
    """

    key: str = ""
    tenant: str = ""
    team: str = ""
    user: str = ""
    model: str = ""
    deployment: str = ""
    provider: str = ""
    face: str = ""
    operation: str = ""
    outcome: str = ""


class Sums:
    """Sums of usage. Each attribute maps names or indices to sums; a missing one has the sum 0. The
    constructor copies the mappings that it gets.

    counts: `requests`; and how many of these `failed`, `recovered` (a call failed or was overtaken by
    another, but the client got an answer), were `cut` (the process ended before the request did), `streamed`,
    or `estimated`; `calls` of providers, and how many of them failed or were overtaken (`failed_calls`);
    `unpriced` (parts of records with an unknown cost) and `cost` (the known cost, nano-USD). units: amounts,
    by the names in `ir.units`. total, first: the number of durations until the end of the request, and until
    the first content of a stream, by index of the bucket (`state.durations`).
    """

    __slots__ = ("counts", "first", "total", "units")

    def __init__(
        self,
        counts: Mapping[str, int] | None = None,
        units: Mapping[str, int] | None = None,
        total: Mapping[int, int] | None = None,
        first: Mapping[int, int] | None = None,
    ) -> None:
        self.counts: dict[str, int] = dict(counts or {})
        self.units: dict[str, int] = dict(units or {})
        self.total: dict[int, int] = dict(total or {})
        self.first: dict[int, int] = dict(first or {})

    def __getitem__(self, name: str) -> int:
        """Return the count with this name, 0 if it is missing."""
        return self.counts.get(name, 0)

    def add(self, other: Sums) -> None:
        """Add other sums to these sums. `other` stays unchanged."""
        _add(self.counts, other.counts)
        _add(self.units, other.units)
        _add(self.total, other.total)
        _add(self.first, other.first)

    @property
    def input_tokens(self) -> int:
        """The number of all input tokens, those read from or written to caches included."""
        return sum([self.units.get(unit, 0) for unit in INPUT])

    @property
    def output_tokens(self) -> int:
        """The number of all output tokens, those of reasoning included."""
        return sum([self.units.get(unit, 0) for unit in OUTPUT])

    @property
    def cached_tokens(self) -> int:
        """The number of input tokens that were read from a cache."""
        return sum([self.units.get(unit, 0) for unit in _CACHED])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sums):
            return NotImplemented
        return self._stated() == other._stated()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Sums{self._stated()}"

    def _stated(self) -> tuple[dict[Any, int], ...]:
        """Return copies of the four maps (counts, units, total, first) without the sums that are 0."""
        every: tuple[dict[Any, int], ...] = (self.counts, self.units, self.total, self.first)
        return tuple({name: amount for name, amount in one.items() if amount} for one in every)


def _add(into: dict[K, int], more: Mapping[K, int]) -> None:
    for name, amount in more.items():
        into[name] = into.get(name, 0) + amount


_CACHED: Final = tuple(unit for unit in INPUT if unit.startswith("cache_read"))


class Part(NamedTuple):
    """What one record adds to the sums of one group: the usage of one deployment, and for the deployment that
    was called last also the request itself.
    """

    group: Group
    sums: Sums


def parts_of(record: UsageRecord) -> list[Part]:
    """Return the parts of a record: first that of the request, for the deployment that was called last; then
    one for each other deployment in the record's lines. Each part has the units and the cost of its own
    deployment, so that all parts together have those of the record.
    """
    own = _own(record)
    found = [Part(group_of(record), own)]
    others = _other_deployments(record)
    for (deployment, provider), lines in others.items():
        group = found[0].group._replace(deployment=text(deployment), provider=text(provider))
        sums = _called(lines)
        _add(own.units, {unit: -amount for unit, amount in sums.units.items()})
        own.counts["cost"] -= sums["cost"]
        found.append(Part(group, sums))
    return found


def text(value: str | None) -> str:
    """Return the value of a dimension in the form in which it is stored: at most `LONGEST` characters. A
    longer value is cut, and ends with `…` and digits of its hash, so that two long names with the same
    beginning do not share their usage. NUL becomes U+FFFD, half of a surrogate pair becomes "?", None
    becomes "".
    """
    if not value:
        return ""
    if len(value) > LONGEST:
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
        value = f"{value[: LONGEST - _HASHED]}…{digest[: _HASHED - 1]}"
    if value.isascii() and value.isprintable():
        return value
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def tags_of(record: UsageRecord) -> list[str]:
    """Return the tags of a record in the form in which they are stored, each once, without empty ones."""
    return list(dict.fromkeys(filter(None, map(text, record.tags))))


def outcome_of(end: str) -> str:
    """Return the first word of an exchange's `end`, which is `done` or says who ended the exchange:
    "client/stream" → "client".
    """
    return end.partition("/")[0]


def dimensions_of(record: UsageRecord) -> tuple[str | None, ...]:
    """Return the values of a record in the order of the fields of `Group`, before they are cut; None = no
    value. The last value is the record's `end`, not the outcome. For a request that failed with the status
    404 before a deployment was called, the model is "", because clients may invent any number of names.
    Records that are equal in all of these values have the same group.
    """
    deployment, model = record.deployment, record.model
    if deployment is None and record.failed and record.status == _NOT_FOUND:
        model = ""  # clients may invent names that no model has: each would be a group for ever
    return (
        record.client,
        record.tenant,
        record.team,
        record.user,
        model,
        deployment,
        record.provider,
        record.face,
        record.operation,
        record.end,
    )


def group_of(record: UsageRecord) -> Group:
    """Return the group of a record's first part, which is that of the request."""
    return _named(*dimensions_of(record))


def is_plain(record: UsageRecord) -> bool:
    """Return whether a record has no lines; or only one line, which is of the record's deployment and has no
    `outcome`. Such a record has only one part (`parts_of`), whose sums can be computed faster.
    """
    lines = record.lines
    if not lines:
        return True
    return len(lines) == 1 and not lines[0].outcome and lines[0].deployment == record.deployment


@lru_cache(maxsize=_REMEMBERED)
def _named(*values: str | None) -> Group:
    """Return the group of these values, in the order of its fields. The last value is an `end`; the group
    gets its first word.
    """
    return Group._make(map(text, (*values[:-1], outcome_of(values[-1] or ""))))


def _own(record: UsageRecord) -> Sums:
    """Return the sums of a record's first part, but with the `units` and `cost` of all deployments:
    `parts_of` then subtracts those of the other deployments. `calls`, `failed_calls` and `unpriced` are
    already those of the last deployment alone.
    """
    lines = [line for line in record.lines if line.deployment == record.deployment]
    # A cut exchange was about to call a provider. Limits that begin with these sums count that call.
    calls = len(lines) if record.lines else record.attempts or int(record.cut)
    cost = record.priced if record.cost is None else record.cost
    counts = {"requests": 1, "calls": calls, "cost": cost}
    if record.failed:
        counts["failed"] = 1
    if record.cut:
        counts["cut"] = 1
    if record.streamed:
        counts["streamed"] = 1
    if record.estimated:
        counts["estimated"] = 1
    if any(line.outcome for line in record.lines):
        counts["failed_calls"] = sum([bool(line.outcome) for line in lines])
        counts["recovered"] = int(not record.failed)
    if is_unpriced(record):
        counts["unpriced"] = 1
    sums = Sums(counts, record.units)
    if record.seconds is not None:
        sums.total[bucket_of(record.seconds)] = 1
    if record.first is not None:
        sums.first[bucket_of(record.first)] = 1
    return sums


def is_unpriced(record: UsageRecord) -> bool:
    """Return whether the cost of the calls of the deployment that was called last is unknown. A request
    without a call costs nothing, so its cost is known.
    """
    if unknown := [line.deployment for line in record.lines if line.cost is None]:
        return record.deployment in unknown
    return record.cost is None and bool(record.units or record.attempts or record.lines)


def _other_deployments(record: UsageRecord) -> dict[tuple[str, str], list[UsageLine]]:
    """Return the lines of the deployments other than the one that was called last, by (deployment,
    provider).
    """
    found: dict[tuple[str, str], list[UsageLine]] = {}
    if len(record.lines) > 1 or record.deployment is None:
        for line in record.lines:
            if line.deployment != record.deployment:
                found.setdefault((line.deployment, line.provider), []).append(line)
    return found


def _called(lines: Sequence[UsageLine]) -> Sums:
    """Return the sums of the calls of one deployment. They do not count the request."""
    sums = Sums(
        {
            "calls": len(lines),
            "failed_calls": sum([bool(line.outcome) for line in lines]),
            "unpriced": int(any(line.cost is None for line in lines)),
            "cost": sum([(line.priced or 0) if line.cost is None else line.cost for line in lines]),
        }
    )
    for line in lines:
        _add(sums.units, line.units)
    return sums
