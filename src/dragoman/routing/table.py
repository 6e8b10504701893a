"""Model names: finds the route of a name in a table that is built once for each configuration.

Names that are created while the gateway runs (`Table.also`) come first. Then the first rule that applies
decides:

  1. an alias of exactly this name, whose target is looked up in turn
  2. a configured model of exactly this name
  3. a configured model whose name is a pattern (`team/*`) that matches: the longest one whose model a
     provider may serve (`patterns`)
  4. `provider/model`, if the provider may serve it: the text after the first slash is the upstream model
  5. a provider that is configured with exactly this name in its list of models, in configuration order
  6. a provider without such a list whose vendor's patterns match the name (`gpt-*`), in configuration order
  7. a provider without such a list that offers exactly this name (`Provider.offered`: mostly the names in its
     own list of models, as it was fetched), in configuration order
  8. the alias `*`; if its target is `provider/*`, the name itself is the upstream model
  9. 404 `model_not_found`, if possible with the nearest known name, or with the setting that would add its
     vendor

Fetched lists come late because they change without the operator: they give a meaning only to names that have
none. For a client that may not use a reserved name (`Reserved`), the rules from 2 on decide. This module
never reads configuration itself and knows no dialect's fields.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from heapq import merge
from itertools import groupby, islice
from typing import Any, get_args

import msgspec

from dragoman.accounts.caller import Caller
from dragoman.accounts.grants import LONGEST_NAME, WILDCARD, Grants, remember
from dragoman.dialects.facts import Capability
from dragoman.dialects.request import PROMPTED, Operation
from dragoman.errors import ConfigError, Problem, RequestFailed, setting_path
from dragoman.ir import Fault
from dragoman.providers.patterns import Pattern, by_weight, is_pattern
from dragoman.routing.fallbacks import NONE, Fallbacks
from dragoman.routing.route import (
    Alias,
    Demands,
    Entry,
    Model,
    Provider,
    Route,
    deployment_of,
    route_of,
)

_MOST_COMPARED = 1000
"""The most names with which an unknown name is compared, because the lists of providers may be long."""
CATCH_ALL = "*"
EVERY_MODEL = "/*"
"""The end of a target that means every model of a provider. Only the alias `*` may have such a target."""


class Table:
    """All model names of one configuration. Immutable except for its caches; shared by all requests."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        models: dict[str, Route],
        patterns: Mapping[str, re.Pattern[str]],
        general: Demands,
        reason: Callable[[str], str | None],
    ) -> None:
        self._providers = providers
        self._models = models
        self._owners = _owners(models.values())
        """By deployment, the names of the configured models that have it."""
        self._patterns = patterns
        self._general = general
        self._reason = reason
        self._aliases: dict[str, Route] = {}
        self._made: Mapping[str, Route] = {}
        self._patterned: list[_Patterned] = []
        """The models whose names are patterns, in the order in which they are tried."""
        self._found: dict[str, Route] = {}
        """A cache of the routes that were found, by name, except those found by the alias `*`."""
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
        """Build the table of one configuration.

        default_model: for requests with a prompt that name no model; None = there is none. default_models:
        {operation: the default model of requests that name no model}; for this operation it replaces
        `default_model`. A default model is found by every rule except the alias `*`. reason: returns a
        sentence, without its full stop, that explains why a name is unknown, or None.

        Raises ConfigError that lists all problems: default models, aliases, fallbacks and uses of models that
        lead to no deployment, and aliases that point back to themselves.
        """
        known = {provider.name: provider for provider in providers}
        problems: list[Problem] = []
        configured: dict[str, Route] = {}
        all_models = {model.name: model for model in models}
        for model in all_models.values():
            if not is_pattern(model.name) and (route := route_of(model, known, general, problems)):
                configured[model.name] = route
        patterns = {
            provider.name: re.compile("|".join(map(fnmatch.translate, provider.patterns)))
            for provider in known.values()
            if provider.patterns
        }
        table = cls(known, configured, patterns, general, reason)
        for name in by_weight(all_models):
            table._patterned.append(_Patterned(all_models[name], known, general, problems))
            for use in table._patterned[-1].fixed:
                table._owners[use] = (*table._owners.get(use, ()), name)
        stated = {name: model.fallbacks for name, model in all_models.items() if model.fallbacks != NONE}
        table._add_aliases({alias.name: alias for alias in aliases}, stated, problems)
        table._add_fallbacks(stated, problems)
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
        """Return a copy of this table whose names created at run time are `made` ({name: route}), in place of
        those before.
        """
        table = copy(self)
        table._made, table._found = made, {}
        return table

    def resolve(self, name: str | None, operation: Operation = "chat", caller: Caller | None = None) -> Route:
        """Return the route of a name; without a name (None or ""), the route of the operation's default
        model.

        caller: the client; None = the gateway itself, for which no name is reserved. Whether the client's
        grants allow the name is not checked here. Raises RequestFailed: 400 if there is no name and no
        default model that this client may use, 404 for a name without a route for this client.
        """
        if name and (route := self._found.get(name)) is not None and route.reserved is None:
            return route
        if not name:
            default = self._defaults.get(operation)
            if default is not None and caller is not None and not _is_for(default, caller):
                default = self._model(default.asked)
            if default is None:
                raise RequestFailed(_unnamed(operation))
            return default
        route = self.find(name, caller)
        if route is None and self._fallback is not None:
            route = self._fallback.route(name)
        if route is None or (caller is not None and not _is_for(route, caller)):
            raise RequestFailed(self._unknown(name))
        return route

    def find(self, name: str, caller: Caller | None = None) -> Route | None:
        """Return the route of a name by every rule except the alias `*`; None = there is none. caller: the
        client; None = the gateway itself, for which no name is reserved.
        """
        route = self._found.get(name)
        if route is None:
            route = self._made.get(name) or self._aliases.get(name) or self._model(name)
            if route is not None:
                remember(self._found, name, route)
        if caller is not None and not _is_for(route, caller):
            return self._model(name)
        return route

    def states(self, name: str) -> bool:
        """Whether a model, an alias or a name created at run time has exactly this name. Models whose names
        are patterns, and the alias `*`, do not count.
        """
        return name in self._made or name in self._aliases or name in self._models

    def has_provider(self, name: str) -> bool:
        return name in self._providers

    def entries(
        self,
        found: Mapping[str, Iterable[str]] | None = None,
        granted: Grants | None = None,
        providers: Grants | None = None,
        caller: Caller | None = None,
    ) -> list[Entry]:
        """Return the model list, sorted by id, each id once: names created at run time, aliases, configured
        models, default models, and `provider/model` for the models that providers are configured with or that
        their fetched lists offer.

        found: {provider: the names of further models that the provider lists}; None = none. granted,
        providers, caller: as for `each`.
        """
        return list(self.each(sorted(self.listed(found or {})), granted, providers, caller))

    def each(
        self,
        names: Iterable[str],
        granted: Grants | None = None,
        providers: Grants | None = None,
        caller: Caller | None = None,
    ) -> Iterator[Entry]:
        """Yield the entries of a model list, one by one, in the order of their names, because providers may
        list tens of thousands of models.

        names: all names of the list, sorted; names without a route are left out. granted: only names that it
        grants are listed; the names that it grants without a pattern are listed even if `names` lacks them.
        None = all. providers: only models with a deployment at one of these providers; None = all. caller:
        the client; None = the gateway itself, for which no name is reserved.
        """
        if granted is not None:
            matching = (name for name in names if name in granted) if granted.has_patterns else ()
            names = (name for name, _ in groupby(merge(sorted(granted.names), matching)))
        for name in names:
            route = self.find(name, caller)
            if route is not None and (providers is None or _answers(route, providers)):
                yield _entry(route)

    def listed(self, found: Mapping[str, Iterable[str]]) -> set[str]:
        """Return the names of the model list for a client without restrictions. found: {provider: the names
        of further models that the provider lists}.
        """
        return {*self._names(), *_qualified(found)}

    def discovered(self) -> Iterator[str]:
        """Yield the names `provider/model` of the models that providers without a configured list offer
        (`Provider.offered`). A name that a model, an alias or a created name has is left out.
        """
        offered = {one.name: one.offered for one in self._providers.values() if one.models is None}
        return (name for name in _qualified(offered) if not self.states(name))

    def configured(self) -> Iterable[Route]:
        """Return the routes of the configured models, under the models' own names. Models whose names are
        patterns are left out.
        """
        return self._models.values()

    def entry(self, name: str, caller: Caller | None = None) -> Entry:
        """Return the entry of a name in the model list. caller: the client; None = the gateway itself. Raises
        RequestFailed (404) if the name has no route, or only by the alias `*`, or if the caller may call none
        of its providers.
        """
        route = self.find(name, caller)
        if route is None or not reaches(route, caller):
            raise RequestFailed(self._unknown(name) if self._fallback is None else _caught(name))
        return _entry(route)

    def _add_aliases(
        self,
        aliases: Mapping[str, Alias],
        stated: dict[str, Fallbacks[str]],
        problems: list[Problem],
    ) -> None:
        """Add the routes of aliases to the table. stated: {name of a model: the names of its fallbacks}; this
        method adds the fallbacks of aliases to it. problems: this method appends a problem for each alias
        that leads to no model, or back to itself.
        """
        for alias in aliases.values():
            chain = _chain(alias, aliases)
            if chain is None:
                problems.append(
                    Problem(setting_path("aliases", alias.name), "the alias points back to itself")
                )
                continue
            target, caught = self._model(chain[-1].target), self._every(chain[-1].target)
            if target is None or (caught is not None and alias.name != CATCH_ALL):
                message = f"there is no model {chain[-1].target!r}"
                problems.append(Problem(setting_path("aliases", alias.name), message, hint=_HINT_MODEL))
                continue
            route, others = target, stated.get(chain[-1].target, NONE)
            for link in reversed(chain):
                others = others if link.fallbacks is None else link.fallbacks
                own = {name: getattr(link, name) for name in ("system_prompt", "strict", "check_output")}
                route = msgspec.structs.replace(
                    route,
                    asked=alias.name,
                    stands_for=target.model,
                    deployments=tuple(deployment.within(link.window) for deployment in route.deployments),
                    defaults=_merged(route.defaults, link.defaults),
                    api=link.api or route.api,
                    opening=link.opening or route.opening,
                    reserved=link.reserved or route.reserved,
                    **{name: value for name, value in own.items() if value is not None},
                )
            if others != NONE:
                stated[alias.name] = others
            if alias.name == CATCH_ALL:
                self._fallback = _CatchAll(route, caught, self.counted)
            else:
                self._aliases[alias.name] = route

    def _add_fallbacks(self, stated: Mapping[str, Fallbacks[str]], problems: list[Problem]) -> None:
        """Add fallbacks to the routes in the table. stated: {name of a model or alias: the names of its
        fallbacks}. problems: this method appends a problem for each fallback that has no route.
        """
        found = {
            owner: Fallbacks(
                *(self._others(owner, listed, problems) for listed in msgspec.structs.astuple(names))
            )
            for owner, names in stated.items()
        }
        self._found.clear()
        for routes in (self._aliases, self._models):
            for name in routes.keys() & found.keys():
                routes[name] = msgspec.structs.replace(routes[name], fallbacks=found[name])
        for patterned in self._patterned:
            patterned.fallbacks = found.get(patterned.name, patterned.fallbacks)
        if self._fallback is not None and CATCH_ALL in found:
            self._fallback.give(found[CATCH_ALL])

    def _others(self, owner: str, names: Iterable[str], problems: list[Problem]) -> tuple[Route, ...]:
        routes = []
        for name in names:
            if (route := self.find(name)) is None:
                where = "aliases" if owner in self._aliases else "models"
                message = f"there is no model {name!r} to fall back to"
                problems.append(Problem(f"{setting_path(where, owner)}.fallbacks", message, hint=_HINT_MODEL))
            else:
                routes.append(msgspec.structs.replace(route, asked="", fallbacks=Fallbacks()))
        return tuple(routes)

    def _every(self, target: str) -> Provider | None:
        """Return the provider of a target `provider/*`; None = the target is a single model, or there is no
        such provider.
        """
        if target in self._models or not target.endswith(EVERY_MODEL):
            return None
        return self._providers.get(target.removesuffix(EVERY_MODEL))

    def _model(self, name: str) -> Route | None:
        """Return the route of a name by the rules 2 to 7 of this module: aliases and names created at run
        time are not considered. None = there is none.
        """
        return self._models.get(name) or self._by_pattern(name) or self._unconfigured(name)

    def _by_pattern(self, name: str) -> Route | None:
        """Return the route of a name that matches a model's pattern; None = no pattern matches, or no
        provider may serve the model.
        """
        for patterned in self._patterned:
            if (route := patterned.route(name)) is not None:
                return route
        return None

    def _unconfigured(self, name: str) -> Route | None:
        """Return the route of a name that is not a configured model, but that some provider serves; None = no
        provider serves it.
        """
        first, slash, rest = name.partition("/")
        provider = self._providers.get(first) if slash and rest else None
        if provider is not None and (provider.models is None or rest in provider.models):
            return self._direct(name, provider, rest)
        if (provider := self._server(name)) is not None:
            return self._direct(name, provider, name)
        return None

    def _server(self, name: str) -> Provider | None:
        """Return the provider of a model whose name does not state its provider; None = no provider serves
        it.
        """
        for provider in self._providers.values():
            if provider.models is not None and name in provider.models:
                return provider
        for owner, pattern in self._patterns.items():
            provider = self._providers[owner]
            if provider.models is None and pattern.match(name) is not None:
                return provider
        for provider in self._providers.values():
            if provider.models is None and name in provider.offered:
                return provider
        return None

    def _direct(self, name: str, provider: Provider, model: str) -> Route:
        general, deployment = self._general, deployment_of(provider, model)
        return Route(
            name,
            (deployment,),
            strict=general.strict,
            check_output=general.check_output,
            counted=self.counted(deployment.name),
            bare=model if self._is_bare(model, provider) else "",
        )

    def _is_bare(self, name: str, provider: Provider) -> bool:
        """Whether `name`, a model's name without a provider, is resolved to a model of this provider."""
        return not self.states(name) and self._by_pattern(name) is None and self._server(name) is provider

    def counted(self, deployment: str) -> tuple[str, ...]:
        """Return the names by which limits count requests that name a deployment: those of all models that
        have it, so that nobody gets around a model's limit; if no model has it, the deployment's own name.
        Added are names that a pattern hands on to it: `team/gpt` of a model `team/*` with `openai/*`.
        """
        named = dict.fromkeys(self._owners.get(deployment, (deployment,)))
        for patterned in self._patterned:
            for name in patterned.asked(deployment):
                if name not in self._models and (route := self._by_pattern(name)) is not None:
                    named |= dict.fromkeys(route.counted)
        return tuple(named)

    def _names(self) -> Iterator[str]:
        yield from self._made
        yield from self._aliases
        yield from self._models
        yield from dict.fromkeys(route.asked for route in self._defaults.values())
        for provider in self._providers.values():
            offered = provider.offered if provider.models is None else provider.models
            listed = [model for model in offered if model not in provider.unlisted]
            yield from _qualified({provider.name: listed})

    def _unknown(self, name: str) -> Fault:
        message = f"The model {name[:LONGEST_NAME]!r} does not exist."
        if len(name) <= LONGEST_NAME:
            message += self._advice(name)
        return Fault("model_not_found", message, code="model_not_found", param="model")

    def _advice(self, name: str) -> str:
        open_to_all = (one for one in islice(self._names(), _MOST_COMPARED) if not self._is_reserved(one))
        if near := difflib.get_close_matches(name, open_to_all, n=1):
            return f" Did you mean {near[0]!r}?"
        return f" {reason}." if (reason := self._reason(name)) else ""

    def _is_reserved(self, name: str) -> bool:
        route = self._made.get(name) or self._aliases.get(name)
        return route is not None and route.reserved is not None


