"""Settings from environment variables, as trees that are merged with the tree of the file.

Most DRAGOMAN_… variables set one setting each and override the file. A vendor's own variables
(OPENAI_API_KEY, OPENAI_API_KEY_2 … _10, OPENAI_BASE_URL) add a provider, or supply settings that a provider
does not state (`vendors` has the rules).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, get_origin

from dragoman.config.declared import options, settings_of
from dragoman.config.decode import suggest
from dragoman.config.section import Section
from dragoman.config.settings import Config
from dragoman.config.tree import Items, Node, Scalar, Source, Table, merge
from dragoman.errors import Problem
from dragoman.providers.address import host_url
from dragoman.providers.catalog import CATALOG
from dragoman.providers.vendor import Vendor

MOST_KEYS: Final = 10

NOT_SETTINGS: Final = frozenset({"DRAGOMAN_ADMIN_KEY", "DRAGOMAN_CONFIG", "DRAGOMAN_HOME", "DRAGOMAN_URL"})
"""DRAGOMAN_… variables that do not set a setting: other parts of the program read them."""


def variables(section: type[Section] = Config, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield (variable, path of its setting, type of the setting) for each DRAGOMAN_… variable that sets a
    setting in a section or in the sections inside it. Sections in a list, a mapping or a union are not
    searched. path: the path of the section, "" = `Config`.
    """
    for one in settings_of(section).values():
        place = f"{path}.{one.name}" if path else one.name
        if one.about.env is not None:
            yield one.about.env, place, one.type
        if isinstance(one.type, type) and issubclass(one.type, Section):
            yield from variables(one.type, place)


def own_variables(environ: Mapping[str, str]) -> tuple[Table, list[Problem]]:
    """Return (the tree of the settings in DRAGOMAN_… variables; a warning for each unknown DRAGOMAN_…
    variable, also for an empty one). An empty variable sets nothing. The values are not checked here.
    """
    declared = {name: (path, kind) for name, path, kind in variables()}
    tree: Node = Table({}, Source("the environment"))
    for name, (path, kind) in declared.items():
        if text := environ.get(name):
            tree = merge(tree, place(path, _value(text, kind, Source(name))))
    known = {*declared, *NOT_SETTINGS}
    warnings = [
        Problem("", "unknown environment variable: it is ignored", name, hint=suggest(name, known))
        for name in sorted(environ)
        if name.startswith("DRAGOMAN_") and name not in known
    ]
    assert isinstance(tree, Table)
    return tree, warnings


def place(path: str, node: Node) -> Table:
    """Return a tree whose only setting is `node`, at a path of plain names (`server.port`)."""
    for name in reversed(path.split(".")):
        node = Table({name: node}, node.source, {name: node.source})
    assert isinstance(node, Table)
    return node


def vendors(tree: Table, environ: Mapping[str, str]) -> Table:
    """Return a configuration's tree (not changing it) with the keys, base URLs, regions and projects of the
    vendors' environment variables added. Blank variables count as not set, and null as not stated.

    A vendor without a provider in the tree gets a provider with the vendor's name, if the environment has one
    of its variables. Three cases are excluded: a provider of another vendor has this name; the vendor's
    address depends on the account and the environment does not state it; or the environment has only
    variables that other services use, too (an access key, a project, a region).

    A provider in the tree gets those of the four settings that it does not state, with three exceptions. One
    that states keys (or `[]`) gets nothing: a key in the file must not be sent to an address that the file
    does not contain. One that states a base URL and has another name than its vendor gets nothing. One that
    states a `credential` gets no keys.
    """
    written = tree.entries.get("providers") or Table({}, tree.source)
    if isinstance(written, Scalar) and written.value is None:
        written = Table({}, written.source)
    if not isinstance(written, Table):
        return tree
    accounts = {vendor.name: found for vendor in CATALOG.values() if (found := _account(vendor, environ))}
    if not accounts:
        return tree
    entries = dict(written.entries)
    names = dict(written.names)
    for vendor, found in accounts.items():
        named = [name for name, node in written.entries.items() if _vendor_of(name, node) == vendor]
        for name in named:
            entries[name] = _filled(entries[name], found, own_name=name == vendor)
        stated = "base_url" in found.entries or not CATALOG[vendor].account
        if not named and vendor not in entries and stated and not _only_shared(CATALOG[vendor], environ):
            entries[vendor], names[vendor] = found, found.source
    providers = Table(entries, written.source, names)
    return Table({**tree.entries, "providers": providers}, tree.source, tree.names)


def unread_addresses(before: Table, tree: Table, environ: Mapping[str, str]) -> list[Problem]:
    """Return a warning for each set variable that other programs read as the base URL of a vendor
    (`OPENAI_API_BASE`, `GEMINI_BASE_URL`), but that is no vendor's variable here (`Vendor.base_var`) and
    stands in no text of the configuration. There is none if each provider of the vendor has a base URL.
    before, tree: the configuration before and after `vendors`.
    """
    named = _providers(tree)
    keyed = {
        name for name, node in _providers(before).items() if isinstance(node, Table) and _stated(node, "keys")
    }
    own = {vendor.base_var for vendor in CATALOG.values()}
    warnings = []
    for vendor in CATALOG.values():
        at_home = [
            name
            for name, node in named.items()
            if _vendor_of(name, node) == vendor.name
            and not (isinstance(node, Table) and _stated(node, "base_url"))
        ]
        for name in _similar(vendor) if at_home else ():
            if environ.get(name, "").strip() and name not in own and name not in _used(tree):
                read = f"{vendor.base_var} or " if vendor.base_var and at_home[0] not in keyed else ""
                said = f"is not read, so {at_home[0]} is asked at {vendor.base_url}"
                hint = f"set {read}providers.{at_home[0]}.base_url"
                warnings.append(Problem("", said, name, hint=hint))
    return warnings


