"""From a configuration to the parts that serve it: table, upstreams, client keys, retry policy.

This is the only place that knows both the settings and the running parts. It reads no file and no
environment; what it builds belongs to one gateway and is closed with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from dragoman.accounts.keys import ANYONE, EVERYBODY, Caller, ClientKeys, Key, is_loopback, unnamed
from dragoman.config.egress import Egress
from dragoman.config.load import Loaded
from dragoman.config.settings import ClientKey, Config, ModelTimeouts, Timeouts
from dragoman.config.settings import Model as ModelSettings
from dragoman.config.settings import Provider as ProviderSettings
from dragoman.deadlines import Deadlines
from dragoman.dialects.facts import Facts
from dragoman.dialects.table import DIALECTS
from dragoman.errors import ConfigError
from dragoman.fetch import Bounds, Fetcher
from dragoman.grants import WILDCARD, Grants, granted
from dragoman.providers.auth import sign
from dragoman.providers.catalog import unconfigured
from dragoman.providers.provider import Api, Provider
from dragoman.providers.resources import Resource
from dragoman.resolver import Resolver
from dragoman.routing.attempts import Policy
from dragoman.routing.route import Alias, Demands, Entry, Model, Table, Timers
from dragoman.routing.route import Provider as Named
from dragoman.seams import SYSTEM, Seams
from dragoman.space import Space
from dragoman.state.store import Store
from dragoman.stores.limits import Limits
from dragoman.stores.open import open_store
from dragoman.stores.sweep import keep_swept
from dragoman.tasks import spawn
from dragoman.transport import CROWDED, Pool, Reached, Transport, untold
from dragoman.upstreams.answers import AnswerLimits
from dragoman.upstreams.local.protocol import Options
from dragoman.upstreams.local.upstream import LocalModel, LocalUpstream, embedded
from dragoman.upstreams.local.weights import WEIGHTS, remedy
from dragoman.upstreams.local.weights import known as known_weights
from dragoman.upstreams.passage import Passage
from dragoman.upstreams.simulate import MODELS as SIMULATED
from dragoman.upstreams.simulate import SimulateUpstream
from dragoman.upstreams.upstream import Upstream
from dragoman.upstreams.wire import Account, WireUpstream


class Names(msgspec.Struct, frozen=True):
    """What can be asked for. known: models that providers without a list of their own are known to offer."""

    table: Table
    known: Mapping[str, tuple[str, ...]]

    def entries(self, granted: Grants | None = None) -> list[Entry]:
        """The model list. granted: the only names that are listed, None = all."""
        return self.table.entries(self.known, granted)


class Assembly(msgspec.Struct, frozen=True):
    """The running parts of one gateway generation."""

    names: Names
    upstreams: Mapping[str, Upstream]
    passages: Mapping[str, Passage]
    client_keys: ClientKeys
    policy: Policy
    fetcher: Fetcher
    deadlines: Deadlines
    store: Store
    opened: AsyncExitStack

    async def close(self) -> None:
        """Close every connection and process of this generation; one that fails to spares no other."""
        await self.opened.aclose()


def naming(
    loaded: Loaded,
    own: Iterable[str] = (),
    models: Iterable[Model] = (),
    local: Iterable[str] | None = None,
) -> Names:
    """What can be asked for. Needs no event loop and touches nothing.

    own: names of upstreams made in code. models: registered in code. local: the models of this machine,
    None = what is installed now.
    """
    config = loaded.config
    named = [
        _named(provider, config.providers.named[name].timeouts) for name, provider in loaded.providers.items()
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

    table = Table.build(
        named,
        [*(_model(name, model, config) for name, model in config.models.items()), *models],
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
        if provider.models is None and provider.vendor is not None
    }
    if loaded.simulate:
        known["simulate"] = SIMULATED
    return Names(table, known)


def refuse_unknown(loaded: Loaded, names: Names) -> None:
    """Raise ConfigError where clients are granted names that stand for nothing."""
    unknown = [doubt.problem for doubt in loaded.doubts if not _is_offered(doubt.name, names)]
    if unknown:
        raise ConfigError(*unknown)


def _is_offered(name: str, names: Names) -> bool:
    """Whether a granted name or pattern stands for something; weights that could be installed here do."""
    if WILDCARD not in name:
        return names.table.find(name) is not None or known_weights(name.removeprefix("local/")) is not None
    pattern = Grants([name])
    return names.table.has_provider(name.partition("/")[0]) or bool(names.entries(pattern))


async def assemble(
    loaded: Loaded,
    own: Mapping[str, Upstream],
    models: Iterable[Model],
    seams: Seams = SYSTEM,
    reached: Reached = untold,
) -> Assembly:
    """Build everything that serving needs; connects to nothing. What was made is closed when the rest fails.

    own: upstreams made in code, beside those of the configuration. models: registered in code. reached: told
    of bounds that were reached where no exchange ends by it.
    """
    config = loaded.config
    names = naming(loaded, own, models)
    refuse_unknown(loaded, names)
    async with AsyncExitStack() as opened:
        deadlines = Deadlines(asyncio.get_running_loop())
        fetcher = _fetcher(config.egress)
        opened.push_async_callback(fetcher.close)
        store = open_store(config.stores.sql, loaded.home, _limits(config), seams)
        opened.push_async_callback(store.close)
        opened.push_async_callback(_stop, spawn(keep_swept(store, seams), "sweeping the store"))
        space = Space(config.server.answer_space, CROWDED)
        upstreams: dict[str, Upstream] = {}
        passages: dict[str, Passage] = {}
        for name, provider in loaded.providers.items():
            transport = _transport(name, config.providers.named[name], deadlines, reached, space)
            opened.push_async_callback(transport.close)
            limits = answer_limits(config.providers.named[name])
            upstreams[name] = upstream = _wire(provider, transport, limits)
            if resources := config.providers.named[name].passthrough:
                timers = _timers(config.providers.named[name].timeouts)
                passages[name] = _passage(provider, upstream, transport, timers, resources)
        if config.providers.local.enabled:
            settings = config.providers.local
            local = LocalUpstream(local_models(config), queue=settings.queue)
            opened.push_async_callback(local.close)
            upstreams["local"] = local
        if loaded.simulate:
            told = config.providers.simulate
            upstreams["simulate"] = SimulateUpstream(
                seed=told.seed, first_token=told.first_token, token_interval=told.token_interval
            )
        upstreams.update(own)
        return Assembly(
            names=names,
            upstreams=upstreams,
            passages=passages,
            client_keys=_client_keys(config, seams),
            policy=Policy(
                retries=config.retries.attempts - 1,
                backoff=config.retries.backoff,
                backoff_max=config.retries.backoff_max,
                patience=config.retries.backoff_max,
            ),
            fetcher=fetcher,
            deadlines=deadlines,
            store=store,
            opened=opened.pop_all(),
        )


def renew(assembly: Assembly, before: Loaded, after: Loaded, names: Names, seams: Seams) -> Assembly:
    """The same running parts with the secrets of a configuration that differs in nothing else. What runs goes
    on with those that it was begun with.

    names: those of the configuration as it is now.
    """
    for name, provider in after.providers.items():
        if provider == before.providers[name]:
            continue
        upstream = assembly.upstreams[name]
        if not isinstance(upstream, WireUpstream):
            continue  # made in code, in the place of the configuration's
        for api in provider.apis:
            upstream.in_dialect(api.dialect).renew(_accounts(provider, api))
        if (passage := assembly.passages.get(name)) is not None:
            passage.renew(upstream.accounts[0])
    keys = assembly.client_keys
    if after.config.auth.keys != before.config.auth.keys:
        keys = _client_keys(after.config, seams)
    return msgspec.structs.replace(assembly, client_keys=keys, names=names)


def local_models(config: Config) -> dict[str, LocalModel]:
    """What runs on this machine, by name: installed embedded models and the operator's own files."""
    settings = config.providers.local
    keep_alive = _seconds_or_ever(settings.keep_alive)
    models = embedded(keep_alive=keep_alive, threads=settings.threads or 0)
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


