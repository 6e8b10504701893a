"""Chooses the candidate (a deployment with one credential) that an exchange calls next: at first in the order
in which `routing.health` puts the candidates of its route, after a failure as the state machine in
`routing.attempts` says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from dragoman import ir
from dragoman.engine.affinity import circumstances
from dragoman.engine.asked import Asked
from dragoman.engine.fallbacks import Turned
from dragoman.engine.limits import SWITCHED
from dragoman.engine.plan import Plan
from dragoman.engine.runtime import Runtime
from dragoman.engine.ways import Way
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.routing import attempts as machine
from dragoman.routing.fallbacks import Why
from dragoman.routing.health import Asking
from dragoman.routing.outcome import for_client
from dragoman.routing.policy import Circumstances
from dragoman.routing.reasons import weighed
from dragoman.routing.route import Candidate, Deployment

Round: TypeAlias = machine.Attempts[Candidate]


class Candidates(msgspec.Struct, eq=False):
    """The candidates of one exchange. way: the functions for its operation. plan: of the request's own route.
    now: returns monotonic seconds. round: the state machine of `routing.attempts`; None = it was not needed
    yet, as the first candidate could be called at once and has not failed.

    The request is an argument, because it may change after a failure. A method that returns the next
    candidate waits until its time has come, and raises RequestFailed if none may be called.
    """

    runtime: Runtime
    way: Way
    plan: Plan
    now: Callable[[], float]
    round: Round | None = None
    _asking: Asking | None = None
    """The candidates in order; None = no order was made, as the route's first one is called."""
    _turned: Turned | None = None
    """The routes that the request has used; None = only its own route so far."""
    _until: float | None = None
    """When the time of all attempts is over (monotonic seconds); None = never, or it has not begun yet."""
    _failed: Candidate | None = None
    """The candidate that has failed last; None = none has failed."""

    async def first(self, asked: Asked) -> Candidate:
        """Return the candidate to call first, as `health` orders the candidates of the route. If none can be
        called now, or the first is in doubt (it has failed lately, for example) and there are fallbacks, it
        may be one of a fallback, or one that is waited for.
        """
        request, health = await self._circumstances(asked), self.runtime.health
        now = self.now()
        asking = health.order(self.plan.route, now, request, self._asking)
        if not health.calm:
            self._weigh(asked.exchange, asking)
        self._asking = asking
        if asking.ready and not (self.plan.route.fallbacks.any and health.doubts(asking.ready[0], now)):
            return asking.ready[0]
        self.round = round_ = self._attempts(self._routes().begun(asking, now))
        return await self._follow(asked, round_.on(machine.Begin(), now))

    async def failed(self, asked: Asked, failed: Candidate, fault: ir.Fault, *, committed: bool) -> Candidate:
        """Return the candidate to call after this one has failed with `fault`; for a retry it may be the same
        again. committed: whether the client has got content of the answer already; then no other candidate is
        called, and RequestFailed is raised. It is also raised if no candidate may be called.
        """
        now, round_ = self.now(), self.begun(asked.exchange, failed)
        self._failed = failed
        if committed:
            round_.on(machine.FirstContent(), now)
        if fault.code == SWITCHED:  # it hangs, whatever key it is asked with
            round_.defer(lambda one: one.deployment.name == failed.deployment.name)
        return await self._follow(asked, round_.on(machine.Failed(fault), now))

    async def limited(self, asked: Asked, candidate: Candidate, refused: ir.Fault) -> Candidate:
        """Return the candidate to call instead of one that a limit refuses. refused: the fault of this
        refusal.
        """
        now, round_ = self.now(), self.begun(asked.exchange, candidate)
        return await self._follow(asked, round_.on(machine.Limited(refused), now))

    async def full(self, asked: Asked, candidate: Candidate, refused: ir.Fault) -> Candidate:
        """Return the candidate to call after all queues of the route have refused the request: one of a
        fallback. refused: the fault of this refusal, which is raised (RequestFailed) if no fallback has a
        candidate.
        """
        round_ = self.begun(asked.exchange, candidate)
        return await self._follow(asked, round_.on(machine.Full(refused), self.now()))

    def begun(self, exchange: Exchange, first: Candidate) -> Round:
        """Return the state machine. If there is none, begin it with the candidate `first`, which was chosen
        without it.
        """
        if self.round is None:
            now = self.now()
            asking = self._asking or self.runtime.health.order(self.plan.route, now)
            if not exchange.weighed:
                self._weigh(exchange, asking, first)
            others = [candidate for candidate in asking.ready if candidate != first]
            resting = [rest for rest in asking.resting if rest[1] != first]
            begun = self._routes().begun(Asking((first, *others), resting), now)
            ready = [first, *(candidate for candidate in begun.ready if candidate != first)]
            doubtful = [candidate for candidate in begun.doubtful if candidate != first]
            self.round = self._attempts(machine.More(ready, begun.resting, doubtful))
            self.round.on(machine.Begin(), now)
        return self.round

    def told(self, fault: ir.Fault, failed: Candidate | None) -> ir.Fault:
        """Return the fault as the client may see it (`for_client`). failed: the candidate whose attempt has
        failed with it; None = no attempt was made.
        """
        named = self.plan.names_deployment
        if failed is None:
            return for_client(fault, named_by_client=named)
        provider = failed.deployment.provider
        whose = self.runtime.backends[provider].accounts[failed.account].whose
        return for_client(fault, provider, named_by_client=named, whose=whose)

    def plan_of(self, candidate: Candidate) -> Plan:
        """Return the plan of the route that has the candidate: the request's own, or one of its fallbacks."""
        return self._routes().plans[candidate.tier] if candidate.tier else self.plan

    def has_other(self, differs: Callable[[Deployment], bool]) -> bool:
        """Whether another candidate could be called at once instead of the one that is called: one with a
        deployment for which `differs` returns True, or one of a fallback.
        """
        fallbacks = bool(self.plan.route.fallbacks.any)
        if self.round is not None:
            fallbacks = bool(self._routes().plans[-1].route.fallbacks.any)
            return self.round.has_other(lambda one: differs(one.deployment), fallbacks=fallbacks)
        if self._asking is not None and not fallbacks:
            health, now = self.runtime.health, self.now()
            return any(differs(one.deployment) and not health.doubts(one, now) for one in self._asking.ready)
        return fallbacks or any(map(differs, self.plan.route.deployments))

    def time_over(self) -> float | None:
        """Return the end of the time of all attempts (monotonic seconds); None = no limit. The time starts at
        the first call of this method.
        """
        if self._until is None and (seconds := self.runtime.policy.seconds) is not None:
            self._until = self.now() + seconds
        return self._until

    def stand_still(self, seconds: float) -> None:
        """Let the time of all attempts end so many seconds later, because these seconds do not count: they
        passed in a queue, which has its own limit, or while an answer came.
        """
        if self._until is not None:
            self._until += seconds
        if self.round is not None:
            self.round.pause(seconds)

    async def _circumstances(self, asked: Asked) -> Circumstances:
        what = (asked, self.plan.route, self.runtime.seams)
        if asked.light or self.plan.route.spread is None:
            return circumstances(*what)
        return await asked.step(circumstances, *what)

    def _weigh(self, exchange: Exchange, asking: Asking, begun: Candidate | None = None) -> None:
        """Record the order of the candidates, with reasons, in the exchange. begun: the candidate that
        was chosen before an order was recorded, and stands first in it; None = there is none.
        """
        exchange.weighed = weighed(self.runtime.health, self.plan.route, asking, self.now(), begun)

    def _attempts(self, begun: machine.More[Candidate]) -> Round:
        runtime, plan = self.runtime, self.plan
        return machine.Attempts(
            begun.ready,
            runtime.policy,
            runtime.seams.uniform,
            _pool,
            resting=begun.resting,
            doubtful=begun.doubtful,
            until=self.time_over(),
            lists=plan.route.fallbacks.stated,
            refused=plan.refused,
        )

    async def _follow(self, asked: Asked, commands: list[machine.Command[Candidate]]) -> Candidate:
        """Do what the commands say, until one names a candidate. Raises RequestFailed for `GiveUp`."""
        exchange, round_ = asked.exchange, self.round
        assert round_ is not None  # it has given the commands
        while True:
            command = commands.pop(0)
            if isinstance(command, machine.Start):
                return command.candidate
            if isinstance(command, machine.Extend):
                commands = round_.on(await self._more(asked, command.why), self.now())
                continue
            if isinstance(command, machine.GiveUp):
                raise RequestFailed(self._given_up(command.fault))
            exchange.phase = "route"
            pause = max(0.0, command.at - self.now())
            exchange.waits_for(pause, self.now())
            await asyncio.sleep(pause)
            exchange.waited += pause
            commands = round_.on(machine.Timer(), self.now())

    def _given_up(self, fault: ir.Fault) -> ir.Fault:
        """Return the fault to tell the client (`for_client`). If the route has no candidate at all, it is
        that of its first provider whose credential is missing or cannot be read, if there is one.
        """
        if fault is machine.NOBODY:
            faults, deployments = self.runtime.unreadable, self.plan.route.deployments
            for one in deployments:
                if one.provider in faults:
                    return faults[one.provider]
        return self.told(fault, self._failed)

    async def _more(self, asked: Asked, why: Why) -> machine.More[Candidate] | machine.NoMore:
        """Return the candidates of the next route in the list `why`; NoMore = the list has none left."""
        turned, now = self._routes(), self.now()
        return turned.more(asked, why, now) if asked.light else await asked.step(turned.more, asked, why, now)

    def _routes(self) -> Turned:
        """Return the routes that the request has used: at first only its own route."""
        turned = self._turned
        if turned is None:
            turned = self._turned = Turned(self.runtime, self.way, self.plan)
        return turned


def _pool(candidate: Candidate) -> str:
    """Return the pool of a candidate's connections: all credentials of a provider share one pool."""
    return candidate.deployment.provider
