"""What a model name stands for: a pure function over a table that is built once per configuration.

A name is looked up in this order, and the first that fits answers; before them all come the names that are
made while the gateway runs (`Table.also`):

    1. an alias of exactly this name, whose target is looked up in turn
    2. a configured model of exactly this name
    3. `provider/model`: what follows the first slash goes upstream as it is
    4. a provider that lists exactly this name, in configuration order
    5. a provider whose vendor names its models so (`gpt-*`, `claude-*`), in configuration order
    6. the alias `*`; where its target is `provider/*`, under the very name that was asked for
    7. 404 `model_not_found`, with the nearest known name, or with what would make its vendor a provider

So a provider's name may shadow a model id that contains a slash, and a configured name always wins.
This module never reads configuration itself and knows no dialect's fields.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from dragoman.accounts.grants import Grants
from dragoman.dialects.facts import UNKNOWN, Capability, Facts
from dragoman.dialects.request import PROMPTED, Operation
from dragoman.errors import ConfigError, Problem, RequestFailed
from dragoman.ir import Fault, Message
from dragoman.providers.models import facts_for

Strict: TypeAlias = bool | Literal["all"]
"""Whether a request that would lose meaning is refused (True), or one that would lose anything ("all")."""

CREATED = 1_735_689_600
"""`created` of every listed model, 2025-01-01 UTC: no date is known, and replicas must say the same."""

CATCH_ALL = "*"
EVERY_MODEL = "/*"
"""The end of a target that stands for all models of a provider. Only the alias `*` may have one."""
_LONGEST_NAME = 128
_MOST_MET = 1024


class Timers(msgspec.Struct, frozen=True):
    """Seconds; None = no limit. Each has its own code when it runs out.

    connect: until a connection is there. first_byte: from sending the request to the first byte of the
    answer. idle: between two reads of a stream. total: the whole attempt; streams have none by default.
    """

    connect: float | None = 10.0
    first_byte: float | None = 600.0
    idle: float | None = 300.0
    total: float | None = None


# What the table is built from ------------------------------------------------------------------------------


class Provider(msgspec.Struct, frozen=True):
    """An account at a vendor, as far as names are concerned.

    vendor: its row in the catalogue, by which facts are known. models: the only names it serves, None =
    any. unlisted: those of them that are other spellings and stay out of the model list. patterns: how
    the vendor names its models, as shell patterns. timers, headers, body: what every call to it gets;
    body is deep-merged into the request's.
    """

    name: str
    vendor: str
    models: tuple[str, ...] | None = None
    unlisted: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
    timers: Timers = Timers()
    headers: dict[str, str] = {}
    body: dict[str, Any] = {}


class Model(msgspec.Struct, frozen=True):
    """A configured model.

    uses: "provider/model" in order of preference. facts: what the operator states about it. timers:
    None = the provider's. headers, body: added to the provider's, theirs giving way. defaults: request
    fields in the chat dialect's words. strict, check_output: None = unstated. windows: the context of each of
    `uses` where it is not `facts.context`. api: the protocol to ask in where the provider has it, None =
    `apis.choose` decides.
    """

    name: str
    uses: tuple[str, ...]
    facts: Facts = UNKNOWN
    timers: Timers | None = None
    headers: dict[str, str] = {}
    body: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    windows: tuple[int | None, ...] = ()
    strict: Strict | None = None
    check_output: bool | None = None
    api: str | None = None


class Alias(msgspec.Struct, frozen=True):
    """Another name for something that resolves. What it states wins over what its target does.

    window: tokens that its deployments have at most, however many they may have.
    """

    name: str
    target: str
    defaults: dict[str, Any] = {}
    system_prompt: str | None = None
    strict: Strict | None = None
    check_output: bool | None = None
    api: str | None = None
    window: int | None = None


class Demands(msgspec.Struct, frozen=True):
    """What holds for a request unless its model or alias says otherwise.

    strict: what may not be lost. check_output: whether answers are held to the form that was asked for.
    """

    strict: Strict = False
    check_output: bool = False


# What comes out --------------------------------------------------------------------------------------------


class Deployment(msgspec.Struct, frozen=True):
    """One upstream model at one provider, with all that a call to it needs.

    window: tokens that the operator says it has, None = unstated. It binds; `facts.context` only informs.
    """

    provider: str
    model: str
    facts: Facts = UNKNOWN
    timers: Timers = Timers()
    headers: dict[str, str] = {}
    body: dict[str, Any] = {}
    window: int | None = None

    def within(self, window: int | None) -> Deployment:
        """The same with a window of no more than this."""
        if window is None or (self.window is not None and self.window <= window):
            return self
        context = window if self.facts.context is None else min(window, self.facts.context)
        facts = msgspec.structs.replace(self.facts, context=context)
        return msgspec.structs.replace(self, facts=facts, window=window)

    @property
    def name(self) -> str:
        """`provider/model`, as people write it and headers show it."""
        return f"{self.provider}/{self.model}"


class Route(msgspec.Struct, frozen=True):
    """What one name stands for.

    asked: the name as it was asked for, the default model's when none was. deployments: at least one,
    in order of preference. defaults: request fields in the chat dialect's words, for fields that the
    client left out. system_prompt: put first unless the client's messages open with a system message;
    opening: messages after it, under the same condition. api: the operator's word for the protocol to ask in.
    created: since when there is this name, Unix seconds.
    """

    asked: str
    deployments: tuple[Deployment, ...]
    defaults: dict[str, Any] = {}
    system_prompt: str | None = None
    strict: Strict = False
    check_output: bool = False
    api: str | None = None
    opening: tuple[Message, ...] = ()
    created: int = CREATED

    def with_headers(self, fresh: Mapping[str, str]) -> Route:
        """The same with headers of other values. fresh: the new value of each old one."""
        return msgspec.structs.replace(
            self,
            deployments=tuple(
                msgspec.structs.replace(
                    one, headers={name: fresh.get(value, value) for name, value in one.headers.items()}
                )
                for one in self.deployments
            ),
        )

    def shown(self, deployment: Deployment) -> str | None:
        """The name that the answer shows: the one asked for, or None where the upstream's own is that one."""
        return None if self.asked in (deployment.model, deployment.name) else self.asked


