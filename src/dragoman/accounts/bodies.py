"""Encodes a usage record as the body of a journal's entry, and decodes it. Pure.

The body is a MessagePack array of all fields of the record, in their order. `decode` also accepts what
earlier versions wrote: an array without the last fields, which get their default values; and a map {name of
the field: value}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from dragoman.state.usage import UsageLine, UsageRecord

encode: Final[Callable[[UsageRecord], bytes]] = msgspec.msgpack.Encoder().encode
"""Return the body for a record. Raises ValueError, OverflowError or TypeError if the record has a value that
cannot be encoded, such as a number of more than 64 bits, or a text with half a character (a lone surrogate).
"""


class _Identified(msgspec.Struct, array_like=True, gc=False):
    """A struct with only the first field of a usage record, the id, so that only the id is decoded."""

    id: str


_decode_id: Final = msgspec.msgpack.Decoder(_Identified).decode
_decode: Final = msgspec.msgpack.Decoder(UsageRecord).decode
_decode_any: Final = msgspec.msgpack.Decoder().decode
_decode_map: Final = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_decode_lines: Final = msgspec.msgpack.Decoder(list[dict[str, Any]]).decode
_TOO_DEEP: Final = "values are nested too deeply"
_ARRAYS: Final = frozenset((*range(0x90, 0xA0), 0xDC, 0xDD))
"""The bytes with which a MessagePack array can begin:
https://github.com/msgpack/msgpack/blob/master/spec.md#array-format-family
"""


def decode(body: bytes) -> UsageRecord:
    """Return the record that a body encodes, as an array or as a map. Raises msgspec.DecodeError or
    UnicodeDecodeError if the body is not a usage record, or if values in it are nested too deeply.
    """
    try:
        return _decode(body) if body[:1] and body[0] in _ARRAYS else _named(body)
    except RecursionError:
        raise msgspec.DecodeError(_TOO_DEEP) from None


def id_of(body: bytes) -> str | None:
    """Return the id of the record in a body; None = the body cannot be decoded. Of an array only the id is
    checked, so the id is returned even if a later field has a wrong type.
    """
    try:
        return _decode_id(body).id if body[:1] and body[0] in _ARRAYS else _named(body).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def named(record: UsageRecord) -> dict[str, Any]:
    """Return the fields of a record as {name: value}, without fields that have their default values. Each of
    the record's `lines` is such a dict, too.
    """
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
    """Decode a body in the earlier form, a map {name of the field: value}."""
    stated = _decode_map(body)
    lines = [_row(UsageLine, line) for line in _decode_lines(stated.get("lines", b"\x90"))]
    row = _row(UsageRecord, {name: _decode_any(value) for name, value in stated.items()} | {"lines": lines})
    return msgspec.convert(row, UsageRecord)


def _row(kind: type[UsageLine | UsageRecord], stated: dict[str, Any]) -> list[Any]:
    """Return a list with one value for each field of the class `kind`, in the order of the fields. stated:
    {name of the field: value}; a missing field gets its default; names that are not fields are ignored.
    Raises ValidationError if a missing field has no default.
    """
    row = []
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in stated:
            raise msgspec.ValidationError(f"a {kind.__name__} without `{field.name}`")
        row.append(stated[field.name] if field.name in stated else _default(field))
    return row
