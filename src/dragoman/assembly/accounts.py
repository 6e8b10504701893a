"""What a configuration accounts with: its prices and limits, with the counters and the journal that outlive
it.
"""

from __future__ import annotations

from dragoman.accounts.addresses import Proxies
from dragoman.accounts.claims import Limits
from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.journal import Journal
from dragoman.accounts.ledger import Ledger
from dragoman.accounts.watch import Watch
from dragoman.assembly.limits import limits_of
from dragoman.assembly.prices import prices_of
from dragoman.config.load import Loaded
from dragoman.engine.accounting import Accounting
from dragoman.seams.clock import Seams


def accounting_of(
    loaded: Loaded, ledger: Ledger, watch: Watch, journal: Journal | None
) -> Accounting | None:
    """What exchanges are accounted with; None = nobody wants to know: no limit and no price is stated, and no
    usage is kept. ledger: the counters of the limits. watch: tells operators of them.
    """
    config = loaded.config
    limits = Limits(limits_of(config))
    limited = limits.all or any(key.limits for key in config.auth.keys)
    if journal is None and not limited and not config.prices:
        return None
    proxies = Proxies(config.server.trusted_proxies)
    return Accounting(
        rates=prices_of(loaded), journal=journal, limits=limits, ledger=ledger, watch=watch, proxies=proxies
    )


def ledger_of(seams: Seams) -> Ledger:
    """The counters of limits."""
    return MemoryLedger(seams)
