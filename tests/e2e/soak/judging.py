"""Holds what the clients saw against what the providers have logged."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

from tests.e2e.soak.asking import Asked, Clients
from tests.e2e.soak.operating import GRACE, PATIENCE, SWITCH_AFTER, Soak
from tests.e2e.soak.processes import Log
from tests.e2e.soak.stub import AFTER_CONTENT, FAULTS, GOOD, PIECES
from tests.scraping import Scraped

LEFT_FOR = 15.0
"""Seconds. A request may go on for so long after its client has left."""
WITHOUT_CALL = {
    "queue_full",
    "queue_timeout",
    "provider_disabled",
    "rate_limited",
    "rate_limit",
    "model_not_found",
}
"""The codes of errors that come without any call."""
SENT = "dragoman_upstream_requests_sent_total"


class Judge:
    """Holds what the clients saw against what the providers have logged. problems: what does not fit."""

    def __init__(self, soak: Soak, clients: Clients, log: dict[str, Any]) -> None:
        self.soak = soak
        self.asked = {one.marker: one for one in clients.asked}
        self.calls: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for call in log["calls"]:
            self.calls[call["marker"]].append(call)
        self.problems = list(soak.problems)
        self.kinds: Counter[str] = Counter()

    def judge(self) -> None:
        for key, since in self.soak.out.items():
            self.soak.gone[key].append((since, math.inf))
        for marker in self.calls.keys() - self.asked.keys():
            self.problems.append(f"a call that nobody asked for: {self.calls[marker]}")
        for one in self.asked.values():
            wrong = self._wrong(one, self.calls[one.marker]) or self._times(one)
            if wrong:
                self.problems.append(f"{wrong}: {one} {self.calls[one.marker]}")

    def _wrong(self, one: Asked, calls: list[dict[str, Any]]) -> str:
        last = calls[-1] if calls else None
        finished = [call for call in calls if call["fault"] in GOOD and call["done"]]
        if one.fault():
            return one.fault()
        if one.lost:
            self.kinds["broken by a kill"] += 1
            return "" if self._broken(one) else "no answer"
        if one.calls() and (last is None or one.calls() != {last["number"]}):
            return "the answer is not of the last call"
        if one.left:
            self.kinds["left"] += 1
            return ""
        if one.ended - one.began > (SWITCH_AFTER if one.model == "fast" else PATIENCE):
            finished = [call for call in finished if call is last]  # others were left while they were silent
        if len(finished) > 1 or (finished and not one.complete):
            return "a good answer did not arrive, or there are two"
        if one.error is None:
            self.kinds["done"] += 1
            whole = one.text.count("/") == PIECES
            return "" if one.complete and whole and finished else "an answer that is not whole"
        self.kinds[f"{one.status} {one.error.get('code') or one.error.get('type')}"] += 1
        return self._refused(one, last)

    def _broken(self, one: Asked) -> bool:
        """Whether a request without an answer may be one that a killed worker had."""
        during = any(one.began - GRACE <= at <= one.ended for at in self.soak.kills)
        return during and "Timeout" not in one.lost

    def _refused(self, one: Asked, last: dict[str, Any] | None) -> str:
        assert one.error is not None
        if one.complete:
            return "an error, and an end"
        if one.error.get("code") == "internal_error":
            return "a bug"
        if one.status == 401:
            return "" if last is None else "a refused key led to a call"
        code = one.error.get("code") or one.error.get("type")
        if last is None:
            told = code in WITHOUT_CALL or one.error.get("type") in {
                "rate_limit_error",
                "api_error",
                "overloaded_error",
            }
            return "" if told and one.status in {429, 503} else "an error without a call"
        if one.status == 200:
            return "" if last["fault"] in AFTER_CONTENT else "a stream broke that the provider did not break"
        return "" if one.status in {400, 429, 500, 502, 503, 504, 529} else "a strange error"

    def _times(self, one: Asked) -> str:
        """What was refused or switched off during all of the request's time, or never, must show."""
        during = (one.began, one.ended)
        served = one.status != 401 and not one.lost
        if served and any(_within(during, span) for span in self.soak.gone[one.key]):
            return "a removed key was served"
        spans = [*self.soak.gone[one.key], *self.soak.uncertain[one.key]]
        if one.status == 401 and not any(_meets(during, span) for span in spans):
            return "a good key was refused"
        for name, *span in self.soak.off:
            called = {call["provider"] for call in self.calls[one.marker]}
            if name in called and _within(during, (span[0], span[1])):
                return f"{name} was called while it was disabled"
        return ""

    def traces(self) -> None:
        """Each call of a request stands in its trace."""
        for one in self.asked.values():
            if one.traced is None or one.left:
                continue
            told = one.traced["told"]
            tried = [attempt["deployment"].partition("/")[0] for attempt in told.get("attempts") or ()]
            called = [call["provider"] for call in self.calls[one.marker]]
            gone = one.status == 401 or self._forgotten(one) or self._unheard(one)
            if one.traced["status"] == 404 and gone:
                continue
            if one.traced["status"] != 200 or tried != called:
                answer = f"{one.traced['status']} {told.get('error')}"
                self.problems.append(f"trace: {answer}, {tried}; called were {called}: {one}")

    def _unheard(self, one: Asked) -> bool:
        """Whether the keeper may have been missing, so that no other worker was asked for a trace."""
        return any(one.began - LEFT_FOR <= at <= one.ended + GRACE for at in self.soak.keeper_kills)

    def counts(self, page: Scraped) -> None:
        called = Counter(call["provider"] for calls in self.calls.values() for call in calls)
        for name in FAULTS:
            if not called[name] <= page(SENT, provider=name) <= called[name] + len(self.soak.kills):
                self.problems.append(
                    f"{SENT} of {name}: {page(SENT, provider=name)}, the log has {called[name]}"
                )

    def logged(self, log: Log) -> None:
        kills = [event for event in log.events if "has ended by SIGKILL" in event.get("message", "")]
        self.problems += [
            f"logged: {event}"
            for event in log.events
            if event.get("level") in {"error", "critical"} and event not in kills
        ]
        killed = len(self.soak.kills) + len(self.soak.keeper_kills)
        if len(kills) != killed:
            self.problems.append(f"{killed} kills, {len(kills)} lines about them")
        for one in self.asked.values():
            lines = log.exchanges[one.request_id]
            if one.request_id and lines != 1 and (lines or not self._forgotten(one)):
                self.problems.append(f"{lines} lines of the log for {one}")

    def _forgotten(self, one: Asked) -> bool:
        """Whether its worker may have been killed before it told others of the request. A call is read for a
        while after its client has left, for its usage.
        """
        after = LEFT_FOR if one.left else GRACE
        return any(one.began - GRACE <= at <= one.ended + after for at in self.soak.kills)


def _within(inner: tuple[float, float], outer: tuple[float, float]) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _meets(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]
