"""Finds the references inside one JSON Schema: the target of each, and which definitions contain themselves.

The API knows only definitions at the root. So each schema that a reference names becomes such a definition,
even a schema that is not under `$defs` (`#/properties/start`).
https://json-schema.org/draft/2020-12/json-schema-core#name-direct-references-with-ref
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import unquote

from dragoman.dialects.schema_budget import LONGEST_PLACE, SchemaBudget, place_in
from dragoman.dialects.schema_references import SchemaReferences

_Schema: TypeAlias = dict[str, Any]

ROOT: Final = "#"
"""The name of the whole schema: as the target of a reference, and in lists of the definitions' names."""
DEFINED: Final = ("$defs", "definitions")
_NAMED: Final = ("properties", *DEFINED)
_LISTED: Final = ("anyOf", "oneOf", "allOf", "prefixItems", "items")
_ONE: Final = ("items", "additionalProperties")
_UNDERSCORES: Final = 8
"""The most underscores that are added to a name that is already used. If all these names are used, too, a
number is added to the name instead."""
_DEFINING: Final = 8
"""How many steps of the schema budget each definition costs."""
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")


class Definition(NamedTuple):
    """A schema that references may name. schema: as the client wrote it. place: its path inside the client's
    whole schema (`$defs.Node`).
    """

    schema: Any
    place: str


class References:
    """The references inside one schema.

    definitions: name -> definition, for the definitions under `$defs` and `definitions`, also unused ones (if
    several have the same name, for one of them), and for all other schemas that a reference names. The names
    are those that the encoder writes; they need no escapes in a reference. budget: each definition costs
    `_DEFINING` steps; the constructor raises WireError when too few steps are left.
    """

    def __init__(self, schema: _Schema, budget: SchemaBudget) -> None:
        self._budget = budget
        self.definitions: dict[str, Definition] = {}
        self._inside = SchemaReferences(schema)
        self._names: dict[str, str] = {}  # the client's name: the written name
        self._known = {id(schema): ROOT}  # id of the schema: the written name
        self._targets: dict[str, str | None] = {ROOT: ROOT}
        self._within = ""
        self._looped: dict[int, tuple[_Schema, bool]] = {}
        self._taken: dict[str, int] = {}  # the first free number for names with this beginning
        self._walked: set[int] = set()
        self._walk(schema, "")
        schemas = {ROOT: schema, **{name: one.schema for name, one in self.definitions.items()}}
        needs = {name: list(self._needs(one)) for name, one in schemas.items()}
        self._groups = _groups(needs)

    def target(self, reference: Any) -> str | None:
        """Return the meaning of a `$ref`: a name in `definitions`, or `ROOT` for the whole schema; None = the
        `$ref` names neither, or is not a string. reference: the value of a `$ref` in the schema.
        """
        return self._targets.get(reference) if isinstance(reference, str) else None

    def loops(self, schema: Any, within: str) -> bool:
        """Whether `schema`, a part of the definition `within`, leads back to this definition without passing
        through an optional property or `additionalProperties`. Then a value of the definition may need
        another value of the same definition inside it, and so on without end. within: a name in
        `definitions`, or `ROOT`.
        """
        if within != self._within:
            self._within, self._looped = within, {}
        return self._loops(schema, self._groups[within])

    def _loops(self, schema: Any, group: str) -> bool:
        """Whether `schema` refers to a definition in `group` (of `_groups`), directly or in a schema inside
        it, without passing through an optional property.
        """
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
            # The schema is kept too, because Python gives the id of a freed object to another.
            known = self._looped[id(schema)] = (schema, found)
        return known[1]

    def _walk(self, schema: _Schema, place: str) -> None:
        """Collect the definitions inside `schema` and the targets of its references, and search these targets
        in the same way. place: the path of `schema` inside the whole schema.
        """
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
        """Add a definition and return its name: `name` with `_` in place of all characters except ASCII
        letters, digits, `_`, `.` and `-`, cut to `LONGEST_PLACE` characters. If another definition has this
        name already, the result is a similar name. place: the path of `schema` inside the whole schema.
        Raises WireError if the schema budget is used up.
        """
        self._budget.spend(_DEFINING)
        name = _UNSAFE.sub("_", name)[:LONGEST_PLACE] or "_"
        if name in self.definitions:
            name = self._free(name)
        self.definitions[name] = Definition(schema, place)
        self._known[id(schema)] = name
        return name

    def _free(self, name: str) -> str:
        """Return a name that no definition has: `name` with one to `_UNDERSCORES` underscores or, if these
        names are used, with a number.
        """
        for more in range(1, _UNDERSCORES + 1):
            if (longer := name + more * "_") not in self.definitions:
                return longer
        count = self._taken.get(name, 0)
        while (numbered := f"{name}_{count}") in self.definitions:
            count += 1
        self._taken[name] = count + 1
        return numbered

    def _resolved(self, reference: str) -> str | None:
        """Return the name of the definition that a reference means, or `ROOT`. If the schema that the
        reference names is not a definition yet, it becomes one. If a pointer (`#/a/b`) leads nowhere, it
        means the definition whose name stands behind its first step, wherever this definition is. None = the
        reference means neither a definition nor an object.
        """
        if (found := self._inside.target(reference)) is None:
            if not reference.startswith("#/"):
                return None
            # Nested definitions, and names without the required escapes.
            _, _, name = reference[2:].partition("/")
            return self._names.get(_unescaped(name), self._names.get(name))
        value, place = found
        if (known := self._known.get(id(value))) is not None or not isinstance(value, dict):
            return known
        name = self._define(place, value, place)
        self._targets[reference] = name
        self._walk(value, place)
        return name

    def _needs(self, schema: Any) -> Iterator[str]:
        """Yield the names of the definitions to which a schema refers, except inside optional properties. The
        same name may come several times.
        """
        waiting = [schema]
        seen: set[int] = set()  # a property may be required in several places
        while waiting:
            one = waiting.pop()
            if not isinstance(one, dict) or id(one) in seen:
                continue
            seen.add(id(one))
            if (target := self.target(one.get("$ref"))) is not None:
                yield target
            waiting += _needed(one)