def _seconds_or_ever(keep_alive: float | None) -> float:
    return -1.0 if keep_alive is None else float(keep_alive)


def _wire(provider: Provider, transport: Transport, limits: AnswerLimits) -> WireUpstream:
    first, *rest = provider.apis
    further = [_spoken(provider, api, transport, limits) for api in rest]
    return _spoken(provider, first, transport, limits, further)


def answer_limits(settings: ProviderSettings) -> AnswerLimits:
    """What a provider's answers may be at most."""
    answers, first_byte = settings.answers, settings.timeouts.first_byte
    silence = 3 * first_byte if answers.max_silence is None else answers.max_silence
    return AnswerLimits(
        answers.max_values,
        answers.max_numbers,
        answers.max_event,
        answers.max_opening,
        answers.max_stream,
        answers.max_blocks,
        float(silence) or None,
    )


def _spoken(
    provider: Provider,
    api: Api,
    transport: Transport,
    limits: AnswerLimits,
    further: Sequence[WireUpstream] = (),
) -> WireUpstream:
    return WireUpstream(
        provider.name,
        DIALECTS[api.dialect],
        transport,
        chat_url=api.chat_url,
        stream_url=api.stream_url,
        base_url=_base_url(api),
        bases=api.bases,
        accounts=_accounts(provider, api),
        quirks=api.quirks,
        models=api.models,
        further=further,
        yields=api.fixed.keys() - provider.headers.keys(),
        limits=limits,
    )


