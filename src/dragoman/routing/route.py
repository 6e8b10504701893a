"""Model names: finds the route of a name in a table that is built once per configuration.

Names that are created while the gateway runs (`Table.also`) come first. Then the first rule that applies
decides:

    1. an alias of exactly this name, whose target is looked up in turn
    2. a configured model of exactly this name
    3. `provider/model`: the text after the first slash is the upstream model
    4. a provider that lists exactly this name, in configuration order
    5. a provider without a list whose vendor's patterns match the name (`gpt-*`), in configuration order
    6. the alias `*`; if its target is `provider/*`, the name itself is the upstream model
    7. 404 `model_not_found`, with the nearest known name, or with the setting that would add its vendor

This module never reads configuration itself and knows no dialect's fields.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from itertools import zip_longest
from typing import Any, Literal, TypeAlias, get_args

import msgspec
from msgspec.structs import force_setattr

from dragoman.accounts.grants import LONGEST_NAME, Grants, remember
from dragoman.dialects.facts import UNKNOWN, Capability, Facts
from dragoman.dialects.request import PROMPTED, Operation
from dragoman.errors import ConfigError, Problem, RequestFailed
from dragoman.ir import Fault, Message
from dragoman.providers.models import facts_for
from dragoman.routing.spread import Price, Spread

Strict: TypeAlias = bool | Literal["all"]
"""True = refuse a request that would lose meaning; "all" = refuse a request that would lose anything; False =
refuse none.
"""

CREATED = 1_735_689_600
"""Unix seconds, 2025-01-01 UTC: `created` of all routes but those made at run time, as no date is known."""

CATCH_ALL = "*"
EVERY_MODEL = "/*"
"""The end of a target that means all models of a provider. Only the alias `*` may have such a target."""


class Timers(msgspec.Struct, frozen=True):
    """Time limits in seconds; None = no limit. Each has its own error code.

    connect: until the connection is open. first_byte: from sending the request to the first byte of the
    answer. idle: between two reads of the answer. total: the whole attempt.
    """

    connect: float | None = 10.0
    first_byte: float | None = 600.0
    idle: float | None = 300.0
    total: float | None = None


class Provider(msgspec.Struct, frozen=True):
    """The part of a configured account that model names need.

    vendor: the name of its row in the catalogue, by which facts are found. models: the only names that the
    provider serves, None = any. unlisted: those of `models` that the model list leaves out, as they are
    alternative spellings. patterns: shell patterns of the vendor's model names. timers: the time limits of a
    call. headers, body: added to every call; body is merged into the request's body by `deep_merge`. gates:
    as for `Deployment`.
    """

    name: str
    vendor: str
    models: tuple[str, ...] | None = None
    unlisted: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
    timers: Timers = Timers()
    headers: dict[str, str] = {}
    body: dict[str, Any] = {}
    gates: tuple[str, ...] = ()


class Model(msgspec.Struct, frozen=True):
    """A configured model.

    uses: "provider/model" in order of preference. facts: the operator's statements about the model. timers:
    None = the provider's. headers, body: merged over the provider's. defaults: request fields of the chat
    dialect. windows: for each of `uses`, the tokens that replace `facts.context`; None or missing = none do.
    strict, check_output: None = as in `Demands`. api: the protocol to use if the provider has it, None =
    `apis.choose` decides. spread: None = the first of `uses` is always asked first. weights, prices: for each
    of `uses`; missing = 1 and unknown. gates: before those of the provider, as for `Deployment`.
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
    spread: Spread | None = None
    weights: tuple[float, ...] = ()
    prices: tuple[Price | None, ...] = ()
    gates: tuple[str, ...] = ()


