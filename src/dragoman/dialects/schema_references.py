"""Finds the part of a JSON Schema that a reference names, by a JSON pointer (`#/$defs/node`) or by an anchor
(`#node`). References to other documents are not followed. Pure.

https://json-schema.org/draft/2020-12/json-schema-core#name-identifying-subschemas
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from dragoman.dialects.schema_budget import place_in

_NAMED: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""The keywords whose value is an object of schemas: the names in this object are no keywords."""
_DATA: Final = frozenset({"const", "enum", "default", "examples"})
"""The keywords whose value is data, so that an `$anchor` inside it means nothing."""
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")


class SchemaReferences:
    """The references inside one schema. schema: the complete schema. It is searched for anchors only when the
    first reference by an anchor is resolved.
    """

    __slots__ = ("_anchors", "_schema")

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._anchors: dict[str, str] | None = None

    def pointer(self, reference: str) -> str | None:
        """Return the same reference by a JSON pointer: `#/$defs/node` for the anchor `#node`. A reference by
        a pointer is returned unchanged, even if nothing is there. None = the schema has no such anchor, or
        the reference does not begin with `#`, because it leads to another document.
        """
        if reference == "#" or reference.startswith("#/"):
            return reference
        if not reference.startswith("#"):
            return None
        if self._anchors is None:
            self._anchors = _pointers(self._schema)
        return self._anchors.get(reference)

    def target(self, reference: str, place: str = "") -> tuple[Any, str] | None:
        """Return (the part that the reference names, its path); None = there is no such part. The part may be
        any JSON value. place: the path of the complete schema, with which the returned path begins. The path
        has the form `$defs.node.anyOf[0]`; a very long one is cut (`place_in`).
        """
        pointer = self.pointer(reference)
        if pointer is None:
            return None
        part: Any = self._schema
        for step in pointer.split("/")[1:]:
            key = key_of(step)
            if isinstance(part, Mapping) and key in part:
                part, place = part[key], place_in(place, key)
            elif isinstance(part, list) and _INDEX.fullmatch(key) and int(key) < len(part):
                part, place = part[int(key)], f"{place}[{key}]"
            else:
                return None
        return part, place


def key_of(step: str) -> str:
    """Return the name or index that one step of a JSON pointer in a URL stands for: `a/b` for `a~1b`. Percent
    escapes are decoded, too.
    """
    return unquote(step).replace("~1", "/").replace("~0", "~")


def _pointers(schema: Any) -> dict[str, str]:
    """Return {reference by an anchor: reference by a pointer} for all anchors: those of `$anchor` and, as in
    drafts 6 and 7, of an `$id` such as "#node". An anchor that two parts have means the first of them. A part
    below the root with an `$id` of another form is a separate document, so its anchors are left out.
    """
    found: dict[str, str] = {}
    waiting: list[tuple[Any, str]] = [(schema, "#")]
    while waiting:
        node, pointer = waiting.pop()
        if isinstance(node, list):
            inside = [(inner, f"{pointer}/{index}") for index, inner in enumerate(node)]
        elif isinstance(node, Mapping):
            identity = node.get("$id")
            if isinstance(identity, str):
                if identity.startswith("#"):
                    found.setdefault(identity, pointer)
                elif pointer != "#":
                    continue
            if isinstance(anchor := node.get("$anchor"), str):
                found.setdefault(f"#{anchor}", pointer)
            inside = list(_inside(node, pointer))
        else:
            continue
        waiting += reversed(inside)
    return found


def _inside(schema: Mapping[str, Any], pointer: str) -> Iterator[tuple[Any, str]]:
    for keyword, value in schema.items():
        if keyword in _NAMED and isinstance(value, Mapping):
            for name, inner in value.items():
                yield inner, f"{pointer}/{keyword}/{_escaped(name)}"
        elif keyword not in _DATA and isinstance(value, Mapping | list):
            yield value, f"{pointer}/{_escaped(keyword)}"


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1").replace("%", "%25")