def _providers(tree: Table) -> Mapping[str, Node]:
    providers = tree.entries.get("providers")
    return providers.entries if isinstance(providers, Table) else {}


def _similar(vendor: Vendor) -> list[str]:
    """Return names of variables in which other programs look for the base URL of a vendor."""
    starts = {vendor.name.upper().replace("-", "_")}
    starts |= {name.removesuffix("_API_KEY") for name in vendor.keys if name.endswith("_API_KEY")}
    return [f"{start}_{end}" for start in sorted(starts) for end in ("API_BASE", "API_BASE_URL", "BASE_URL")]


def _used(node: Node) -> frozenset[str]:
    """Return the names of the environment variables that the texts of a tree contain (`${NAME}`), and of
    those from which `vendors` took keys.
    """
    if isinstance(node, Scalar):
        return frozenset(node.variables)
    inner = node.items if isinstance(node, Items) else node.entries.values()
    return frozenset[str]().union(*map(_used, inner))


def _account(vendor: Vendor, environ: Mapping[str, str]) -> Table | None:
    """Return a provider's entry with what the environment states: the keys (those in the first of
    `vendor.keys` that is set, and in its numbered variables; or else the access key), the base URL, the
    project and the region. None = the environment has none of them.
    """
    entries: dict[str, Node] = {}
    for base in vendor.keys:
        found = [(name, environ.get(name, "").strip()) for name in numbered(base)]
        if keys := [
            Scalar(text, text, Source(name), filled=True, variables=(name,)) for name, text in found if text
        ]:
            entries["keys"] = Items(tuple(keys), keys[0].source)
            break
    if "keys" not in entries and (access := _access_key(vendor, environ)) is not None:
        entries["keys"] = Items((access,), access.source)
    if vendor.base_var is not None and (address := environ.get(vendor.base_var, "").strip()):
        if vendor.host_port is not None:
            address = host_url(address, port=vendor.host_port, path=vendor.path)
        entries["base_url"] = Scalar(address, address, Source(vendor.base_var), filled=True)
    for setting, names in (("region", vendor.region_vars), ("project", vendor.project_vars)):
        for name in names:
            if text := environ.get(name, "").strip():
                entries[setting] = Scalar(text, text, Source(name), filled=True)
                break
    if not entries:
        return None
    return Table(entries, next(iter(entries.values())).source)


def _access_key(vendor: Vendor, environ: Mapping[str, str]) -> Scalar | None:
    """Return the access key in a vendor's variables, as `ID:SECRET` or `ID:SECRET:SESSION_TOKEN`; None = the
    id or the secret is not set, or the vendor has no access keys.
    """
    parts = [environ.get(name, "").strip() for name in vendor.access_key]
    if not parts or not all(parts[:2]):
        return None
    text = ":".join(part for part in parts if part)
    stated = tuple(name for name, part in zip(vendor.access_key, parts, strict=True) if part)
    return Scalar(text, text, Source(stated[0]), filled=True, variables=stated)


def _only_shared(vendor: Vendor, environ: Mapping[str, str]) -> bool:
    """Whether the environment has no variable that belongs to this vendor alone: neither an API key nor a
    base URL.
    """
    own = [name for base in vendor.keys for name in numbered(base)]
    own += [] if vendor.base_var is None else [vendor.base_var]
    return not any(environ.get(name, "").strip() for name in own)


def numbered(name: str) -> Iterator[str]:
    """Yield the names of the variables for one vendor's keys: the name itself, then `NAME_2` to `NAME_10`."""
    yield name
    for number in range(2, MOST_KEYS + 1):
        yield f"{name}_{number}"


def _vendor_of(name: str, node: Node) -> str:
    stated = node.entries.get("catalog") if isinstance(node, Table) else None
    return stated.text if isinstance(stated, Scalar) and stated.value is not None else name


def _filled(node: Node, found: Table, *, own_name: bool) -> Node:
    """Return an entry of `providers` with what `vendors` adds to it. found: the vendor's settings in the
    environment. own_name: whether the entry has the vendor's name.
    """
    if isinstance(node, Scalar) and node.value is None:
        node = Table({}, node.source)
    if not isinstance(node, Table) or _stated(node, "keys") or (_stated(node, "base_url") and not own_name):
        return node
    signs_in = _stated(node, "credential")
    fill = {
        name: value
        for name, value in found.entries.items()
        if not _stated(node, name) and not (signs_in and name == "keys")
    }
    return Table({**node.entries, **fill}, node.source, node.names, node.size)


def _stated(node: Table, name: str) -> bool:
    value = node.entries.get(name)
    return value is not None and not (isinstance(value, Scalar) and value.value is None)


def _value(text: str, kind: Any, source: Source) -> Node:
    """Return the node for the text of a variable: the text itself; but if the type `kind` accepts only lists
    (and None), the list of the parts between commas, without empty parts.
    """
    if all(get_origin(member) is tuple for member in options(kind)):
        members = [part.strip() for part in text.split(",")]
        return Items(tuple(Scalar(part, part, source, filled=True) for part in members if part), source)
    return Scalar(text, text, source, filled=True)
