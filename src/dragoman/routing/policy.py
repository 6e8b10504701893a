"""The policies: functions that put the deployments of a route into the order in which one request asks them.

`POLICIES` is the table of all policies. A policy gets the deployments that have a weight and may be asked
now: their breaker is not open, and a key can be asked. All others come behind them. `Memory` stores what
policies remember; it outlives configurations. A policy has no clock and no random numbers: both come with the
request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

import msgspec

from dragoman.routing.policy_affinity import by_affinity
from dragoman.routing.policy_latency import Load, by_latency
from dragoman.routing.policy_rotation import Rotated, rotated, state
from dragoman.routing.policy_turns import Turns, by_turns
from dragoman.routing.route import Deployment, Route
from dragoman.routing.spread import PolicyName

_MOST: Final = 1_024
"""Above so many deployments, the memory forgets those without running requests; above so many models, it
forgets the turns of all.
"""


def _middle() -> float:
    return 0.5


class Circumstances(msgspec.Struct, frozen=True):
    """What policies may know of one request. wall: its time in Unix seconds. digest: equal for requests that
    should go to the same prompt cache; b"" = unknown, or the policy is not `affinity`. streamed: whether it
    asks for a stream. uniform: returns a random number in [0, 1). before: the names of the deployments in the
    order that this request got before it waited in a queue, so that it does not take a second turn; () = it
    has not waited.
    """

    wall: float = 0.0
    digest: bytes = b""
    streamed: bool = False
    uniform: Callable[[], float] = _middle
    before: tuple[str, ...] = ()


class Memory:
    """What policies remember between requests, for one process. loads: by deployment (`provider/model`).
    turns: by the name of the configured model. start: how many turns this process skips before its first turn
    of each model, so that several workers do not all begin with the same deployment.
    """

    def __init__(self) -> None:
        self.loads: dict[str, Load] = {}
        self.turns: dict[str, Turns] = {}
        self.start = 0

    def load(self, deployment: str) -> Load:
        """Return the load of a deployment (`provider/model`). Attempts are counted and measured only at
        deployments for which this was called before.
        """
        load = self.loads.get(deployment)
        if load is None:
            if len(self.loads) >= _MOST:
                self.loads = {name: one for name, one in self.loads.items() if one.running}
            load = self.loads[deployment] = Load()
        return load

    def revive(self) -> None:
        """Forget how fast deployments were. Running requests are still counted, and turns stay."""
        for load in self.loads.values():
            load.forget()

    def turns_of(self, model: str) -> Turns:
        """Return the turns of a configured model; at the first call, new ones."""
        turns = self.turns.get(model)
        if turns is None:
            if len(self.turns) >= _MOST:
                self.turns.clear()
            turns = self.turns[model] = Turns(self.start)
        return turns


class Choosing(msgspec.Struct, frozen=True):
    """One request for which a policy makes an order. model: the configured model. now: monotonic seconds."""

    memory: Memory
    model: str
    now: float
    request: Circumstances


Ordering: TypeAlias = Callable[[Sequence[Deployment], Choosing], Sequence[Deployment]]
"""A function that returns the given deployments, best first. It gets at least one."""


def ordered(deployments: Sequence[Deployment], _: Choosing) -> Sequence[Deployment]:
    """Return the deployments unchanged, in the given order."""
    return deployments


def round_robin(deployments: Sequence[Deployment], choosing: Choosing) -> Sequence[Deployment]:
    """Take the model's next turn. Return the deployments with the one whose turn it is first; the others
    follow by their credit, the highest first: how much they are owed (`policy_turns`). While the same
    deployments are given, each is the first equally often.
    """
    names = [one.name for one in deployments]
    places = by_turns(names, [1.0] * len(names), choosing.memory.turns_of(choosing.model))
    return [deployments[place] for place in places]


def weighted(deployments: Sequence[Deployment], choosing: Choosing) -> Sequence[Deployment]:
    """Take the model's next turn. Return the deployments with the one whose turn it is first; the others
    follow by their credit, the highest first: how much they are owed (`policy_turns`). While the same
    deployments are given, each is the first as often as its share of all weights says.
    """
    names, weights = [one.name for one in deployments], [one.weight for one in deployments]
    places = by_turns(names, weights, choosing.memory.turns_of(choosing.model))
    return [deployments[place] for place in places]


def least_busy(deployments: Sequence[Deployment], choosing: Choosing) -> Sequence[Deployment]:
    """Return the deployments by the number of running requests (`Load.running`, of this process), the fewest
    first; equal ones keep their order.
    """
    memory = choosing.memory
    return sorted(deployments, key=lambda one: memory.load(one.name).running)


def latency(deployments: Sequence[Deployment], choosing: Choosing) -> Sequence[Deployment]:
    """Draw two deployments at random, and return first the one with the lower `Load.cost` (the seconds that
    one more request would probably take there); then all others by their cost, the lowest first.
    """
    memory, request = choosing.memory, choosing.request
    costs = [memory.load(one.name).cost(choosing.now, streamed=request.streamed) for one in deployments]
    return [deployments[place] for place in by_latency(costs, request.uniform)]


def cost(deployments: Sequence[Deployment], _: Choosing) -> Sequence[Deployment]:
    """Return the deployments by their price (`Price.mixed`), the cheapest first, those without a known price
    last; equal ones keep their order.
    """
    return sorted(deployments, key=lambda one: float("inf") if one.price is None else one.price.mixed)


def affinity(deployments: Sequence[Deployment], choosing: Choosing) -> Sequence[Deployment]:
    """Return the deployments in an order that depends on the request's digest and their weights. So requests
    with the same digest have the same first deployment, which probably has their prompt in its cache. A
    request without a digest gets a random order, in which weights count too.
    """
    request = choosing.request
    digest = request.digest or request.uniform().hex().encode()
    names, weights = [one.name for one in deployments], [one.weight for one in deployments]
    return [deployments[place] for place in by_affinity(digest, names, weights)]


POLICIES: Final[Mapping[PolicyName, Ordering]] = MappingProxyType(
    {
        "ordered": ordered,
        "round_robin": round_robin,
        "weighted": weighted,
        "least_busy": least_busy,
        "latency": latency,
        "cost": cost,
        "affinity": affinity,
    }
)
"""All policies, by name."""

_BY_TURNS: Final = frozenset[PolicyName]({"round_robin", "weighted"})
"""The policies that remember whose turn is next."""


def choose(
    route: Route, able: Iterable[Deployment], memory: Memory, now: float, request: Circumstances
) -> list[Deployment]:
    """Return the deployments of `able` in the order to ask them. Those with a weight come first, in the order
    of the rotation, or of the policy if there is no rotation; then those without a weight, in the given
    order. Without a policy (`route.spread` is None), all keep the given order. A rotation, and a policy that
    takes turns, count this request, unless it has waited (`request.before`): then the order before the wait
    is used again, and deployments that it lacks come last. Other policies order them anew after a wait. now:
    monotonic seconds.
    """
    spread, able = route.spread, list(able)
    if spread is None:
        return able
    chosen: Sequence[Deployment] = [one for one in able if one.weight]
    if request.before and (spread.rotation is not None or spread.policy in _BY_TURNS):
        places = {name: place for place, name in enumerate(request.before)}
        chosen = sorted(chosen, key=lambda one: places.get(one.name, len(places)))
    elif spread.rotation is not None:
        turns = memory.turns_of(spread.model)
        taking_part = [one for one in route.deployments if one.weight]
        turning = rotated(taking_part, spread.rotation, turns, request.wall)
        turns.requests += 1
        may_be_asked = {id(one) for one in chosen}
        chosen = [one for one in turning if id(one) in may_be_asked]
    elif chosen:
        chosen = POLICIES[spread.policy](chosen, Choosing(memory, spread.model, now, request))
    return [*chosen, *(one for one in able if not one.weight)]


def rotations(routes: Iterable[Route], memory: Memory, wall: float) -> list[Rotated]:
    """Return the state of the rotation of each route that has one. At least one deployment of such a route
    must have a weight. wall: Unix seconds.
    """
    return [
        state(
            spread.model,
            [one.name for one in route.deployments if one.weight],
            spread.rotation,
            memory.turns_of(spread.model),
            wall,
        )
        for route in routes
        if (spread := route.spread) is not None and spread.rotation is not None
    ]
