"""Builds what the accounting of exchanges needs: the prices and limits of a configuration, and the ledger
with the counters of limits. The ledger and the journal may be used on by later configurations.
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
    """The processes that count limits together. workers: how many processes serve requests. embedded: the
    Valkey server that the gateway has started for them; None = it has started none.
    """

    workers: int = 1
    embedded: Embedded | None = None


ALONE: Final = Processes()


def accounting_of(
    loaded: Loaded, ledger: Ledger, watch: Watch, journal: Journal | None, seams: Seams
) -> Accounting | None:
    """Return what the engine needs to account for exchanges. None = nothing is accounted for, because the
    configuration states no limit and no price, and no usage is kept. ledger: has the counters of the limits.
    watch: tells operators about the limits. journal: None = no usage is kept. seams: has the clock of the
    limits' windows.
    """
    config = loaded.config
    if journal is None and not limited(config) and not config.prices:
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


def limited(config: Config) -> bool:
    """Whether a configuration states any limit that the ledger counts: in its section `limits`, or at a
    provider, model, deployment, key, tenant, team or user. Their `concurrency` is no such limit.
    """
    return any(True for _ in limits_of(config)) or any(True for _ in held_limits(config, None))


def prepare(config: Config) -> None:
    """Load the vocabulary for counting the tokens of prompts, if a limit in the configuration needs it. So no
    request has to wait for it.
    """
    every = (*limits_of(config), *held_limits(config, None))
    if any(one.resource in _OF_PROMPTS for one in every):
        load()


def shares(config: Config, processes: Processes, *, kept: bool) -> bool:
    """Whether this process has to share the counters of limits with other processes: there are several
    workers or a `stores.valkey`, and there may be limits. kept: True = keys with limits may be made at run
    time, so there may be limits even if the configuration states none.
    """
    together = processes.workers > 1 or config.stores.valkey is not None
    return together and (kept or limited(config))


def ledger_of(config: Config, seams: Seams, processes: Processes, *, name: str, shared: bool) -> Ledger:
    """Return the ledger, which has the counters of limits. name: of this process, unique for ever; its
    journal has the same name. shared: True = other processes count the same limits. Raises ConfigError if the
    counters should be shared and cannot, and the configuration states a limit or `stores.valkey`; if it
    states neither, the log says so, and this process counts alone.
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
    """Check whether the server of `stores.valkey` can be used. If it does not answer, the log says so. Raises
    ConfigError if the gateway can never use this server.
    """
    if config.stores.valkey is not None:
        from dragoman.assembly.shared import check_store

        if (why := await check_store(config)) is not None:
            log.warning("limits are not shared, because the server of stores.valkey is away: %s", why)
