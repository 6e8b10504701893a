"""Converts LiteLLM's `config.yaml` into Dragoman's settings, with notes, and formats settings and notes.

https://docs.litellm.ai/docs/proxy/config_settings
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from dragoman.config import litellm_bounds as bounds
from dragoman.config import litellm_clouds as clouds
from dragoman.config import litellm_vertex as vertex
from dragoman.config import litellm_words as words
from dragoman.config.foreign_prices import is_cost, price_of
from dragoman.config.litellm_accounts import Accounts, base_url, credentials, with_credential
from dragoman.config.litellm_groups import access_groups
from dragoman.config.litellm_patterns import is_alone, unsettled
from dragoman.config.litellm_prices import rounded
from dragoman.config.litellm_usable import usable
from dragoman.config.litellm_values import filled, items, number, section
from dragoman.errors import setting_path
from dragoman.providers.patterns import is_pattern, met_by

_MOST_ATTEMPTS: Final = 10


class Note(NamedTuple):
    """What became of a LiteLLM setting. path: its place in the file, or words ("weight of gpt"); for a
    setting that Dragoman's check refuses, its place in our settings. done: False = a person should look.
    """

    path: str
    text: str
    done: bool = False


class Converted(NamedTuple):
    """Dragoman's settings, as a configuration file has them, and notes about what became of LiteLLM's."""

    settings: dict[str, Any]
    notes: tuple[Note, ...]


def is_litellms(written: Mapping[str, Any]) -> bool:
    """Whether this has a LiteLLM section, but no `providers`, `models`, `aliases`, `auth` or `server`."""
    ours = {"providers", "models", "aliases", "auth", "server"}
    return not words.SECTIONS.isdisjoint(written) and ours.isdisjoint(written)


def convert(written: Mapping[str, Any]) -> Converted:
    """Convert the content of LiteLLM's configuration file (its YAML) into Dragoman's settings, as far as
    possible. Settings that Dragoman's check would refuse are left out, with notes (`usable`).
    """
    return _Conversion(written).run()


class _Target(msgspec.Struct):
    """One converted deployment ("our" means Dragoman's). use: `provider/model`. context: the context window
    in tokens, None = not stated. order: LiteLLM's number; the deployments with the smallest one are asked
    first. supports, price, weight, limits, when: our settings; None or {} = not stated. shares: {parameter:
    number}, those of `words.SHARES` that are stated. together: how many of the deployment's requests may run
    at once, None = no limit. tags: LiteLLM's tags of the requests that the deployment serves.
    """

    use: str
    context: int | None = None
    order: int = 0
    supports: dict[str, bool] = {}
    shares: dict[str, float] = {}
    price: dict[str, Any] | None = None
    weight: float | None = None
    together: int | None = None
    tags: tuple[str, ...] = ()
    when: dict[str, list[str]] = {}
    limits: dict[str, str] = {}


class _Group(msgspec.Struct):
    """The converted LiteLLM entries with the same `model_name`. targets: their deployments, equal ones only
    once. model: settings for the whole model (`models.NAME`). defaults: default parameters of requests.
    """

    targets: list[_Target] = []
    model: dict[str, Any] = {}
    defaults: dict[str, Any] = {}


class _Conversion:
    def __init__(self, written: Mapping[str, Any]) -> None:
        self.written = written
        self.entries = items(written.get("model_list"))
        self.notes: list[Note] = []
        self.known = section(written, "environment_variables")
        self.used: set[str] = set()
        """The names in `known` to which the converted values refer (`os.environ/NAME`)."""
        self.accounts = Accounts(self.known, self.text)
        self.credentials = credentials(written)
        self.groups: dict[str, _Group] = {}
        self.aliases: dict[str, Any] = {}
        self.stated_aliases: dict[str, Any] = {}
        """LiteLLM's `model_group_alias`."""
        self.general: dict[str, dict[str, Any]] = {}
        """Dragoman's general settings, by section."""
        self.together: int | None = None
        """How many requests of each deployment run at once, unless it states a number; None = no limit."""
        self.by_tags = False
        """Whether requests are sent to deployments by their tags."""
        self.timeouts: dict[str, Any] = {}
        self.policy = "weighted"
        """The policy for models with several deployments. LiteLLM without a strategy chooses by weight."""
        self.chains: dict[str, dict[str, list[str]]] = {}
        """By model and by cause (in Dragoman's words): the names of the fallbacks. `*` = of every model."""

    def run(self) -> Converted:
        self.sections()
        for index, entry in enumerate(self.entries):
            self.entry(entry, f"model_list[{index}]")
        self.alias_groups()
        self.limit_apart()
        for name, group in self.groups.items():
            self.spread(name, group)
            self.choose_by_tags(name, group)
            self.limit(name, group)
        self.check_fallbacks()
        models = {name: self.model(name, group) for name, group in self.groups.items()}
        if (port := self.accounts.free_port()) is not None:
            self.general.setdefault("server", {})["port"] = port
            text = f"a provider listens at the usual port of this gateway: here server.port: {port}"
            self.note("api_base", text, done=True)
        uses = [target.use for group in self.groups.values() for target in group.targets]
        settings: dict[str, Any] = {"providers": self.accounts.finish(self.timeouts, uses), "models": models}
        settings |= {"aliases": self.aliases, **self.general}
        settings["groups"] = access_groups(self.entries, self.is_offered)
        if (master := section(self.written, "general_settings").get("master_key")) is not None:
            key = {"name": "master", "key": self.text(master), "scopes": ["inference", "admin"]}
            settings["auth"] = {"keys": [key]}
        kept, left = usable({name: value for name, value in settings.items() if value})
        for name in self.known:
            self.note(setting_path(_VARIABLES, name), self.variable(name))
        for one in left:
            self.note(one.path, f"left out: {one.why}")
        return Converted({name: value for name, value in kept.items() if value}, tuple(self.notes))

    def note(self, path: str, text: str, *, done: bool = False) -> None:
        self.notes.append(Note(path, text, done))

    def text(self, value: Any) -> str:
        """Return a value as a text; `os.environ/NAME` in it becomes NAME's value in `known`, or `${NAME}`."""
        self.used |= {name for name in self.known if f"os.environ/{name}" in str(value)}
        return filled(value, self.known)

    def variable(self, name: str) -> str:
        where = "its value is put where LiteLLM reads it" if name in self.used else "nothing reads it here"
        return f"{where}; better set it in the environment of `dragoman serve` and write ${{{name}}}"

    # Sections ---------------------------------------------------------------------------------------------

    def sections(self) -> None:
        for name, value in self.written.items():
            if name in ("model_list", _VARIABLES) or value is None:
                continue
            if name in words.SETTINGS and not isinstance(value, Mapping):
                self.setting(name, value, name)
            elif name in words.SECTIONS and isinstance(value, Mapping):
                for key, inner in value.items():
                    self.setting(str(key), inner, setting_path(name, str(key)))
            else:
                self.note(name, words.of_setting(name))

    def setting(self, name: str, value: Any, path: str) -> None:
        if value is None or self.limiting(name, value, path):
            return
        if name in words.CAUSES:
            for chain in items(value):
                for model, others in (chain if isinstance(chain, Mapping) else {"*": chain}).items():
                    self.chain(str(model), words.CAUSES[name], others)
            self.note(path, words.SETTINGS[name], done=True)
        elif name == "default_fallbacks":
            self.chain("*", "any", value)
            self.note(path, words.SETTINGS[name], done=True)
        elif name == "model_group_alias" and isinstance(value, Mapping):
            self.stated_aliases = {str(alias): target for alias, target in value.items()}
            self.note(path, "here: aliases", done=True)
        elif name == "credential_list" and self.credentials:
            self.note(path, "here: keys and base_url of the providers whose deployments name one", done=True)
        elif name == "num_retries" and number(value) is not None:
            attempts = min(int(value) + 1, _MOST_ATTEMPTS)
            self.general.setdefault("retries", {})["attempts"] = attempts
            self.note(path, f"here: retries.attempts: {attempts}, the first attempt included", done=True)
        elif name in ("request_timeout", "timeout", "stream_timeout") and number(value) is not None:
            self.timeouts |= bounds.timeouts_of(name, value)
            self.note(
                path, "here: providers.NAME.timeouts.first_byte and idle; total bounds the whole attempt"
            )
        elif name == "routing_strategy":
            self.strategy(str(value), path)
        elif name == "master_key":
            self.note(path, "here: a key of auth.keys with scopes: [inference, admin]", done=True)
        else:
            self.note(path, words.of_setting(name))

    def limiting(self, name: str, value: Any, path: str) -> bool:
        """Convert a general setting that limits requests, chooses deployments by tags, or is for Vertex AI.
        False = nothing was done, because the setting or its value is another.
        """
        if (bound := bounds.bound_of(name, value)) is not None:
            self.general.setdefault(bound.section, {}).update(bound.settings)
            self.note(path, bound.text, done=True)
        elif name == "default_max_parallel_requests" and (count := number(value)):
            self.together = int(count)
            self.note(path, words.TOGETHER, done=True)
        elif found := bounds.budgets_for(name, section(self.written, "litellm_settings")):
            self.general["limits"] = found
            self.note(path, "here: limits, which count from now on", done=True)
        elif name in vertex.GENERAL:
            self.note(path, "here: project and region of the providers for Vertex AI", done=True)
        elif name == "enable_tag_filtering":
            self.by_tags = value is True
            self.note(path, "here: `when: {tags: […]}` of deployments", done=True)
        else:
            return False
        return True

    def chain(self, model: str, cause: str, others: Any) -> None:
        self.chains.setdefault(model, {}).setdefault(cause, []).extend(map(str, items(others)))

    def strategy(self, name: str, path: str) -> None:
        near = words.POLICIES.get(name)
        if near is None:
            self.note(path, f"there is no policy like {name}; models get policy: {self.policy}")
            return
        self.policy = near
        if name.startswith("usage-based"):
            self.note(path, "no policy shares by tokens per minute; models get policy: least_busy")
        else:
            self.note(path, f"here: policy: {near} of models with several deployments", done=True)

    # Models -----------------------------------------------------------------------------------------------

    def entry(self, entry: Any, path: str) -> None:
        params = with_credential(section(entry, "litellm_params"), self.credentials)
        name, model = section({"x": entry}, "x").get("model_name"), params.get("model")
        if not isinstance(name, str) or not isinstance(model, str):
            self.note(path, "has no model_name or no litellm_params.model: left out")
            return
        model = self.text(model)
        prefix, rest, params = self.read(model, params)
        if (refused := self.refused(prefix, rest, params)) is not None:
            self.note(
                f"{path}.litellm_params.model", f"{model}: {refused}; this deployment of {name} is left out"
            )
            return
        prefix = prefix or "openai"
        api, rest = _without_prefixes(rest)
        if not rest:
            self.note(f"{path}.litellm_params.model", f"{model} names no model; {name} is left out")
            return
        account = self.accounts.add(prefix, params, name)
        for at, text in self.accounts.notes:
            self.note(f"{path}.litellm_params.{at}", text)
        info = section(entry, "model_info")
        if ("*" in name or "*" in rest) and self.wildcard(name, rest, account, path):
            self.notes += (Note(f"{path}.{at}", text, done) for at, text, done in unsettled(params, info))
            return
        group = self.groups.setdefault(name, _Group())
        target = self.target(account, rest, params, info, path)
        if target not in group.targets:
            group.targets.append(target)
        self.note(path, f"here: models.{name} with {target.use}, and providers.{account}", done=True)
        if "${" in rest:
            self.note(f"{path}.litellm_params.model", words.VARIABLE_MODEL)
        if api:
            group.model["api"] = "openai_responses"
        self.params(params, group, f"{path}.litellm_params")
        self.info(info, group, f"{path}.model_info")
        self.costs(target.price, params, f"{path}.litellm_params")
        self.costs(target.price, info, f"{path}.model_info")
        for key in entry:
            if key not in ("model_name", "litellm_params", "model_info"):
                self.note(setting_path(path, str(key)), words.PARAMS.get(key, words.UNKNOWN))

    def target(
        self, account: str, model: str, params: Mapping[str, Any], info: Mapping[str, Any], path: str
    ) -> _Target:
        """Return the deployment of an entry. Its base model, if it states one, goes to the provider."""
        if isinstance(base := info.get("base_model"), str) and (behind := base.rpartition("/")[2]):
            self.accounts.base_models.setdefault(account, {})[model] = behind
        order = number(params.get("order"))
        context = number(info.get("max_input_tokens"))
        exact = price_of({**info, **params})
        price = rounded(exact)
        if price != exact:
            self.note(f"{path}: costs", words.TINY)
        return _Target(
            f"{account}/{model}",
            None if context is None else int(context),
            0 if order is None else int(order),
            {
                ours: able
                for theirs, ours in words.SUPPORTS.items()
                if isinstance(able := info.get(theirs), bool)
            },
            {name: share for name in words.SHARES if (share := number(params.get(name))) is not None},
            price,
            together=self.together_of(params),
            tags=tuple(map(str, items(params.get("tags")))) if self.by_tags else (),
            limits=bounds.limits_of(params),
        )

    def read(self, model: str, params: Mapping[str, Any]) -> tuple[str | None, str, Mapping[str, Any]]:
        """Return (the provider in LiteLLM's words, None = not stated; the model's name without it; the
        parameters, with the region that a Bedrock model's name contains, or for Vertex AI with LiteLLM's
        general project and location if they state none).
        """
        prefix, rest = self.split(model, params)
        if prefix == "bedrock":
            return prefix, *clouds.read(rest, params)
        if prefix in vertex.PREFIXES:
            params = vertex.with_general(params, section(self.written, "litellm_settings"))
        return prefix, rest, params

    def refused(self, prefix: str | None, model: str, params: Mapping[str, Any]) -> str | None:
        """Return why a deployment cannot be converted; None = it can."""
        if prefix in vertex.PREFIXES:
            return vertex.not_spoken(model, params, self.known, self.text)
        if prefix in words.VENDORS:
            return None
        return words.NOT_SPOKEN.get(prefix or "") or (None if base_url(params) else words.NOT_KNOWN)

    def split(self, model: str, params: Mapping[str, Any]) -> tuple[str | None, str]:
        """Return (the provider in LiteLLM's words, None = not stated; the model's name without it):
        `openai/gpt-5` → ("openai", "gpt-5"), and for `gpt-5`, by `words.BARE`, the same.
        """
        stated = params.get("custom_llm_provider")
        prefix, slash, rest = model.partition("/")
        if isinstance(stated, str):
            return stated, rest if slash and prefix == stated else model
        if slash and (prefix in words.VENDORS or prefix in words.NOT_SPOKEN):
            return prefix, rest
        for pattern, vendor in words.BARE:
            if pattern.match(model):
                return vendor, model
        return (None, model) if not slash or base_url(params) else (prefix, rest)

    def wildcard(self, name: str, rest: str, account: str, path: str) -> bool:
        """Convert an entry whose name or model contains `*`, or leave it out with a note. Usually this puts
        its provider into `Accounts.open`. False = the caller makes it a model with a pattern as its name.
        rest: the model's name. account: the provider's name.
        """
        where = f"{path}.model_name"
        if name != "*" or self.aliases.get("*", f"{account}/*") == f"{account}/*":
            self.accounts.open.add(account)
        if name == "*" and self.aliases.setdefault("*", f"{account}/*") != f"{account}/*":
            self.note(where, f'another entry is the alias "*" already: left out; {account}/NAME is valid')
        elif name == "*":
            self.note(where, f'here: the alias "*", by which every unknown name goes to {account}', done=True)
        elif name == f"{account}/*" and rest == "*" and is_alone(name, self.entries):
            self.note(where, f"nothing is needed: {account}/NAME is always a valid name", done=True)
        elif is_pattern(name) and rest.count("*") <= 1:
            return False
        else:
            self.note(where, f"a pattern has one `*` here: left out; {account}/NAME is always a valid name")
        return True

    def params(self, params: Mapping[str, Any], group: _Group, path: str) -> None:
        converted = bounds.limits_of(params)
        for key, value in params.items():
            if bounds.LIMITS.get(key) in converted:
                self.note(setting_path(path, key), words.LIMITED, done=True)
                continue
            if key in _APART or is_cost(key) or value is None or (key == "tags" and self.by_tags):
                continue
            if key in words.DEFAULTS:
                if group.defaults.setdefault(key, value) != value:
                    self.note(
                        setting_path(path, key), "another entry of this name states another value: left out"
                    )
            elif key == "extra_body" and isinstance(value, Mapping):
                group.model["body"] = {**group.model.get("body", {}), **value}
            else:
                self.note(setting_path(path, key), words.PARAMS.get(key) or words.of_setting(key))

    def info(self, info: Mapping[str, Any], group: _Group, path: str) -> None:
        for key, value in info.items():
            if key in words.SUPPORTS and isinstance(value, bool):
                continue  # `target` has converted it
            if key == "max_output_tokens" and number(value) is not None:
                group.model["max_output"] = int(value)
            elif key not in ("max_input_tokens", "base_model") and not is_cost(key):
                self.note(
                    setting_path(path, key), words.INFO.get(key, "not needed here"), done=key in words.DONE
                )

    def costs(self, price: Mapping[str, Any] | None, stated: Mapping[str, Any], path: str) -> None:
        said = words.PRICED if price else words.HALF_PRICE
        for key, value in stated.items():
            if is_cost(key) and value is not None:
                self.note(setting_path(path, key), said, done=price is not None)

    def alias_groups(self) -> None:
        """Turn LiteLLM's aliases into `aliases`, without fallbacks (`check_fallbacks` adds them). Left out
        with a note: an alias that cannot be converted, and a model with the name of a converted alias.
        """
        for alias, stated in self.stated_aliases.items():
            model = stated.get("model") if isinstance(stated, Mapping) else stated
            path = f"model_group_alias of {alias}"
            target = self.reached(model) if isinstance(model, str) else None
            if not alias or alias == "*" or not isinstance(model, str):
                self.note(path, "is no name of a model, or names none: left out")
            elif model == alias and alias in self.groups:
                self.note(path, "nothing is needed: the model has this name", done=True)
            elif target is None or model == alias:
                self.note(path, f"{model} was not converted: left out")
            else:
                self.aliases[alias] = target
                if isinstance(stated, Mapping) and stated.get("hidden"):
                    self.note(path, "is listed here: no alias is hidden")
        for alias in [name for name in self.aliases if name in self.groups]:
            del self.groups[alias]
            self.note(f"model_list: {alias}", "its name is an alias, which comes first: left out")

    def check_fallbacks(self) -> None:
        """Put the fallbacks of aliases into `aliases`. Add a note for each name with fallbacks if it, or one
        of its fallbacks, was not converted.
        """
        for name, causes in self.chains.items():
            missing = [one for listed in causes.values() for one in listed if self.reached(one) is None]
            if name not in self.groups and isinstance(route := self.aliases.get(name), str) and name != "*":
                fallbacks = self.fallbacks(name)
                self.aliases[name] = {"route": route, "fallbacks": fallbacks} if fallbacks else route
            if name != "*" and name not in self.groups and name not in self.aliases:
                self.note(f"fallbacks of {name}", "no model of this name was converted")
            elif missing:
                self.note(f"fallbacks of {name}", f"not converted: {', '.join(dict.fromkeys(missing))}")

    def fallbacks(self, name: str) -> Any:
        """Return Dragoman's `fallbacks` of a model or alias: a list of names for `any` alone, or {cause:
        names}; None = there are none. Unconverted names are left out, and so are names of the model itself.
        The names for every model (`*`) come after the model's own for `any`; for another cause, they count if
        the model has none of its own.
        """
        causes = {cause: list(listed) for cause, listed in self.chains.get(name, {}).items()}
        for cause, listed in self.chains.get("*", {}).items():
            if cause == "any" or cause not in causes:
                causes.setdefault(cause, []).extend(listed)
        kept: dict[str, list[str]] = {}
        for cause, listed in causes.items():
            found = dict.fromkeys(one for one in map(self.reached, listed) if one is not None)
            if others := [one for one in found if self.target_of(one) != self.target_of(name)]:
                kept[cause] = others
        if not kept:
            return None
        return kept["any"] if kept.keys() == {"any"} else kept

    def reached(self, name: str) -> str | None:
        """Return the name by which Dragoman reaches what LiteLLM's name of a model reaches: the same name, or
        `provider/model` if only the alias `*` has it; None = it was not converted, or is empty or a pattern.
        """
        if not name or "*" in name:
            return None  # a pattern is no model
        account, slash, model = name.partition("/")
        if self.is_name(name) or (slash and model and account in self.accounts.open):
            return name
        every = self.aliases.get("*")
        return every.replace("*", name) if isinstance(every, str) else None

    def is_offered(self, name: str) -> bool:
        return name in {*self.groups, *self.aliases, *(f"{account}/*" for account in self.accounts.open)}

    def spread(self, name: str, group: _Group) -> None:
        """If several deployments of a group have the smallest `order`, give the group a policy, and its
        deployments weights: 0 to those with a higher `order`; to the others LiteLLM's, if each has one and
        the policy is `weighted`.
        """
        least = min(target.order for target in group.targets)
        first = [target for target in group.targets if target.order == least]
        stated = [share for share in words.SHARES if any(share in target.shares for target in first)]
        if len(first) > 1:
            group.model["policy"] = self.policy
            for target in group.targets:
                if target.order > least:
                    target.weight = 0
        if not stated:
            return
        if self.policy != "weighted" or len(first) < 2:
            if stated[0] == "weight":
                self.note(f"weight of {name}", "not needed: nothing is shared by weight")
        elif any(stated[0] not in target.shares or not target.shares[stated[0]] for target in first):
            text = f"not all of its deployments state {stated[0]}: they get equal shares"
            self.note(f"{stated[0]} of {name}", text)
        else:
            for target in first:
                target.weight = target.shares[stated[0]]

    def together_of(self, params: Mapping[str, Any]) -> int | None:
        count = number(params.get("max_parallel_requests"))
        return self.together if count is None else int(count) or None

    def limit(self, name: str, group: _Group) -> None:
        """Convert the limits on the requests that run at once. The limit of a group's only deployment is
        written at the model. In a larger group it is written at the deployment's provider; if something else
        uses this provider too, the limited deployment gets a copy of the provider under a new name.
        """
        for target in group.targets:
            if target.together is None:
                continue
            if len(group.targets) == 1:
                group.model["concurrency"], where = target.together, setting_path("models", name)
            else:
                account = self.own_account(target)
                self.accounts.named[account]["concurrency"] = target.together
                where = setting_path("providers", account)
            text = f"here: concurrency of {where}; 100 further requests may wait, for a minute each"
            self.note(f"max_parallel_requests of {name}", text, done=True)

    def own_account(self, target: _Target) -> str:
        """Return the name of a provider that only this deployment uses. If other deployments or an alias use
        its provider too, copy the provider, and move the deployment to the copy.
        """
        account, _, model = target.use.partition("/")
        users = [
            one
            for group in self.groups.values()
            for one in group.targets
            if one.use.partition("/")[0] == account
        ]
        aliased = any(str(route).startswith(f"{account}/") for route in self.aliases.values())
        if len(users) == 1 and not aliased:
            return account
        name = self.accounts.copy(account, model)
        target.use = f"{name}/{model}"
        return name

    def limit_apart(self) -> None:
        """Give a copy of its provider to each deployment whose limits differ from those of the first limited
        one with the same `provider/model`, because Dragoman counts by that, LiteLLM by entry.
        """
        first: dict[str, dict[str, str]] = {}
        for name, group in self.groups.items():
            for target in group.targets:
                if not target.limits or first.setdefault(target.use, target.limits) == target.limits:
                    continue
                account, _, model = target.use.partition("/")
                copy = self.accounts.copy(account, model)
                target.use = f"{copy}/{model}"
                text = f"here: counted apart, for providers.{copy}, which is a copy of providers.{account}"
                self.note(f"limits of {name}", text, done=True)

    def choose_by_tags(self, name: str, group: _Group) -> None:
        """Turn the tags of a group's deployments into `when`. Add a note if all of them need a tag."""
        when_of_each = bounds.conditions([one.tags for one in group.targets])
        for target, when in zip(group.targets, when_of_each, strict=True):
            target.when = when
        if group.targets and all("tags" in one.when for one in group.targets):
            text = "here a request without tags reaches none of its deployments: remove `when` of one of them"
            self.note(f"tags of {name}", text)

    def target_of(self, name: str) -> str:
        """Return the name to which aliases lead from `name`; `name` itself if it is no alias."""
        passed: set[str] = set()
        while name in self.aliases and name not in passed:
            passed.add(name)
            alias = self.aliases[name]
            name = alias if isinstance(alias, str) else alias["route"]
        return name

    def is_name(self, name: str) -> bool:
        return name in self.groups or name in self.aliases or met_by(name, self.groups) is not None

    def model(self, name: str, group: _Group) -> dict[str, Any]:
        """Return the entry of `models` for one group, its deployments by their `order`. Left out, with a
        note: `max_output` of several deployments.
        """
        targets = sorted(group.targets, key=lambda one: one.order)
        settings = dict(group.model)
        if len(targets) == 1 and not targets[0].when and not targets[0].limits:
            own = _own(targets[0])
            priced = {"deployments": [{"use": targets[0].use, "price": own.pop("price", None)}]}
            settings = {
                **({"use": targets[0].use} if targets[0].price is None else priced),
                **settings,
                **own,
            }
        elif len(targets) == 1:
            settings = {"deployments": [_deployment(targets[0])], **settings}
        else:
            if settings.pop("max_output", None) is not None:
                self.note(f"model_info of {name}", "max_output is stated for a whole model here: left out")
            if "body" in settings:
                self.note(f"extra_body of {name}", "goes to all deployments of the model here")
            settings = {"deployments": [_deployment(one) for one in targets], **settings}
        fallbacks = self.fallbacks(name)
        stated = {"defaults": group.defaults or None, "fallbacks": fallbacks}
        return {**settings, **{key: value for key, value in stated.items() if value is not None}}


_VARIABLES: Final = "environment_variables"
_APART: Final = words.OF_ACCOUNT | clouds.PARAMS
"""Parameters of an entry that become settings of its provider."""


def _deployment(target: _Target) -> Any:
    own = _own(target)
    return {"use": target.use, **own} if own else target.use


def _own(target: _Target) -> dict[str, Any]:
    """Return the settings of one deployment, as Dragoman's entry in `deployments` has them, without `use`."""
    stated = {
        "context_window": target.context,
        "supports": target.supports or None,
        "weight": target.weight,
        "price": target.price,
        "when": target.when or None,
        "limits": target.limits or None,
    }
    return {name: value for name, value in stated.items() if value is not None}


def _without_prefixes(model: str) -> tuple[bool, str]:
    """Return (whether the Responses API is called, the name without a first part in `words.INNER`):
    `responses/gpt-5` → (True, "gpt-5"), `chat/gpt-5` → (False, "gpt-5").
    """
    first, slash, rest = model.partition("/")
    return (first == "responses", rest) if slash and first in words.INNER else (False, model)


def in_yaml(settings: Mapping[str, Any]) -> str:
    """Return settings as YAML, the text of a configuration file."""
    import yaml

    return yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True, width=110)


def lines(notes: Sequence[Note]) -> Iterator[str]:
    """Yield the notes as lines "PLACES: TEXT", one line for each text; it names up to three places."""
    places: dict[str, list[str]] = {}
    for note in notes:
        places.setdefault(note.text, []).append(note.path)
    for text, paths in places.items():
        more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
        yield f"{', '.join(paths[:3])}{more}: {text}"
