"""Counts and logs how often each bound was reached. `docs/security.md` lists all bounds.

A bound is a limit that protects the gateway from clients or providers. If a bound ends an exchange or an
attempt, the fault has a code in `BOUNDS`. In other cases (while the headers are incomplete, or if the
exchange goes on) the code that enforces the bound calls `reached`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from dragoman.exchange import Exchange
from dragoman.seams.clock import SYSTEM, Seams

log = logging.getLogger("dragoman.bounds")

_QUIET_SECONDS = 10.0
"""The least time between two log lines about the same bound, so that an attacker cannot fill the log."""
_PATH_CHARACTERS = 60
"""The most characters of a request's path in the log. Clients choose the path, so it could fill the log."""

BOUNDS: Final = frozenset(
    {
        *("answer_head_too_large", "answer_too_large", "answer_too_many_blocks", "answer_too_many_values"),
        *("answer_without_content", "answers_too_large_together", "bodies_too_large_together"),
        *("chunks_too_small", "fetch_busy", "headers_too_large", "insufficient_storage"),
        *("json_schema_too_large", "name_resolution_timeout", "output_check_too_long", "pool_exhausted"),
        *("queue_full", "queue_timeout", "request_timeout", "request_too_large", "schema_too_complex"),
        *("too_many_background", "too_many_names", "too_many_pipelined", "too_many_query_fields"),
        *("too_many_requests_together", "url_too_long"),
    }
)
"""The codes of faults which mean that a bound has ended an exchange or an attempt."""


class _Count(msgspec.Struct):
    """The count of one bound. reached: how often it was reached. told: the value of `reached` at the latest
    log line. logged_at: when that line was written (monotonic seconds), None = never.
    """

    reached: int = 0
    told: int = 0
    logged_at: float | None = None


class Bounds:
    """The counters of all bounds, of one gateway in one process. An instance is an observer of exchanges: it
    is called with each finished one. also: called with the name of a bound each time that it is reached.
    """

    def __init__(self, seams: Seams = SYSTEM, also: Callable[[str], None] = lambda _bound: None) -> None:
        self._seams = seams
        self._also = also
        self._counts: dict[str, _Count] = {}

    def __call__(self, exchange: Exchange) -> None:
        """Count the bounds that have ended this finished exchange or one of its attempts. A bound counts once
        for each attempt that it has ended. It counts once more for the exchange, unless an attempt has an
        equal fault.
        """
        faults = [attempt.fault for attempt in exchange.attempts]
        if exchange.fault not in faults:  # usually the exchange has the fault of its last attempt
            faults.append(exchange.fault)
        for fault in faults:
            if fault is not None and fault.code in BOUNDS:
                who = exchange.client or "a client"
                self.reached(fault.code, f"by {who}: {exchange.path[:_PATH_CHARACTERS]!r}")

    def reached(self, bound: str, detail: str = "") -> None:
        """Count that a bound was reached, and call `also`. Logs a warning the first time that this bound is
        reached, and afterwards at most one in 10 s for this bound. bound: a fixed name from our code, never a
        text of a client, because each name gets a counter. detail: a text for the log, "" = none.
        """
        count = self._counts.setdefault(bound, _Count())
        count.reached += 1
        self._also(bound)
        now = self._seams.monotonic()
        if count.logged_at is None or now - count.logged_at >= _QUIET_SECONDS:
            more = count.reached - count.told
            log.warning(
                "limit %s reached%s%s",
                bound,
                f" {detail}" if detail else "",
                f" ({more} times since the last line)" if more > 1 else "",
            )
            count.told = count.reached
            count.logged_at = now

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each bound has been reached, by its name. A bound that was never reached is missing."""
        return {name: count.reached for name, count in sorted(self._counts.items())}