class Entry(msgspec.Struct, frozen=True):
    """One line of the model list. provider, deployment: who answers first; the rest is its facts, None =
    not known.
    """

    id: str
    provider: str
    deployment: str = ""
    created: int = CREATED
    capabilities: tuple[Capability, ...] = ()
    context_window: int | None = None
    max_output_tokens: int | None = None

    @property
    def owned_by(self) -> str:
        """The provider's name, never an address."""
        return self.provider


class Table:
    """All names of one configuration. Immutable once built; shared by all requests."""

    __slots__ = (
        "_aliases",
        "_default",
        "_defaults",
        "_fallback",
        "_general",
        "_made",
        "_met",
        "_models",
        "_patterns",
        "_providers",
        "_reason",
    )

    def __init__(
        self,
        providers: Mapping[str, Provider],
        models: Mapping[str, Route],
        patterns: Mapping[str, re.Pattern[str]],
        general: Demands,
        reason: Callable[[str], str | None],
    ) -> None:
        self._providers = providers
        self._models = models
        self._patterns = patterns
        self._general = general
        self._reason = reason
        self._aliases: dict[str, Route] = {}
        self._made: Mapping[str, Route] = {}
        self._met: dict[str, Route] = {}
        self._fallback: _CatchAll | None = None
        self._default: Route | None = None
        self._defaults: dict[str, Route] = {}

    @classmethod
    def build(
        cls,
        providers: Iterable[Provider],
        models: Iterable[Model] = (),
        aliases: Iterable[Alias] = (),
        *,
        default_model: str | None = None,
        default_models: Mapping[str, str] = {},
        general: Demands = Demands(),  # noqa: B008 - frozen
        reason: Callable[[str], str | None] = lambda _name: None,
    ) -> Table:
        """The table of one configuration.

        Everything that names can be resolved to is resolved here, so a request costs one or two
        look-ups. default_models: by operation, for those beside chat. reason: why nobody answers to a
        name, where that is known. Raises ConfigError with every name
        that stands for nothing.
        """
        known = {provider.name: provider for provider in providers}
        problems: list[Problem] = []
        configured: dict[str, Route] = {}
        for model in models:
            if (route := _configured(model, known, general, problems)) is not None:
                configured[model.name] = route
        patterns = {
            provider.name: re.compile("|".join(map(fnmatch.translate, provider.patterns)))
            for provider in known.values()
            if provider.patterns
        }
        table = cls(known, configured, patterns, general, reason)
        table._add_aliases({alias.name: alias for alias in aliases}, problems)
        if default_model is not None:
            table._default = table.find(default_model)
            if table._default is None:
                problems.append(Problem("default_model", f"there is no model {default_model!r}"))
        for operation, name in default_models.items():
            if (route := table.find(name)) is None:
                problems.append(Problem(f"default_models.{operation}", f"there is no model {name!r}"))
            else:
                table._defaults[operation] = route
        if problems:
            raise ConfigError(*problems)
        return table

    def also(self, made: Mapping[str, Route]) -> Table:
        """This table with names beside its own, in the place of those that it had beside them."""
        table = Table(self._providers, self._models, self._patterns, self._general, self._reason)
        table._aliases, table._made = self._aliases, made
        table._met, table._fallback = self._met, self._fallback
        table._default, table._defaults = self._default, self._defaults
        return table

    def resolve(self, name: str | None, operation: Operation = "chat") -> Route:
        """The route of a name; without one, that of the operation's default model.

        Raises RequestFailed (400 or 404).
        """
        if not name:
            default = self._default if operation in PROMPTED else self._defaults.get(operation)
            if default is None:
                raise RequestFailed(_unnamed(operation))
            return default
        route = self.find(name)
        if route is None and self._fallback is not None:
            route = self._fallback.route(name)
        if route is None:
            raise RequestFailed(self._unknown(name))
        return route

    def find(self, name: str) -> Route | None:
        """The route of a name, `*` apart; None = there is none."""
        return self._made.get(name) or self._aliases.get(name) or self._model(name)

    def states(self, name: str) -> bool:
        """Whether this very name is that of a model or an alias, or was made."""
        return name in self._made or name in self._aliases or name in self._models

    def has_provider(self, name: str) -> bool:
        """Whether a provider has this name."""
        return name in self._providers

    def entries(
        self, found: Mapping[str, Iterable[str]] | None = None, granted: Grants | None = None
    ) -> list[Entry]:
        """The model list: aliases, configured and default models and `provider/model`, sorted by id, each id
        once.

        found: what providers that serve any model were seen to offer, by provider name. granted: the only
        names that are listed, as far as they stand for something; None = all.
        """
        if granted is not None and not granted.has_patterns:
            names = set(granted.names)
        else:
            names = {*self._names(), *_qualified(found or {})}
            if granted is not None:
                names = {*granted.names, *(name for name in names if name in granted)}
        return [_entry(route) for name in sorted(names) if (route := self.find(name)) is not None]

    def entry(self, name: str) -> Entry:
        """One line of the model list, for any name that resolves without `*`. Raises RequestFailed (404)."""
        route = self.find(name)
        if route is None:
            raise RequestFailed(self._unknown(name) if self._fallback is None else _caught(name))
        return _entry(route)

    def _add_aliases(self, aliases: Mapping[str, Alias], problems: list[Problem]) -> None:
        for alias in aliases.values():
            chain = _chain(alias, aliases)
            if chain is None:
                problems.append(Problem(f"aliases.{alias.name}", "the alias points back to itself"))
                continue
            target, caught = self._model(chain[-1].target), self._every(chain[-1].target)
            if target is None or (caught is not None and alias.name != CATCH_ALL):
                problems.append(
                    Problem(
                        f"aliases.{alias.name}", f"there is no model {chain[-1].target!r}", hint=_HINT_MODEL
                    )
                )
                continue
            route = target
            for link in reversed(chain):
                route = msgspec.structs.replace(
                    route,
                    asked=alias.name,
                    deployments=tuple(deployment.within(link.window) for deployment in route.deployments),
                    defaults={**route.defaults, **link.defaults},
                    system_prompt=route.system_prompt if link.system_prompt is None else link.system_prompt,
                    strict=route.strict if link.strict is None else link.strict,
                    check_output=route.check_output if link.check_output is None else link.check_output,
                    api=link.api or route.api,
                )
            if alias.name == CATCH_ALL:
                self._fallback = _CatchAll(route, caught)
            else:
                self._aliases[alias.name] = route

    def _every(self, target: str) -> Provider | None:
        """The provider that `provider/*` names; None = the target is one model."""
        if target in self._models or not target.endswith(EVERY_MODEL):
            return None
        return self._providers.get(target.removesuffix(EVERY_MODEL))

    def _model(self, name: str) -> Route | None:
        """Everything but aliases. Names that clients make up are remembered too, but not without bound."""
        route = self._models.get(name) or self._met.get(name)
        if route is None and (route := self._made_up(name)) is not None and len(name) <= _LONGEST_NAME:
            if len(self._met) >= _MOST_MET:
                self._met.clear()
            self._met[name] = route
        return route

    def _made_up(self, name: str) -> Route | None:
        """The route of a name that stands nowhere in the configuration, but that some provider takes."""
        first, slash, rest = name.partition("/")
        provider = self._providers.get(first) if slash and rest else None
        if provider is not None and (provider.models is None or rest in provider.models):
            return self._direct(name, provider, rest)
        for provider in self._providers.values():
            if provider.models is not None and name in provider.models:
                return self._direct(name, provider, name)
        for owner, pattern in self._patterns.items():
            provider = self._providers[owner]
            if provider.models is None and pattern.match(name) is not None:
                return self._direct(name, provider, name)
        return None

    def _direct(self, asked: str, provider: Provider, model: str) -> Route:
        general = self._general
        return Route(
            asked,
            (_deployment(provider, model),),
            strict=general.strict,
            check_output=general.check_output,
        )

    def _names(self) -> Iterator[str]:
        yield from self._made
        yield from self._aliases
        yield from self._models
        yield from [route.asked for route in (self._default, *self._defaults.values()) if route is not None]
        for provider in self._providers.values():
            listed = [model for model in provider.models or () if model not in provider.unlisted]
            yield from _qualified({provider.name: listed})

    def _unknown(self, name: str) -> Fault:
        message = f"The model {name[:_LONGEST_NAME]!r} does not exist."
        if len(name) <= _LONGEST_NAME:
            message += self._advice(name)
        return Fault("model_not_found", message, code="model_not_found", param="model")

    def _advice(self, name: str) -> str:
        if near := difflib.get_close_matches(name, self._names(), n=1):
            return f" Did you mean {near[0]!r}?"
        return f" {reason}." if (reason := self._reason(name)) else ""


