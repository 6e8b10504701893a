"""Loads a configuration from presets, a file, the environment and the command line, and checks it.

    presets  <  file  <  DRAGOMAN_… variables  <  command line

A source on the right overrides the sources to its left. Entries that operators have added while the gateway
ran (`added`) only add names that no source declares. The vendors' own variables (OPENAI_API_KEY) only add
what nothing else states: `environment.vendors` has the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from dragoman.config import environment, tree
from dragoman.config.added import Added, AddedState, blamed, layered, shadowed
from dragoman.config.check import Doubt, check
from dragoman.config.decode import Decoder, plain, suggest
from dragoman.config.locate import FILE_NAME, find, home
from dragoman.config.mapping_reader import read_settings
from dragoman.config.presets import PRESETS
from dragoman.config.settings import Config
from dragoman.config.tree import Node, Source, Table
from dragoman.config.trust import Lead, leads, permission_warnings, refusals, trusted
from dragoman.errors import ConfigError, Problem
from dragoman.providers.provider import Provider
from dragoman.state.added import AddedEntry, KeptEntries
from dragoman.stores.address import Location

_LARGEST: Final = 4_000_000
"""The largest configuration file, in bytes."""


DEFAULT: Final = "default"
"""Stands for the source of a setting that no source has set."""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration without errors.

    config: every setting. providers: the enabled accounts by name, without the built-in providers. simulate:
    whether the simulator is offered. sources: the place of each written setting, by the setting's path.
    warnings: things that are unusual but allowed. file: the file that was read, None = no file. home:
    Dragoman's own folder. leads: the secrets that the file would send to hosts of its choice, approved or not
    (`trust.leads`). doubts: names and patterns in lists of models (of a key, of a group, …) that fit no model
    of the configuration (`check.Doubt`). again: loads the configuration once more from the same places,
    without the entries that operators have added. adding: loads it with these entries; its arguments are the
    location of their database and the entries. Both raise ConfigError; None = not possible. added: what
    became of the added entries; None = no database was read.
    """

    config: Config
    providers: Mapping[str, Provider]
    simulate: bool
    sources: Mapping[str, Source]
    warnings: tuple[Problem, ...]
    file: Path | None
    home: Path
    leads: tuple[Lead, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    again: Callable[[], Loaded] | None = None
    adding: Callable[[Location, KeptEntries], Loaded] | None = None
    added: Added | None = None

    def source(self, path: str) -> str:
        """Return the place of a setting's value ("dragoman.yaml:12"); "default" = no place is known for this
        path.
        """
        return str(self.sources.get(path, DEFAULT))


def load(
    path: Path | Mapping[str, Any] | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, Any] = MappingProxyType({}),
    *,
    cwd: Path = Path(),
    own: Iterable[str] = (),
) -> Loaded:
    """Load and check a configuration.

    path: the file to read, or a mapping with the settings in the form of a file, or None = look for a file
    (`locate.find`); if there is none, load without a file. environ: the environment variables. overrides:
    settings of the command line by their paths (`{"server.port": 9000}`). cwd: the working directory. own:
    the names of upstreams that the program itself provides.

    Raises ConfigError with all problems, those of the file first, in the order of its lines; or with one, if
    the file cannot be found or read. If the file was only found in `cwd`, each secret that it would send to a
    host (`trust.Lead`) without the user's approval is a problem.
    """
    return _load(path, environ, overrides, cwd=cwd, own=frozenset(own), had_settings=False)


def _load(
    path: Path | Mapping[str, Any] | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, Any],
    *,
    cwd: Path,
    own: frozenset[str],
    had_settings: bool,
) -> Loaded:
    """Do what `load` says. had_settings: True = the file had settings when it was read before; if it has none
    now, that raises ConfigError too, because a full disk and an interrupted command leave an empty file.
    """

    def read(*, had_settings: bool) -> _Declared:
        declared = _declared(path, environ, overrides, cwd)
        if had_settings and not declared.has_settings:
            why = "has no settings any more; if none are meant, restart the gateway"
            raise ConfigError(Problem("", why, str(declared.file)))
        return declared

    def again() -> Loaded:
        if path is None and file is not None and find(environ, cwd) != file:
            raise ConfigError(Problem("", "is not there any more", str(file)))
        return _load(path, environ, overrides, cwd=cwd, own=own, had_settings=declared.has_settings)

    def adding(database: Location, kept: KeptEntries) -> Loaded:
        found, states = _with_added(read(had_settings=declared.has_settings), kept, environ, own)
        return whole(msgspec.structs.replace(found, added=Added(database, kept.version, states)))

    def whole(found: Loaded) -> Loaded:
        return msgspec.structs.replace(found, again=again, adding=adding)

    declared = read(had_settings=had_settings)
    file = declared.file
    return whole(_checked(declared, (), environ, own))


