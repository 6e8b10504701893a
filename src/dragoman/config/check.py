"""Checks that the settings fit together (names and files exist, addresses are valid, aliases form no circle),
and makes the providers' accounts.

`decode` has already checked the form of each value. The name of an entry that could not be decoded still
counts as known, so that no other setting is blamed for using it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from dragoman.accounts.grants import GROUP, WILDCARD
from dragoman.accounts.keys import is_loopback
from dragoman.accounts.shared.address import HINT as VALKEY_HINT
from dragoman.accounts.shared.address import parsed
from dragoman.config.added import BUILT_IN
from dragoman.config.alerting import require_receiver, require_signing
from dragoman.config.check_accounts import account_misfits, permissions_of
from dragoman.config.check_attempts import general_misfits
from dragoman.config.check_balancing import (
    misfits,
    narrow,
    repeated,
    unpriced,
    unpriced_fallbacks,
)
from dragoman.config.check_certificates import authority, database_files
from dragoman.config.check_conditions import client_names, impossible
from dragoman.config.check_continuing import continuing
from dragoman.config.check_credential import key_misfits
from dragoman.config.check_defaults import unfit, unfit_defaults
from dragoman.config.check_forwarding import forwarding_misfits
from dragoman.config.check_headers import unusable
from dragoman.config.check_limits import empty_lists, limit_misfits, stated_models
from dragoman.config.check_names import Names
from dragoman.config.check_observing import unchecked, unseen
from dragoman.config.check_prices import price_misfits, unfit_prices
from dragoman.config.check_provider import checked
from dragoman.config.fallbacks import Fallbacks
from dragoman.config.misfit import Misfit, no_file, ruled, within
from dragoman.config.pricing import Priced, Pricing
from dragoman.config.settings import Alias, Config, Deployment, Model
from dragoman.config.tree import Source
from dragoman.config.values import addresses, network, web_origin
from dragoman.errors import Problem, has_part, setting_path
from dragoman.providers.patterns import is_pattern
from dragoman.providers.provider import Provider
from dragoman.seams.clock import SYSTEM
from dragoman.stores.address import HINT as DATABASE_HINT
from dragoman.stores.address import PostgresUrl, database

_STAR: Final = "for every name that nothing else knows use the alias `*`"

_SHORTEST_KEY: Final = 16
"""The fewest characters of a client key. A shorter one is refused; on loopback it is only a warning."""


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
    """Return (accounts, problems, warnings, doubts). accounts: the enabled providers for which an account
    could be made, by name. problems: errors. warnings: things that are unusual but allowed. doubts: see
    `Doubt`.

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
        self.names = Names(config, names, own, self.accounts)
        self.pricing = Pricing(config, self.accounts)
        self.priced = Priced(self.pricing)

    def run(self) -> None:
        self.server()
        self.auth()
        for name, provider in self.config.providers.named.items():
            account, found = checked(name, provider, self.config, self.sources, self.unread)
            self.misfits(setting_path("providers", name), found)
            if account is not None:
                self.accounts[name] = account
        for name, model in self.config.models.items():
            self.model(name, model, setting_path("models", name))
        for name, alias in self.config.aliases.items():
            self.alias(name, alias, setting_path("aliases", name))
        self.alerts()
        self.misfits("", unfit_prices(self.config, self.pricing))
        self.misfits("", general_misfits(self.config))
        self.misfits("", forwarding_misfits(self.config, self.accounts))
        self.misfits("", unseen(self.config))
        self.misfits("", limit_misfits(self.config, self.unread, self.names.providers))
        self.misfits("", empty_lists(self.config, self.sources.keys()))
        for path, models in stated_models(self.config):
            self.grants(models, path)
        self.circles()
        self.misfits("", unchecked(self.config))
        if self.config.default_model is not None:
            self.misfits("default_model", self.names.target(self.config.default_model))
        for operation, default in self.config.default_models.items():
            self.misfits(f"default_models.{operation}", self.names.target(default))
        for path, permissions in permissions_of(self.config):
            self.grants(permissions.models, f"{path}.models")
        for name, entries in self.config.groups.items():
            self.grants(entries, setting_path("groups", name))
        self.grants(self.config.server.keyless_models, "server.keyless_models")
        for index, entry in enumerate(self.config.egress.allow):
            self.misfits("", ruled(f"egress.allow[{index}]", network, entry))

    # --- Sections ------------------------------------------------------------------------------------------

    def server(self) -> None:
        server = self.config.server
        for name in ("host", "admin_host"):
            if not re.fullmatch(r"[A-Za-z0-9.:_-]+", getattr(server, name)):
                self.problem(f"server.{name}", "expected a host name or an address")
        if server.admin_port and server.admin_port == server.port:
            self.problem("server.admin_port", "this is the clients' port (server.port)", "choose another one")
        for index, origin in enumerate(server.cors_origins or ()):
            if origin != "*":
                self.misfits("", ruled(f"server.cors_origins[{index}]", web_origin, origin))
        for name in ("shared_addresses", "trusted_proxies"):
            for index, entry in enumerate(getattr(server, name)):
                self.misfits("", ruled(f"server.{name}[{index}]", addresses, entry))
        self.database("stores.sql", self.config.stores.sql)
        self.database("trace.store", self.config.trace.store)
        if server.workers > 1 and self.config.stores.sql == "memory":
            self.problem("server.workers", "several workers need a shared database", "stores.sql: sqlite")
        if (valkey := self.config.stores.valkey) is not None:
            try:
                parsed(valkey.reveal())
            except ValueError as error:
                self.problem("stores.valkey", str(error), VALKEY_HINT)
        self.misfits("", authority("stores.valkey_ca", self.config.stores.valkey_ca))

    def database(self, name: str, stated: str | None) -> None:
        try:
            found = database(stated or "memory")
        except ValueError as error:
            self.problem(name, str(error), DATABASE_HINT)
        else:
            if isinstance(found, PostgresUrl):
                self.misfits(name, database_files(found.uri.reveal()))

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
        self.misfits("", account_misfits(self.config, self.unread, self.names.providers))

    def alerts(self) -> None:
        for index, alert in enumerate(self.config.alerts):
            self.misfits("", ruled(f"alerts[{index}].url", require_receiver, alert.url.reveal()))
            self.misfits("", ruled(f"alerts[{index}].secret", require_signing, alert.secret.reveal()))
            if not alert.events:
                self.problem(f"alerts[{index}].events", "no alert is sent to this receiver")

    def model(self, name: str, model: Model, path: str) -> None:
        if model.use is not None and model.deployments:
            self.problem(f"{path}.use", "`use` and `deployments` are both set: keep one of them")
        elif not model.targets and not has_part(path, self.unread):
            self.problem(path, "set `use` or `deployments`")
        if name in self.names.aliases:
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
        model = self.config.models.get(self.names.meant(owner))
        if model is not None:
            self.misfits(
                path, narrow(fallbacks, model, lambda name: self.config.models.get(self.names.meant(name)))
            )
        if model is not None and model.max_cost is not None:
            self.misfits(path, unpriced_fallbacks(fallbacks, self.names.uses, self.priced))
        for cause, names in msgspec.structs.asdict(fallbacks).items():
            for index, name in enumerate(names):
                place = f"{path}.{cause}[{index}]"
                if self.names.meant(name) == self.names.meant(owner):
                    self.problem(place, f"`{owner}` falls back to itself")
                else:
                    self.misfits(place, self.names.target(name))

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
                self.misfits(path, no_file("file", deployment.file))
        elif pattern and WILDCARD in upstream and self.names.has_enabled(provider):
            pass  # whether the provider offers a name is found out when a client asks for this name
        elif not slash or not upstream:
            self.problem(f"{path}.use", f"expected provider/model, found `{deployment.use}`")
        else:
            self.misfits(f"{path}.use", self.names.upstream(provider, upstream))
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
        if not self.names.circle(name):
            self.misfits(f"{path}.route", self.names.target(alias.route, every=name == "*"))
            self.api(alias.api, self.names.uses(alias.route), f"{path}.api")
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
            if name not in reported and (circle := self.names.circle(name)):
                reported.update(circle)
                back = "points back to itself: " + " → ".join([*circle, name])
                self.problem(f"{setting_path('aliases', name)}.route", back)

    # --- Values --------------------------------------------------------------------------------------------

    def grants(self, entries: Iterable[str] | None, path: str) -> None:
        """Check a list of model names and patterns: what fits no model is a problem or a doubt. Entries
        `group:NAME` are not checked: see `account_misfits`. entries: None = no list.
        """
        for index, entry in enumerate(entries or ()):
            place = f"{path}[{index}]"
            for misfit, is_certain in () if entry.startswith(GROUP) else self.names.grant(entry):
                if is_certain:
                    self.misfits(place, [misfit])
                else:
                    problem = self.note(place, misfit.message, misfit.hint)
                    self.doubts.append(Doubt(entry, problem))

    def misfits(self, path: str, found: Iterable[Misfit]) -> None:
        """Report these mistakes: as warnings if they are `odd`, otherwise as problems. path: the section to
        which their places are relative; "" = the places are complete paths.
        """
        for place, message, hint, odd in within(path, found):
            (self.warnings if odd else self.problems).append(self.note(place, message, hint))

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
