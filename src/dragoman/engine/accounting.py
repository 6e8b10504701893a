"""The values that exchanges are accounted with: prices, limits, the ledger that keeps the limits' counters,
and the journal.

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
    """What a request may use. input: the tokens of its prompt (a count, an estimate, or a rough upper bound).
    output: the most tokens of all answers; if no bound is known, the number that is reserved at first. cost:
    the most that the request may cost, in nano-USD; None = this is not known. units: other amounts that the
    request asks for, such as pictures or seconds of sound, by unit (`ir.units`), in every unit in which they
    may be priced. measured: (input tokens, output tokens) that limits count for `units`. kinds: the units of
    `ir.units` in which a provider may bill a token; `at_most` takes the dearest of them for each token.
    """

    input: int
    output: int
    cost: int | None = None
    units: Mapping[str, int] = {}
    measured: tuple[int, int] = (0, 0)
    kinds: frozenset[str] = ANSWERS

    @property
    def taken(self) -> int:
        """The input tokens that limits count: `input`, and those of `measured`."""
        return self.input + self.measured[0]

    @property
    def given(self) -> int:
        """The output tokens that limits count: `output`, and those of `measured`."""
        return self.output + self.measured[1]

    def plus(self, other: Expected) -> Expected:
        """Return the sum of both in `input`, `output` and `cost`; the cost is None if one of the two costs is
        None. `units`, `measured` and `kinds` stay those of this value.
        """
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        return self._replace(input=self.input + other.input, output=self.output + other.output, cost=cost)

    def at_most(self, rates: Rates, at: float, tier: str | None) -> int:
        """Return the most nano-USD that the expected amounts can cost: `input`, `output`, the price of the
        request itself, and `units`. Amounts without a known price cost nothing here; `cost` and `measured`
        are not used. at: Unix seconds; `units` have the prices of this time, and tokens have the highest
        price of any time. tier: the service tier; tokens have its price or that of the usual tier, whichever
        is higher. None = tokens have the highest price of any tier, and `units` the price of the usual one.
        """
        nano = rates.at_most(self.input, self.output, tier=tier, kinds=self.kinds)
        return nano + rates.bill(self.units, at=at, tier=tier).priced if self.units else nano


class Accounting(msgspec.Struct, frozen=True, kw_only=True):
    """What exchanges are accounted with. rates: returns the prices of a deployment (`provider/model`); None =
    they are not known. journal: gets the usage records; None = nobody keeps them. limits: the limits of the
    configuration. ledger: keeps the counters of the limits; None = there are no limits. proxies: the proxies
    that are trusted to state a client's address. watch: counts the requests that limits refuse, and tells
    operators when a limit is reached. seams: has the clock by which windows of limits begin and end; None =
    the clock of the exchange is used.
    """

    rates: Callable[[str], Rates | None]
    journal: Journal | None = None
    limits: Limits = Limits()
    ledger: Ledger | None = None
    proxies: Proxies = Proxies()
    watch: Watch = Watch()
    seams: Seams | None = None