_FOR_EACH_USE = ("windows", "supports", "weights", "prices", "conditions")
"""The fields of a model that have one value for each of its `uses`."""


def _owners(models: Iterable[Route]) -> dict[str, tuple[str, ...]]:
    """Return, by deployment, the names of the models that have it."""
    owners: dict[str, tuple[str, ...]] = {}
    for model in models:
        for name in {one.name: None for one in model.deployments}:
            owners[name] = (*owners.get(name, ()), model.asked)
    return owners


class _Patterned:
    """A model whose name is a pattern (`team/*`). fallbacks: the fallbacks of every route that is made from
    the model. fixed: those of its `uses` (`provider/model`) that have no `*`, and so are the same for every
    name; each once.
    """

    def __init__(
        self, model: Model, providers: Mapping[str, Provider], general: Demands, problems: list[Problem]
    ) -> None:
        self.name = model.name
        self.fallbacks: Fallbacks[Route] = Fallbacks()
        self._pattern = Pattern.of(model.name)
        self._model = model
        self._providers = providers
        self._general = general
        self.fixed = tuple(use for use in dict.fromkeys(model.uses) if WILDCARD not in use)
        route_of(model, providers, general, problems)  # reports what is wrong with the deployments

    def route(self, name: str) -> Route | None:
        """Return the route of a name, with those deployments that their providers may serve. None = the name
        does not match, or no provider may serve any of them.
        """
        if (matched := self._pattern.matched(name)) is None:
            return None
        model = self._model
        uses = [self._pattern.upstream(use, name, matched) for use in model.uses]
        offered = [place for place, use in enumerate(uses) if self._offers(*use.split("/", 1))]
        if not offered:
            return None

        for field in _FOR_EACH_USE:
            values = getattr(model, field)
            kept = tuple(values[place] for place in offered if place < len(values))
            model = msgspec.structs.replace(model, **{field: kept})
        left = tuple(uses[place] for place in offered)
        model = msgspec.structs.replace(model, name=name, uses=left, pattern=self.name)
        route = route_of(model, self._providers, self._general, [])
        # If every name means the same, it is one model: invented names do not get limits of their own.
        counted = (self.name,) if len(self.fixed) == len(set(self._model.uses)) else (name,)
        return (
            None
            if route is None
            else msgspec.structs.replace(route, fallbacks=self.fallbacks, counted=counted)
        )

    def asked(self, deployment: str) -> Iterator[str]:
        """Yield the names for which the model asks this deployment (`provider/model`) because of a `*` in its
        `uses`.
        """
        for use in dict.fromkeys(self._model.uses):
            if WILDCARD in use and (name := self._pattern.asked(use, deployment)) is not None:
                yield name

    def _offers(self, provider: str, model: str) -> bool:
        found = self._providers.get(provider)
        return found is not None and (found.models is None or model in found.models)