class _Declared(msgspec.Struct, frozen=True):
    """Everything that files, presets, DRAGOMAN_… variables and the command line state. Entries that operators
    have added, and the vendors' variables, are not part of it.

    file: the file that was read, None = no file. found: True = the file was found in the working directory;
    neither the caller nor DRAGOMAN_CONFIG named it. has_settings: True = the file has settings, or problems.
    folder: where relative paths begin. tree: all settings, those of the presets included. problems, warnings:
    those found so far.
    """

    file: Path | None
    found: bool
    has_settings: bool
    folder: Path
    tree: Table
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def _declared(
    path: Path | Mapping[str, Any] | None, environ: Mapping[str, str], overrides: Mapping[str, Any], cwd: Path
) -> _Declared:
    """Read the file (or mapping), the presets, the DRAGOMAN_… variables and the command line, and merge them.
    The parameters are those of `load`. Raises ConfigError if the file cannot be found or read; other errors,
    such as invalid YAML, become `problems` of the result.
    """
    file: Path | None = None
    if isinstance(path, Mapping):
        written, problems = read_settings(path, environ)
    elif (file := path if path is not None else find(environ, cwd)) is not None:
        written, problems = _read(file, environ)
    else:
        written, problems = Table({}, Source("no file")), []
    above, warnings = environment.own_variables(environ)
    layers: Node = tree.merge(written, above)
    for name, value in overrides.items():
        node = tree.plant(value, Source("the command line"))
        layers = tree.merge(layers, environment.place(name, node))
    decoder = Decoder(file.parent if file is not None else cwd)
    merged = _with_presets(layers, decoder)
    found = path is None and not environ.get("DRAGOMAN_CONFIG") and file != home(environ) / FILE_NAME
    stated = (*problems, *decoder.problems)
    return _Declared(
        file=file,
        found=found and file is not None,
        has_settings=file is not None and bool(written.entries or problems),
        folder=decoder.folder,
        tree=merged,
        problems=stated,
        warnings=tuple(warnings),
    )


def _with_added(
    declared: _Declared, kept: KeptEntries, environ: Mapping[str, str], own: frozenset[str]
) -> tuple[Loaded, tuple[AddedState, ...]]:
    """Load the configuration with the entries that operators have added. Returns (the configuration, the
    state of each entry).

    An entry that cannot be used is left out, with a warning. Raises ConfigError for problems that no entry
    has caused.
    """
    unused = {
        entry: AddedState(entry, "shadowed", (problem,))
        for entry, problem in shadowed(kept.entries, declared.tree, own).items()
    }
    found: Loaded | None = None
    while found is None:
        used = [entry for entry in kept.entries if entry not in unused]
        try:
            found = _checked(declared, used, environ, own)
        except ConfigError as error:
            wrong = blamed(used, error.problems)
            if not wrong:
                raise
            unused |= {entry: AddedState(entry, "unusable", tuple(why)) for entry, why in wrong.items()}
    states = tuple(unused.get(entry) or AddedState(entry, "used") for entry in kept.entries)
    whys = [problem for one in states for problem in one.problems]
    told = [problem._replace(message=f"not used: {problem.message}") for problem in whys]
    return msgspec.structs.replace(found, warnings=(*found.warnings, *told)), states


