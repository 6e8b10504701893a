"""Builds the table of the model names that clients can use: what each name stands for. Also makes, from the
settings of models, aliases and providers, the values that routing uses: time limits, prices, conditions and
limits on requests that run at once.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeAlias, get_args

import msgspec

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.accounts.grants import WILDCARD, Grants
from dragoman.capacity.gates import Limit
from dragoman.config.conditions import When
from dragoman.config.fallbacks import Fallbacks as FallbackSettings
from dragoman.config.load import Loaded
from dragoman.config.pricing import Pricing, period_of
from dragoman.config.settings import Alias as AliasSettings
from dragoman.config.settings import Concurrency, Config, Local, ModelTimeouts, Supports, Timeouts
from dragoman.config.settings import Deployment as Target
from dragoman.config.settings import Model as ModelSettings
from dragoman.config.settings import Provider as ProviderSettings
from dragoman.dialects.facts import Capability, Facts
from dragoman.dialects.openai_chat import DIALECT as CHAT
from dragoman.dialects.request import WireRequest
from dragoman.errors import ConfigError, setting_path
from dragoman.providers.catalog import unconfigured
from dragoman.providers.provider import Provider
from dragoman.providers.rates import Rates
from dragoman.routing.conditions import Conditions
from dragoman.routing.costs import MaxCost
from dragoman.routing.fallbacks import Fallbacks
from dragoman.routing.hedging import Hedge
from dragoman.routing.route import Alias, Demands, Entry, Model, Reserved, Timers
from dragoman.routing.route import Provider as Named
from dragoman.routing.spread import Price, Rotation, Spread
from dragoman.routing.table import Table
from dragoman.seams.clock import SYSTEM
from dragoman.upstreams.local.protocol import Options
from dragoman.upstreams.local.upstream import LocalModel, embedded
from dragoman.upstreams.local.weights import WEIGHTS, may_chat, remedy
from dragoman.upstreams.local.weights import known as known_weights

Lists: TypeAlias = Mapping[str, Mapping[str, Facts]]
"""{name of a provider: the facts of each model in the provider's own list}."""
_Prices: TypeAlias = Callable[[str], Price | None]
"""Returns the price of a deployment (`provider/model`); None = unknown."""


class Names(msgspec.Struct, frozen=True, dict=True):
    """The model names of a gateway. table: finds what a name stands for. known: {name of a provider:
    well-known models that the model list shows}, for providers of a known vendor with neither configured
    models nor a list of their own that is known, and for the simulator, if it is enabled.
    """

    table: Table
    known: Mapping[str, tuple[str, ...]]

    def entries(
        self,
        granted: Grants | None = None,
        providers: Grants | None = None,
        caller: Caller | None = None,
    ) -> Iterator[Entry]:
        """Yield the entries of the model list, sorted by name. granted: only models whose names these grants
        allow; a name that they state without a pattern is yielded even if the list lacks it, if it stands for
        something. None = all models of the list. providers: only models with a deployment at one of these
        providers; None = all. caller: leave out the names that are reserved for other clients; None = leave
        out none.
        """
        return self.table.each(self._listed, granted, providers, caller)

    def alike(self, name: str) -> Sequence[str]:
        """Return the names in the model list that are equal to `name`, or differ from it only in upper and
        lower case.
        """
        return self._folded.get(name.lower(), ())

    def example(self, first: Container[str]) -> str | None:
        """Return the name of a model to try, one that may chat; None = there is none. Models of the list that
        are in `first` come before others, and simulated models come last in each of the two groups.
        """
        entries = [entry for entry in self.entries() if may_chat(entry.deployment)]
        entries.sort(key=lambda entry: (entry.id not in first, entry.provider == "simulate"))
        return entries[0].id if entries else None

    @cached_property
    def _listed(self) -> list[str]:
        return sorted(self.table.listed(self.known))

    @cached_property
    def _folded(self) -> Mapping[str, Sequence[str]]:
        folded: dict[str, list[str]] = {}
        for name in self._listed:
            folded.setdefault(name.lower(), []).append(name)
        return folded


def naming(
    loaded: Loaded,
    own: Iterable[str] = (),
    models: Iterable[Model] = (),
    local: Iterable[str] | None = None,
    lists: Lists | None = None,
) -> Names:
    """Return the model names of a configuration.

    own: names of upstreams made in code. models: models registered in code. local: the names of this
    machine's models, used only if `local` is enabled; None = those that are installed or stated in the
    configuration. lists: the providers' own lists of models; None = no list is known. Raises ConfigError if
    names do not fit together (an alias that points back to itself, for example).
    """
    config, lists = loaded.config, lists or {}
    named = [
        _named(provider, config.providers.named[name], lists.get(name))
        for name, provider in loaded.providers.items()
    ]
    named += [Named(name, name) for name in own]
    if config.providers.local.enabled:
        spellings = frozenset(alias for row in WEIGHTS for alias in row.aliases)
        named.append(
            Named("local", "local", tuple(local_models(config) if local is None else local), spellings)
        )
    if loaded.simulate:
        named.append(Named("simulate", "simulate"))

    rows: dict[str, str | None] = {provider.name: None for provider in named}
    rows |= {name: one.vendor.name if one.vendor else None for name, one in loaded.providers.items()}

    def reason(name: str) -> str | None:
        if config.providers.local.enabled and (row := known_weights(name.removeprefix("local/"))) is not None:
            return f"{row.id} is not installed; install it with {remedy(row)}"
        return unconfigured(name, rows)

    prices = partial(_price, Pricing(config, loaded.providers))
    table = Table.build(
        named,
        [*(_model(name, model, config, prices) for name, model in config.models.items()), *models],
        [
            Alias(
                name,
                alias.route,
                alias.defaults,
                alias.system_prompt,
                alias.strict,
                alias.check_output,
                alias.api,
                alias.context_window,
                None if alias.fallbacks is None else fallbacks_of(alias.fallbacks),
                opening_of(alias.messages),
                _reserved(alias),
            )
            for name, alias in config.aliases.items()
        ],
        default_model=config.default_model,
        default_models={str(operation): name for operation, name in config.default_models.items()},
        general=Demands(config.strict, config.check_output),
        reason=reason,
    )
    known = {
        name: provider.vendor.known
        for name, provider in loaded.providers.items()
        if provider.models is None and provider.vendor is not None and name not in lists
    }
    if loaded.simulate:
        from dragoman.upstreams.simulate import MODELS as SIMULATED  # few gateways have the simulator

        known["simulate"] = SIMULATED
    return Names(table, known)


def refuse_unknown(loaded: Loaded, names: Names) -> None:
    """Raise ConfigError if a list of models in the configuration (of a client key or a group, for example)
    has a name or a pattern that stands for nothing. names: all names of the configuration.
    """
    unknown = [doubt.problem for doubt in loaded.doubts if not _is_offered(doubt.name, names)]
    if unknown:
        raise ConfigError(*unknown)


def _is_offered(name: str, names: Names) -> bool:
    """Whether a name or a pattern in a client's grants stands for something. A name does if it has a route,
    or if it is that of an embedded model, also of one that is not installed. A pattern does if the part
    before its first `/` is the name of a provider, or if it matches a name in the model list.
    """
    if WILDCARD not in name:
        return names.table.find(name) is not None or known_weights(name.removeprefix("local/")) is not None
    pattern = Grants([name])
    return names.table.has_provider(name.partition("/")[0]) or any(names.entries(pattern))


def installed_models(config: Config) -> dict[str, LocalModel]:
    """Return the installed embedded models, by name. Reads the records of their packages, which takes about
    15 ms.
    """
    settings = config.providers.local
    return embedded(keep_alive=_keep_alive(settings), threads=settings.threads or 0)


def local_models(config: Config, installed: Mapping[str, LocalModel] | None = None) -> dict[str, LocalModel]:
    """Return this machine's models, by name: the installed embedded models, and the operator's own files. An
    own file replaces an embedded model of the same name. installed: the installed embedded models; None =
    look for them.
    """
    settings = config.providers.local
    keep_alive = _keep_alive(settings)
    models = dict(installed_models(config) if installed is None else installed)
    for name, model in config.models.items():
        for target in model.targets:
            if target.file is not None:
                options = Options(
                    str(Path(target.file).expanduser()),
                    context=target.context,
                    threads=target.threads or settings.threads or 0,
                    gpu_layers=target.gpu_layers or 0,
                )
                own = keep_alive if target.keep_alive is None else float(target.keep_alive)
                models[name] = LocalModel(options, own)
    return models


def _keep_alive(settings: Local) -> float:
    return -1.0 if settings.keep_alive is None else float(settings.keep_alive)


def limits_of(config: Config) -> dict[str, Limit]:
    """Return {path of a model or provider in the configuration, such as `models."gpt-4.1"` or
    `providers.openai`: the limit on its requests that run at once, and on the time between their starts}.
    Models and providers whose settings state neither a limit nor a delay are left out.
    """
    stated = {_gate("providers", name): one.concurrency for name, one in config.providers.named.items()}
    stated |= {_gate("models", name): one.concurrency for name, one in config.models.items()}
    return {
        name: Limit(one.limit, one.queue, float(one.wait) or None, float(one.delay))
        for name, one in stated.items()
        if _limits(one)
    }


def _gate(section: str, name: str) -> str:
    return setting_path(section, name)


def _limits(concurrency: Concurrency) -> bool:
    return concurrency.limit is not None or concurrency.delay > 0


def _gates(section: str, name: str, concurrency: Concurrency) -> tuple[str, ...]:
    """Return the key of `limits_of` for one model or provider, as a tuple of one; () if its settings state
    neither a limit nor a delay. section: "models" or "providers". name: of the model or provider.
    """
    return (_gate(section, name),) if _limits(concurrency) else ()


def _named(provider: Provider, settings: ProviderSettings, listed: Mapping[str, Facts] | None) -> Named:
    vendor, discovery = provider.vendor, settings.discovery
    offered: frozenset[str] = frozenset()
    if listed is not None:
        allow, deny = Grants(discovery.allow), Grants(discovery.deny)
        names = (*listed, *(vendor.unlisted if vendor is not None else ()))
        offered = frozenset(name for name in names if name in allow and name not in deny)
    return Named(
        provider.name,
        vendor.name if vendor is not None else provider.name,
        provider.models,
        patterns=vendor.models if vendor is not None else (),
        timers=timers_of(settings.timeouts),
        body=dict(provider.body),
        gates=_gates("providers", provider.name, settings.concurrency),
        base_models=provider.base_models,
        listed=listed,
        offered=offered,
    )


def _model(name: str, model: ModelSettings, config: Config, prices: _Prices) -> Model:
    facts = _facts(model, Target(use=""))
    uses = tuple(f"local/{name}" if target.file is not None else target.use for target in model.targets)
    timers = None
    if model.timeouts != ModelTimeouts():
        provider = config.providers.named.get(uses[0].partition("/")[0])
        timers = timers_of(model.timeouts.over(provider.timeouts if provider is not None else Timeouts()))
    return Model(
        name,
        uses,
        facts,
        timers,
        headers_of(model),
        model.body,
        {field: value for field, value in model.defaults.items() if value is not None},
        strict=model.strict,
        check_output=model.check_output,
        windows=tuple(target.context_window for target in model.targets),
        api=model.api,
        spread=_spread(name, model),
        hedge=_hedge(name, model),
        continues=model.continue_streams,
        weights=tuple(float(target.weight) for target in model.targets),
        prices=_prices(model, uses, prices),
        conditions=tuple(conditions_of(target.when) for target in model.targets),
        max_cost=_max_cost(model, config, prices),
        gates=_gates("models", name, model.concurrency),
        supports=tuple(
            None
            if target.supports is None and target.tool_mode is None and target.reasoning_text is None
            else _facts(model, target)
            for target in model.targets
        ),
        fallbacks=fallbacks_of(model.fallbacks),
        switch_after=None if model.switch_after is None else float(model.switch_after),
    )


def headers_of(model: ModelSettings) -> dict[str, str]:
    """Return the headers that a model's settings add to calls, by lower-case names."""
    return {header.lower(): value.reveal() for header, value in model.headers.items()}


def _prices(model: ModelSettings, uses: Sequence[str], prices: _Prices) -> tuple[Price | None, ...]:
    """Return the price of each deployment of a model, in their order; None = unknown. All are None if the
    model's settings do not compare prices (`policy: cost` or `max_cost`). uses: the deployments.
    """
    if model.policy != "cost" and model.max_cost is None:
        return (None,) * len(uses)
    return tuple(
        prices(use) if target.price is None else _usual(Rates([period_of(target.price)], use))
        for target, use in zip(model.targets, uses, strict=True)
    )


def _price(pricing: Pricing, use: str) -> Price | None:
    """Return the price of a deployment (`provider/model`); None = unknown."""
    return _usual(pricing.rates(use))


def _usual(rates: Rates | None) -> Price | None:
    """Return the price by which policies compare deployments: the present price for the shortest prompts in
    the usual service tier. None = unknown.
    """
    found = None if rates is None else rates.usual(SYSTEM.now())
    return None if found is None else Price(*found)


def _max_cost(model: ModelSettings, config: Config, prices: _Prices) -> MaxCost | None:
    """Return how much more than the first choice another deployment or a fallback may cost; None = any amount
    more. The result also has the known prices of all deployments that may be compared.
    """
    if (stated := model.max_cost) is None:
        return None
    uses = {
        f"local/{name}" if one.file is not None else one.use: None
        for name, other in config.models.items()
        for one in other.targets
    }
    for names in msgspec.structs.astuple(model.fallbacks):
        uses |= dict.fromkeys(name for name in names if "/" in name)
    known = {use: price for use in uses if (price := prices(use)) is not None}
    times, usd = stated.times, stated.usd
    return MaxCost(None if times is None else float(times), None if usd is None else float(usd), known)


def conditions_of(when: When) -> Conditions | None:
    """Return the conditions that a request must fulfil to be sent to a deployment; None = the deployment
    takes all requests.
    """
    if when == When():
        return None
    needs = {name: wanted for name in get_args(Capability) if (wanted := getattr(when, name)) is not None}
    return Conditions(
        when.operations,
        when.protocols,
        Grants(when.clients) if when.clients else None,
        Grants(when.tags) if when.tags else None,
        Grants(when.without_tags) if when.without_tags else None,
        {name.lower(): Grants([value]) for name, value in when.headers.items()},
        when.stream,
        needs,
        when.input_over,
        when.input_up_to,
    )


def _spread(name: str, model: ModelSettings) -> Spread | None:
    """Return how a model's requests are spread over its deployments; None = the deployments are tried in the
    order of the configuration. name: of the model.
    """
    if (rotate := model.rotate) is not None:
        every = None if rotate.every is None else float(rotate.every)
        return Spread(name, rotation=Rotation(every, rotate.requests))
    return None if model.policy == "ordered" else Spread(name, model.policy)


def _hedge(name: str, model: ModelSettings) -> Hedge | None:
    """Return when a second deployment is asked because the first one has not answered yet; None = never.
    name: of the model.
    """
    if (hedge := model.hedge) is None:
        return None
    after = None if isinstance(hedge.after, str) else float(hedge.after)
    return Hedge(name, after, float(hedge.at_most))


def opening_of(messages: Sequence[Mapping[str, Any]]) -> tuple[ir.Message, ...]:
    """Return the messages that an alias puts before a request. messages: in the form of the Chat Completions
    API. Returns () for no messages.
    """
    if not messages:
        return ()
    wire = WireRequest("chat", {"model": "", "messages": list(messages)})
    decoded: ir.Request = CHAT.request.decode(wire)
    return decoded.messages


def _reserved(alias: AliasSettings) -> Reserved | None:
    """Return which clients may use an alias: those of its tenant, if it has one; and if a client has made it,
    only those with a grant for the name that it stands for. None = all clients.
    """
    if alias.tenant is None and alias.owner is None:
        return None
    return Reserved(alias.tenant, alias.route if alias.owner is not None else "")


def _facts(model: ModelSettings, target: Target) -> Facts:
    """Return what a model can do. target: the settings of one of its deployments; what they state wins over
    the settings of the model.
    """
    own = target.supports or Supports()
    mode = target.tool_mode or model.tool_mode
    able: dict[str, Any] = {
        name: general if (stated := getattr(own, name)) is None else stated
        for name, general in msgspec.structs.asdict(model.supports).items()
    }
    return Facts(
        context=model.context_window,
        max_output=model.max_output,
        tool_mode=None if mode == "native" else mode,
        reasoning_text=target.reasoning_text or model.reasoning_text,
        **able,
    )


def fallbacks_of(settings: FallbackSettings) -> Fallbacks[str]:
    """Return the names of a model's fallbacks: for any failure, for prompts that are too long, and for
    refused content.
    """
    return Fallbacks(settings.any, settings.context, settings.content)


def timers_of(timeouts: Timeouts) -> Timers:
    """Return the time limits of calls to a provider, in seconds; None in the result = no limit: the
    setting is 0 or None.
    """
    return Timers(*(float(seconds) if seconds else None for seconds in msgspec.structs.astuple(timeouts)))
