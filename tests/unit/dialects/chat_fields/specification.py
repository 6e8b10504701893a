"""The members that a chat request can have: of the published description, and of one request.

Both name a member by its JSON path without positions, with the kind of an object in brackets where it has
one: `messages[user].content[image_url].image_url.detail`. What lies in a member of the client's own making
(a schema, metadata) is nobody's to list.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_REQUEST = "#/components/schemas/CreateChatCompletionRequest"
_OPEN = frozenset({"parameters", "schema", "metadata", "logit_bias"})
_KINDS = ("role", "type")

Words = dict[str, set[str]]
"""Members, each with its words: those that it may be, or those that it is."""


def specified(document: dict[str, Any]) -> Words:
    """Every member of an OpenAPI description's chat request, with the words that it may be."""
    found: Words = {}
    _walk(document["components"]["schemas"], {"$ref": _REQUEST}, "", found)
    return found


def _walk(schemas: dict[str, Any], schema: dict[str, Any], path: str, found: Words) -> None:
    for variant in _variants(schemas, schema):
        if variant.get("type") == "array":
            _walk(schemas, variant["items"], path, found)
            continue
        if path:
            found.setdefault(path, set()).update(word for word in variant.get("enum", ()) if word is not None)
        members = _members(schemas, variant)
        kind = next((word for one in _KINDS if (word := _constant(schemas, members.get(one)))), None)
        here = f"{path}[{kind}]" if kind else path
        for member, inner in members.items():
            if kind and member in _KINDS:
                continue
            name = f"{here}.{member}" if here else member
            found.setdefault(name, set())
            if member not in _OPEN:
                _walk(schemas, inner, name, found)


def _variants(schemas: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    schema = _resolved(schemas, schema)
    if choices := schema.get("oneOf") or schema.get("anyOf"):
        for choice in choices:
            yield from _variants(schemas, choice)
    else:
        yield schema


def _members(schemas: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    schema = _resolved(schemas, schema)
    members = dict(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        members |= _members(schemas, part)
    return members


def _resolved(schemas: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return schema


def _constant(schemas: dict[str, Any], schema: dict[str, Any] | None) -> str | None:
    """The only word that a member may be."""
    words: list[str] = _resolved(schemas, schema).get("enum", []) if schema else []
    return words[0] if len(words) == 1 else None


def said(value: Any, path: str = "") -> Words:
    """Every member of a request, with the words that it is."""
    found: Words = {}
    _collect(value, path, found)
    return found


def _collect(value: Any, path: str, found: Words) -> None:
    if isinstance(value, list):
        for item in value:
            _collect(item, path, found)
    elif isinstance(value, dict):
        kind = next((value[one] for one in _KINDS if isinstance(value.get(one), str)), None)
        here = f"{path}[{kind}]" if kind else path
        for member, inner in value.items():
            if kind and member in _KINDS:
                continue
            name = f"{here}.{member}" if here else member
            found.setdefault(name, set())
            if member not in _OPEN:
                _collect(inner, name, found)
    elif isinstance(value, str):
        found.setdefault(path, set()).add(value)