def _checked(
    declared: _Declared, added: Sequence[AddedEntry], environ: Mapping[str, str], own: frozenset[str]
) -> Loaded:
    """Decode and check the declared settings, together with entries that operators have added. Raises
    ConfigError with all problems.
    """
    file, decoder = declared.file, Decoder(declared.folder)
    problems = list(declared.problems)
    base = declared.tree
    if added:
        base, unset = layered(base, added, environ)
        problems += unset
    whole = environment.vendors(base, environ)
    config = decoder.section(Config, whole)
    unread = frozenset(problem.path for problem in (*problems, *decoder.problems))
    accounts, found, remarks, unknown = check(config, decoder.sources, decoder.names, unread, own)
    remarks += environment.unread_addresses(base, whole, environ)
    known = {problem.path for problem in problems}  # one problem for a path is enough (a missing variable)
    problems += [problem for problem in (*decoder.problems, *found) if problem.path not in known]
    found_leads: tuple[Lead, ...] = ()
    if file is not None:
        # Without the added entries: the file does not choose the hosts to which their secrets go.
        alone = environment.vendors(declared.tree, environ) if added else whole
        found_leads = tuple(leads(alone, file, accounts, environ))
        remarks += [*permission_warnings(file), *decoder.warnings]
        if declared.found:
            problems += refusals(found_leads, trusted(home(environ)), file)
    odd = _in_order([*declared.warnings, *remarks], file)
    if problems:
        problems += [doubt.problem for doubt in unknown]
        raise ConfigError(*_in_order(problems, file), warnings=odd)
    return Loaded(
        config=config,
        providers=accounts,
        simulate=_simulates(config, accounts),
        sources=decoder.sources,
        warnings=tuple(odd),
        file=file,
        home=home(environ),
        leads=found_leads,
        doubts=tuple(unknown),
    )


def as_written(file: Path) -> Any:
    """Return a file's content as a mapping of JSON values. Variables stay as they are written
    (`${NAME:-default}`, `$${`). Raises ConfigError if the file cannot be read, is too large, is not UTF-8, is
    not valid YAML, or has another problem that the YAML reader finds.
    """
    tree_of_file, problems = _read(file, None)
    if problems:
        raise ConfigError(*problems)
    return plain(tree_of_file)


def _read(file: Path, environ: Mapping[str, str] | None) -> tuple[Table, list[Problem]]:
    """Return the tree of a file, and its problems, such as invalid YAML. environ: the values of the variables
    in the file; None = these stay as they are written. Raises ConfigError if the file cannot be read, is too
    large or is not UTF-8.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(Problem("", f"cannot be read: {error.strerror}", str(file))) from None
    if len(data) > _LARGEST:
        raise ConfigError(Problem("", f"is larger than {_LARGEST // 1_000_000} MB", str(file)))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(Problem("", "is not UTF-8", str(file), line)) from None
    from dragoman.config.yaml_reader import read  # here, so that a start without a file loads no YAML parser

    return read(text, str(file), environ)


def _with_presets(written: Node, decoder: Decoder) -> Table:
    """Return the settings of the presets that `written` names, overridden by `written` itself. A later preset
    overrides an earlier one. Each unknown preset becomes a problem of `decoder`.
    """
    assert isinstance(written, Table)
    below: Node = Table({}, Source("presets"))
    if (chosen := written.entries.get("preset")) is not None:
        for name in decoder.preview(tuple[str, ...], chosen):
            if name in PRESETS:
                below = tree.merge(below, tree.plant(PRESETS[name], Source(f"preset {name}")))
            else:
                decoder.problem("preset", f"there is no preset {name}", chosen.source, suggest(name, PRESETS))
    whole = tree.merge(below, written)
    assert isinstance(whole, Table)
    return whole


def _simulates(config: Config, accounts: Mapping[str, Provider]) -> bool:
    """Whether the simulator is offered. If `providers.simulate.enabled` does not say it: yes if no provider
    is enabled, or if a model, an alias, a fallback or a default model names a model `simulate/…`.
    """
    enabled = config.providers.simulate.enabled
    if enabled is not None:
        return enabled
    uses = [target.use for model in config.models.values() for target in model.targets]
    uses += [name for model in config.models.values() for name in model.fallbacks.names]
    routes = [alias.route for alias in config.aliases.values()]
    routes += [name for one in config.aliases.values() if one.fallbacks for name in one.fallbacks.names]
    return not accounts or any(
        name.startswith("simulate/")
        for name in (*uses, *routes, config.default_model or "", *config.default_models.values())
    )


def _in_order(problems: list[Problem], file: Path | None) -> list[Problem]:
    return sorted(
        dict.fromkeys(problems),
        key=lambda one: (one.file != str(file), one.file or "", one.line or 0, one.path, one.message),
    )
