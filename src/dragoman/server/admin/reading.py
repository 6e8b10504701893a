"""Reads the bodies and queries of the administration. The error for a wrong field names the field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.errors import RequestFailed

_PLACE: Final = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<place>[^`]*)`)?", re.DOTALL)
_NAMED: Final = re.compile(r"Object (?:contains unknown|missing required) field `([^`]+)`")
_LONGEST: Final = 200
"""The most characters of a mistake that an error shows."""


def body(sent: bytes, kind: Any) -> Any:
    """The body as `kind`, a struct; an empty one has the defaults. kind: None = the operation takes no body;
    then an object without members is accepted, as many clients always send one. Raises RequestFailed (400).
    """
    wanted = Nothing if kind is None else kind
    try:
        found = msgspec.json.decode(sent or b"{}", type=wanted)
    except msgspec.ValidationError as error:
        raise _refused(str(error)) from None
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise RequestFailed(ir.Fault("invalid_request", "The body is not JSON.")) from None
    return None if kind is None else found


def query(stated: Mapping[str, str], kind: Any) -> Any:
    """The fields of the query as `kind`, a struct; None = there must be none. Raises RequestFailed (400)."""
    wanted = Nothing if kind is None else kind
    try:
        found = msgspec.convert(dict(stated), type=wanted, strict=False)
    except msgspec.ValidationError as error:
        raise _refused(str(error)) from None
    return None if kind is None else found


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """An object without members."""


def _refused(text: str) -> RequestFailed:
    found = _PLACE.fullmatch(text)
    assert found is not None
    what, place = found["what"], found["place"] or ""
    if (named := _NAMED.search(what)) is not None:
        place = f"{place}.{named[1]}" if place else named[1]
    told = f"{place or 'the body'}: {what}."[:_LONGEST]
    return RequestFailed(ir.Fault("invalid_request", told, "invalid_value", place[:_LONGEST] or None))