class _CatchAll:
    """The alias `*`. provider: who gets the names themselves; None = all names stand for `route`."""

    __slots__ = ("_met", "_provider", "_route")

    def __init__(self, route: Route, provider: Provider | None) -> None:
        self._route = route
        self._provider = provider
        self._met: dict[str, Route] = {}

    def route(self, name: str) -> Route:
        """What a name stands for. Some of them are remembered: facts are looked up for each."""
        if self._provider is None:
            return msgspec.structs.replace(self._route, asked=name)
        if (route := self._met.get(name)) is None:
            deployment = _deployment(self._provider, name).within(self._route.deployments[0].window)
            route = msgspec.structs.replace(self._route, asked=name, deployments=(deployment,))
            if len(name) <= _LONGEST_NAME:
                if len(self._met) >= _MOST_MET:
                    self._met.clear()
                self._met[name] = route
        return route


def _caught(name: str) -> Fault:
    """Why a name that requests may use is in no list."""
    return Fault(
        "model_not_found",
        f"The model {name[:_LONGEST_NAME]!r} is not listed: no model or alias has this name. "
        "Names that match only the alias '*' are not listed, but requests may use them.",
        code="model_not_found",
        param="model",
    )


_HINT_MODEL = "use a configured model, another alias or provider/model"


