"""Limits on the requests that run at once for a model and for a provider, and on the time between two starts.
Each limit is a gate with a queue.

A request needs a place at every gate of its deployment: its model's and its provider's. It takes all of them
at once or none, so no request holds one place while it waits for another. If all its deployments are full, it
waits at the gates that have stopped it, until one of its deployments can be called or its wait is over. Where
the queue has no room, it is on standby: it waits in another queue, and gets a place here if the queue leaves
one. So a queue never grows beyond its limit, and no place is idle while a request that may use it waits.

At a gate the clients take turns. The requests of one client are let in in the order of their arrival, except
that a request which another gate stops is skipped. If all deployments of a new request have full queues, it
is refused. There is one exception: if another client has at least two more requests in one of these queues
than the new request's client, the last request of the client with the most is refused instead, if that makes
room for the new request. See docs/decisions/0039-queues.md.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Final, TypeAlias

import msgspec

from dragoman import ir
from dragoman.capacity.places import OwnPlaces, Places
from dragoman.errors import RequestFailed
from dragoman.seams.clock import SYSTEM

POLL: Final = 0.02
"""Seconds between two checks for a place that another worker has given back. They are longer, at most 1 s,
while the delay between two starts is not over.
"""
FULL: Final = "queue_full"
"""The code of the fault for a request that is refused because a queue is full."""
TOO_LATE: Final = "queue_timeout"
"""The code of the fault for a request that has waited in a queue for too long."""
_RETRY: Final = 5.0
"""The seconds in the header retry-after of a refused request."""


class Limit(msgspec.Struct, frozen=True):
    """How many requests may run at once at one gate, and how others wait. most: how many may run, in all
    workers together; None = any number. queue: how many may wait, in each process; after this number became
    smaller, those who wait already go on waiting. wait: the most seconds that a request waits here; None = a
    request may wait for any time. delay: the least seconds between the starts of two requests, in all workers
    together; 0 = no delay.
    """

    most: int | None = None
    queue: int = 100
    wait: float | None = 60.0
    delay: float = 0.0


class Gate:
    """One limit and its queue. name: of the model or the provider, as the path of its settings
    ("models.fast", "providers.main"). places: counts the places that are taken; it may be shared with other
    processes. running: the number of places that requests of this process hold.
    """

    def __init__(self, name: str, limit: Limit, places: Places) -> None:
        self.name = name
        self.limit = limit
        self.places = places
        self.running = 0
        self.queues: dict[str, deque[_Ticket]] = {}
        """The waiting requests by client. The client whose turn is next comes first."""
        self.standby: dict[_Ticket, None] = {}
        """The requests that wait in queues of other gates, because the queue here had no room, and would also
        take a place here; in the order of their arrival.
        """
        self.due = float("-inf")
        """When the next request may start because of the delay (monotonic seconds), as far as this process
        knows.
        """
        self.timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many requests of this process are in the queue of this gate."""
        return sum(map(len, self.queues.values()))

    @property
    def awaited(self) -> bool:
        """Whether a request of this process would take a place here: one in the queue, or one on standby."""
        return bool(self.queues or self.standby)

    @property
    def has_room(self) -> bool:
        """Whether one more request may be in the queue."""
        return self.waiting < self.limit.queue

    def grab(self) -> int | None:
        """Take a place and return its number, which `drop` needs (it can be 0 or negative); None = all are
        taken. The queue and the delay between two starts are not checked here.
        """
        place = self.places.take(self.limit.most)
        if place is not None:
            self.running += 1
        return place

    def drop(self, place: int) -> None:
        """Give back the place with this number, without letting a waiting request in."""
        self.running -= 1
        self.places.give(place)

    def has_free(self) -> bool:
        """Whether a place is free here. The queue and the delay between two starts are not checked here."""
        if (place := self.grab()) is None:
            return False
        self.drop(place)
        return True

    def is_due(self, now: float) -> bool:
        """Return whether the delay since the last start is over, or the limit has none. Sets the attribute
        `due` if the limit has a delay. Begins no new delay. now: monotonic seconds.
        """
        if not self.limit.delay:
            return True
        self.due = self.places.due(now, self.limit.delay)
        return self.due <= now

    def starts(self, now: float) -> bool:
        """Return whether a request may start now: the delay since the last start is over, or the limit has
        none. If so, begin a new delay. False also while another worker decides about a start. Sets the
        attribute `due` if the limit has a delay. now: monotonic seconds.
        """
        if not self.limit.delay:
            return True
        self.due = self.places.start(now, self.limit.delay)
        return self.due <= now

    def add(self, ticket: _Ticket) -> None:
        """Add a request to the queue, behind the other requests of its client; if the queue has no room, put
        the request on standby. If it is the first request here, other workers are told that requests wait.
        """
        if not self.awaited and self.places.shared:
            self.places.wait(waiting=True)
        if self.has_room:
            self._enqueue(ticket)
        else:
            ticket.standby.add(self)
            self.standby[ticket] = None

    def remove(self, ticket: _Ticket) -> None:
        """Remove a request from the queue or from standby; it must be there. Nobody on standby gets its room
        in the queue: call `promote`. If no request is left here, other workers are told that none waits.
        """
        if self in ticket.standby:
            ticket.standby.remove(self)
            del self.standby[ticket]
        else:
            ticket.at.remove(self)
            queue = self.queues[ticket.client]
            queue.remove(ticket)
            if not queue:
                del self.queues[ticket.client]
        if not self.awaited and self.places.shared:
            self.places.wait(waiting=False)

    def promote(self) -> None:
        """Move requests from standby into the queue, the longest waiting ones first, while it has room."""
        while self.standby and self.has_room:
            ticket = next(iter(self.standby))
            del self.standby[ticket]
            ticket.standby.remove(self)
            self._enqueue(ticket)

    def _enqueue(self, ticket: _Ticket) -> None:
        ticket.at.add(self)
        self.queues.setdefault(ticket.client, deque()).append(ticket)

    def turns(self) -> Iterator[_Ticket]:
        """Yield the waiting requests in the order of turns: the first one of each client in the queue, then
        the second one of each, …; then those on standby. The clients are in the order of `queues`. Requests
        that were just cancelled are skipped.
        """
        for row in range(max(map(len, self.queues.values()), default=0)):
            for queue in self.queues.values():
                if row < len(queue) and not queue[row].got.done():  # done = it has just been cancelled
                    yield queue[row]
        yield from (ticket for ticket in self.standby if not ticket.got.done())

    def passed(self, client: str) -> None:
        """Put a client behind the others, because one of its requests was let in. Do nothing if it has no
        other request in the queue.
        """
        if (queue := self.queues.pop(client, None)) is not None:
            self.queues[client] = queue

    def crowding(self, client: str) -> _Ticket | None:
        """Return the waiting request that has to leave this queue for a new request of `client`: the last one
        of the client with the most requests, if that client has at least two more here than `client`. None =
        no client has so many, or that last request was just cancelled. The caller checks that the queue is
        full.
        """
        largest = max(self.queues.values(), key=len, default=None)
        if largest is None or len(largest) <= len(self.queues.get(client, ())) + 1:
            return None
        return None if largest[-1].got.done() else largest[-1]


