"""Reads, writes and edits the fields of a multipart form. Pure; `wire.multipart` parses the bytes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from dragoman import ir
from dragoman.errors import WireError
from dragoman.wire.multipart import Field, Form

_LIST = "[]"


def texts(form: Form) -> dict[str, Any]:
    """Return the values of the form's fields that are not files: name -> a string or a list of strings.

    The ending `[]` of a name is removed, so `a` and `a[]` are the same name. The value is a list if the form
    has several fields of this name, or one whose name ends in `[]`. Raises WireError for text that is not
    UTF-8.
    """
    found: dict[str, Any] = {}
    for field in form:
        if field.filename is not None:
            continue
        name = field.name.removesuffix(_LIST)
        try:
            value = str(field.value, "utf-8")
        except UnicodeDecodeError:
            raise WireError("it is not UTF-8", name, "invalid_value") from None
        known = found.get(name)
        if isinstance(known, list):
            known.append(value)
        elif known is not None:
            found[name] = [known, value]
        else:
            found[name] = [value] if name != field.name else value
    return found


def files(form: Form, name: str) -> Iterator[ir.File]:
    """Yield the files in the fields `name` and `name[]`, in the form's order."""
    for field in form:
        if field.filename is not None and field.name.removesuffix(_LIST) == name:
            yield ir.File(field.value, field.filename, field.kind)


def refuse_files(form: Form, texts: Collection[str]) -> None:
    """Raise WireError if a field that must be a text is a file. texts: the names of the fields that must be
    texts.
    """
    for field in form:
        if field.filename is not None and (name := field.name.removesuffix(_LIST)) in texts:
            message = f"Invalid type for '{name}': expected a string, but got a file instead."
            raise WireError(message, name, "invalid_type")


def unknown_files(form: Form, known: Collection[str]) -> list[str]:
    """Return the names of the form's file fields that are not in `known`, without `[]`, each name once."""
    names = (field.name.removesuffix(_LIST) for field in form if field.filename is not None)
    return [name for name in dict.fromkeys(names) if name not in known]


def file_field(name: str, file: ir.File, fallback: str) -> Field:
    """Return the form field `name` with this file. fallback: the file name for a file without a name. A file
    without a media type gets `application/octet-stream`.
    """
    return Field(name, file.data, file.name or fallback, file.kind or "application/octet-stream")


def text_fields(body: Mapping[str, Any]) -> Iterator[Field]:
    """Yield the form fields for the members of a body. A list becomes several fields `NAME[]`, one for each
    entry. A member that is None or [] is left out. A string is written as UTF-8, and any other value, also
    None in a list, as JSON.
    """
    for name, value in body.items():
        if isinstance(value, list | tuple):
            yield from (Field(name + _LIST, _text(item)) for item in value)
        elif value is not None:
            yield Field(name, _text(value))


def _text(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else msgspec.json.encode(value)


def edited(form: Form, edits: Mapping[str, Any]) -> Form:
    """Return the form with new values. All fields that `edits` does not name stay. `a` and `a[]` are the same
    name.

    edits: name, without `[]` -> new value. None, [] and `msgspec.UNSET` remove the field. Another list makes
    several fields `NAME[]`. A new value replaces all fields of this name, even files, and stands in the place
    of the first of them; if there is none, at the beginning.
    """
    left = dict(edits)
    kept: list[Field] = []
    for field in form:
        name = field.name.removesuffix(_LIST)
        if name not in edits:
            kept.append(field)
        elif name in left:
            value = left.pop(name)
            kept.extend(() if value is msgspec.UNSET else text_fields({name: value}))
    new = {name: value for name, value in left.items() if value is not msgspec.UNSET}
    return (*text_fields(new), *kept)
