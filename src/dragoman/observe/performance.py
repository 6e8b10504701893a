"""How fast each deployment has been, measured from finished exchanges.

Moving averages, so that the latest answers count most; nothing is kept but two numbers and a count for each
deployment. Only complete answers count: one that was cut off tells nothing.
"""

from __future__ import annotations

from typing import Any

from dragoman.exchange import Exchange

_WEIGHT = 0.2
"""Of the newest answer. Five answers make up two thirds of the average."""
_MOST = 10_000


class _Pace:
    __slots__ = ("answers", "first_token", "rate")

    def __init__(self) -> None:
        self.answers = 0
        self.first_token: float | None = None
        self.rate: float | None = None


class Performance:
    """An observer. deployments are named `provider/model`."""

    def __init__(self) -> None:
        self._paces: dict[str, _Pace] = {}

    def __call__(self, exchange: Exchange) -> None:
        """Take note of one finished exchange."""
        if exchange.end != "done" or exchange.answered is None or exchange.ended is None:
            return
        if exchange.operation == "count":
            return  # no model has answered
        pace = self._paces.get(exchange.answered)
        if pace is None:
            if len(self._paces) >= _MOST:
                return  # names that clients make up must not fill memory
            pace = self._paces[exchange.answered] = _Pace()
        pace.answers += 1
        attempt = exchange.attempts[-1]
        if exchange.first is None:
            return
        pace.first_token = _mixed(pace.first_token, exchange.first - attempt.started)
        seconds = exchange.ended - exchange.first
        if exchange.usage is not None and exchange.usage.output_total > 1 and seconds > 0:
            pace.rate = _mixed(pace.rate, exchange.usage.output_total / seconds)

    def of(self, deployment: str) -> dict[str, Any] | None:
        """What was measured, None = nothing yet: complete answers, and of streams the milliseconds from the
        request to the first content and the tokens a second from there.
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
