"""How often each bound on what strangers send was reached: counted always, logged in moderation.

A bound is a limit that protects the gateway from one client or one provider: the size of a head, the time
that a body may take, the values in an answer. `docs/security.md` lists all of them. A bound that ends an
exchange is a fault with a code of its own, and `BOUNDS` names these codes. Where there is no exchange yet,
as with a connection that sends no complete head, whoever enforces the bound calls `reached`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from dragoman.exchange import Exchange
from dragoman.seams.clock import SYSTEM, Seams

log = logging.getLogger("dragoman.bounds")

_QUIET_SECONDS = 10.0
"""Between two log lines about the same bound. An attacker must not fill the log."""

_PATH_CHARACTERS = 60
"""Of a path in the log. Clients choose paths, and a long one must not fill the log."""

BOUNDS: Final = frozenset(
    {
        "answer_head_too_large",
        "answer_too_large",
        "answer_too_many_blocks",
        "answer_too_many_values",
        "answer_without_content",
        "answers_too_large_together",
        "bodies_too_large_together",
        "chunks_too_small",
        "fetch_busy",
        "headers_too_large",
        "insufficient_storage",
        "json_schema_too_large",
        "name_resolution_timeout",
        "output_check_too_long",
        "pool_exhausted",
        "request_timeout",
        "request_too_large",
        "schema_too_complex",
        "too_many_background",
        "too_many_names",
        "too_many_pipelined",
        "too_many_query_fields",
        "url_too_long",
    }
)
"""Codes of the faults by which a bound ends an exchange or an attempt."""


class _Count:
    __slots__ = ("logged_at", "reached", "told")

    def __init__(self) -> None:
        self.reached = 0
        self.told = 0
        self.logged_at: float | None = None


class Bounds:
    """Counts of one gateway, in one process. It is an observer of exchanges, too."""

    def __init__(self, seams: Seams = SYSTEM) -> None:
        self._seams = seams
        self._counts: dict[str, _Count] = {}

    def __call__(self, exchange: Exchange) -> None:
        """Count the bounds that this finished exchange or one of its attempts has reached."""
        faults = [attempt.fault for attempt in exchange.attempts]
        if exchange.fault not in faults:  # the last attempt's fault is usually the exchange's, too
            faults.append(exchange.fault)
        for fault in faults:
            if fault is not None and fault.code in BOUNDS:
                who = exchange.client or "a client"
                self.reached(fault.code, f"by {who}: {exchange.path[:_PATH_CHARACTERS]!r}")

    def reached(self, bound: str, detail: str = "") -> None:
        """Count a bound that was reached. The first time is logged, and then at most one line in ten seconds.

        bound: a short name of our own, never a stranger's text, as each gets a counter. detail: for the log.
        """
        count = self._counts.get(bound)
        if count is None:
            count = self._counts[bound] = _Count()
        count.reached += 1
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
