"""What a gateway accounts with: prices, limits, the ledger that counts them, and the journal.

Each configuration has one `Accounting`. The ledger and the journal outlive the configuration. See
docs/decisions/0047-accounting.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from dragoman.accounts.addresses import Proxies
from dragoman.accounts.claims import Limits
from dragoman.accounts.journal import Journal
from dragoman.accounts.ledger import Ledger
from dragoman.accounts.watch import Watch
from dragoman.providers.rates import Rates


class Expected(NamedTuple):
    """What a request may use. input: its tokens, counted, or an upper bound that is found faster. output: the
    most tokens that the answer may have, or the number that is expected. cost: the most that it may cost, in
    nano-USD; None = the price of a deployment that may be called is not known.
    """

    input: int
    output: int
    cost: int | None = None

    def plus(self, other: Expected) -> Expected:
        """The sum of both."""
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        return Expected(self.input + other.input, self.output + other.output, cost)


class Accounting(msgspec.Struct, frozen=True, kw_only=True):
    """What exchanges are accounted with. rates: the prices of a deployment (`provider/model`); None = they
    are not known. journal: gets the usage records; None = nobody keeps them, and only answers, logs and
    metrics tell what was used. ledger: keeps the counters of the limits; None = there are no limits. proxies:
    those that are trusted to state a client's address. watch: tells operators about limits.
    """

    rates: Callable[[str], Rates | None]
    journal: Journal | None = None
    limits: Limits = Limits()
    ledger: Ledger | None = None
    proxies: Proxies = Proxies()
    watch: Watch = Watch()