class Alias(msgspec.Struct, frozen=True):
    """Another name for a model. target: a model or another alias, whose settings apply where the alias has
    None. defaults: merged over the target's. window: an upper limit, in tokens, for the context windows of
    the target's deployments; None = no limit.
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
    """Settings for requests whose model or alias does not state its own.

    strict: see `Strict`. check_output: True = answers are checked against the schema that the request states.
    """

    strict: Strict = False
    check_output: bool = False


class Deployment(msgspec.Struct, frozen=True):
    """One upstream model at one provider, with everything that a call needs.

    window: the context in tokens that the operator states, None = unstated. Longer prompts are not sent to
    the deployment; `facts.context` excludes none. weight: its share where a policy asks for one; 0 = it is
    asked after those with a weight. price: None = unknown. gates: the names of the limits at which a call
    needs a place. name: `provider/model`, the form for people and headers; it is made from these.
    """

    provider: str
    model: str
    facts: Facts = UNKNOWN
    timers: Timers = Timers()
    headers: dict[str, str] = {}
    body: dict[str, Any] = {}
    window: int | None = None
    weight: float = 1.0
    price: Price | None = None
    gates: tuple[str, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        force_setattr(self, "name", f"{self.provider}/{self.model}")

    def within(self, window: int | None) -> Deployment:
        """The deployment with a window and known context of at most these tokens; None = as it is."""
        if window is None or (self.window is not None and self.window <= window):
            return self
        context = window if self.facts.context is None else min(window, self.facts.context)
        facts = msgspec.structs.replace(self.facts, context=context)
        return msgspec.structs.replace(self, facts=facts, window=window)


class Candidate(msgspec.Struct, frozen=True):
    """A deployment with one of its provider's credentials. account: the index of that credential. shown: the
    name that replaces the upstream model's in the answer, as for `Route.shown`.
    """

    deployment: Deployment
    account: int = 0
    shown: str | None = None


class Route(msgspec.Struct, frozen=True):
    """The deployments and settings for one model name.

    asked: the name in the request, or the default model's if the request has none. deployments: at least one,
    in order of preference. defaults: request fields of the chat dialect, for fields that the client left out.
    system_prompt, opening: a system message and further messages; both are put before the client's messages
    unless these open with a system message. strict, check_output: as in `Demands`. api: the operator's choice
    of protocol, None = `apis.choose` decides. created: when the name was created, Unix seconds. spread: who
    is asked first, None = always the first deployment.

    These follow from the others. first: who is called first. selects: some deployment may drop out, or
    answers are checked. fills: a request may be changed.
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
    spread: Spread | None = None
    first: Candidate = Candidate(Deployment("", ""))
    selects: bool = False
    fills: bool = False

    def __post_init__(self) -> None:
        first = self.deployments[0]
        force_setattr(self, "first", Candidate(first, shown=self.shown(first)))
        restricts = any(one.window is not None or one.facts.restricts for one in self.deployments)
        force_setattr(self, "selects", restricts or self.check_output)
        fills = bool(self.opening or self.defaults or self.system_prompt is not None)
        force_setattr(self, "fills", fills)

    def with_headers(self, fresh: Mapping[str, str]) -> Route:
        """The route with other values of headers that deployments add. fresh: the new value by the old value;
        values that are not in `fresh` stay.
        """
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
        """The name that replaces the upstream model's in the answer; None = the client asked by the upstream
        model's own name or by `provider/model`, so that nothing is replaced.
        """
        return None if self.asked in (deployment.model, deployment.name) else self.asked


