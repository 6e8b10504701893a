"""Converts the values of parameters that a model has written as XML to the JSON that their schema describes.

    object           an element for each member
    array            an element for each item, of any name; or the parameter's element again for each item
    number, boolean  the JSON literal; a text that is not one stays a text
    string           the text as it stands, without one line break after the opening tag and one before the
                     closing tag
    CDATA            an element that contains only CDATA: the text in it, unchanged; if the schema states
                     types, and string is not one of them, the JSON value that the text states, if any

An object or an array may also be JSON text. The values are not checked against the schema: a text that does
not have the type of its parameter, and is not read as elements, becomes a JSON string. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from dragoman.dialects.prompted.work import Work
from dragoman.dialects.schema_references import SchemaReferences
from dragoman.wire.json import UNDECODABLE

_OPEN: Final = re.compile(r"\s*<([^<>/\s!][^<>/\s]*)\s*(/?)>")
_CDATA: Final = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_ONLY_CDATA: Final = re.compile(r"\s*+(?:<!\[CDATA\[(?>.*?\]\]>)\s*+)++\Z", re.DOTALL)
"""Matches a text that consists of sections of CDATA. Its groups are atomic, so that a text with many sections
is read only once: models write such texts."""
_SPACE: Final = re.compile(r"\s*")
_REST: Final = re.compile(r"\s*\Z")
_CDATA_OPENS: Final = "<![CDATA["
_CDATA_ENDS: Final = "]]>"
_DEEPEST: Final = 40
"""How deep elements may be nested."""
_ANY: Final[Mapping[str, Any]] = {}
_decode: Final = msgspec.json.Decoder().decode


class NotWellFormed(ValueError):
    """The text does not have the form of the elements that the schema describes, its elements are nested too
    deep, one that may not be an array comes twice, or the `Work` for reading it is used up.
    """


class Values:
    """Reads the arguments of one tool. schema: the JSON Schema of its parameters."""

    __slots__ = ("_references", "_root")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._root = schema
        self._references = SchemaReferences(schema)

    def members(self, text: str, work: Work) -> dict[str, Any]:
        """Return the arguments in the text between the tool's tags, name -> value. Raises NotWellFormed if
        the text does not consist of elements that the schema allows, an argument that may not be an array
        comes twice, elements are nested too deep (`_DEEPEST`), or the work is used up.
        """
        return self._members(text, self._root, 0, work)

    def _members(self, text: str, schema: Mapping[str, Any], depth: int, work: Work) -> dict[str, Any]:
        """Return the members of an object: one for each element in the text; if the schema allows an array,
        several elements of one name become one array. schema: that of the object. depth: the number of
        elements around the text, inside the tool's element. Raises as `members` does.
        """
        if depth > _DEEPEST:
            raise NotWellFormed
        schema = self._part(schema, "object")
        members: dict[str, Any] = {}
        properties = schema.get("properties") or _ANY
        for name, inside in _Elements(text, parameter_names(schema), work).found():
            own = self._resolved(properties.get(name) or schema.get("additionalProperties"))
            kinds = self._types(own)
            value = "" if inside is None else self._value(inside, own, depth + 1, work)
            if "array" not in kinds:
                if name in members:
                    raise NotWellFormed
                members[name] = value
            elif name in members:
                if not isinstance(members[name], list):
                    members[name] = [members[name]]
                members[name] += value if isinstance(value, list) else [value]
            elif inside is None or not inside.strip():
                members[name] = "" if "string" in kinds else []
            elif isinstance(value, list) or kinds & {"string", "null"}:
                members[name] = value
            else:
                members[name] = [value]
        return members

    def _value(self, text: str, schema: Mapping[str, Any], depth: int, work: Work) -> Any:
        if not work.spend(len(text)):
            raise NotWellFormed
        kinds = self._types(schema)
        if _ONLY_CDATA.match(text):
            text = "".join(_CDATA.findall(text))
            return text if not kinds or "string" in kinds else _literal(text, kinds, text)
        stripped = text.strip()
        if (named := _named(stripped, schema)) is not None:
            return named[0]
        if "array" in kinds and "string" not in kinds and _OPEN.match(text):
            return self._items(text, schema, depth, work)
        if "object" in kinds and "string" not in kinds and (not stripped or _OPEN.match(text)):
            return self._members(text, schema, depth, work)
        value = _literal(stripped, kinds, _unwrapped(text))
        if isinstance(value, str) and "array" in kinds and "string" not in kinds:
            if depth > _DEEPEST:
                raise NotWellFormed
            return self._value(text, self._item(schema), depth + 1, work)
        return value

    def _items(self, text: str, schema: Mapping[str, Any], depth: int, work: Work) -> list[Any]:
        if depth > _DEEPEST:
            raise NotWellFormed
        item = self._item(schema)
        return [
            "" if inside is None else self._value(inside, item, depth + 1, work)
            for _, inside in _Elements(text, None, work).found()
        ]

    def _item(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the schema of an array's items; {} = the array's schema states none. schema: the schema of
        the array.
        """
        return self._resolved(self._part(schema, "array").get("items"))

    def _resolved(self, schema: Any) -> Mapping[str, Any]:
        """Return the schema itself or, if it is a reference (`$ref`) inside the document, the schema to which
        it refers. {} = the value, or the end of the reference, is not a schema.
        """
        for _ in range(_DEEPEST):
            if not isinstance(schema, Mapping):
                return _ANY
            where = schema.get("$ref")
            if not isinstance(where, str) or not where.startswith("#"):
                return schema
            found = self._references.target(where)
            schema = None if found is None else found[0]
        return _ANY

    def _part(self, schema: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
        """Return the first alternative (`anyOf`, `oneOf`) of a schema that allows the type `kind`; if no
        alternative does, the schema itself. If the member `properties` of the result is not an object, a copy
        without this member is returned.
        """
        for one in _alternatives(schema):
            part = self._resolved(one)
            if kind in self._types(part):
                schema = part
                break
        if isinstance(schema.get("properties", _ANY), Mapping):
            return schema
        return {key: value for key, value in schema.items() if key != "properties"}

    def _types(self, schema: Mapping[str, Any], depth: int = 3) -> frozenset[str]:
        """Return the types that a schema allows; empty = the schema does not state any. A schema without
        `type` allows "object" if it has `properties`, otherwise the types of its alternatives. depth: how
        many levels of alternatives are searched.
        """
        stated = schema.get("type")
        if isinstance(stated, str):
            return frozenset({stated})
        if isinstance(stated, list):
            return frozenset(one for one in stated if isinstance(one, str))
        if "properties" in schema:
            return frozenset({"object"})
        found: set[str] = set()
        for one in _alternatives(schema) if depth else ():
            found |= self._types(self._resolved(one), depth - 1)
        return frozenset(found)


def _alternatives(schema: Mapping[str, Any]) -> list[Any]:
    stated = schema.get("anyOf") or schema.get("oneOf")
    return stated if isinstance(stated, list) else []


def parameter_names(schema: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the names of the members that an object may have: those in `properties`; None = any name,
    because the schema allows additional properties or states nothing about its members. A schema that has
    `properties` and does not state `additionalProperties` counts as one that forbids others.
    """
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or schema.get("additionalProperties") not in (None, False):
        return None
    # A schema that states no property at all, and forbids none, says nothing.
    return tuple(properties) if properties or schema.get("additionalProperties") is False else None


class _Elements:
    """Reads a text that consists of elements. known: the names that elements may have; None = any name. work:
    pays for each reading of the text.
    """

    __slots__ = ("_last_cdata_end", "_names", "_text", "_work")

    def __init__(self, text: str, known: Iterable[str] | None, work: Work) -> None:
        self._text = text
        self._names = None if known is None else frozenset(known)
        self._work = work
        self._last_cdata_end = text.rfind(_CDATA_ENDS)  # so that no section looks in vain for its end

    def found(self) -> Iterator[tuple[str, str | None]]:
        """Yield (name, text inside) for each element in the text; None as the text = the tag is empty
        (`<name/>`). Raises NotWellFormed for a name that is not in `known`, for an element that is not
        closed, for text between the elements, and if the work is used up.
        """
        text, at = self._text, 0
        while at < len(text):
            tag = _OPEN.match(text, at)
            if tag is None:
                if _REST.match(text, at) is None:
                    raise NotWellFormed
                return
            name, at = tag[1], tag.end()
            if self._names is not None and name not in self._names:
                raise NotWellFormed
            if tag[2]:
                yield name, None
                continue
            end = self._end(at, name)
            yield name, text[at:end]
            at = end + len(name) + len("</>")

    def _end(self, start: int, name: str) -> int:
        """Return the index of the closing tag of the element `name`: the first one outside of CDATA that is
        followed by another element, or by nothing. Elements of the same name inside it are skipped; if they
        are not closed, they are text. start: the index after its opening tag. Raises NotWellFormed if the
        element does not end.
        """
        end = self._closing(start, name, nests=True)
        if end < 0:
            end = self._closing(start, name, nests=False)
        if end < 0:
            raise NotWellFormed
        return end

    def _closing(self, start: int, name: str, *, nests: bool) -> int:
        """Return the index of the closing tag of the element `name`; -1 = there is none, or the element
        begins with CDATA that does not end. start: the index after its opening tag. nests: True = elements of
        the same name inside it are skipped. Raises NotWellFormed if the work is used up.
        """
        text, opening, closing = self._text, f"<{name}>", f"</{name}>"
        first = _SPACE.match(text, start)
        assert first is not None, "the pattern matches the empty text, too"
        at, nested, end = start, 0, -1
        while True:
            if end < at and (end := text.find(closing, at)) < 0:
                self._spend(len(text) - at)
                return -1
            data = text.find(_CDATA_OPENS, at, end)
            past = text.find(_CDATA_ENDS, data) if 0 <= data < self._last_cdata_end else -1
            if data >= 0 and past < 0 and data == first.end():
                return -1  # the value begins with CDATA that is still open
            before, at = at, past + len(_CDATA_ENDS) if past >= 0 else end + len(closing)
            self._spend(at - before)
            if nests:
                nested += text.count(opening, before, data if past >= 0 else end)
            if past >= 0:
                continue
            if nested:
                nested -= 1
            elif self._continues(at):
                return end

    def _continues(self, at: int) -> bool:
        """Whether another element, or nothing, follows at this index."""
        tag = _OPEN.match(self._text, at)
        if tag is None:
            return _REST.match(self._text, at) is not None
        return self._names is None or tag[1] in self._names

    def _spend(self, characters: int) -> None:
        if not self._work.spend(characters):
            raise NotWellFormed


def _unwrapped(text: str) -> str:
    """Return the text without the line breaks that belong to the tags: one at its beginning, and one at its
    end with the spaces and tabs after it.
    """
    if text[:2] == "\r\n":
        text = text[2:]
    elif text[:1] == "\n":
        text = text[1:]
    bare = text.rstrip(" \t")
    if bare.endswith("\n"):
        text = bare[:-2] if bare.endswith("\r\n") else bare[:-1]
    return text


def _named(text: str, schema: Mapping[str, Any]) -> tuple[Any] | None:
    """Return the value of `enum` or `const` in the schema that is written like the text, as a tuple of one,
    because the value may be None; None = there is no such value. A string is written without quotes, any
    other value as JSON.
    """
    stated = schema.get("enum")
    values = [
        *(stated if isinstance(stated, list) else ()),
        *([schema["const"]] if "const" in schema else ()),
    ]
    for value in values:
        if value == text or (not isinstance(value, str) and _written(value) == text):
            return (value,)
    return None


def _written(value: Any) -> str:
    return msgspec.json.encode(value).decode()


_KINDS: Final[Mapping[type, frozenset[str]]] = {
    dict: frozenset({"object"}),
    list: frozenset({"array"}),
    bool: frozenset({"boolean"}),
    int: frozenset({"integer", "number"}),
    float: frozenset({"number", "integer"}),
    str: frozenset({"string"}),
    type(None): frozenset({"null"}),
}


def _literal(text: str, kinds: frozenset[str], otherwise: str) -> Any:
    """Return the JSON value that the text states; `True` and `False` are read, too. `otherwise` is returned
    if the text is no JSON, states a string or a value whose type is not in `kinds`, or states a number or
    boolean although a string is allowed. kinds: the types that the schema allows; empty = every type.
    """
    if text in {"True", "False"}:
        text = text.lower()
    try:
        value = _decode(text)
    except UNDECODABLE:
        return otherwise
    own = _KINDS[type(value)]
    if kinds and not own & kinds:
        return otherwise
    if isinstance(value, str) or ("string" in kinds and isinstance(value, bool | int | float)):
        return otherwise
    return value
