"""The entries that operators have added while the gateway ran, as a layer of the configuration; and the
search for secrets that such an entry contains as text.

If a file, a preset, the environment, the command line or the program itself already uses the name of an added
entry, the added entry is not used: it is shadowed. An added entry with a problem is not used either, and the
problem becomes a warning, so that no entry in a database prevents a gateway from starting.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from dragoman.config.declared import settings_of
from dragoman.config.mapping_reader import read_node
from dragoman.config.section import Section
from dragoman.config.tree import Node, Scalar, Source, Table
from dragoman.errors import Problem, setting_path
from dragoman.providers.address import without_keys
from dragoman.seams.secret import Secret
from dragoman.state.added import KINDS, AddedEntry, AddedKind
from dragoman.stores.address import Location

BUILT_IN: Final = ("local", "simulate")
"""The entries of `providers` that are not accounts. They always exist, so an added entry with one of these
names is not used.
"""
_SHARED: Final = ("models", "aliases")
"""The kinds of entries whose names clients use in the same place, as model names."""
_TELLING: Final = 8
"""Characters. A shorter secret is not searched for in other texts, because many words contain it."""

State: TypeAlias = Literal["used", "shadowed", "unusable"]


class AddedState(msgspec.Struct, frozen=True):
    """An added entry, and whether it is used. state: `used`; `shadowed` = its name is already used by
    something else; `unusable` = it has mistakes. problems: why it is not used (the place that has the same
    name, or the mistakes); empty = it is used.
    """

    entry: AddedEntry
    state: State
    problems: tuple[Problem, ...] = ()


class Added(msgspec.Struct, frozen=True):
    """The entries that were read from a database for a configuration, also those that are not used. file: the
    database, which may be a PostgreSQL server. version: the number of the latest change that has been read;
    -1 = the database could not be read. entries: in the order of their versions.
    """

    file: Location
    version: int
    entries: tuple[AddedState, ...] = ()

    def find(self, kind: AddedKind, name: str) -> AddedState | None:
        """Return the entry of this kind with this name; None = there is none."""
        found = [one for one in self.entries if one.entry.place == (kind, name)]
        return found[0] if found else None


def path_of(entry: AddedEntry) -> str:
    """Return the path of an entry in the configuration (`models.fast`)."""
    return setting_path(entry.kind, entry.name)


def origin_of(entry: AddedEntry) -> str:
    """Return the text that names the source of an added entry: its author and its version. Two added entries
    never have the same text, because each has another version.
    """
    return f"added by {entry.author} (version {entry.version})"


def shadowed(
    entries: Iterable[AddedEntry], declared: Table, own: Collection[str]
) -> dict[AddedEntry, Problem]:
    """Return {entry: problem} for the entries whose names `declared` or the program itself already uses; the
    problem says where. Models and aliases share their names: a declared alias also shadows an added model of
    the same name, and the reverse. declared: all settings except added entries. own: the names of upstreams
    that the program itself provides.
    """
    found: dict[AddedEntry, Problem] = {}
    for entry in entries:
        kinds = _SHARED if entry.kind in _SHARED else (entry.kind,)
        places = [one for kind in kinds if (one := _declared(declared, kind, entry.name)) is not None]
        built_in = entry.kind == "providers" and entry.name in {*BUILT_IN, *own}
        if places or built_in:
            where = str(places[0]) if places else "the program itself"
            said = f"{where} declares this name, which wins over what is added"
            found[entry] = Problem(path_of(entry), said, origin_of(entry))
    return found


def layered(
    declared: Table, entries: Sequence[AddedEntry], environ: Mapping[str, str]
) -> tuple[Table, list[Problem]]:
    """Return (a copy of the configuration `declared` with these entries, the problems in the entries, such as
    unset variables; see `read_node`). The caller has left out entries with a name that `declared` has
    (`shadowed`); such an entry would replace the declared one. An entry of a kind whose section in `declared`
    is no mapping is left out. environ: the variables for `${NAME}`.
    """
    problems: list[Problem] = []
    parts = dict(declared.entries)
    for kind in KINDS:
        nodes: dict[str, Node] = {}
        for entry in entries:
            if entry.kind == kind:
                value = msgspec.json.decode(entry.text)
                source = Source(origin_of(entry))
                nodes[entry.name], found = read_node(value, path_of(entry), environ, source)
                problems += found
        if nodes:
            parts[kind] = _with(parts.get(kind), nodes, declared.source)
    return Table(parts, declared.source, declared.names, declared.size), problems


def blamed(entries: Iterable[AddedEntry], problems: Iterable[Problem]) -> dict[AddedEntry, list[Problem]]:
    """Return {entry: the problems whose `file` is the entry's `origin_of`}. Entries without such a problem,
    and all other problems, are left out.
    """
    by_origin = {origin_of(entry): entry for entry in entries}
    found: dict[AddedEntry, list[Problem]] = {}
    for problem in problems:
        if (entry := by_origin.get(problem.file or "")) is not None:
            found.setdefault(entry, []).append(problem)
    return found


def _declared(tree: Table, kind: str, name: str) -> Source | None:
    """Return the source of the name of an entry in the section `kind`; None = `tree` has no such entry."""
    part = tree.entries.get(kind)
    return part.named(name) if isinstance(part, Table) and name in part.entries else None


def _with(part: Node | None, nodes: Mapping[str, Node], source: Source) -> Node:
    """Return a part of the configuration (`models`) with these entries added. An entry of `part` with the
    same name is replaced. part: None or null = an empty mapping; any other value that is not a mapping is
    returned unchanged. source: that of the part, if `part` is None.
    """
    if part is None or (isinstance(part, Scalar) and part.value is None):
        part = Table({}, source)
    if not isinstance(part, Table):
        return part
    names = {name: node.source for name, node in nodes.items()}
    return Table({**part.entries, **nodes}, part.source, {**part.names, **names}, part.size)


def literal_secrets(section: Section, stated: Any) -> Iterator[str]:
    """Yield the paths, relative to the entry, of secrets that an entry contains as text, instead of the name
    of a variable or a file. A secret from a variable or a file counts, too, if it has at least 8 characters
    and also stands somewhere in the entry as text, for example as the default of the variable; and so does a
    key inside `base_url`. section: the decoded entry. stated: the entry as its author has sent it, a JSON
    value.
    """
    texts = list(_texts(stated))
    for path, secret in _secrets(section, ""):
        shown = len(secret.reveal()) >= _TELLING and any(secret.reveal() in text for text in texts)
        if shown or (secret.file is None and secret.variable is None):
            yield path  # `shown`: the default of a variable, `${NAME:-sk-…}`, too
    address = stated.get("base_url") if isinstance(stated, dict) else None
    if isinstance(address, str) and without_keys(address) != address:
        yield "base_url"


def _secrets(value: Any, path: str) -> Iterator[tuple[str, Secret]]:
    if isinstance(value, Secret):
        yield path, value
    elif isinstance(value, Section):
        for name in settings_of(type(value)):
            yield from _secrets(getattr(value, name), setting_path(path, name))
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _secrets(inner, setting_path(path, name))
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            yield from _secrets(inner, f"{path}[{index}]")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