Held: TypeAlias = "dict[Gate, int]"
"""The places that one request holds, by gate."""


class _Ticket(msgspec.Struct, eq=False):
    """A waiting request. options: {index of a deployment that it may use: the gates of this deployment}. got:
    gets the index of the option that the request may use, and the places are then in `held`; or it gets a
    RequestFailed, if the request may wait no longer. at: the gates in whose queues it waits, at least
    one. standby: the gates whose queues had no room for it, at which it would take a place nevertheless.
    """

    client: str
    options: dict[int, Sequence[Gate]]
    got: asyncio.Future[int]
    held: Held = {}
    at: set[Gate] = set()
    standby: set[Gate] = set()


class Gates:
    """All limits of one process, with their queues, for one event loop. now: returns monotonic seconds.
    places: makes the places of the limit with a given name; the default ones are not shared with other
    processes. named: {name: gate} of the configured limits.
    """

    def __init__(
        self,
        now: Callable[[], float] = SYSTEM.monotonic,
        places: Callable[[str], Places] = lambda _name: OwnPlaces(),
    ) -> None:
        self._now = now
        self._places = places
        self.named: dict[str, Gate] = {}
        self._former: dict[str, Gate] = {}
        """The gates of limits that are no longer configured. They still count running requests, in case their
        limit returns.
        """

    def share(self, places: Callable[[str], Places]) -> None:
        """Make the places of new gates with `places` from now on. Gates that exist keep their places, so call
        this before the first `adopt`. places: returns the places of the limit with a given name, which other
        processes may share.
        """
        self._places = places

    @property
    def waiting(self) -> dict[str, int]:
        """{name of a limit ("models.NAME" or "providers.NAME"): how many requests of this process wait
        there}. Limits that are no longer configured are included.
        """
        return {name: gate.waiting for name, gate in (*self._former.items(), *self.named.items())}

    def adopt(self, limits: Mapping[str, Limit]) -> None:
        """Use these limits, by name, from now on. Running requests keep their places. Waiting requests go on
        waiting, for as long as the former limits say, unless the new limits let them in. A limit that is no
        longer configured stops no request.
        """
        for name in self.named.keys() - limits.keys():
            gate = self._former[name] = self.named.pop(name)
            self._use(gate, Limit())
        for name, limit in limits.items():
            known = self.named.get(name) or self._former.pop(name, None)
            if known is None:
                known = Gate(name, limit, self._places(name))
            self.named[name] = known
            self._use(known, limit)

    def enter(self, held: Held, options: Sequence[Sequence[str]]) -> int | None:
        """Take the places of the first option that is not full, without waiting. An option is a deployment.
        The option is full if one of its gates has no free place, has waiting requests whose turn it is
        (`_is_promised`), or has a delay between two starts that is not over. Gates at which the request has a
        place already (`held`) do not count. options: for each option, the names of its gates; names without a
        limit are ignored, and an option without gates is never full.

        Returns the option's index; `held` then has its places, and other places that were in `held` are given
        back. Returns None if all options are full; then `held` is unchanged.
        """
        return self._enter(held, [self._gates(names) for names in options])[0]

    def has_place(self, held: Held, names: Sequence[str]) -> bool:
        """Whether a request that has the places `held` would get a place at once at each other gate of these
        names: one is free, and it is not for another request of this process that waits (`_is_promised`).
        Names without a limit are ignored. Takes no place, and does not check the delay between two starts.
        """
        missing = [gate for gate in self._gates(names) if gate not in held]
        return not any(self._is_promised(gate) or not gate.has_free() for gate in missing)

    async def wait(self, held: Held, client: str, options: Sequence[Sequence[str]]) -> int:
        """Give back the places that are in `held`. Then take the places of the first option that is not full
        (see `enter`), add them to `held`, and return the option's index. If all options are full, wait in the
        queues of the gates that have stopped the request, or on standby where a queue has no room, until its
        turn comes. An option with a shorter wait (`Limit.wait`) than another one is given up when its wait is
        over. The wait as a whole has no time limit here: the caller must set one (`patience`).

        client: the name of the request's client. options: at least one; for each, the names of its gates.
        Raises RequestFailed with the code `FULL` if each option has a full queue and `Gate.crowding` makes no
        room, or later if the request has to leave its queue. After an error or a cancellation, the request
        has no place and waits nowhere.
        """
        self.leave(held)
        wanted = [self._gates(names) for names in options]
        number, stopped = self._enter(held, wanted)
        if number is not None:
            return number
        left = self._make_room(client, stopped)
        ticket = _Ticket(client, dict(enumerate(wanted)), asyncio.get_running_loop().create_future())
        for gate in {gate for gates in stopped for gate in gates}:
            self._queue(ticket, gate)
        for gate in left:
            gate.promote()
        for gate in [*ticket.at, *ticket.standby]:
            self._serve(gate)  # the requests before it may wait for other gates
        timers = self._limit_waits(ticket)
        try:
            option = await ticket.got
        except BaseException:
            self._withdraw(ticket)
            self.leave(ticket.held)  # the places came in the same moment as the cancellation
            raise
        finally:
            for timer in timers:
                timer.cancel()
        held.update(ticket.held)
        return option

    def leave(self, held: Held) -> None:
        """Give back all places of a request and empty `held`. Let waiting requests in: at once, or about
        `POLL` seconds later at a gate where requests of another worker wait, too.
        """
        if held:
            given = dict(held)
            held.clear()
            self._give(given)

    def patience(self, options: Sequence[Sequence[str]]) -> float | None:
        """Return the most seconds for which a request with these options may wait in queues: the longest wait
        of an option, which is the shortest `Limit.wait` of the option's gates. None = the request may wait
        for any time, because no gate of some option states a wait. options: at least one; for each, the names
        of its gates.
        """
        waits = [_wait_of(self._gates(names)) for names in options]
        known = [wait for wait in waits if wait is not None]
        return None if len(known) < len(waits) else max(known)

    def too_late(self, options: Sequence[Sequence[str]]) -> RequestFailed:
        """Return (not raise) the error, with the code `TOO_LATE`, for a request with these options that has
        waited for `patience` seconds. The text names the gates of the first option only.
        """
        waited = self.patience(options)
        named = " and ".join(options[0])
        return _refusal(
            f"The request waited in vain for {waited or 0:g} s in the queue of {named}.", TOO_LATE
        )

    def _use(self, gate: Gate, limit: Limit) -> None:
        gate.limit = limit
        gate.promote()
        self._serve(gate)

    # Places ------------------------------------------------------------------------------------------

    def _gates(self, names: Iterable[str]) -> list[Gate]:
        return [self.named[name] for name in names if name in self.named]

    def _enter(
        self, held: Held, options: Sequence[Sequence[Gate]]
    ) -> tuple[int | None, Sequence[Sequence[Gate]]]:
        """Take the places of the first option that is not full. Returns (the option's index, ()); `held` then
        has exactly its places. If all options are full, returns (None, for each option the gates that have
        stopped the request): those whose next place is for a waiting request, or else the first one that is
        full.
        """
        stopped: list[Sequence[Gate]] = []
        for number, gates in enumerate(options):
            missing = [gate for gate in gates if gate not in held]
            crowded = [gate for gate in missing if self._is_promised(gate)]
            if not crowded:
                full = self._take(missing, held)
                if full is None:
                    self._give({gate: held.pop(gate) for gate in held.keys() - set(gates)})
                    return number, ()
                crowded = [full]
            stopped.append(crowded)
        return None, stopped

    def _is_promised(self, gate: Gate) -> bool:
        """Whether the next place of a gate is for a request that waits already, so that a new request may not
        take it: the gate has a queue, or a request on standby that needs nothing else now. A request on
        standby that other gates stop is no hindrance: a queue of 0 has no room where the new request could
        wait behind it, so the place would stay idle.
        """
        if gate.queues:
            return True
        now = self._now()
        return any(
            all(other is gate or (other.has_free() and other.is_due(now)) for other in gates)
            for ticket in gate.standby
            if not ticket.got.done()
            for gates in ticket.options.values()
            if gate in gates
        )

    def _take(self, gates: Sequence[Gate], held: Held) -> Gate | None:
        """Take a place at each gate, add the places to `held`, begin the gates' delays, and return None. If a
        gate has no place, or its delay is not over, take no place and return that gate.
        """
        taken: Held = {}
        stopped: Gate | None = None
        for gate in gates:
            if (place := gate.grab()) is None:
                stopped = gate
                break
            taken[gate] = place
        if stopped is None:
            now = self._now()
            # A start counts at all gates or at none, so all are asked before the first one records it.
            stopped = next((gate for gate in gates if not gate.is_due(now)), None) or next(
                (gate for gate in gates if not gate.starts(now)), None
            )
        if stopped is None:
            held.update(taken)
        else:
            for gate, place in taken.items():
                gate.drop(place)
        return stopped

    def _give(self, held: Held) -> None:
        for gate, place in held.items():
            gate.drop(place)
        for gate in held:
            if gate.awaited:
                if gate.places.shared and gate.places.others_wait():
                    self._look_later(gate)  # the other workers look first, so that all take turns
                else:
                    self._serve(gate)

    # Those who wait ----------------------------------------------------------------------------------

    def _make_room(self, client: str, stopped: Sequence[Sequence[Gate]]) -> set[Gate]:
        """Return an empty set if at least one option has no full queue. Otherwise refuse a waiting request
        that `Gate.crowding` finds in a full queue, if that makes room in all full queues of an option, and
        return the gates that the refused request has left; the caller must call `promote` for them when the
        new request is in its queues. If there is no such request, raise RequestFailed for the new request of
        `client`. stopped: for each option, the gates that have stopped the new request.
        """
        full = [[gate for gate in gates if not gate.has_room] for gates in stopped]
        if not all(full):
            return set()
        for gates in full:
            for gate in gates:
                crowding = gate.crowding(client)
                if crowding is not None and crowding.at.issuperset(gates):
                    crowding.got.set_exception(_full(gate))
                    return self._take_out(crowding)
        raise _full(full[0][0])

    def _queue(self, ticket: _Ticket, gate: Gate) -> None:
        if gate not in ticket.at and gate not in ticket.standby:
            gate.add(ticket)
        self._look_later(gate)

    def _limit_waits(self, ticket: _Ticket) -> list[asyncio.TimerHandle]:
        """Start a timer for each option of a waiting request whose wait is shorter than the longest one, and
        return the timers. When a timer ends, the request no longer waits for this option, and leaves the
        gates that none of its other options needs. If it is in no queue then, but only on standby, it is
        refused.
        """
        waits = {number: _wait_of(gates) for number, gates in ticket.options.items()}
        longest = max((inf if wait is None else wait for wait in waits.values()), default=inf)
        loop = asyncio.get_running_loop()
        return [
            loop.call_later(wait, self._give_up, ticket, number)
            for number, wait in waits.items()
            if wait is not None and wait < longest
        ]

    def _give_up(self, ticket: _Ticket, number: int) -> None:
        if ticket.got.done():
            return
        del ticket.options[number]
        needed = {gate for gates in ticket.options.values() for gate in gates}
        left = (ticket.at | ticket.standby) - needed
        for gate in left:
            gate.remove(ticket)
        if not ticket.at:
            ticket.got.set_exception(_full(next(iter(ticket.standby))))
            left |= self._take_out(ticket)
        for gate in left:
            gate.promote()
            self._serve(gate)  # those behind it may need another gate

    def _withdraw(self, ticket: _Ticket) -> None:
        for gate in self._take_out(ticket):
            gate.promote()

    def _take_out(self, ticket: _Ticket) -> set[Gate]:
        """Remove a request from all queues and from standby. Returns the gates that it has left. The caller
        must call `promote` for them.
        """
        left = ticket.at | ticket.standby
        for gate in left:
            gate.remove(ticket)
        return left

    def _serve(self, gate: Gate) -> None:
        """Let in requests that wait at a gate or are on standby there, in the order of turns, until this gate
        itself stops one. A request that only other gates stop is skipped.
        """
        while self._serve_one(gate):
            pass
        self._look_later(gate)

    def _serve_one(self, gate: Gate) -> bool:
        for ticket in gate.turns():
            stopped = self._offer(ticket)
            if not stopped:
                gate.passed(ticket.client)
                return True
            if gate in stopped:
                return False
        return False

    def _offer(self, ticket: _Ticket) -> set[Gate]:
        """Give a waiting request the places of its first option whose gates have a place and whose delays are
        over, take the request out of all queues, and return an empty set. If there is no such option, let the
        request wait at the gates that have stopped it, and return these gates.
        """
        stopped: set[Gate] = set()
        for number, gates in ticket.options.items():
            held: Held = {}
            if (full := self._take(gates, held)) is None:
                self._withdraw(ticket)
                ticket.held = held
                ticket.got.set_result(number)
                return set()
            stopped.add(full)
        for gate in stopped:
            self._queue(ticket, gate)
        return stopped

    def _look_later(self, gate: Gate) -> None:
        """Start a timer that serves this gate again, if requests wait at the gate and may get in without a
        call here: because the delay ends, or because another worker gives a place back. Does nothing if the
        gate has a timer already.
        """
        if not gate.awaited or gate.timer is not None:
            return
        pause = gate.due - self._now()
        if gate.places.shared:
            pause = max(POLL, min(pause, 1.0))
        elif pause <= 0:
            return
        gate.timer = asyncio.get_running_loop().call_later(pause, self._look, gate)

    def _look(self, gate: Gate) -> None:
        gate.timer = None
        self._serve(gate)


def _wait_of(gates: Iterable[Gate]) -> float | None:
    """Return the shortest `Limit.wait` of these gates, in seconds; None = no gate states one."""
    return min((gate.limit.wait for gate in gates if gate.limit.wait is not None), default=None)


def _full(gate: Gate) -> RequestFailed:
    """Return (not raise) the error for a request that the full queue of this gate refuses."""
    return _refusal(f"{gate.waiting} requests wait already in the queue of {gate.name}.", FULL)


def _refusal(message: str, code: str) -> RequestFailed:
    return RequestFailed(ir.Fault("rate_limit", message, code, retry_after=_RETRY, blame="gateway"))
