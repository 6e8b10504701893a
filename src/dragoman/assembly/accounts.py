"""Builds the values with which the engine accounts for exchanges: the limits and prices of a configuration,
and the ledger, which has the counters of the limits.
"""

from __future__ import annotations

import logging
from typing import Final, NamedTuple

from dragoman.accounts.addresses import Proxies
from dragoman.accounts.claims import Limits
from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.journal import Journal
from dragoman.accounts.ledger import Ledger
from dragoman.accounts.shared.address import Embedded
from dragoman.accounts.watch import Watch
from dragoman.assembly.limits import held_limits, limits_of
from dragoman.assembly.prices import prices_of
from dragoman.config.load import Loaded
from dragoman.config.settings import Config
from dragoman.engine.accounting import Accounting
from dragoman.errors import ConfigError
from dragoman.seams.clock import Seams
from dragoman.tokens.vocabulary import load

log = logging.getLogger("dragoman.assembly.accounts")
_OF_PROMPTS: Final = frozenset({"tokens", "input_tokens", "money"})
"""The resources whose limits need the number of tokens in a prompt."""


class Processes(NamedTuple):
    """The processes of this gateway that may count limits together. workers: the number of worker processes.
    embedded: the Valkey server that the gateway has started for the workers' counters; None = it has started
    no such server.
    """

    workers: int = 1
    embedded: Embedded | None = None


ALONE: Final = Processes()


def accounting_of(
    loaded: Loaded, ledger: Ledger, watch: Watch, journal: Journal | None, seams: Seams
) -> Accounting | None:
    """Return what the engine needs to account for exchanges. None = exchanges are not accounted for:
    `journal` is None, and the configuration states no limit (`limited`) and no price (`_priced`).

    ledger: has the counters of the limits. watch: tells operators about the limits. journal: None = no usage
    is stored. seams: has the clock of the limits' windows.
    """
    config = loaded.config
    if journal is None and not limited(config) and not _priced(config):
        return None
    proxies = Proxies(config.server.trusted_proxies)
    limits = Limits(limits_of(config))
    return Accounting(
        rates=prices_of(loaded),
        journal=journal,
        limits=limits,
        ledger=ledger,
        watch=watch,
        proxies=proxies,
        seams=seams,
    )


def _priced(config: Config) -> bool:
    """Whether a configuration states a price: in its section `prices` or at a deployment of a model."""
    return bool(config.prices) or any(
        target.price is not None for model in config.models.values() for target in model.targets
    )


def limited(config: Config) -> bool:
    """Whether a configuration states a limit that the ledger counts: in its section `limits`, or in the
    `limits` of a provider, model, deployment, key, tenant, team or user. The section `concurrency` of a model
    or provider is not such a limit.
    """
    return any(True for _ in limits_of(config)) or any(True for _ in held_limits(config, None))


def prepare(config: Config) -> None:
    """Load the vocabulary that counts the tokens of prompts, if a limit of the configuration counts all
    tokens, input tokens or money, so that no request has to wait for it. Limits of keys in the database are
    not looked at. It blocks, so call it in a thread.
    """
    every = (*limits_of(config), *held_limits(config, None))
    if any(one.resource in _OF_PROMPTS for one in every):
        load()


def shares(config: Config, processes: Processes, *, kept: bool) -> bool:
    """Whether this process has to share the counters of limits with other processes. Two conditions must
    hold: there are several workers or a `stores.valkey`; and the configuration states a limit, or `kept` is
    True. kept: True = keys with limits may be made at run time.
    """
    together = processes.workers > 1 or config.stores.valkey is not None
    return together and (kept or limited(config))


def ledger_of(config: Config, seams: Seams, processes: Processes, *, name: str, shared: bool) -> Ledger:
    """Return the ledger, which has the counters of limits.

    name: of this process, unique for ever; its journal has the same name. shared: True = other processes
    count the same limits; False = this process counts alone. Raises ConfigError if `shared` is True and
    sharing is not possible. But if the configuration states no limit and no `stores.valkey`, this is only
    logged, and this process counts alone.
    """
    if shared:
        from dragoman.assembly.shared import shared_ledger  # few gateways load the client of Valkey

        try:
            found = shared_ledger(
                config, seams, name=name, workers=processes.workers, embedded=processes.embedded
            )
        except ConfigError as error:
            if limited(config) or config.stores.valkey is not None:
                raise
            log.warning("each worker would count limits by itself: %s", error)
        else:
            if found is not None:
                return found
    return MemoryLedger(seams)


async def reach_counters(config: Config) -> None:
    """Check whether the server of `stores.valkey` can be used; do nothing if none is stated. If the server
    does not answer, the log says so. Raises ConfigError if the gateway can never use this server.
    """
    if config.stores.valkey is not None:
        from dragoman.assembly.shared import check_store

        if (why := await check_store(config)) is not None:
            log.warning("limits are not shared, because the server of stores.valkey is away: %s", why)
