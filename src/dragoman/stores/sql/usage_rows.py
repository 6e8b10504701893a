"""Converts a usage record to a row of the database, and back. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman.ir.units import INPUT, OUTPUT
from dragoman.state.usage import UsageLine, UsageRecord
from dragoman.state.usage_sums import Group

_OF_GROUP: Final = {
    "client": "key",
    **{name: name for name in Group._fields if name not in {"key", "outcome"}},
}
"""The fields of a record that its group contains too: {name in the record: name in the group}."""
_INPUT: Final = frozenset(INPUT)
_OUTPUT: Final = frozenset(OUTPUT)
_DIGITS: Final = 6
"""The number of decimals of durations in seconds that are stored."""


class _Line(msgspec.Struct, array_like=True, omit_defaults=True):
    """A line of a record. In the fields from `deployment` to `units`, None means: the same value as in the
    record.
    """

    outcome: str = ""
    key: str = ""
    price: str = ""
    own: bool = False
    estimated: bool = False
    priced: int | None = None
    deployment: str | None = None
    provider: str | None = None
    units: dict[str, int] | None = None
    cost: int | None = None
    costs: bool = False
    """True = `cost` is the line's cost; False = the line's cost is the same as the record's."""


class _Rest(msgspec.Struct, array_like=True, omit_defaults=True):
    """The fields of a record that have no column, except `settled` and `process`, which are not stored. The
    fields that are usually set come first, because trailing defaults are left out.
    """

    end: str
    seconds: float | None
    first: float | None
    overhead: float | None
    units: dict[str, int]
    attempts: int
    streamed: bool
    lines: tuple[_Line, ...] = ()
    key: str | None = None
    tags: tuple[str, ...] = ()
    estimated: bool = False
    priced: int = 0
    cut: bool = False
    more: dict[str, Any] = {}
    """{field: value in the record} for the fields whose values differ from the values in the group, because
    they were cut, left out or changed there.
    """


def row_of(record: UsageRecord, group: Group, id_: int, *, exact: bool) -> dict[str, Any]:
    """Return the row for a record: {column of `usage_records`: value}. The row does not contain `settled` and
    `process`. Durations are rounded to six decimals, and characters that databases refuse are replaced.
    group: the group of the record's first part (`parts_of`). id_: the number of the group. exact: the result
    of `is_exact`; False = the row states the values that differ from the group's.
    """
    more: dict[str, Any] = {}
    if not exact:
        stated = {field: getattr(record, field) for field in _OF_GROUP}
        more = {
            field: value
            for field, value in stated.items()
            if (value or "") != getattr(group, _OF_GROUP[field])
        }
    taken = given = 0
    for unit, amount in record.units.items():
        if unit in _INPUT:
            taken += amount
        elif unit in _OUTPUT:
            given += amount
    rest = _Rest(
        record.end,
        _rounded(record.seconds),
        _rounded(record.first),
        _rounded(record.overhead),
        record.units,
        record.attempts,
        record.streamed,
        tuple([_line(line, record) for line in record.lines]),
        record.key,
        record.tags,
        record.estimated,
        record.priced,
        record.cut,
        more,
    )
    return {
        "created": record.created,
        "id": record.id,
        "ended": record.ended,
        "group_id": id_,
        "end_user": None if record.end_user is None else storable(record.end_user),
        "status": record.status,
        "failed": record.failed,
        "cost": record.cost,
        "input": taken,
        "output": given,
        "rest": _encoded(rest),
    }


def is_exact(record: UsageRecord, group: Group) -> bool:
    """Return whether a group has the values of a record unchanged: none of them was cut, left out or changed.
    The outcome is not compared.
    """
    return group[:-1] == (
        record.client or "",
        record.tenant or "",
        record.team or "",
        record.user or "",
        record.model or "",
        record.deployment or "",
        record.provider or "",
        record.face,
        record.operation,
    )


def record_of(row: Any, group: Group) -> UsageRecord:
    """Return the record of a row. Its `settled` is () and its `process` is "", because the row does not
    contain them. row: has the columns of `usage_records` as attributes, except `group_id`, `input` and
    `output`, which are not read. group: the row's group.
    """
    rest = msgspec.json.decode(row.rest, type=_Rest)
    stated: dict[str, Any] = {field: getattr(group, name) or None for field, name in _OF_GROUP.items()}
    stated["face"], stated["operation"] = group.face, group.operation
    stated |= rest.more
    return UsageRecord(
        id=row.id,
        created=row.created,
        ended=row.ended,
        key=rest.key,
        end_user=row.end_user,
        tags=rest.tags,
        status=row.status,
        end=rest.end,
        failed=row.failed,
        streamed=rest.streamed,
        first=rest.first,
        seconds=rest.seconds,
        overhead=rest.overhead,
        attempts=rest.attempts,
        units=rest.units,
        cost=row.cost,
        priced=rest.priced,
        estimated=rest.estimated,
        cut=rest.cut,
        lines=tuple(_read(line, stated, rest, row.cost) for line in rest.lines),
        **stated,
    )


def _line(line: UsageLine, record: UsageRecord) -> _Line:
    costs = line.cost != record.cost
    return _Line(
        line.outcome,
        line.key,
        line.price,
        line.own,
        line.estimated,
        line.priced,
        None if line.deployment == record.deployment else line.deployment,
        None if line.provider == record.provider else line.provider,
        None if line.units == record.units else line.units,
        line.cost if costs else None,
        costs,
    )


def _read(line: _Line, record: dict[str, Any], rest: _Rest, cost: int | None) -> UsageLine:
    return UsageLine(
        record["deployment"] if line.deployment is None else line.deployment,
        record["provider"] if line.provider is None else line.provider,
        rest.units if line.units is None else line.units,
        line.cost if line.costs else cost,
        line.priced,
        line.estimated,
        line.outcome,
        line.key,
        line.own,
        line.price,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, _DIGITS)


def storable(value: str) -> str:
    """Return the text in a form that databases accept: NUL becomes U+FFFD, and half of a surrogate pair
    becomes "?".
    """
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _encoded(rest: _Rest) -> bytes:
    try:
        return msgspec.json.encode(rest)
    except UnicodeEncodeError:  # a client's text has half of a surrogate pair
        return msgspec.json.encode(_whole(msgspec.to_builtins(rest)))


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(str(name)): _whole(one) for name, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, list | tuple) else value