def _needed(schema: _Schema) -> list[Any]:
    """Return the schemas directly inside `schema` that a value may need: those of required properties, those
    in lists such as `anyOf`, and those of items. An entry may be any JSON value; None = a required property
    has no schema.
    """
    found: list[Any] = []
    properties = schema.get("properties")
    if isinstance(properties, dict):
        found += [properties.get(name) for name in required(schema)]
    for key in _LISTED:
        if key in schema:
            inside = schema[key]
            found += inside if isinstance(inside, list) else [inside]
    return found


def required(schema: _Schema) -> list[str]:
    """Return the value of `required` in a schema (the same list, not a copy); [] = the schema has none, or it
    is not a list of strings.
    """
    names = schema.get("required")
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []


def _inside(schema: _Schema) -> Iterator[tuple[str, str, str, Any]]:
    """Yield the schemas directly inside `schema`, each as (keyword, name, path, value): `("properties", "a",
    "properties.a", {…})`. The name is "" for a keyword without names. The path begins at `schema`. The value
    may be any JSON value.
    """
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
    """Return definition -> the name of its group. Definitions that need each other, directly or through
    others, form a group; every other definition is a group alone. The group has the name of one of its
    definitions. needs: definition -> the definitions that it needs. Kosaraju's algorithm.
    """
    seen: set[str] = set()
    order = [name for start in needs for name in _led_to(start, needs, seen)]
    needed: dict[str, list[str]] = {name: [] for name in needs}
    for name, others in needs.items():
        for other in others:
            needed[other].append(name)
    seen = set()
    return {name: start for start in reversed(order) for name in _led_to(start, needed, seen)}


def _led_to(start: str, edges: _Edges, seen: set[str]) -> list[str]:
    """Return the names that can be reached from `start`, with `start`, but without the names in `seen`. The
    order is the order in which a depth-first search leaves the names, so `start` is the last. All returned
    names are added to `seen`.
    """
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
