"""Decodes the bodies and queries of requests to the administration. The error for a wrong field names the
field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.wire.json import UNDECODABLE

_PLACE: Final = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<place>[^`]*)`)?", re.DOTALL)
_NAMED: Final = re.compile(r"Object (?:contains unknown|missing required) field `([^`]+)`")
_STEP: Final = re.compile(r"[^.\[\]]+|\[[^\[\]]*\]")
"""Matches one step of a place in a JSON value: `operations[0]` has two steps."""
_LONGEST: Final = 400
"""The most characters of the text of an error."""


def body(sent: bytes, kind: Any) -> Any:
    """Return a body, decoded and checked. sent: the body; an empty body counts as {}. kind: a struct type;
    Any = any JSON is accepted; None = the operation takes no body: only an empty body and {} are accepted,
    and the result is None. Raises RequestFailed (400) for a body that is not JSON or does not fit the type.
    """
    wanted = Nothing if kind is None else kind
    try:
        found = msgspec.json.decode(sent or b"{}", type=wanted)
    except msgspec.ValidationError as error:
        raise _refused(str(error), wanted) from None
    except (*UNDECODABLE, ValueError):
        raise RequestFailed(ir.Fault("invalid_request", "The body is not JSON.")) from None
    return None if kind is None else found


def query(stated: Mapping[str, str], kind: Any) -> Any:
    """Return the fields of a query as the struct type `kind`. kind: None = the query must be empty; the
    result is then None. Raises RequestFailed (400) for an unknown or missing field, or one that does not fit
    the type.
    """
    wanted = Nothing if kind is None else kind
    try:
        found = msgspec.convert(dict(stated), type=wanted, strict=False)
    except msgspec.ValidationError as error:
        raise _refused(str(error), wanted) from None
    return None if kind is None else found


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """An object without fields."""


def _refused(text: str, kind: Any) -> RequestFailed:
    found = _PLACE.fullmatch(text)
    assert found is not None
    what, place = found["what"], found["place"] or ""
    if (named := _NAMED.search(what)) is not None:
        place = f"{place}.{named[1]}" if place else named[1]
    if what.startswith("Invalid enum value") and (choices := _choices(kind, place)):
        what = f"{what}, expected one of {', '.join(choices)}"
    told = f"{place or 'the body'}: {what}."[:_LONGEST]
    return RequestFailed(ir.Fault("invalid_request", told, "invalid_value", place[:_LONGEST] or None))


def _choices(kind: Any, place: str) -> list[str]:
    """Return the values that a type allows at a place in it, such as `operations[0]`; [] = the type does not
    list values there, or has no such place.
    """
    found = [inspect.type_info(kind)]
    for step in _STEP.findall(place):
        found = [inner for one in found for inner in _inside(one, step)]
    return sorted({str(value) for one in found for value in getattr(one, "values", ())})


def _inside(outer: inspect.Type, step: str) -> Iterator[inspect.Type]:
    """Yield the types to which a step leads: of the field with this name, or of the items of a list."""
    if isinstance(outer, inspect.UnionType):
        for one in outer.types:
            yield from _inside(one, step)
        return
    inner: inspect.Type | None = None
    if isinstance(outer, inspect.StructType):
        inner = next((field.type for field in outer.fields if field.encode_name == step), None)
    elif isinstance(outer, inspect.ListType | inspect.VarTupleType):
        inner = outer.item_type
    if isinstance(inner, inspect.UnionType):
        yield from inner.types
    elif inner is not None:
        yield inner
