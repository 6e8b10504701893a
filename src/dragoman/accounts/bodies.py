"""A usage record as the body of a journal's entry, and back. Pure.

The body is a MessagePack array of the record's fields in their order, without those at its end that have
their defaults. The version before wrote a map with the names of the fields. It is read too, because a gateway
that is upgraded finds the journal of that version.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from dragoman.state.usage import UsageLine, UsageRecord

encode: Final[Callable[[UsageRecord], bytes]] = msgspec.msgpack.Encoder().encode
"""The body of a record. Raises ValueError, OverflowError or TypeError for a number of more than 64 bits, and
for half a character.
"""


class _Identified(msgspec.Struct, array_like=True, gc=False):
    """The first field of a usage record."""

    id: str


_decode_id: Final = msgspec.msgpack.Decoder(_Identified).decode
_decode: Final = msgspec.msgpack.Decoder(UsageRecord).decode
_decode_any: Final = msgspec.msgpack.Decoder().decode
_decode_map: Final = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_decode_lines: Final = msgspec.msgpack.Decoder(list[dict[str, Any]]).decode
_ARRAYS: Final = frozenset((*range(0x90, 0xA0), 0xDC, 0xDD))
"""The first bytes of arrays: https://github.com/msgpack/msgpack/blob/master/spec.md#array-format-family"""


def decode(body: bytes) -> UsageRecord:
    """The record of a body. Raises msgspec.DecodeError or UnicodeDecodeError if it is none."""
    return _decode(body) if body[:1] and body[0] in _ARRAYS else _named(body)


def id_of(body: bytes) -> str | None:
    """The id of a body's record. The other fields are neither decoded nor checked. None = it has none."""
    try:
        return _decode_id(body).id if body[:1] and body[0] in _ARRAYS else _named(body).id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def named(record: UsageRecord) -> dict[str, Any]:
    """The fields of a record by their names, without fields that have their default values."""
    stated = _stated(record)
    if record.lines:
        stated["lines"] = [_stated(line) for line in record.lines]
    return stated


def _stated(value: UsageLine | UsageRecord) -> dict[str, Any]:
    fields = msgspec.structs.asdict(value)
    every = msgspec.structs.fields(value)
    return {one.name: fields[one.name] for one in every if fields[one.name] != _default(one)}


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _named(body: bytes) -> UsageRecord:
    """The record of a map with the names of its fields."""
    stated = _decode_map(body)
    lines = [_row(UsageLine, line) for line in _decode_lines(stated.get("lines", b"\x90"))]
    row = _row(UsageRecord, {name: _decode_any(value) for name, value in stated.items()} | {"lines": lines})
    return msgspec.convert(row, UsageRecord)


def _row(kind: type[UsageLine | UsageRecord], stated: dict[str, Any]) -> list[Any]:
    """The fields of a struct in their order. Raises ValidationError if a necessary one is not stated."""
    row = []
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in stated:
            raise msgspec.ValidationError(f"a {kind.__name__} without `{field.name}`")
        row.append(stated[field.name] if field.name in stated else _default(field))
    return row
