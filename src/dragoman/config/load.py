"""Loads a configuration: files, environment and command line in, one checked value out.

    presets  <  file  <  vendors' variables (where the file is silent)  <  DRAGOMAN_…  <  command line

All problems of a configuration are found in one go and raised together. The environment and the working
directory are arguments; the process is not touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from dragoman.config import environment, tree
from dragoman.config.check import Doubt, check
from dragoman.config.decode import Decoder, plain, suggest
from dragoman.config.locate import FILE_NAME, find, home
from dragoman.config.mapping_reader import read_settings
from dragoman.config.presets import PRESETS
from dragoman.config.settings import Config
from dragoman.config.tree import Node, Source, Table
from dragoman.config.trust import Lead, doubts, leads, refusals, trusted
from dragoman.errors import ConfigError, Problem
from dragoman.providers.provider import Provider

_LARGEST: Final = 4_000_000
"""Bytes of a configuration's file."""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that can be used.

    config: every setting. providers: the accounts that are enabled, by name, without the built-in ones.
    simulate: whether the simulator is offered. sources: where each written setting stands, by path.
    warnings: what is odd but not wrong. file: what was read, None for none. home: Dragoman's own folder.
    leads: secrets that are not the file's own and go where only the file says that they belong. doubts: model
    names that clients are granted and that the configuration does not have; `assembly.refuse_unknown` judges.
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

    def source(self, path: str) -> str:
        """Where a setting's value comes from: "dragoman.yaml:12", a variable's name, or "default"."""
        return str(self.sources.get(path, "default"))


def load(
    path: Path | Mapping[str, Any] | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, Any] = MappingProxyType({}),
    *,
    cwd: Path = Path(),
    own: Iterable[str] = (),
) -> Loaded:
    """The configuration in force.

    path: the file to read, or the settings themselves as a file would state them, None = look for a file
    (`locate.find`). environ: environment variables. overrides: settings from the command line, by path
    ("server.port": 9000). own: the names of upstreams that the program brings. Raises ConfigError with every
    problem found, in the order of the file.
    """
    file: Path | None = None
    if isinstance(path, Mapping):
        written, problems = read_settings(path, environ)
    elif (file := path if path is not None else find(environ, cwd)) is not None:
        written, problems = _read(file, environ)
    else:
        written, problems = Table({}, Source("no file")), []
    above, warnings = environment.own(environ)
    layers: Node = tree.merge(written, above)
    for name, value in overrides.items():
        node = tree.plant(value, Source("the command line"))
        layers = tree.merge(layers, environment.place(name, node))
    decoder = Decoder(file.parent if file is not None else cwd)
    whole = environment.vendors(_with_presets(layers, decoder), environ)
    config = decoder.section(Config, whole)
    unread = frozenset(problem.path for problem in decoder.problems)
    accounts, found, remarks, unknown = check(config, decoder.sources, decoder.names, unread, frozenset(own))
    known = {problem.path for problem in problems}  # a variable that is not set needs no second complaint
    problems += [problem for problem in (*decoder.problems, *found) if problem.path not in known]
    led: tuple[Lead, ...] = ()
    if file is not None:
        led = tuple(leads(whole, file, accounts, environ))
        remarks += [*doubts(file), *decoder.warnings]
        if path is None and not environ.get("DRAGOMAN_CONFIG") and file != home(environ) / FILE_NAME:
            problems += refusals(led, trusted(home(environ)), file)
    if problems:
        raise ConfigError(*_in_order([*problems, *(doubt.problem for doubt in unknown)], file))
    return Loaded(
        config=config,
        providers=accounts,
        simulate=_simulates(config, accounts),
        sources=decoder.sources,
        warnings=tuple(_in_order([*warnings, *remarks], file)),
        file=file,
        home=home(environ),
        leads=led,
        doubts=tuple(unknown),
    )


def written(file: Path) -> Any:
    """What a file states, in its own words: names of variables stay names. Raises ConfigError."""
    tree_of_file, problems = _read(file, _Unfilled())
    if problems:
        raise ConfigError(*problems)
    return plain(tree_of_file)


class _Unfilled(dict[str, str]):
    """An environment in which each variable's value is the variable itself."""

    def get(self, name: str, default: Any = None) -> str:
        return f"${{{name}}}"


def _read(file: Path, environ: Mapping[str, str]) -> tuple[Table, list[Problem]]:
    """The tree of a file. Raises ConfigError when it cannot be read at all."""
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
    from dragoman.config.yaml_reader import read  # only whoever has a file pays for the parser

    return read(text, str(file), environ)


def _with_presets(written: Node, decoder: Decoder) -> Table:
    """The tree laid over the presets that it asks for, of several the later over the earlier."""
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
    """Whether the simulator is offered: as configured, else while it is alone or somebody names it."""
    enabled = config.providers.simulate.enabled
    if enabled is not None:
        return enabled
    uses = [target.use for model in config.models.values() for target in model.targets]
    routes = [alias.route for alias in config.aliases.values()]
    return not accounts or any(
        name.startswith("simulate/")
        for name in (*uses, *routes, config.default_model or "", *config.default_models.values())
    )


def _in_order(problems: list[Problem], file: Path | None) -> list[Problem]:
    """In the order of the file, then the environment's."""
    return sorted(
        dict.fromkeys(problems),
        key=lambda one: (one.file != str(file), one.file or "", one.line or 0, one.path, one.message),
    )
