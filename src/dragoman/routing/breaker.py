"""Circuit breakers: remember which deployments have failed lately, so that they are asked after others. A
pure state machine.

When the provider has failed several times in a row at a deployment, the breaker of the deployment opens: for
a while (the pause), requests ask the deployment only after the others of their route. Then one request, the
trial, asks it at its usual place in the order again. If the trial or any other attempt is answered, the
breaker is closed; if the provider fails at the trial, the next pause is twice as long, up to a limit. If a
provider did not answer a check (`checked`), all its deployments are asked after others for a while. No
deployment is ever left out: it is still asked when the others have failed.

Times are monotonic seconds that the caller gives, so tests can check the breakers as transcripts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from dragoman.routing.outcome import Outcome

_COUNTED: Final = frozenset({Outcome.SERVER})
"""The outcomes that count against a deployment. A rate limit counts against the key, and an invalid request
is the client's fault.
"""


_MOST: Final = 1_024
"""The most deployments that are remembered. One more makes it forget all of them."""


class Limits(msgspec.Struct, frozen=True):
    """When a breaker opens, and for how long.

    failures: after so many failures of its deployment in a row it opens; 0 = never. pause: seconds of the
    first pause; each further pause is twice as long as the one before, up to pause_max seconds.
    """

    failures: int = 3
    pause: float = 5.0
    pause_max: float = 300.0


class State(msgspec.Struct):
    """The latest failures of a deployment, since it last answered. failed: how many. until: when the next
    trial may begin, 0 = the breaker is closed. pause: the seconds of the latest pause, 0 = there was none.
    trying: whether a trial is running. trial: the number of the latest trial, 0 = there was none. latest: the
    time of the latest failure. due: the time from which the latest trial was allowed. vouched: True = a check
    has ended a pause, and ends no other one until the provider does not answer a check. Times are monotonic
    seconds.
    """

    failed: int = 0
    until: float = 0.0
    pause: float = 0.0
    trying: bool = False
    latest: float = 0.0
    due: float = 0.0
    vouched: bool = False
    trial: int = 0


class Down(NamedTuple):
    """A provider that did not answer its checks. until: until when it counts as down. since: when the first
    of these checks failed. Both are monotonic seconds.
    """

    until: float
    since: float


class Breakers:
    """The breakers of one process: the deployments (`provider/model`) that have failed since they last
    answered, and the providers that did not answer their latest check, as far as they are not forgotten. The
    breaker of any other deployment is closed. limits: None = the defaults.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.states: dict[str, State] = {}
        """The deployments that have failed since they last answered."""
        self.down: dict[str, Down] = {}
        """The providers that did not answer their latest check."""
        self._trials = 0

    @property
    def calm(self) -> bool:
        """Whether no failure of a deployment is recorded, and no provider is recorded as down."""
        return not self.states and not self.down

    def order(self, names: Sequence[str], now: float) -> Sequence[int]:
        """Return the indexes of the deployments `names` in the order to ask them. Those that are not open
        (`is_open`) come first and keep their order. The open ones follow, sorted by the time until which they
        are open, the earliest first. now: monotonic seconds.
        """
        if self.calm:
            return range(len(names))
        last: list[tuple[float, int]] = []
        first: list[int] = []
        for place, name in enumerate(names):
            until = self._open_until(name, now)
            if until is None:
                first.append(place)
            else:
                last.append((until, place))
        return [*first, *(place for _, place in sorted(last))]

    def is_open(self, name: str, now: float) -> bool:
        """Whether a deployment is asked after the others: its pause is not over, a trial is running, or its
        provider counts as down. now: monotonic seconds.
        """
        return self._open_until(name, now) is not None

    def known(self, provider: str) -> list[str]:
        """Return the names of the provider's deployments that have recorded failures, even if their breakers
        are closed.
        """
        return [name for name in self.states if provider_of(name) == provider]

    def _open_until(self, name: str, now: float) -> float | None:
        """Return until when (monotonic seconds) a deployment is asked after the others; None = it is asked at
        its usual place. While a trial runs, the time may be in the past. now: monotonic seconds.
        """
        state, down = self.states.get(name), self.down_until(provider_of(name))
        if state is None or not state.until or (state.until <= now and not state.trying):
            return down if down > now else None
        return max(state.until, down)

    def down_until(self, provider: str) -> float:
        """Return until when (monotonic seconds, perhaps in the past) a provider counts as down; 0 = it is not
        recorded as down.
        """
        if not self.down or (down := self.down.get(provider)) is None:
            return 0.0
        return down.until

    def goes_down(self, provider: str, until: float, now: float) -> bool:
        """Record that a provider did not answer a check: it counts as down until `until`. until, now:
        monotonic seconds. Returns True if no such record existed; an old record counts even if its time is
        over.
        """
        before = self.down.get(provider)
        self.down[provider] = Down(until, now if before is None else before.since)
        return before is None

    def forget(self, now: float) -> None:
        """Forget each deployment whose pause is over and whose latest failure is longer ago than `pause_max`,
        and each provider whose time as down is over. now: monotonic seconds.
        """
        most = self.limits.pause_max
        old = [name for name, one in self.states.items() if now - one.latest > most and one.until <= now]
        for name in old:
            del self.states[name]
        for provider in [provider for provider, down in self.down.items() if down.until <= now]:
            del self.down[provider]

    def began(self, name: str, now: float) -> int:
        """Record that an attempt at a deployment begins. If the pause of its breaker is over, this attempt is
        the trial: for all other requests the breaker is open for another pause. Returns the number of the
        trial; 0 = the attempt is no trial. now: monotonic seconds.
        """
        state = self.states.get(name)
        if state is None or not state.until or state.until > now:
            return 0
        self._trials += 1
        state.trying, state.trial = True, self._trials
        state.due, state.until = state.until, now + state.pause
        return self._trials

    def succeeded(self, name: str) -> bool:
        """Record that a deployment has answered, and forget its failures. Returns whether its breaker was
        open; a breaker whose pause was over counts as open.
        """
        state = self.states.pop(name, None)
        return state is not None and state.until > 0

    def overrules(self, provider: str, began: float) -> bool:
        """Record that a provider has answered an attempt that began at `began` (monotonic seconds). If the
        provider is recorded as down, and the attempt did not begin before the first failed check, this record
        is removed. Returns whether it was removed.
        """
        down = self.down.get(provider)
        if down is None or began < down.since:
            return False
        del self.down[provider]
        return True

    def abandoned(self, name: str, trial: int) -> None:
        """Record that an attempt has ended and tells nothing about its deployment (its client has
        disconnected, for example). If the attempt was the running trial, another trial may follow at once.
        trial: as `began` has returned it for this attempt.
        """
        state = self.states.get(name)
        if state is not None and state.trying and state.trial == trial:
            state.trying = False
            state.until = state.due

    def failed(self, name: str, outcome: Outcome, now: float, trial: int = 0) -> bool:
        """Record that an attempt has failed. Returns whether a pause begins now: the deployment has failed
        at least `Limits.failures` times in a row, and the attempt was the running trial or no pause is
        running. Only `Outcome.SERVER` counts against a deployment; any other outcome is treated as
        `abandoned`. now: monotonic seconds. trial: as `began` has returned it for this attempt.
        """
        if outcome not in _COUNTED:
            self.abandoned(name, trial)
            return False
        limits = self.limits
        if len(self.states) >= _MOST and name not in self.states:
            self.states.clear()  # clients can name any model of a provider
        state = self.states.setdefault(name, State())
        state.failed += 1
        state.latest = now
        if not limits.failures or state.failed < limits.failures:
            return False
        if state.until > now and not (state.trying and state.trial == trial):
            return False
        state.pause = min(limits.pause_max, 2 * state.pause) if state.pause else limits.pause
        state.until = now + state.pause
        state.trying = False
        return True

    def checked(self, provider: str, now: float, until: float | None) -> bool:
        """Record the result of a check, which asks a provider whether it answers at all. until: None = the
        provider has answered; otherwise it has not, and it counts as down until this time (monotonic
        seconds), or until one of its deployments answers. now: monotonic seconds.

        An answer ends the pauses of the provider's deployments, except those of running trials. Further
        answers end no other pause of a deployment, until it answers or the provider does not answer a check.
        Returns whether the result is new: a provider that was not recorded as down has not answered, or one
        that was recorded as down has answered.
        """
        own = [state for name, state in self.states.items() if provider_of(name) == provider]
        if until is not None:
            news = self.goes_down(provider, until, now)
            for state in own:
                state.vouched = False
            return news
        for state in own:
            if state.until > now and not state.trying and not state.vouched:
                state.until, state.vouched = now, True
        return self.down.pop(provider, None) is not None

    def ails(self, provider: str) -> bool:
        """Whether a deployment of this provider has an open breaker, or the provider is recorded as down.
        Both count even if their time is over.
        """
        if provider in self.down:
            return True
        return any(one.until and provider_of(name) == provider for name, one in self.states.items())


def provider_of(name: str) -> str:
    """Return the provider's name in a deployment's name (`provider/model`): the text before the first `/`."""
    return name.partition("/")[0]