class Entry(msgspec.Struct, frozen=True):
    """One line of the model list.

    provider, deployment: the route's first choice. capabilities, context_window, max_output_tokens: what is
    known of that deployment, None = unknown.
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
        """The field `owned_by` of OpenAI's model list: the provider's name."""
        return self.provider


class Table:
    """All model names of one configuration. Immutable except for caches; shared by all requests."""

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
        self._found: dict[str, Route] = {}
        """The routes of names that were asked for, whichever rule found them; but for `*`."""
        self._fallback: _CatchAll | None = None
        self._defaults: dict[str, Route] = {}
        """By operation, the route of a request that names no model."""

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

        default_model: for requests with a prompt that name no model; default_models: by operation, for other
        requests that name none. reason: returns a sentence that explains why a name is unknown, or None.
        Raises ConfigError with all default models, aliases and uses of models that lead to no deployment.
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
        defaults: list[tuple[str, Iterable[str]]] = [(name, (one,)) for one, name in default_models.items()]
        if default_model is not None:
            defaults.insert(0, (default_model, sorted(PROMPTED)))
        for name, operations in defaults:
            if (route := table.find(name)) is not None:
                table._defaults |= dict.fromkeys(operations, route)
            else:
                problems.append(Problem(_setting(next(iter(operations))), f"there is no model {name!r}"))
        if problems:
            raise ConfigError(*problems)
        return table

    def also(self, made: Mapping[str, Route]) -> Table:
        """A copy of this table with other names created at run time: `made`."""
        table = copy(self)
        table._made, table._found = made, {}
        return table

    def resolve(self, name: str | None, operation: Operation = "chat") -> Route:
        """The route of a name; without a name (None or ""), that of the operation's default model.

        Raises RequestFailed: 400 if there is no name and no default model, 404 for an unknown name.
        """
        if name and (route := self._found.get(name)) is not None:
            return route
        if not name:
            if (default := self._defaults.get(operation)) is None:
                raise RequestFailed(_unnamed(operation))
            return default
        route = self.find(name)
        if route is None and self._fallback is not None:
            route = self._fallback.route(name)
        if route is None:
            raise RequestFailed(self._unknown(name))
        return route

    def find(self, name: str) -> Route | None:
        """The route of a name that the alias `*` is not needed for; None = there is none."""
        route = self._found.get(name)
        if route is None:
            route = self._made.get(name) or self._aliases.get(name) or self._model(name)
            if route is not None:
                remember(self._found, name, route)
        return route

    def states(self, name: str) -> bool:
        """Whether a model, an alias or a name created at run time has exactly this name."""
        return name in self._made or name in self._aliases or name in self._models

    def has_provider(self, name: str) -> bool:
        return name in self._providers

    def entries(
        self, found: Mapping[str, Iterable[str]] | None = None, granted: Grants | None = None
    ) -> list[Entry]:
        """The model list, sorted by id, each id once: names created at run time, aliases, configured models,
        default models, and `provider/model` for the models that providers are configured with.

        found: by provider name, further models that the provider lists. granted: only granted names are
        listed, with its exact names that have a route; None = every name is granted.
        """
        if granted is not None and not granted.has_patterns:
            names = set(granted.names)
        else:
            names = {*self._names(), *_qualified(found or {})}
            if granted is not None:
                names = {*granted.names, *(name for name in names if name in granted)}
        return [_entry(route) for name in sorted(names) if (route := self.find(name)) is not None]

    def configured(self) -> Iterable[Route]:
        """The routes of the configured models, under the models' own names."""
        return self._models.values()

    def entry(self, name: str) -> Entry:
        """A name's line in the model list. Raises RequestFailed (404) if it has no route, or only by `*`."""
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
                message = f"there is no model {chain[-1].target!r}"
                problems.append(Problem(f"aliases.{alias.name}", message, hint=_HINT_MODEL))
                continue
            route = target
            for link in reversed(chain):
                stated = {name: getattr(link, name) for name in ("system_prompt", "strict", "check_output")}
                route = msgspec.structs.replace(
                    route,
                    asked=alias.name,
                    deployments=tuple(deployment.within(link.window) for deployment in route.deployments),
                    defaults={**route.defaults, **link.defaults},
                    api=link.api or route.api,
                    **{name: value for name, value in stated.items() if value is not None},
                )
            if alias.name == CATCH_ALL:
                self._fallback = _CatchAll(route, caught)
            else:
                self._aliases[alias.name] = route

    def _every(self, target: str) -> Provider | None:
        """The provider of a target `provider/*`; None = the target is a single model."""
        if target in self._models or not target.endswith(EVERY_MODEL):
            return None
        return self._providers.get(target.removesuffix(EVERY_MODEL))

    def _model(self, name: str) -> Route | None:
        """The route of a name that is no alias; None = there is none."""
        return self._models.get(name) or self._unconfigured(name)

    def _unconfigured(self, name: str) -> Route | None:
        """The route of a name that is no configured model, but that some provider serves; None = no such
        provider.
        """
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

    def _direct(self, name: str, provider: Provider, model: str) -> Route:
        general = self._general
        deployments = (_deployment(provider, model),)
        return Route(name, deployments, strict=general.strict, check_output=general.check_output)

    def _names(self) -> Iterator[str]:
        yield from self._made
        yield from self._aliases
        yield from self._models
        yield from dict.fromkeys(route.asked for route in self._defaults.values())
        for provider in self._providers.values():
            listed = [model for model in provider.models or () if model not in provider.unlisted]
            yield from _qualified({provider.name: listed})

    def _unknown(self, name: str) -> Fault:
        message = f"The model {name[:LONGEST_NAME]!r} does not exist."
        if len(name) <= LONGEST_NAME:
            message += self._advice(name)
        return Fault("model_not_found", message, code="model_not_found", param="model")

    def _advice(self, name: str) -> str:
        if near := difflib.get_close_matches(name, self._names(), n=1):
            return f" Did you mean {near[0]!r}?"
        return f" {reason}." if (reason := self._reason(name)) else ""


