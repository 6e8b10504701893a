"""The parts of a running gateway that the stages use. A new configuration gets a new `Runtime`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec.structs import force_setattr

from dragoman import ir
from dragoman.capacity.gates import Gates
from dragoman.capacity.heavy import HeavySteps
from dragoman.dialects.table import DIALECTS
from dragoman.engine.accounting import Accounting
from dragoman.engine.asked import Inbound
from dragoman.engine.sealing import Kept
from dragoman.hooks import Hooks
from dragoman.net.fetch import Fetcher
from dragoman.routing.attempts import Policy
from dragoman.routing.event import Event
from dragoman.routing.health import Health
from dragoman.routing.table import Table
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.seams.deadlines import Deadlines
from dragoman.state.seals import Vault
from dragoman.state.store import Store
from dragoman.upstreams.backend import Backend


def uncounted(deployment: str | None) -> None:
    """Do nothing. This is the default of `Runtime.sent`."""


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """The parts, all made for one event loop.

    table: finds the route of a model's name. backends: the upstreams by provider name. deadlines: makes time
    limits. fetcher: downloads media by URL. hooks: the operator's hooks. seams: the clock and random numbers.
    always_usage: True = every chat stream ends with its usage, even if the client did not request it.
    count_upstream: True = providers may count the tokens of a prompt. heavy: runs the steps of large requests
    one after another. vault: stores signatures and encrypted reasoning for later requests; None = they are
    not stored. kept: the clients for whom this process has stored signatures or encrypted reasoning. store:
    stores responses, conversations, sessions, and whose the objects (files, …) at providers are. health: what
    this process remembers about keys and deployments. policy: how often attempts are repeated, and how long
    they may take. gates: the limits on requests that run at once. addressees: the names of providers and
    protocols, to which a member of a request may be addressed; made from `backends`. told: called with each
    event that an operator has to know; None = events are only logged. sent: called with the deployment
    (`provider/model`) when a request to a provider is about to be sent. accounting: prices, limits and the
    journal; None = nothing is accounted for. own: the providers for which the client's tenant has brought a
    key, or the client a credential. unreadable: the providers that cannot be called because this key or
    credential is missing or cannot be read, each with the fault to answer with. lent: returns the runtime for
    one request, with the credentials that its client has sent; None = no provider gets credentials of
    clients. passing: the providers at which clients may create files and other objects through the gateway.
    """

    table: Table
    backends: Mapping[str, Backend]
    deadlines: Deadlines
    fetcher: Fetcher
    store: Store
    heavy: HeavySteps = msgspec.field(default_factory=HeavySteps)
    hooks: Hooks = msgspec.field(default_factory=Hooks)
    policy: Policy = Policy()
    seams: Seams = SYSTEM
    always_usage: bool = False
    count_upstream: bool = True
    vault: Vault | None = None
    kept: Kept = msgspec.field(default_factory=Kept)
    health: Health = msgspec.field(default_factory=Health)
    gates: Gates = msgspec.field(default_factory=Gates)
    addressees: frozenset[str] = frozenset()
    told: Callable[[Event], None] | None = None
    sent: Callable[[str | None], None] = uncounted
    accounting: Accounting | None = None
    passing: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    unreadable: Mapping[str, ir.Fault] = {}
    lent: Callable[[Runtime, Inbound], Runtime] | None = None

    def __post_init__(self) -> None:
        force_setattr(self, "addressees", frozenset({*self.backends, *DIALECTS}))