def _qualified(names: Mapping[str, Iterable[str]]) -> Iterator[str]:
    return (f"{provider}/{model}" for provider, models in names.items() for model in models)


def _unnamed(operation: Operation) -> Fault:
    setting = "default_model" if operation in PROMPTED else f"default_models.{operation}"
    return Fault(
        "invalid_request",
        f"you must provide a model parameter, or the operator sets {setting}",
        param="model",
    )


def _chain(alias: Alias, aliases: Mapping[str, Alias]) -> list[Alias] | None:
    """The alias and those that its target leads to; None when they run in a circle.

    An alias may have the name of what it stands for: it then adds defaults to a model of its own name.
    """
    chain = [alias]
    while (following := aliases.get(chain[-1].target)) is not None and following is not chain[-1]:
        if following in chain:
            return None
        chain.append(following)
    return chain


def _configured(
    model: Model, providers: Mapping[str, Provider], general: Demands, problems: list[Problem]
) -> Route | None:
    deployments = []
    for use, window in zip_longest(model.uses, model.windows):
        owner, _, name = use.partition("/")
        provider = providers.get(owner)
        if provider is None or not name:
            problems.append(
                Problem(
                    f"models.{model.name}",
                    f"{use!r} does not begin with a provider",
                    hint="use: provider/model",
                )
            )
            continue
        deployments.append(_deployment(provider, name, model, window))
    if not deployments:
        return None
    return Route(
        model.name,
        tuple(deployments),
        model.defaults,
        strict=general.strict if model.strict is None else model.strict,
        check_output=general.check_output if model.check_output is None else model.check_output,
        api=model.api,
    )


def _deployment(
    provider: Provider, name: str, model: Model | None = None, window: int | None = None
) -> Deployment:
    if model is None:
        facts = facts_for(provider.vendor, name)
        return Deployment(provider.name, name, facts, provider.timers, provider.headers, provider.body)
    stated = model.facts if window is None else msgspec.structs.replace(model.facts, context=window)
    return Deployment(
        provider.name,
        name,
        facts_for(provider.vendor, name, stated),
        provider.timers if model.timers is None else model.timers,
        {**provider.headers, **model.headers},
        deep_merge(provider.body, model.body),
        stated.context,
    )


def deep_merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both JSON objects as one. Objects under one key are merged in turn; anything else of `over` wins."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = (
            deep_merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
        )
    return merged


def _entry(route: Route) -> Entry:
    first = route.deployments[0]
    facts = first.facts
    return Entry(
        route.asked,
        first.provider,
        first.name,
        route.created,
        capabilities=tuple(name for name in get_args(Capability) if getattr(facts, name)),
        context_window=facts.context,
        max_output_tokens=facts.max_output,
    )