class _CatchAll:
    """The alias `*`. provider: every name means this provider's model of that name, with the settings of
    `route`; None = every name means `route`.
    """

    def __init__(self, route: Route, provider: Provider | None) -> None:
        self._route = route
        self._provider = provider
        self._cached: dict[str, Route] = {}

    def route(self, name: str) -> Route:
        """The route of a name that no other rule knows."""
        if self._provider is None:
            return msgspec.structs.replace(self._route, asked=name)
        if (route := self._cached.get(name)) is None:
            deployment = _deployment(self._provider, name).within(self._route.deployments[0].window)
            route = msgspec.structs.replace(self._route, asked=name, deployments=(deployment,))
            remember(self._cached, name, route)
        return route


def _caught(name: str) -> Fault:
    """The fault for a name that requests may use, but that has no line in the model list."""
    return Fault(
        "model_not_found",
        f"The model {name[:LONGEST_NAME]!r} is not listed: no model or alias has this name. "
        "Names that match only the alias '*' are not listed, but requests may use them.",
        code="model_not_found",
        param="model",
    )


_HINT_MODEL = "use a configured model, another alias or provider/model"


def _qualified(names: Mapping[str, Iterable[str]]) -> Iterator[str]:
    return (f"{provider}/{model}" for provider, models in names.items() for model in models)


def _setting(operation: str) -> str:
    """The name of the setting that states the default model of an operation."""
    return "default_model" if operation in PROMPTED else f"default_models.{operation}"


def _unnamed(operation: Operation) -> Fault:
    return Fault(
        "invalid_request",
        f"you must provide a model parameter, or the operator sets {_setting(operation)}",
        param="model",
    )


def _chain(alias: Alias, aliases: Mapping[str, Alias]) -> list[Alias] | None:
    """The alias, the alias that its target names, and so on; None if they form a circle. An alias whose name
    is its own target ends the chain: it adds settings to the model of that name.
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
    for place, (use, window) in enumerate(zip_longest(model.uses, model.windows)):
        owner, _, name = use.partition("/")
        provider = providers.get(owner)
        if provider is None or not name:
            message = f"{use!r} does not begin with a provider"
            problems.append(Problem(f"models.{model.name}", message, hint="use: provider/model"))
            continue
        deployment = _deployment(provider, name, model, window)
        if place < len(model.weights):
            shared = {"weight": model.weights[place], "price": model.prices[place]}
            deployment = msgspec.structs.replace(deployment, **shared)
        deployments.append(deployment)
    if not deployments:
        return None
    return Route(
        model.name,
        tuple(deployments),
        model.defaults,
        strict=general.strict if model.strict is None else model.strict,
        check_output=general.check_output if model.check_output is None else model.check_output,
        api=model.api,
        spread=model.spread,
    )


def _deployment(
    provider: Provider, name: str, model: Model | None = None, window: int | None = None
) -> Deployment:
    if model is None:
        facts = facts_for(provider.vendor, name)
        return Deployment(
            provider.name,
            name,
            facts,
            provider.timers,
            provider.headers,
            provider.body,
            gates=provider.gates,
        )
    stated = model.facts if window is None else msgspec.structs.replace(model.facts, context=window)
    return Deployment(
        provider.name,
        name,
        facts_for(provider.vendor, name, stated),
        provider.timers if model.timers is None else model.timers,
        {**provider.headers, **model.headers},
        deep_merge(provider.body, model.body),
        stated.context,
        gates=(*model.gates, *provider.gates),
    )


def deep_merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A new JSON object with the members of both. Two objects under the same key are merged in the same way;
    of other values under the same key, that of `over` is kept.
    """
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
