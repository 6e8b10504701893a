"""Checks that the settings fit together (names and files exist, addresses are valid, aliases form no circle),
and makes the providers' accounts.

`decode` has already checked the form of each value. The name of an entry that could not be decoded still
counts as known, so that each mistake is reported only once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from dragoman.accounts.grants import GROUP, WILDCARD, Grants
from dragoman.accounts.keys import is_loopback
from dragoman.accounts.shared.address import HINT as VALKEY_HINT
from dragoman.accounts.shared.address import parsed
from dragoman.config import resolve
from dragoman.config.added import BUILT_IN
from dragoman.config.alerting import require_receiver, require_signing
from dragoman.config.check_accounts import account_misfits, permissions_of
from dragoman.config.check_apis import unspoken
from dragoman.config.check_attempts import general_misfits, provider_misfits
from dragoman.config.check_balancing import (
    Misfit,
    idle,
    misfits,
    narrow,
    repeated,
    unpriced,
    unpriced_fallbacks,
)
from dragoman.config.check_conditions import client_names, impossible
from dragoman.config.check_continuing import continuing
from dragoman.config.check_credential import credential_misfits, key_misfits
from dragoman.config.check_defaults import unfit, unfit_defaults
from dragoman.config.check_forwarding import forwarding_misfits
from dragoman.config.check_headers import unusable
from dragoman.config.check_limits import limit_misfits, stated_models
from dragoman.config.check_observing import unchecked, unseen
from dragoman.config.check_prices import price_misfits, unfit_prices
from dragoman.config.decode import suggest
from dragoman.config.fallbacks import Fallbacks
from dragoman.config.locate import is_file
from dragoman.config.pricing import Priced, Pricing
from dragoman.config.settings import Alias, Config, Deployment, Model
from dragoman.config.settings import Provider as ProviderSettings
from dragoman.config.tree import Source
from dragoman.config.values import addresses, is_private, may_meet, network, proxy, web_origin
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.table import DIALECTS
from dragoman.errors import Problem, has_part, setting_path
from dragoman.providers import address
from dragoman.providers.catalog import CATALOG, unconfigured
from dragoman.providers.dated import WrongVersion
from dragoman.providers.patterns import is_pattern, met_by
from dragoman.providers.provider import Provider
from dragoman.seams.clock import SYSTEM
from dragoman.stores.address import HINT as DATABASE_HINT
from dragoman.stores.address import database

_PATTERN: Final = "`PROVIDER/*` stands for all models of a provider"
_STAR: Final = "for every name that nothing else knows use the alias `*`"
_BARE: Final = "write provider/model; for an embedded model write local/MODEL"

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SHORTEST_TTL: Final = 10
"""The shortest `discovery.ttl` in seconds."""
_SHORTEST_KEY: Final = 16
"""The fewest characters of a client key. A shorter one is refused; on loopback it is only a warning."""
_ALL_INTERFACES: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - named to be recognised, not bound


class Doubt(NamedTuple):
    """A model name or pattern in a list of models (of a key, a group, …) that fits nothing configured.

    It is not an error yet: an upstream that the program registers, or an embedded model, may have the name.
    problem: the error to report if neither has the name.
    """

    name: str
    problem: Problem


def check(
    config: Config,
    sources: Mapping[str, Source],
    names: Mapping[str, frozenset[str]],
    unread: frozenset[str] = frozenset(),
    own: frozenset[str] = frozenset(),
) -> tuple[dict[str, Provider], list[Problem], list[Problem], list[Doubt]]:
    """Return (accounts, problems, warnings, doubts). accounts: the enabled providers, by name, without those
    with a mistake in address, protocols, quirks, `passthrough`, `check`, `discovery` or `concurrency`; other
    mistakes, for example in keys, leave an account in. problems: errors. warnings: things that are unusual
    but allowed. doubts: see `Doubt`.

    sources: the place of each written setting, by the setting's path. names: the names of all entries of
    `providers`, `models` and `aliases`, also of those that could not be decoded. unread: the paths of the
    settings that could not be decoded. own: the names of upstreams that the program itself provides.
    """
    checker = _Checker(config, sources, names, unread, own)
    checker.run()
    return checker.accounts, checker.problems, checker.warnings, checker.doubts


class _Checker:
    def __init__(
        self,
        config: Config,
        sources: Mapping[str, Source],
        names: Mapping[str, frozenset[str]],
        unread: frozenset[str],
        own: frozenset[str],
    ) -> None:
        self.config = config
        self.sources = sources
        self.unread = unread
        self.accounts: dict[str, Provider] = {}
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.doubts: list[Doubt] = []
        self.providers = frozenset(names.get("providers", ())) | {*BUILT_IN, *own}
        self.own = own
        self.pricing = Pricing(config, self.accounts)
        self.priced = Priced(self.pricing)
        self.models = frozenset(names.get("models", ()))
        self.aliases = frozenset(names.get("aliases", ()))

    def run(self) -> None:
        self.server()
        self.auth()
        for name, provider in self.config.providers.named.items():
            self.provider(name, provider, setting_path("providers", name))
        for name, model in self.config.models.items():
            self.model(name, model, setting_path("models", name))
        for name, alias in self.config.aliases.items():
            self.alias(name, alias, setting_path("aliases", name))
        self.alerts()
        self.misfits("", unfit_prices(self.config, self.pricing))
        self.misfits("", general_misfits(self.config))
        self.misfits("", forwarding_misfits(self.config, self.accounts))
        self.misfits("", unseen(self.config))
        self.misfits("", limit_misfits(self.config, self.unread, self.providers))
        for path, models in stated_models(self.config):
            self.grants(models, path)
        self.circles()
        self.misfits("", unchecked(self.config))
        if self.config.default_model is not None:
            self.target(self.config.default_model, "default_model")
        for operation, default in self.config.default_models.items():
            self.target(default, f"default_models.{operation}")
        for path, permissions in permissions_of(self.config):
            self.grants(permissions.models, f"{path}.models")
        for name, entries in self.config.groups.items():
            self.grants(entries, setting_path("groups", name))
        self.grants(self.config.server.keyless_models, "server.keyless_models")
        for index, entry in enumerate(self.config.egress.allow):
            self.run_rule(f"egress.allow[{index}]", network, entry)

    # --- Sections ------------------------------------------------------------------------------------------

    def server(self) -> None:
        server = self.config.server
        if not re.fullmatch(r"[A-Za-z0-9.:_-]+", server.host):
            self.problem("server.host", "expected a host name or an address")
        if not re.fullmatch(r"[A-Za-z0-9.:_-]+", server.admin_host):
            self.problem("server.admin_host", "expected a host name or an address")
        if server.admin_port and server.admin_port == server.port:
            self.problem("server.admin_port", "this is the clients' port (server.port)", "choose another one")
        for index, origin in enumerate(server.cors_origins or ()):
            if origin != "*":
                self.run_rule(f"server.cors_origins[{index}]", web_origin, origin)
        for name in ("shared_addresses", "trusted_proxies"):
            for index, entry in enumerate(getattr(server, name)):
                self.run_rule(f"server.{name}[{index}]", addresses, entry)
        self.database("stores.sql", self.config.stores.sql)
        self.database("trace.store", self.config.trace.store)
        if server.workers > 1 and self.config.stores.sql == "memory":
            self.problem("server.workers", "several workers need a shared database", "stores.sql: sqlite")
        if (valkey := self.config.stores.valkey) is not None:
            try:
                parsed(valkey.reveal())
            except ValueError as error:
                self.problem("stores.valkey", str(error), VALKEY_HINT)

    def database(self, name: str, stated: str | None) -> None:
        try:
            database(stated or "memory")
        except ValueError as error:
            self.problem(name, str(error), DATABASE_HINT)

    def auth(self) -> None:
        auth = self.config.auth
        if auth.open and auth.required:
            self.problem("auth.open", "contradicts auth.required")
        for index, client in enumerate(auth.keys):
            path = f"auth.keys[{index}]"
            if client.expires is not None and client.expires <= SYSTEM.now():
                self.warn(f"{path}.expires", f"the key has expired, on {client.expires}")
            if client.key is None:
                continue
            others = [one for one in auth.keys[:index] if one.name is None or one.name != client.name]
            self.misfits(
                path, key_misfits(client.key.reveal(), [key.key.reveal() for key in others if key.key])
            )
            if len(client.key.reveal()) < _SHORTEST_KEY:
                # On loopback no key is required by default, so there a short key is only a warning.
                tell = self.warn if is_loopback(self.config.server.host) else self.problem
                short = f"a key shorter than {_SHORTEST_KEY} characters can be guessed"
                tell(path, short, "`dragoman config key` prints a strong key")
        self.misfits("", account_misfits(self.config, self.unread, self.providers))

    def alerts(self) -> None:
        for index, alert in enumerate(self.config.alerts):
            self.run_rule(f"alerts[{index}].url", require_receiver, alert.url.reveal())
            self.run_rule(f"alerts[{index}].secret", require_signing, alert.secret.reveal())
            if not alert.events:
                self.problem(f"alerts[{index}].events", "no alert is sent to this receiver")

    def provider(self, name: str, settings: ProviderSettings, path: str) -> None:
        if not name or "/" in name or name != name.strip():
            self.problem(path, "a provider's name must not contain a slash, or begin or end with a blank")
        for index, key in enumerate(settings.keys or ()):
            earlier = [other.reveal() for other in (settings.keys or ())[:index]]
            self.misfits(f"{path}.keys[{index}]", key_misfits(key.reveal(), earlier))
        self.misfits(f"{path}.headers", unusable(settings.headers))
        for file in ("ca_file", "client_cert", "client_key"):
            self.file(getattr(settings, file), f"{path}.{file}")
        self.file(settings.credential.file if settings.credential else None, f"{path}.credential.file")
        if settings.client_key is not None and settings.client_cert is None:
            self.problem(f"{path}.client_key", "there is no `client_cert` for this key")
        if settings.proxy is not None:
            self.run_rule(f"{path}.proxy", proxy, settings.proxy.reveal())
        if "*" in settings.models and len(settings.models) > 1:
            self.problem(f"{path}.models", "`*` cannot be combined with other entries")
        before = len(self.problems)
        self.quirks(settings.quirks, f"{path}.quirks")
        self.passthrough(name, settings, f"{path}.passthrough")
        if 0 < settings.check.every < 1:
            self.problem(f"{path}.check.every", "must be at least 1s, or 0 for never")
        if settings.discovery.ttl < _SHORTEST_TTL:
            self.problem(f"{path}.discovery.ttl", f"must be at least {_SHORTEST_TTL}s")
        self.misfits(path, (*idle(settings.concurrency), *provider_misfits(settings, self.config.breaker)))
        for index, api in enumerate(settings.apis or ()):
            self.quirks(api.quirks, f"{path}.apis[{index}].quirks")
        if (account := self.account(name, settings, path)) is not None and len(self.problems) == before:
            self.misfits(path, credential_misfits(settings, account.dialect))
            self.misfits(path, unspoken(settings, account))
            if settings.enabled:
                self.accounts[name] = account
            self.add_warnings(account, settings, path)

    def passthrough(self, name: str, settings: ProviderSettings, path: str) -> None:
        try:
            vendor = resolve.vendor_of(name, settings)
            dialect = resolve.dialect_of(settings, vendor)
            chat_path, _ = resolve.paths_of(settings, vendor, dialect)
        except ValueError:
            return  # `account` reports this error at the setting that causes it
        for index, resource in enumerate(settings.passthrough):
            if resource not in DIALECTS[dialect].resources:
                self.problem(f"{path}[{index}]", f"the protocol {dialect} has no such endpoints")
        if settings.passthrough and not chat_path.endswith(DIALECTS[dialect].paths.chat):
            self.problem(path, "the path of these endpoints cannot be derived from this chat_path")
        if settings.check.every and not chat_path.endswith(DIALECTS[dialect].paths.chat):
            place = path.removesuffix("passthrough") + "check"
            self.problem(place, "the path of the list of models cannot be derived from this chat_path")

    def quirks(self, quirks: Mapping[str, Any], path: str) -> None:
        for quirk, value in quirks.items():
            place = setting_path(path, quirk)
            if quirk not in Quirks.__struct_fields__:
                self.problem(place, "unknown quirk", suggest(quirk, Quirks.__struct_fields__))
            else:
                self.run_rule(place, resolve.quirk_of, quirk, value)

    def account(self, name: str, settings: ProviderSettings, path: str) -> Provider | None:
        """Return a provider's account, also for a disabled one; None = a problem makes it impossible."""
        try:
            vendor = resolve.vendor_of(name, settings)
        except ValueError as error:
            self.problem(f"{path}.catalog", str(error), suggest(settings.catalog or "", CATALOG))
            return None
        try:
            dialect = resolve.dialect_of(settings, vendor)
        except ValueError as error:
            self.problem(
                f"{path}.dialect",
                str(error),
                "list further protocols of this provider in `apis`; configure another server "
                "under another name",
            )
            return None
        try:
            resolve.paths_of(settings, vendor, dialect)
        except ValueError as error:
            self.problem(f"{path}.chat_path", str(error), "set base_path to the path below which they lie")
            return None
        try:
            base = resolve.address_of(settings, vendor, dialect)
        except ValueError as error:
            if self.unread & {f"{path}.base_url", f"{path}.catalog"}:
                return None  # the address depends on a setting that could not be decoded
            place = path if settings.base_url is None else f"{path}.base_url"
            place = f"{path}.api_version" if isinstance(error, WrongVersion) else place
            near = suggest(name, CATALOG) if settings.base_url is None and vendor is None else None
            self.problem(place, str(error), near if near and near.startswith("did") else None)
            return None
        if settings.enabled and self.is_own(base):
            shown = address.without_keys(base)
            self.problem(
                f"{path}.base_url",
                f"{shown} is the address of this gateway",
                "requests would be sent to the gateway itself, in a loop",
            )
        spoken = [dialect]
        for index, api in enumerate(settings.apis or ()):
            place = f"{path}.apis[{index}]"
            if api.dialect in spoken:
                self.problem(
                    f"{place}.dialect",
                    f"{api.dialect} is listed twice, or is already the provider's `dialect`",
                )
            elif api.path and DIALECTS[api.dialect].paths.stream:
                self.problem(
                    f"{place}.path",
                    f"{api.dialect} puts the model into the URL path, so `path` cannot be set",
                )
            spoken.append(api.dialect)
        stated = (settings.quirks, *(api.quirks for api in settings.apis or ()))
        if any(quirk not in Quirks.__struct_fields__ for quirks in stated for quirk in quirks):
            return None
        try:
            return resolve.provider_of(name, settings, self.sources)
        except ValueError:  # the value of a quirk is wrong: `quirks` reports it
            return None

    def add_warnings(self, account: Provider, settings: ProviderSettings, path: str) -> None:
        url, secret = urlsplit(account.base_url), account.credentials or account.identity
        if secret and url.scheme == "http" and not is_private(url.hostname or ""):
            self.warn(f"{path}.base_url", "its API keys are sent unencrypted over http://")
        keyless = settings.enabled and settings.keys is None and not (account.identity or account.forwards)
        if keyless and account.vendor is not None and account.vendor.wants_key:
            # A provider with another name and its own base URL never gets the keys of the environment.
            elsewhere = settings.base_url is not None and account.name != account.vendor.name
            named = () if elsewhere else account.vendor.keys[:1]
            hint = f"set {' or '.join((*named, f'{path}.keys'))}"
            if settings.base_url is None or account.base_url == account.vendor.base_url:
                self.warn(path, "no API key is set, so the provider will refuse every request", hint)

    def model(self, name: str, model: Model, path: str) -> None:
        if model.use is not None and model.deployments:
            self.problem(f"{path}.use", "`use` and `deployments` are both set: keep one of them")
        elif not model.targets and not has_part(path, self.unread):
            self.problem(path, "set `use` or `deployments`")
        if name in self.aliases:
            self.problem(setting_path("aliases", name), "a model has the same name: rename one of them")
        if WILDCARD in name and not is_pattern(name):
            self.problem(path, "a pattern has one `*` and other text", _STAR if name == WILDCARD else None)
        self.misfits(f"{path}.headers", unusable(model.headers))
        self.misfits(path, unfit_defaults(model.defaults))
        self.api(model.api, [target.use for target in model.targets], f"{path}.api")
        for index, deployment in enumerate(model.deployments):
            self.deployment(deployment, f"{path}.deployments[{index}]", pattern=is_pattern(name))
        if model.use is not None:
            self.deployment(Deployment(use=model.use), path, pattern=is_pattern(name))
        self.fallbacks(model.fallbacks, name, f"{path}.fallbacks")
        if f"{path}.policy" not in self.unread:
            self.misfits(path, misfits(model, self.priced))
        if not has_part(f"{path}.deployments", self.unread):
            self.misfits(path, unpriced(model, self.priced))
            self.misfits(path, continuing(model, self.config))
        if not has_part("auth.keys", self.unread):
            self.misfits(path, impossible(model, client_names(self.config)))

    def fallbacks(self, fallbacks: Fallbacks, owner: str, path: str) -> None:
        """Check names, repetitions, windows and prices of the fallbacks of `owner`, a model or alias."""
        self.misfits(path, repeated(fallbacks))
        model = self.config.models.get(self.meant(owner))
        if model is not None:
            self.misfits(
                path, narrow(fallbacks, model, lambda name: self.config.models.get(self.meant(name)))
            )
        if model is not None and model.max_cost is not None:
            self.misfits(path, unpriced_fallbacks(fallbacks, self.uses, self.priced))
        for cause, names in msgspec.structs.asdict(fallbacks).items():
            for index, name in enumerate(names):
                place = f"{path}.{cause}[{index}]"
                if self.meant(name) == self.meant(owner):
                    self.problem(place, f"`{owner}` falls back to itself")
                else:
                    self.target(name, place)

    def meant(self, name: str) -> str:
        """Return the name to which aliases lead from `name`; `name` itself if it is no alias. For a circle of
        aliases: some name in it.
        """
        for _ in self.config.aliases:
            name = self.config.aliases[name].route if name in self.config.aliases else name
        return name

    def deployment(self, deployment: Deployment, path: str, *, pattern: bool = False) -> None:
        """Check a deployment. pattern: the model's name is a pattern, so that `*` is allowed in `use`."""
        provider, slash, upstream = deployment.use.partition("/")
        if deployment.use == "local":
            if deployment.file is None:
                self.problem(
                    f"{path}.use", "`use: local` needs `file`", "or write local/MODEL for an installed model"
                )
            elif pattern:
                self.problem(f"{path}.file", "a pattern stands for many models, and this is one")
            else:
                self.file(deployment.file, f"{path}.file")
        elif pattern and WILDCARD in upstream and provider in self.providers and self.is_enabled(provider):
            pass  # whether the provider offers a name is found out when a client asks for this name
        elif not slash or not upstream:
            self.problem(f"{path}.use", f"expected provider/model, found `{deployment.use}`")
        else:
            self.upstream(provider, upstream, f"{path}.use")
        if deployment.price is not None:
            self.misfits("", price_misfits(deployment.price, f"{path}.price"))
        if provider != "local":
            for name in ("file", "context", "threads", "gpu_layers", "keep_alive"):
                if getattr(deployment, name) is not None:
                    self.problem(f"{path}.{name}", "applies to local models only")
        elif slash and deployment.file is not None:
            self.problem(f"{path}.file", "can only be set together with `use: local`")

    def alias(self, name: str, alias: Alias, path: str) -> None:
        if not name:
            self.problem(path, "an alias must have a name")
        if "*" in name and name != "*":
            self.warn(path, "is an exact name, not a wildcard: only the alias `*` alone matches other names")
        self.misfits(path, unfit(alias))
        if not self.circle(name):
            self.target(alias.route, f"{path}.route", every=name == "*")
            self.api(alias.api, self.uses(alias.route), f"{path}.api")
            if alias.fallbacks is not None:
                self.fallbacks(alias.fallbacks, name, f"{path}.fallbacks")

    def api(self, api: str | None, uses: Iterable[str], path: str) -> None:
        """Report a problem if no provider in `uses` (`provider/model`) speaks the protocol `api`; built-in
        providers speak none. Nothing is checked if `api` is None, if `uses` is empty, or if a provider in it
        is neither built in nor in `accounts`.
        """
        providers = {use.partition("/")[0] for use in uses}
        accounts = [self.accounts[name] for name in providers if name in self.accounts]
        if api is None or not providers or not providers <= {*self.accounts, *BUILT_IN}:
            return  # an unknown provider is reported elsewhere
        if not any(one.dialect == api for account in accounts for one in account.apis):
            hint = "list the protocols of its provider in providers.NAME.apis" if accounts else None
            self.problem(path, f"its provider does not speak {api}", hint)

    def circles(self) -> None:
        reported: set[str] = set()
        for name in self.config.aliases:
            if name not in reported and (circle := self.circle(name)):
                reported.update(circle)
                back = "points back to itself: " + " → ".join([*circle, name])
                self.problem(f"{setting_path('aliases', name)}.route", back)

    def circle(self, name: str) -> list[str]:
        """Return the circle of aliases that the alias `name` is part of, `name` first; [] = there is none."""
        chain = {name: None}
        while (name := self.config.aliases[name].route) in self.config.aliases and name not in chain:
            chain[name] = None
        return list(chain) if name == next(iter(chain)) else []

    # --- Names ---------------------------------------------------------------------------------------------

    def target(self, target: str, path: str, *, every: bool = False) -> None:
        """Check the target of an alias, a fallback or a default: it must be an alias, a model, a name that a
        model's pattern matches, a `provider/model` whose provider is enabled and offers the model, or a name
        without a slash that `is_owned` accepts. Any other target is a problem at `path`. every: True = it may
        also be `provider/*`, if the provider has no list of models.
        """
        if target in self.aliases or target in self.models or met_by(target, self.models):
            return
        provider, slash, upstream = target.partition("/")
        if slash and upstream and provider in self.providers:
            self.upstream(provider, upstream, path, every=every)
        elif slash:
            hint = unconfigured(target, self.rows()) or suggest(provider, self.providers)
            self.problem(path, f"there is no model or alias `{target}`", hint)
        elif not self.is_owned(target):
            near = difflib.get_close_matches(target, (self.models | self.aliases) - {"*"}, n=1)
            hint = unconfigured(target, self.rows()) or (f"did you mean {near[0]}?" if near else None)
            self.problem(path, f"there is no model or alias `{target}`", hint or _BARE)

    def grants(self, entries: Iterable[str] | None, path: str) -> None:
        """Check a list of model names and patterns, unless the alias `*` exists. An entry that fits no model
        becomes a doubt; but a pattern `provider/…*` is a problem if the provider is disabled, or if its list
        `models` has no name that fits. Entries `group:NAME` are not checked. entries: None = no list.
        """
        if WILDCARD in self.aliases:
            return  # the alias `*` matches every name
        for index, entry in enumerate(entries or ()):
            place = f"{path}[{index}]"
            if entry.startswith(GROUP):
                continue  # see `account_misfits`
            if WILDCARD in entry:
                self.pattern(entry, place)
            elif not any(entry in (account.models or ()) for account in self.accounts.values()):
                before = len(self.problems)
                self.target(entry, place)
                self.doubts += [Doubt(entry, problem) for problem in self.problems[before:]]
                del self.problems[before:]

    def pattern(self, pattern: str, path: str) -> None:
        matched = Grants([pattern])
        known = [*self.models, *self.aliases, self.config.default_model, *self.config.default_models.values()]
        if pattern == WILDCARD or any(name in matched for name in known if name is not None):
            return
        head, slash, rest = pattern.partition("/")
        if slash and WILDCARD not in head:
            self.provider_pattern(pattern, head, rest, path)
            return
        listed = [
            (account.models, account.vendor.models if account.vendor else ())
            for account in self.accounts.values()
        ]
        if slash:
            found = any(name in Grants([head]) for name in self.providers)
        else:
            found = any(name in matched for models, _ in listed for name in models or ())
            found |= any(
                may_meet(pattern, own) for models, owned in listed if models is None for own in owned
            )
        if not found:
            hint = unconfigured(pattern.replace(WILDCARD, "x"), self.rows()) or _PATTERN
            self.doubts.append(Doubt(pattern, self.note(path, f"`{pattern}` matches no model", hint)))

    def provider_pattern(self, pattern: str, provider: str, rest: str, path: str) -> None:
        if provider not in self.providers:
            hint = unconfigured(pattern, self.rows()) or suggest(provider, self.providers)
            problem = self.note(path, f"there is no provider {provider}", hint)
            self.doubts.append(Doubt(pattern, problem))
        elif not self.is_enabled(provider):
            self.problem(path, f"the provider {provider} is disabled (`enabled: false`)")
        elif provider in self.accounts and (models := self.accounts[provider].models) is not None:
            matched = Grants([rest])
            if not any(model in matched for model in models):
                hint = f"add it to providers.{provider}.models"
                self.problem(path, f"the provider {provider} does not offer the model {rest}", hint)

    def rows(self) -> dict[str, str | None]:
        """Return {provider: `catalog` of its settings, or else the provider's name}. The value is None for a
        provider without settings here: it is built in, belongs to the program, or could not be decoded.
        """
        named = self.config.providers.named
        return {name: (named[name].catalog or name) if name in named else None for name in self.providers}

    def uses(self, target: str) -> list[str]:
        """Return the deployments (`provider/model`) for a name, after aliases: those of the model with this
        name or a matching pattern; else the name itself if its first part is a provider; else one at each
        account whose vendor has models of such names. For a circle of aliases the result has no meaning.
        """
        target = self.meant(target)
        if target not in self.config.models:
            target = met_by(target, self.config.models) or target
        if target in self.config.models:
            return [deployment.use for deployment in self.config.models[target].targets]
        if target.partition("/")[0] in self.providers:
            return [target]
        return [f"{name}/{target}" for name, account in self.accounts.items() if account.owns(target)]

    def is_owned(self, model: str) -> bool:
        """Whether the vendor of an account has models of such names. True also if any enabled provider has an
        error and so no account, because the name may be that provider's. model: a name without `provider/`.
        """
        enabled = {name for name in self.providers - {*BUILT_IN, *self.own} if self.is_enabled(name)}
        return enabled != self.accounts.keys() or any(one.owns(model) for one in self.accounts.values())

    def upstream(self, provider: str, model: str, path: str, *, every: bool = False) -> None:
        """Report a problem unless a provider exists, is enabled and offers a model. every: True = the model
        may also be `*`, if the provider has no list of models.
        """
        if provider not in self.providers:
            hint = unconfigured(f"{provider}/{model}", self.rows()) or suggest(provider, self.providers)
            self.problem(path, f"there is no provider {provider}", hint)
        elif not self.is_enabled(provider):
            self.problem(path, f"the provider {provider} is disabled (`enabled: false`)")
        elif model == "*" and not every:
            hint = "only the alias `*` may have a pattern as its target"
            self.problem(path, f"`{provider}/*` is a pattern, not a model", hint)
        elif provider in self.accounts and not self.accounts[provider].takes(model):
            problem, hint = f"does not offer the model {model}", f"add it to providers.{provider}.models"
            if model == "*":  # the table finds the models of the list before it comes to the alias `*`
                problem = "takes only the models that it lists, and these need no alias `*`"
                hint = f"remove the alias, or providers.{provider}.models"
            self.problem(path, f"the provider {provider} {problem}", hint)

    def is_enabled(self, provider: str) -> bool:
        providers = self.config.providers
        if provider == "local":
            return providers.local.enabled
        if provider == "simulate":
            return providers.simulate.enabled is not False
        return provider not in providers.named or providers.named[provider].enabled

    def is_own(self, base: str) -> bool:
        server = self.config.server
        parts = urlsplit(base)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if port != server.port or parts.scheme != "http":
            return False
        host = parts.hostname or ""
        return host == server.host or (host in _LOOPBACK and server.host in _LOOPBACK | _ALL_INTERFACES)

    # --- Values --------------------------------------------------------------------------------------------

    def file(self, name: str | None, path: str) -> None:
        if name is not None and not is_file(Path(name)):
            self.problem(path, f"there is no file {name}")

    def run_rule(self, path: str, rule: Callable[..., object], *arguments: object) -> None:
        """Call `rule` with the arguments. A ValueError becomes a problem at `path`, with the error's text."""
        try:
            rule(*arguments)
        except ValueError as error:
            self.problem(path, str(error))

    def misfits(self, path: str, found: Iterable[Misfit]) -> None:
        """Report these mistakes: as warnings if they are `odd`, otherwise as problems. path: the section to
        which their places are relative; "" = the places are complete paths.
        """
        for place, message, hint, odd in found:
            tell = self.warn if odd else self.problem
            tell(".".join(one for one in (path, place) if one), message, hint)

    def problem(self, path: str, message: str, hint: str | None = None) -> None:
        self.problems.append(self.note(path, message, hint))

    def warn(self, path: str, message: str, hint: str | None = None) -> None:
        self.warnings.append(self.note(path, message, hint))

    def note(self, path: str, message: str, hint: str | None) -> Problem:
        origin, line = source_of(path, self.sources) or (None, None)
        return Problem(path, message, origin, line, hint)


def source_of(path: str, sources: Mapping[str, Source]) -> Source | None:
    """Return the source of a setting, or of the nearest section around it that has one; None = none has."""
    around = (one for one in sources if path.startswith(one) and path[len(one) :][:1] in {"", *".["})
    return sources.get(max(around, key=len, default=""))
