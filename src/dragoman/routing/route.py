"""Defines what model names stand for: routes of deployments, and the models, aliases and providers that make
them.

`table` finds the route of a name. This module never reads configuration itself and knows no dialect's fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec.structs import force_setattr

from dragoman.accounts.caller import Caller
from dragoman.dialects.facts import UNKNOWN, Capability, Facts
from dragoman.dialects.merging import deep_merge
from dragoman.errors import Problem, setting_path
from dragoman.ir import Message
from dragoman.providers.models import facts_for
from dragoman.routing.conditions import Conditions
from dragoman.routing.costs import MaxCost
from dragoman.routing.fallbacks import NONE, Fallbacks
from dragoman.routing.hedging import Hedge
from dragoman.routing.spread import Price, Spread

Strict: TypeAlias = bool | Literal["all"]
"""Which requests are refused instead of changed: True = those that would lose meaning, "all" = those that
would lose anything, False = none.
"""

CREATED = 1_735_689_600
"""2025-01-01 UTC in Unix seconds: the `created` of all routes except those made at run time, because no date
is known.
"""


class Timers(msgspec.Struct, frozen=True):
    """Time limits in seconds; None = no limit. Each has its own error code.

    connect: until a new connection is open. first_byte: from the beginning of the call, connecting included,
    until the answer begins; it starts again with each piece of a long request body that the provider takes.
    idle: between two pieces of the answer. total: the whole attempt.
    """

    connect: float | None = 10.0
    first_byte: float | None = 600.0
    idle: float | None = 300.0
    total: float | None = None


class Provider(msgspec.Struct, frozen=True):
    """The part of a configured account that model names need.

    vendor: the name of its row in the catalogue, by which facts are found; without a row, the provider's own
    name. models: the only names that the provider serves, None = any name. unlisted: names that the model
    list leaves out, because they are alternative spellings. patterns: shell patterns of the vendor's model
    names. timers: the time limits of a call. headers, body: added to every call (body: merged into the
    request's body). gates: the names of the provider's limits at which each call needs a place. base_models:
    {name: the name by which facts are found}, for names that do not say which model they mean. listed: by
    name, the facts that the provider's own list of models states; None = there is no such list. offered: if
    `models` is None, the names that the model list shows: those in `listed`, and names of the vendor that
    this list lacks, as far as the operator allows them.
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
    base_models: Mapping[str, str] = {}
    listed: Mapping[str, Facts] | None = None
    offered: frozenset[str] = frozenset()


class Model(msgspec.Struct, frozen=True):
    """A configured model.

    uses: "provider/model" in order of preference. facts: the operator's statements about the model. timers:
    None = the provider's. headers, body: merged over the provider's. defaults: request fields of the chat
    dialect, for fields that the client left out. strict, check_output: None = as in `Demands`. api: the
    protocol to use if the provider has it, None = `apis.choose` decides. fallbacks: the names of other
    models. switch_after: seconds without content after which another deployment is asked; 0 = never, None =
    the engine's default. spread: None = the deployments are asked in the order of `uses`. gates: the names of
    the model's limits; a call needs a place at these and at those of the provider. max_cost: what other
    deployments than the first choice may cost, None = no bound. hedge: when a second deployment is asked
    beside the first one, None = never. continues: True = another deployment continues a stream that breaks
    off. pattern: the configured name, if that is a pattern and `name` matches it; "" = `name` itself.

    The other fields have one value for each of `uses`. windows: the context in tokens, replaces
    `facts.context`. supports: replaces `facts`. None or missing = nothing is replaced. weights, prices:
    missing = the weight 1 and an unknown price. conditions: None or missing = the deployment is for all
    requests.
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
    supports: tuple[Facts | None, ...] = ()
    fallbacks: Fallbacks[str] = NONE
    switch_after: float | None = None
    spread: Spread | None = None
    weights: tuple[float, ...] = ()
    prices: tuple[Price | None, ...] = ()
    gates: tuple[str, ...] = ()
    conditions: tuple[Conditions | None, ...] = ()
    max_cost: MaxCost | None = None
    hedge: Hedge | None = None
    continues: bool = False
    pattern: str = ""


class Reserved(msgspec.Struct, frozen=True):
    """Which clients may use a reserved name: one that a client has created (Ollama's `cp`), or an operator's
    alias with `tenant`. tenant: only clients of this tenant, and clients that may administer; None = clients
    of all tenants. source: the model name that the reserved name stands for: only clients that may also use
    this name, without an exception for those that may administer; "" = no such condition.
    """

    tenant: str | None = None
    source: str = ""

    def admits(self, caller: Caller) -> bool:
        """Whether this client may use the name, as far as `tenant` and `source` decide. The client's grants
        must allow the reserved name itself as well; this is checked elsewhere.
        """
        if self.tenant is not None and self.tenant != caller.tenant and "admin" not in caller.scopes:
            return False
        return not self.source or caller.may_use(self.source)


class Alias(msgspec.Struct, frozen=True):
    """Another name for a model. target: a model or another alias. defaults: request fields of the chat
    dialect, merged over the target's. window: an upper limit, in tokens, for the context windows of the
    target's deployments; None = no limit.

    If one of the other fields has its default, the target's value applies. system_prompt: a system message
    that is put before the client's messages. strict: which requests are refused instead of changed
    (`Strict`). check_output: whether answers are checked against the JSON schema in the request. api: the
    protocol to use if the provider has it. fallbacks: the names of other models. opening: messages that are
    put before the client's messages. reserved: which clients may use this name.
    """

    name: str
    target: str
    defaults: dict[str, Any] = {}
    system_prompt: str | None = None
    strict: Strict | None = None
    check_output: bool | None = None
    api: str | None = None
    window: int | None = None
    fallbacks: Fallbacks[str] | None = None
    opening: tuple[Message, ...] = ()
    reserved: Reserved | None = None


class Demands(msgspec.Struct, frozen=True):
    """The general settings, for models and aliases that do not state their own. A client's headers can change
    them for one request: `x-dragoman-strict` can only make it stricter, `x-dragoman-check-output` turns the
    check on or off.

    strict: which requests are refused because they would lose something (`Strict`). check_output: True =
    answers are checked against the JSON schema in the request.
    """

    strict: Strict = False
    check_output: bool = False


class Deployment(msgspec.Struct, frozen=True):
    """One upstream model at one provider, with everything that a call needs.

    window: the context in tokens that the operator states, None = not stated. Longer prompts are not sent to
    the deployment; `facts.context` does not exclude prompts. listed: the context that the provider's own list
    of models states, None = not stated; it is used as `window` is, if `window` is None. switch_after: seconds
    without content after which another deployment is asked, if there is one; 0 = never, None = the engine's
    default. weight: its share, for policies that use weights; 0 = it is asked after those with a weight.
    price: None = unknown. gates: the names of the limits at which a call needs a place. when: the requests
    that it is for, None = all. stated_by: the name of the configured model that has it, "" = none. name:
    `provider/model`, set automatically; people and headers see this form.
    """

    provider: str
    model: str
    facts: Facts = UNKNOWN
    timers: Timers = Timers()
    headers: dict[str, str] = {}
    body: dict[str, Any] = {}
    window: int | None = None
    switch_after: float | None = None
    weight: float = 1.0
    price: Price | None = None
    gates: tuple[str, ...] = ()
    when: Conditions | None = None
    listed: int | None = None
    stated_by: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        force_setattr(self, "name", f"{self.provider}/{self.model}")

    def is_same(self, other: Deployment) -> bool:
        """Whether the other deployment is equal to this one, apart from `stated_by`. Then a call of it would
        be the same call.
        """
        if self.stated_by != other.stated_by:
            other = msgspec.structs.replace(other, stated_by=self.stated_by)
        return self == other

    @property
    def restricts(self) -> bool:
        """Whether there may be requests that must not be sent to this deployment, because of its `room`, its
        conditions or its facts.
        """
        return self.room is not None or self.when is not None or self.facts.restricts

    @property
    def room(self) -> int | None:
        """The most tokens of a prompt that may be sent to this deployment; None = no limit is stated."""
        return self.listed if self.window is None else self.window

    def within(self, window: int | None) -> Deployment:
        """Return this deployment with its window and known context limited to `window` tokens; an unknown
        context becomes `window`. If `window` is None, or the deployment's `room` is not larger, the
        deployment is returned unchanged.
        """
        if window is None or (self.room is not None and self.room <= window):
            return self
        context = window if self.facts.context is None else min(window, self.facts.context)
        facts = msgspec.structs.replace(self.facts, context=context)
        return msgspec.structs.replace(self, facts=facts, window=window)


class Candidate(msgspec.Struct, frozen=True):
    """A deployment with one of its provider's credentials. account: the index of that credential. shown: the
    name that replaces the upstream model's name in the answer, None = nothing is replaced. tier: 0 = of the
    request's own route, n = of the n-th fallback route that the request has turned to.
    """

    deployment: Deployment
    account: int = 0
    shown: str | None = None
    tier: int = 0


class Route(msgspec.Struct, frozen=True):
    """The deployments and settings for one model name.

    asked: the name in the request, or the default model's name if the request has none. deployments: at least
    one, in order of preference. defaults: request fields of the chat dialect, for fields that the client left
    out. system_prompt, opening: a system message, and further messages; each is put before the client's
    messages, unless the request has system text or begins with a system or developer message. strict: which
    requests are refused because they would lose something (`Strict`). check_output: True = answers are
    checked against the JSON schema in the request. api: the operator's choice of protocol, None =
    `apis.choose` decides. created: when the name was created, Unix seconds. fallbacks: routes that have no
    fallbacks themselves. Their `defaults`, `system_prompt`, `opening`, `strict`, `check_output` and
    `max_cost` are not used: those of this route stay in force. If their `asked` is "", answers show the name
    of this route. spread: the policy that orders the deployments, None = they are asked in the given order.
    max_cost: what other deployments than the first choice may cost, None = no bound. hedge: when a second
    deployment is asked beside the first one, None = never. continues: True = another deployment continues a
    stream that breaks off. stands_for: the name of the model that an alias, or a hook, has put in place of
    `asked`; "" = `asked` itself. counted: the names by which limits count requests for this route; if it is
    stated as (), it becomes (`model`,). bare: another name of the same model, as providers have it; "" =
    none. reserved: which clients may use this name, None = all whose grants allow it.

    These fields are computed from the others. first: the first deployment with its provider's first
    credential. plain: True = there is neither `spread` nor `hedge`. simple: True = there is neither `hedge`
    nor `continues`. selects: True = deployments may drop out for some requests, or answers are checked.
    fills: True = the route may add something to requests (`opening`, `defaults` or `system_prompt`).
    alternates: True = the route has another deployment to ask, or a list `any` of fallbacks.
    """

    asked: str
    deployments: tuple[Deployment, ...]
    defaults: dict[str, Any] = {}
    system_prompt: str | None = None
    strict: Strict = False
    check_output: bool = False
    api: str | None = None
    stands_for: str = ""
    opening: tuple[Message, ...] = ()
    created: int = CREATED
    fallbacks: Fallbacks[Route] = Fallbacks()
    spread: Spread | None = None
    max_cost: MaxCost | None = None
    hedge: Hedge | None = None
    continues: bool = False
    reserved: Reserved | None = None
    counted: tuple[str, ...] = ()
    bare: str = ""
    first: Candidate = Candidate(Deployment("", ""))
    plain: bool = True
    simple: bool = True
    selects: bool = False
    fills: bool = False
    alternates: bool = False

    def __post_init__(self) -> None:
        first = self.deployments[0]
        if not self.counted:
            force_setattr(self, "counted", (self.model,))
        force_setattr(self, "first", Candidate(first, shown=self.shown(first)))
        force_setattr(self, "plain", self.spread is None and self.hedge is None)
        force_setattr(self, "simple", self.hedge is None and not self.continues)
        restricts = any(one.restricts for one in self.deployments)
        force_setattr(self, "selects", restricts or self.check_output or self.max_cost is not None)
        fills = bool(self.opening or self.defaults or self.system_prompt is not None)
        force_setattr(self, "fills", fills)
        others = any(one.name != first.name for one in self.deployments)
        force_setattr(self, "alternates", others or bool(self.fallbacks.any))

    @property
    def model(self) -> str:
        """The name of the model itself, also if the client used an alias of it."""
        return self.stands_for or self.asked

    def with_headers(self, fresh: Mapping[str, Mapping[str, str]]) -> Route:
        """Return the route with other values of the headers that its deployments, and those of its fallbacks,
        add. fresh: {name of a configured model: the new values of its headers}. A header that a deployment
        does not have yet is not added; other headers stay.
        """
        return msgspec.structs.replace(
            self,
            deployments=tuple(
                msgspec.structs.replace(one, headers={**one.headers, **_those(one, fresh)})
                for one in self.deployments
            ),
            fallbacks=Fallbacks(
                *(
                    tuple(route.with_headers(fresh) for route in listed)
                    for listed in msgspec.structs.astuple(self.fallbacks)
                )
            ),
        )

    def shown(self, deployment: Deployment) -> str | None:
        """Return the name that replaces the upstream model's name in the answer: `asked`. None = nothing is
        replaced, because the client asked by the upstream model's own name or by `provider/model`.
        """
        return None if self.asked in (deployment.model, deployment.name) else self.asked


def _those(deployment: Deployment, fresh: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """Return the new values of those headers that a deployment has. fresh: {name of a configured model: the
    new values of its headers}.
    """
    new = fresh.get(deployment.stated_by, {})
    return {name: value for name, value in new.items() if name in deployment.headers}


class Entry(msgspec.Struct, frozen=True):
    """One entry of the model list.

    id: the name for clients. provider, deployment: the first deployment of the route. created: when the name
    was created, Unix seconds. capabilities: those that this deployment is known to have. context_window,
    max_output_tokens: of this deployment, None = unknown.
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


def route_of(
    model: Model, providers: Mapping[str, Provider], general: Demands, problems: list[Problem]
) -> Route | None:
    """Return the route of a configured model, with its valid deployments, but without its fallbacks, which
    the table of names adds. None = it has no valid deployment. general: for the settings that the model does
    not state. problems: a problem is appended for each of `uses` that is not `provider/model` with a known
    provider.
    """
    deployments = []
    stated_of_each = zip_longest(model.uses, model.windows, model.supports)
    for place, (use, window, supports) in enumerate(stated_of_each):
        owner, _, name = use.partition("/")
        provider = providers.get(owner)
        if provider is None or not name:
            message = f"{use!r} does not begin with a provider"
            problems.append(Problem(setting_path("models", model.name), message, hint="use: provider/model"))
            continue
        stated = model if supports is None else msgspec.structs.replace(model, facts=supports)
        deployment = deployment_of(provider, name, stated, window)
        if place < len(model.weights):
            shared = {"weight": model.weights[place], "price": model.prices[place]}
            deployment = msgspec.structs.replace(deployment, **shared)
        if place < len(model.conditions) and (when := model.conditions[place]) is not None:
            deployment = msgspec.structs.replace(deployment, when=when)
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
        max_cost=model.max_cost,
        hedge=model.hedge,
        continues=model.continues,
    )


def deployment_of(
    provider: Provider, name: str, model: Model | None = None, window: int | None = None
) -> Deployment:
    """Return the deployment of a provider's model `name`. model: the configured model whose settings the
    deployment gets, except those for one of its `uses` (weight, price, conditions); None = no configured
    model. window: replaces the model's context window, None = no change; not used without `model`.
    """
    base = provider.base_models.get(name, name)
    listed = (provider.listed or {}).get(name, UNKNOWN)
    if model is None:
        return Deployment(
            provider.name,
            name,
            facts_for(provider.vendor, base, listed),
            provider.timers,
            provider.headers,
            provider.body,
            gates=provider.gates,
            listed=listed.context,
        )
    stated = model.facts if window is None else msgspec.structs.replace(model.facts, context=window)
    return Deployment(
        provider.name,
        name,
        facts_for(provider.vendor, base, stated.over(listed)),
        provider.timers if model.timers is None else model.timers,
        {**provider.headers, **model.headers},
        deep_merge(provider.body, model.body),
        stated.context,
        model.switch_after,
        gates=(*model.gates, *provider.gates),
        listed=listed.context,
        stated_by=model.pattern or model.name,
    )
