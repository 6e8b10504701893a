"""Measures the speed of each deployment from its answers, as moving averages in which the latest answers
count most.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.exchange import Exchange

_WEIGHT = 0.2
"""The weight of the newest answer in an average. The latest five answers have two thirds of the weight."""
_MOST = 10_000


class _Pace(msgspec.Struct):
    """The speed of one deployment. answers: how many exchanges it has answered. first_token: the average
    seconds from the start of an attempt to the first content of a stream. rate: the average output tokens per
    second after that. None = not measured yet.
    """

    answers: int = 0
    first_token: float | None = None
    rate: float | None = None


class Performance:
    """Measures the speed of deployments (`provider/model`), of at most 10,000 of them: those that answered
    first since the start of this process.
    """

    def __init__(self) -> None:
        self._paces: dict[str, _Pace] = {}

    def note(self, exchange: Exchange) -> None:
        """Count an exchange that ended well for the deployment that answered it. Of a stream, also measure
        the time to the first content and, if it has more than one output token, the output tokens per second
        after that. If the latest attempt has continued the answer of another deployment, only its own content
        and tokens are measured. Other exchanges, requests that only count tokens, and deployments beyond the
        first 10,000 are ignored.
        """
        answered = exchange.answered
        if answered is None or exchange.end != "done" or exchange.ended is None:
            return
        if exchange.operation == "count":
            return  # counting tokens runs no model
        pace = self._paces.get(answered)
        if pace is None:
            if len(self._paces) >= _MOST:
                return  # clients can send any model name, so the number of names must be limited
            pace = self._paces[answered] = _Pace()
        pace.answers += 1
        if exchange.first is None:
            return
        last = exchange.attempts[-1]
        source = last if last.continues else exchange
        if (first := source.first) is None:
            return
        pace.first_token = _mixed(pace.first_token, first - last.started)
        if (usage := source.usage) is None:
            return
        tokens, seconds = usage.output_total, exchange.ended - first
        if tokens > 1 and seconds > 0:
            pace.rate = _mixed(pace.rate, tokens / seconds)

    def of(self, deployment: str) -> dict[str, Any] | None:
        """Return the measured values of a deployment as a JSON object; None = it has not answered yet, or is
        not among the first 10,000 that did.

        answers: the number of answers. first_token_ms: the average milliseconds from the start of the attempt
        to the first content. tokens_per_second: the average rate after the first content. The last two are
        missing if they were never measured.
        """
        pace = self._paces.get(deployment)
        if pace is None:
            return None
        measured: dict[str, Any] = {"answers": pace.answers}
        if pace.first_token is not None:
            measured["first_token_ms"] = round(pace.first_token * 1000, 1)
        if pace.rate is not None:
            measured["tokens_per_second"] = round(pace.rate, 1)
        return measured


def _mixed(average: float | None, newest: float) -> float:
    return newest if average is None else average + _WEIGHT * (newest - average)
