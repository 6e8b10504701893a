"""References inside of one JSON Schema: where each leads, and which definitions contain themselves.

What is referred to becomes a definition of the root, for the API knows no other: definitions that stand
deeper, and parts of the schema that a pointer leads to, which generators use for what they have written once
(`#/properties/start`). Takes time and memory in proportion to the schema.

References: https://json-schema.org/draft/2020-12/json-schema-core#name-direct-references-with-ref ,
pointers in them: https://www.rfc-editor.org/rfc/rfc6901
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import unquote

from dragoman.dialects.schema_budget import LONGEST_PLACE, SchemaBudget, place_in

_Schema: TypeAlias = dict[str, Any]

ROOT: Final = "#"
"""The schema itself, among the names of its definitions."""
DEFINED: Final = ("$defs", "definitions")
_NAMED: Final = ("properties", *DEFINED)
_LISTED: Final = ("anyOf", "oneOf", "allOf", "prefixItems", "items")
_ONE: Final = ("items", "additionalProperties")
_UNDERSCORES: Final = 8
"""So many times a name is made longer by one. With names that differ only by signs that are refused, each
would be as long as there are others.
"""
_DEFINING: Final = 8
"""Steps for each definition: it is named, walked, and looked at whether it contains itself."""
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")


class Definition(NamedTuple):
    """A schema that others refer to. place: where it stands below the root (`$defs.Node`)."""

    schema: Any
    place: str


class References:
    """The references of one schema.

    definitions: by the names that are written, which hold nothing that a pointer must escape. budget: pays
    for each definition that is made. Raises WireError when it is spent.
    """

    def __init__(self, schema: _Schema, budget: SchemaBudget) -> None:
        self._budget = budget
        self.definitions: dict[str, Definition] = {}
        self._schema = schema
        self._names: dict[str, str] = {}  # as the client writes them: as they are written
        self._known: dict[int, str] = {}  # the same by the schema itself
        self._targets: dict[str, str | None] = {ROOT: ROOT}
        self._within = ""
        self._looped: dict[int, tuple[_Schema, bool]] = {}
        self._taken: dict[str, int] = {}  # the number from which on names of the same beginning are free
        self._walked: set[int] = set()
        self._walk(schema, "")
        schemas = {ROOT: schema, **{name: one.schema for name, one in self.definitions.items()}}
        needs = {name: list(self._needs(one)) for name, one in schemas.items()}
        self._groups = _groups(needs)

    def target(self, reference: Any) -> str | None:
        """The name of the definition that a reference leads to; None where it leads out of the schema."""
        return self._targets.get(reference) if isinstance(reference, str) else None

    def loops(self, schema: Any, within: str) -> bool:
        """Whether a part of a definition cannot be written without the whole of it."""
        if within != self._within:
            self._within, self._looped = within, {}
        return self._loops(schema, self._groups[within])

    def _loops(self, schema: Any, group: str) -> bool:
        """The same for the group of the definition. Each part is looked at once, however deep it lies."""
        if not isinstance(schema, dict):
            return False
        if (known := self._looped.get(id(schema))) is None:
            target = self.target(schema.get("$ref"))
            found = target is not None and self._groups[target] == group
            if not found:
                for one in _needed(schema):
                    if self._loops(one, group):
                        found = True
                        break
            # With the schema itself: the ids of those that have gone are given to others.
            known = self._looped[id(schema)] = (schema, found)
        return known[1]

    def _walk(self, schema: _Schema, place: str) -> None:
        """Find all definitions, then what else the references lead to, and what is referred to there."""
        references: list[str] = []
        waiting = [(schema, place)]
        while waiting:
            one, place = waiting.pop()
            if id(one) in self._walked:
                continue
            self._walked.add(id(one))
            if isinstance(reference := one.get("$ref"), str):
                references.append(reference)
            for key, name, step, inside in _inside(one):
                where = place_in(place, step)
                if key in DEFINED and name not in self._names:
                    self._names[name] = self._define(name, inside, where)
                if isinstance(inside, dict):
                    waiting.append((inside, where))
        for reference in references:
            if reference not in self._targets:
                self._targets[reference] = self._resolved(reference)

    def _define(self, name: str, schema: Any, place: str) -> str:
        """Add a definition under a name that is legal and free."""
        self._budget.spend(_DEFINING)
        name = _UNSAFE.sub("_", name)[:LONGEST_PLACE] or "_"
        if name in self.definitions:
            name = self._free(name)
        self.definitions[name] = Definition(schema, place)
        self._known[id(schema)] = name
        return name

    def _free(self, name: str) -> str:
        """The name with more underscores, where a few suffice, or with the first free number."""
        for more in range(1, _UNDERSCORES + 1):
            if (longer := name + more * "_") not in self.definitions:
                return longer
        count = self._taken.get(name, 0)
        while (numbered := f"{name}_{count}") in self.definitions:
            count += 1
        self._taken[name] = count + 1
        return numbered

    def _resolved(self, reference: str) -> str | None:
        """The name of what a reference leads to, which becomes a definition where it is none yet."""
        if not reference.startswith("#/"):
            return None
        value: Any = self._schema
        place = ""
        for step in map(_unescaped, reference[2:].split("/")):
            if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
                value, place = value[int(step)], f"{place}[{step}]"
            elif isinstance(value, dict) and step in value:
                value, place = value[step], place_in(place, step)
            else:  # definitions that stand deeper, and names that should have been escaped
                _, _, name = reference[2:].partition("/")
                return self._names.get(_unescaped(name), self._names.get(name))
        if (known := self._known.get(id(value))) is not None or not isinstance(value, dict):
            return known
        name = self._define(place, value, place)
        self._targets[reference] = name
        self._walk(value, place)
        return name

    def _needs(self, schema: Any) -> Iterator[str]:
        """The definitions that every value of a schema may need: not those of properties that may be
        left out.
        """
        waiting = [schema]
        seen: set[int] = set()  # a property may be required twice, and hold one that is, too
        while waiting:
            one = waiting.pop()
            if not isinstance(one, dict) or id(one) in seen:
                continue
            seen.add(id(one))
            if (target := self.target(one.get("$ref"))) is not None:
                yield target
            waiting += _needed(one)


def _needed(schema: _Schema) -> list[Any]:
    """The parts of a schema that every value of it may need."""
    found: list[Any] = []
    properties = schema.get("properties")
    if isinstance(properties, dict):
        found += [properties.get(name) for name in required(schema)]
    for key in _LISTED:
        if key in schema:
            inside = schema[key]
            found += inside if isinstance(inside, list) else [inside]
    return found


def required(schema: _Schema) -> list[Any]:
    """The names of the properties that a schema requires."""
    names = schema.get("required")
    return names if isinstance(names, list) else []


def _inside(schema: _Schema) -> Iterator[tuple[str, str, str, Any]]:
    """The schemas directly inside of one: keyword, name where they have any, the step there, each."""
    for key in _NAMED:
        if isinstance(named := schema.get(key), dict):
            yield from ((key, name, f"{key}.{name}", one) for name, one in named.items())
    for key in _LISTED:
        if isinstance(listed := schema.get(key), list):
            yield from ((key, "", f"{key}[{index}]", one) for index, one in enumerate(listed))
    for key in _ONE:
        if isinstance(one := schema.get(key), dict):
            yield key, "", key, one


def _unescaped(step: str) -> str:
    return unquote(step).replace("~1", "/").replace("~0", "~")


# --- Cycles --------------------------------------------------------------------------------------

_Edges: TypeAlias = Mapping[str, list[str]]


def _groups(needs: _Edges) -> dict[str, str]:
    """Of each definition its group: those that all need each other, by the algorithm of Kosaraju."""
    seen: set[str] = set()
    order = [name for start in needs for name in _led_to(start, needs, seen)]
    needed: dict[str, list[str]] = {name: [] for name in needs}
    for name, others in needs.items():
        for other in others:
            needed[other].append(name)
    seen = set()
    return {name: start for start in reversed(order) for name in _led_to(start, needed, seen)}


def _led_to(start: str, edges: _Edges, seen: set[str]) -> list[str]:
    """What a name leads to and is not seen yet, each after all that it leads to itself."""
    if start in seen:
        return []
    seen.add(start)
    done: list[str] = []
    path = [(start, iter(edges[start]))]
    while path:
        name, rest = path[-1]
        following = next((one for one in rest if one not in seen), None)
        if following is None:
            done.append(name)
            path.pop()
        else:
            seen.add(following)
            path.append((following, iter(edges[following])))
    return done
