"""Waits for the places that a deployment's limits give, before it is called."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman.capacity.gates import Gates, Held
from dragoman.exchange import Exchange
from dragoman.routing.route import Candidate
from dragoman.seams.deadlines import Deadlines


class Entry(msgspec.Struct, eq=False):
    """The places of one exchange. gates: all limits on running requests. held: the places that the exchange
    has now. exchange: its `client` decides whose turn it is in a queue.
    """

    gates: Gates
    deadlines: Deadlines
    exchange: Exchange
    held: Held = {}

    def enters(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """The first candidate whose deployment can be called at once; the exchange then has the places that
        it needs. None = no candidate can be called at once.
        """
        options = _by_gates(candidates)
        number = self.gates.enter(self.held, list(options))
        return None if number is None else list(options.values())[number]

    async def wait(self, candidates: Sequence[Candidate]) -> Candidate:
        """The first candidate whose deployment can be called; waits in the queues until there is one. Raises
        RequestFailed if a queue is full, or if the wait is too long.
        """
        exchange, gates, found = self.exchange, self.gates, _by_gates(candidates)
        options = list(found)
        exchange.phase = "route"
        began = self.deadlines.time()
        try:
            with self.deadlines.within(gates.patience(options)):
                number = await gates.wait(self.held, exchange.client or "", options)
        except TimeoutError:
            raise gates.too_late(options) from None
        finally:
            waited = self.deadlines.time() - began
            exchange.waited += waited
            exchange.waits_for(waited, began, "queue")
            exchange.queued += waited
        return found[options[number]]

    def leave(self) -> None:
        """Give all places back."""
        self.gates.leave(self.held)


def _by_gates(candidates: Sequence[Candidate]) -> dict[tuple[str, ...], Candidate]:
    """The candidates by the names of the gates at which their deployment needs a place. Of several candidates
    with the same gates only the first one is included.
    """
    found: dict[tuple[str, ...], Candidate] = {}
    for candidate in candidates:
        found.setdefault(candidate.deployment.gates, candidate)
    return found
