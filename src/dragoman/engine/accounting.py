"""What a gateway accounts with: prices, limits, the ledger that counts them, and the journal.

Each configuration has one `Accounting`. The ledger and the journal outlive the configuration. See
docs/decisions/0047-accounting.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from dragoman import ir
from dragoman.accounts.addresses import Proxies
from dragoman.accounts.claims import Limits
from dragoman.accounts.journal import Journal
from dragoman.accounts.ledger import Ledger
from dragoman.accounts.watch import Watch
from dragoman.providers.rates import ANSWERS, Rates
from dragoman.seams.clock import Seams

UNACCOUNTED: Final = ir.Fault(
    "unavailable",
    "The gateway cannot note the usage of this request now, and is configured to refuse such requests"
    " (stores.when_lost).",
    "accounting_unavailable",
    blame="gateway",
)


class Expected(NamedTuple):
    """What a request may use. input: its tokens, counted, or an upper bound that is found faster. output: the
    most tokens that the answer may have, or the number that is expected. cost: the most that it may cost, in
    nano-USD; None = the price of a deployment that may be called is not known. units: what it asks for
    besides, in all units that its price may be stated for (`measures`). measured: the tokens of input and of
    output that limits count for `units`. kinds: the units of which each of the tokens may be.
    """

    input: int
    output: int
    cost: int | None = None
    units: Mapping[str, int] = {}
    measured: tuple[int, int] = (0, 0)
    kinds: frozenset[str] = ANSWERS

    @property
    def taken(self) -> int:
        """All tokens of input, as limits count them."""
        return self.input + self.measured[0]

    @property
    def given(self) -> int:
        """All tokens of output, as limits count them."""
        return self.output + self.measured[1]

    def plus(self, other: Expected) -> Expected:
        """The sum of both. other: without `units`."""
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        return self._replace(input=self.input + other.input, output=self.output + other.output, cost=cost)

    def at_most(self, rates: Rates, at: float, tier: str | None) -> int:
        """The most nano-USD that this can cost, as far as prices are known. at: Unix seconds, for `units`."""
        nano = rates.at_most(self.input, self.output, tier=tier, kinds=self.kinds)
        return nano + rates.bill(self.units, at=at, tier=tier).priced if self.units else nano


class Accounting(msgspec.Struct, frozen=True, kw_only=True):
    """What exchanges are accounted with. rates: the prices of a deployment (`provider/model`); None = they
    are not known. journal: gets the usage records; None = nobody keeps them, and only answers, logs and
    metrics tell what was used. ledger: keeps the counters of the limits; None = there are no limits. proxies:
    those that are trusted to state a client's address. watch: tells operators about limits. seams: the clock
    of the windows, which does not go back: otherwise a window whose counters are forgotten would begin anew;
    None = that of the exchange.
    """

    rates: Callable[[str], Rates | None]
    journal: Journal | None = None
    limits: Limits = Limits()
    ledger: Ledger | None = None
    proxies: Proxies = Proxies()
    watch: Watch = Watch()
    seams: Seams | None = None
