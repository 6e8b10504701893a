"""What a gateway accounts with: prices, limits, the counters that hold them, and the journal.

One value for a configuration. The counters and the journal outlive it. See docs/decisions/0047-accounting.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from dragoman.accounts.journal import Journal
from dragoman.accounts.ledger import Ledger, Refused, Reservation
from dragoman.accounts.limits import Claim
from dragoman.engine.client import Headers
from dragoman.exchange import Exchange
from dragoman.ir import Fault


class Bill(Protocol):
    """What units cost. cost: nano-USD, None = a unit has no known price. priced: the part that is known.
    price: which price was used, for people.
    """

    @property
    def cost(self) -> int | None: ...
    @property
    def priced(self) -> int: ...
    @property
    def price(self) -> str: ...


class Rates(Protocol):
    """The prices of one deployment."""

    def bill(self, units: Mapping[str, int], *, at: float, tier: str | None = None) -> Bill:
        """What these units cost. at: Unix seconds. tier: the service tier, None = the usual one."""
        ...

    def at_most(self, input_tokens: int, output_tokens: int) -> int:
        """The most nano-USD that so many tokens can cost."""
        ...


class Expected(NamedTuple):
    """What a request may use. input: tokens, counted, or a bound that is cheaper to find. output: the most
    tokens that the answer may have, or what is expected of it. cost: the most that it may cost, in nano-USD;
    None = the price of a deployment that may be called is not known.
    """

    input: int
    output: int
    cost: int | None = None

    def plus(self, other: Expected) -> Expected:
        """Both together."""
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        return Expected(self.input + other.input, self.output + other.output, cost)


class Applied(Protocol):
    """The limits of one exchange. uses: whether any of them counts tokens or money."""

    @property
    def uses(self) -> bool: ...
    def of_requests(self, now: float) -> Sequence[Claim]: ...
    def of_usage(self, expected: Expected, now: float) -> Sequence[Claim]: ...


class AppliedToAttempt(Protocol):
    """The limits of the attempts at one deployment."""

    def claims(self, expected: Expected, now: float) -> Sequence[Claim]: ...


class Limits(Protocol):
    """Knows which limits are for which exchange. Made once for a configuration. attempts_use: whether a limit
    of a deployment or a provider counts tokens or money.
    """

    @property
    def attempts_use(self) -> bool: ...

    def apply(self, exchange: Exchange, model: str, tags: Sequence[str]) -> Applied | None:
        """What limits this exchange; None = nothing does."""
        ...

    def of_attempt(self, deployment: str) -> AppliedToAttempt | None:
        """What limits the attempts at a deployment (`provider/model`); None = nothing does."""
        ...

    def refusal(self, refused: Refused, now: float) -> Fault: ...
    def headers(self, face: str, held: Reservation, ledger: Ledger, now: float) -> Headers: ...


class Accounting(msgspec.Struct, frozen=True, kw_only=True):
    """What exchanges are accounted with. rates: the prices of a deployment (`provider/model`), None = unknown.
    journal: gets the usage records; None = nobody keeps them, and only answers, logs and metrics tell what
    was used. limits, ledger: None = there are no limits.
    """

    rates: Callable[[str], Rates | None]
    journal: Journal | None = None
    limits: Limits | None = None
    ledger: Ledger | None = None