class _CatchAll:
    """The alias `*`. provider: every name means this provider's model of that name, with the settings of
    `route`; None = every name means `route`.
    """

    def __init__(
        self, route: Route, provider: Provider | None, counted: Callable[[str], tuple[str, ...]]
    ) -> None:
        self._route = route
        self._provider = provider
        self._counted = counted
        self._cached: dict[str, Route] = {}

    def give(self, fallbacks: Fallbacks[Route]) -> None:
        """Give these fallbacks to the routes of all names."""
        self._route = msgspec.structs.replace(self._route, fallbacks=fallbacks)

    def route(self, name: str) -> Route:
        """Return the route of a name that no other rule knows."""
        if self._provider is None:
            return msgspec.structs.replace(self._route, asked=name)
        if (route := self._cached.get(name)) is None:
            deployment = deployment_of(self._provider, name).within(self._route.deployments[0].window)
            counted = self._counted(deployment.name)
            route = msgspec.structs.replace(
                self._route, asked=name, deployments=(deployment,), counted=counted, bare=""
            )
            remember(self._cached, name, route)
        return route


def _caught(name: str) -> Fault:
    """Return the fault for the entry of a name in the model list, if only the alias `*` matches the name:
    requests may use it, but the list has no entry for it.
    """
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
    """Return the name of the usual setting for the default model of an operation."""
    return "default_model" if operation in PROMPTED else f"default_models.{operation}"