def _accounts(provider: Provider, api: Api) -> list[Account]:
    """The provider's credentials as they travel in one of its protocols."""
    extra = {name: secret.reveal() for name, secret in provider.headers.items()}
    return [
        Account(
            sign(api.chat_url, {}, credential=credential, scheme=api.auth, fixed=api.fixed, extra=extra),
            None if credential is None else credential.secret.tail,
            (*(() if credential is None else (credential.secret.reveal(),)), *extra.values()),
        )
        for credential in provider.credentials or (None,)
    ]


def _passage(
    provider: Provider,
    upstream: WireUpstream,
    transport: Transport,
    timers: Timers,
    resources: Sequence[Resource],
) -> Passage:
    api = provider.apis[0]
    base_url = _base_url(api)
    assert base_url is not None, "the configuration was not checked"
    return Passage(
        provider.name,
        upstream.dialect,
        transport,
        base_url=base_url,
        account=upstream.accounts[0],
        timers=timers,
        resources=resources,
        yields=api.fixed.keys() - provider.headers.keys(),
    )


def _base_url(api: Api) -> str | None:
    """What the paths of other operations follow. An odd address of chat tells of no other."""
    path = DIALECTS[api.dialect].paths.chat
    return api.chat_url.removesuffix(path) if api.chat_url.endswith(path) else None


def _fetcher(settings: Egress) -> Fetcher:
    bounds = Bounds(
        addresses=settings.max_addresses,
        each=settings.max_size,
        together=settings.max_total,
        seconds=settings.read_timeout or None,
        reads=settings.max_reads,
        wait=settings.wait or None,
        space=settings.space,
    )
    return Fetcher(settings.allow, bounds, Resolver(settings.max_lookups, settings.lookup_timeout or None))


def _transport(
    name: str, settings: ProviderSettings, deadlines: Deadlines, reached: Reached, space: Space
) -> Transport:
    pool = settings.pool
    return Transport(
        Pool(pool.size, pool.keep_alive, pool.wait or None),
        ca_file=settings.ca_file,
        verify_tls=settings.verify_tls,
        proxy=settings.proxy.reveal() if settings.proxy else None,
        deadlines=deadlines,
        name=name,
        max_answer=settings.answers.max_size,
        reached=reached,
        space=space,
    )


def _named(provider: Provider, timeouts: Timeouts) -> Named:
    vendor = provider.vendor
    return Named(
        provider.name,
        vendor.name if vendor is not None else provider.name,
        provider.models,
        patterns=vendor.models if vendor is not None else (),
        timers=_timers(timeouts),
        body=dict(provider.body),
    )


def _model(name: str, model: ModelSettings, config: Config) -> Model:
    supports = model.supports
    facts = Facts(
        context=model.context_window,
        max_output=model.max_output,
        tools=supports.tools,
        images=supports.images,
        audio=supports.audio,
        documents=supports.documents,
        structured=supports.structured,
        reasoning=supports.reasoning,
    )
    uses = tuple(f"local/{name}" if target.file is not None else target.use for target in model.targets)
    timers = None
    if model.timeouts != ModelTimeouts():
        provider = config.providers.named.get(uses[0].partition("/")[0])
        timers = _timers(model.timeouts.over(provider.timeouts if provider is not None else Timeouts()))
    headers = {header.lower(): value.reveal() for header, value in model.headers.items()}
    return Model(
        name,
        uses,
        facts,
        timers,
        headers,
        model.body,
        strict=model.strict,
        check_output=model.check_output,
        windows=tuple(target.context_window for target in model.targets),
        api=model.api,
    )


def _limits(config: Config) -> Limits:
    return Limits(
        size=config.responses.max_size,
        history_size=config.server.max_body,
        session_count=config.sessions.max_count,
        session_size=config.sessions.max_size,
        seals_size=config.seals.max_size,
        seals_ttl=config.seals.ttl,
    )


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _timers(timeouts: Timeouts) -> Timers:
    return Timers(*(float(seconds) if seconds else None for seconds in msgspec.structs.astuple(timeouts)))


def _client_keys(config: Config, seams: Seams) -> ClientKeys:
    keys = [Key(key.key.reveal(), _caller(key), key.expires) for key in config.auth.keys]
    own = is_loopback(config.server.host) and not config.auth.open
    anyone = ANYONE if own else EVERYBODY
    models = granted(config.server.keyless_models)
    keyless: dict[str, Caller] = {
        face: Caller(f"keyless {face}", models) for face in config.server.keyless_faces
    }
    return ClientKeys(
        keys,
        required=needs_key(config),
        any_host=config.auth.open,
        anyone=anyone,
        keyless=keyless,
        now=seams.now,
    )


def _caller(key: ClientKey) -> Caller:
    name = key.name or unnamed(key.key.reveal())
    return Caller(name, granted(key.models), frozenset(key.scopes))


def needs_key(config: Config) -> bool:
    """Whether clients must present a key: the operator's word, else wherever other machines can call."""
    auth = config.auth
    required = auth.required
    if required is None:
        required = bool(auth.keys) or not is_loopback(config.server.host)
    return required and not auth.open
