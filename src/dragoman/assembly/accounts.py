"""What a configuration accounts with: its prices and limits, with the counters and the journal that outlive
it.
"""

from __future__ import annotations

from dragoman.accounts.addresses import Proxies
from dragoman.accounts.claims import Limits
from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.journal import Journal
from dragoman.accounts.ledger import Ledger
from dragoman.assembly.prices import prices_of
from dragoman.config.load import Loaded
from dragoman.config.settings import Config
from dragoman.engine.accounting import Accounting
from dragoman.seams.clock import Seams


def accounting_of(
    loaded: Loaded, limits: Limits, ledger: Ledger, journal: Journal | None
) -> Accounting | None:
    """What exchanges are accounted with; None = nobody wants to know: no limit and no price is stated, and no
    usage is kept. ledger: the counters of the limits.
    """
    config = loaded.config
    limited = limits.all or any(key.limits for key in config.auth.keys)
    if journal is None and not limited and not config.prices:
        return None
    proxies = Proxies(config.server.trusted_proxies)
    return Accounting(rates=prices_of(loaded), journal=journal, limits=limits, ledger=ledger, proxies=proxies)


def limits_of(config: Config) -> Limits:
    """The limits of a configuration, besides those of its keys."""
    return Limits(
        limit
        for name, entry in config.limits.items()
        for limit in entry.limits(name, entry.scope, entry.only or None)
    )


def ledger_of(seams: Seams) -> Ledger:
    """The counters of limits."""
    return MemoryLedger(seams)
