"""Takes the places that a deployment needs at its gates (limits on requests that run at once), before it is
called.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman.capacity.gates import Gates, Held
from dragoman.exchange import Exchange
from dragoman.routing.route import Candidate
from dragoman.seams.deadlines import Deadlines


class Entry(msgspec.Struct, eq=False):
    """The places of one exchange. gates: all gates of the gateway. held: the places that the exchange has
    now; the methods change it. exchange: the record of the exchange, which gets the times of waits; its
    `client` decides the place in a queue, because clients take turns.
    """

    gates: Gates
    deadlines: Deadlines
    exchange: Exchange
    held: Held = {}

    def enters(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """Take the places of the first candidate that would not have to wait at its deployment's gates, and
        return this candidate; other places that the exchange had are given back. None = there is no such
        candidate; then the exchange keeps the places that it has.
        """
        options = _by_gates(candidates)
        number = self.gates.enter(self.held, list(options))
        return None if number is None else list(options.values())[number]

    async def wait(self, candidates: Sequence[Candidate]) -> Candidate:
        """Take the places of the first candidate whose deployment can be called without waiting at its gates,
        and return this candidate. If there is none, wait until there is one. Places that the exchange had are
        given back first. The time of the wait is recorded in the exchange.

        Raises RequestFailed if queues are full, if this request has to leave a queue for another client's
        request, or if the wait is longer than the gates allow (see `Gates.wait`). The exchange then has no
        places.
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
        """Give back all places that the exchange has."""
        self.gates.leave(self.held)


def _by_gates(candidates: Sequence[Candidate]) -> dict[tuple[str, ...], Candidate]:
    """Return the candidates, by the names of the gates at which their deployment needs a place. Of several
    candidates with the same gates, only the first one is included.
    """
    found: dict[tuple[str, ...], Candidate] = {}
    for candidate in candidates:
        found.setdefault(candidate.deployment.gates, candidate)
    return found