def _unnamed(operation: Operation) -> Fault:
    return Fault(
        "invalid_request",
        f"you must provide a model parameter, or the operator sets {_setting(operation)}",
        param="model",
    )


def _chain(alias: Alias, aliases: Mapping[str, Alias]) -> list[Alias] | None:
    """Return the alias, the alias that its target names, and so on; None if they form a circle. An alias
    whose target is its own name ends the chain: it adds settings to the model of that name.
    """
    chain = [alias]
    while (following := aliases.get(chain[-1].target)) is not None and following is not chain[-1]:
        if following in chain:
            return None
        chain.append(following)
    return chain


def _merged(defaults: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of an alias: those of its target, with its own over them. An own value of None
    removes a default.
    """
    return {name: value for name, value in {**defaults, **over}.items() if value is not None}


def _is_for(route: Route | None, caller: Caller) -> bool:
    """Whether this client may use the route, as far as its name is reserved. True if `route` is None."""
    return route is None or route.reserved is None or route.reserved.admits(caller)


def reaches(route: Route, caller: Caller | None) -> bool:
    """Whether the client may call one of the route's providers. caller: None = a client that may call all."""
    providers = None if caller is None else caller.may.providers
    return providers is None or _answers(route, providers)


def _answers(route: Route, providers: Grants) -> bool:
    """Whether the route has a deployment at one of these providers."""
    return any(one.provider in providers for one in route.deployments)


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
