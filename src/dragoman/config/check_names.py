"""Checks whether names and patterns stand for models that this configuration has."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from dragoman.accounts.grants import WILDCARD, Grants
from dragoman.config.added import BUILT_IN
from dragoman.config.decode import suggest
from dragoman.config.misfit import Misfit
from dragoman.config.settings import Config
from dragoman.config.values import may_meet
from dragoman.providers.catalog import unconfigured
from dragoman.providers.patterns import met_by
from dragoman.providers.provider import Provider

_PATTERN: Final = "`PROVIDER/*` stands for all models of a provider"
_BARE: Final = "write provider/model; for an embedded model write local/MODEL"


class Names:
    """The names of one configuration. Its methods yield mistakes with the `place` "".

    providers, models, aliases: the names of all entries, also of those that could not be decoded; built-in
    providers, and those of the program (`own`), are included. accounts: the providers that can be called, by
    name; it may be filled while names are checked.
    """

    def __init__(
        self,
        config: Config,
        names: Mapping[str, frozenset[str]],
        own: frozenset[str],
        accounts: Mapping[str, Provider],
    ) -> None:
        self.providers = frozenset(names.get("providers", ())) | {*BUILT_IN, *own}
        self.models = frozenset(names.get("models", ()))
        self.aliases = frozenset(names.get("aliases", ()))
        self._config = config
        self._own = own
        self._accounts = accounts

    # --- What a name stands for --------------------------------------------------------------------------

    def meant(self, name: str) -> str:
        """Return the name to which aliases lead from `name`; `name` itself if it is no alias. For a circle of
        aliases: some name in it.
        """
        aliases = self._config.aliases
        for _ in aliases:
            name = aliases[name].route if name in aliases else name
        return name

    def circle(self, name: str) -> list[str]:
        """Return the circle of aliases that the alias `name` is part of, `name` first; [] = there is none."""
        chain, aliases = {name: None}, self._config.aliases
        while (name := aliases[name].route) in aliases and name not in chain:
            chain[name] = None
        return list(chain) if name == next(iter(chain)) else []

    def uses(self, target: str) -> list[str]:
        """Return the deployments (`provider/model`) for a name, after aliases: those of the model with this
        name or a matching pattern; else the name itself if its first part is a provider; else one at each
        account whose vendor has models of such names. For a circle of aliases the result has no meaning.
        """
        target, models = self.meant(target), self._config.models
        if target not in models:
            target = met_by(target, models) or target
        if target in models:
            return [deployment.use for deployment in models[target].targets]
        if target.partition("/")[0] in self.providers:
            return [target]
        return [f"{name}/{target}" for name, account in self._accounts.items() if account.owns(target)]

    def _is_enabled(self, provider: str) -> bool:
        """Whether a provider is enabled, as far as its settings could be decoded."""
        providers = self._config.providers
        if provider == "local":
            return providers.local.enabled
        if provider == "simulate":
            return providers.simulate.enabled is not False
        return provider not in providers.named or providers.named[provider].enabled

    def has_enabled(self, provider: str) -> bool:
        """Whether there is a provider of this name, and it is enabled."""
        return provider in self.providers and self._is_enabled(provider)

    def _is_owned(self, model: str) -> bool:
        """Whether the vendor of an account has models of such names. True also if any enabled provider has an
        error and so no account, because the name may be that provider's. model: a name without `provider/`.
        """
        enabled = {name for name in self.providers - {*BUILT_IN, *self._own} if self._is_enabled(name)}
        return enabled != self._accounts.keys() or any(one.owns(model) for one in self._accounts.values())

    def _rows(self) -> dict[str, str | None]:
        """Return {provider: `catalog` of its settings, or else the provider's name}. The value is None for a
        provider without settings here: it is built in, belongs to the program, or could not be decoded.
        """
        named = self._config.providers.named
        return {name: (named[name].catalog or name) if name in named else None for name in self.providers}

    # --- Mistakes ----------------------------------------------------------------------------------------

    def target(self, target: str, *, every: bool = False) -> Iterator[Misfit]:
        """Check the target of an alias, a fallback or a default: it must be an alias, a model, a name that a
        model's pattern matches, a `provider/model` whose provider is enabled and offers the model, or a name
        without a slash that `_is_owned` accepts. Yields a mistake for any other target. every: True = it may
        also be `provider/*`, if the provider has no list of models.
        """
        if target in self.aliases or target in self.models or met_by(target, self.models):
            return
        provider, slash, upstream = target.partition("/")
        if slash and upstream and provider in self.providers:
            yield from self.upstream(provider, upstream, every=every)
        elif slash:
            hint = unconfigured(target, self._rows()) or suggest(provider, self.providers)
            yield Misfit("", f"there is no model or alias `{target}`", hint)
        elif not self._is_owned(target):
            near = difflib.get_close_matches(target, (self.models | self.aliases) - {"*"}, n=1)
            hint = unconfigured(target, self._rows()) or (f"did you mean {near[0]}?" if near else None)
            yield Misfit("", f"there is no model or alias `{target}`", hint or _BARE)

    def upstream(self, provider: str, model: str, *, every: bool = False) -> Iterator[Misfit]:
        """Yield a mistake unless a provider exists, is enabled and offers a model. every: True = the model
        may also be `*`, if the provider has no list of models.
        """
        if provider not in self.providers:
            hint = unconfigured(f"{provider}/{model}", self._rows()) or suggest(provider, self.providers)
            yield Misfit("", f"there is no provider {provider}", hint)
        elif not self._is_enabled(provider):
            yield Misfit("", f"the provider {provider} is disabled (`enabled: false`)")
        elif model == "*" and not every:
            hint = "only the alias `*` may have a pattern as its target"
            yield Misfit("", f"`{provider}/*` is a pattern, not a model", hint)
        elif provider in self._accounts and not self._accounts[provider].takes(model):
            problem, hint = f"does not offer the model {model}", f"add it to providers.{provider}.models"
            if model == "*":  # the table finds the models of the list before it comes to the alias `*`
                problem = "takes only the models that it lists, and these need no alias `*`"
                hint = f"remove the alias, or providers.{provider}.models"
            yield Misfit("", f"the provider {provider} {problem}", hint)

    def grant(self, entry: str) -> Iterator[tuple[Misfit, bool]]:
        """Yield (mistake, whether it is certain) for a model name or a pattern in a list of models that fits
        no model. It is certain only of a pattern `provider/…*` whose provider is disabled, or whose provider
        has a list `models` without a name that fits. All names fit if there is the alias `*`.
        """
        if WILDCARD in self.aliases:
            return
        if WILDCARD in entry:
            yield from self._pattern(entry)
        elif not any(entry in (account.models or ()) for account in self._accounts.values()):
            for misfit in self.target(entry):
                yield misfit, False

    def _pattern(self, pattern: str) -> Iterator[tuple[Misfit, bool]]:
        config, matched = self._config, Grants([pattern])
        known = [*self.models, *self.aliases, config.default_model, *config.default_models.values()]
        if pattern == WILDCARD or any(name in matched for name in known if name is not None):
            return
        head, slash, rest = pattern.partition("/")
        if slash and WILDCARD not in head:
            yield from self._of_provider(pattern, head, rest)
        elif not self._is_met(pattern, head if slash else None):
            hint = unconfigured(pattern.replace(WILDCARD, "x"), self._rows()) or _PATTERN
            yield Misfit("", f"`{pattern}` matches no model", hint), False

    def _is_met(self, pattern: str, provider: str | None) -> bool:
        """Whether a provider may have a model of this pattern. provider: the part of the pattern before its
        slash, which is a pattern, too; None = it has no slash.
        """
        if provider is not None:
            return _any_in(self.providers, Grants([provider]))
        matched = Grants([pattern])
        return any(
            may_meet(pattern, owned)
            for account in self._accounts.values()
            if account.models is None
            for owned in (account.vendor.models if account.vendor else ())
        ) or any(_any_in(account.models or (), matched) for account in self._accounts.values())

    def _of_provider(self, pattern: str, provider: str, rest: str) -> Iterator[tuple[Misfit, bool]]:
        if provider not in self.providers:
            hint = unconfigured(pattern, self._rows()) or suggest(provider, self.providers)
            yield Misfit("", f"there is no provider {provider}", hint), False
        elif not self._is_enabled(provider):
            yield Misfit("", f"the provider {provider} is disabled (`enabled: false`)"), True
        elif provider in self._accounts:
            models = self._accounts[provider].models
            if models is not None and not _any_in(models, Grants([rest])):
                hint = f"add it to providers.{provider}.models"
                yield Misfit("", f"the provider {provider} does not offer the model {rest}", hint), True


def _any_in(names: Iterable[str], matched: Grants) -> bool:
    return any(name in matched for name in names)
