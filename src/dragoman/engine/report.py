"""The gateway's own headers of an answer, among them the report that a client may request."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final

import msgspec

from dragoman.accounts.limits import NANO
from dragoman.exchange import OVERTAKEN, AttemptRecord, Exchange
from dragoman.wire.header import header_value

COST: Final = b"x-dragoman-cost"
"""The header with the cost of a whole answer, in USD."""
LITELLMS_COST: Final = b"x-litellm-response-cost"
"""The header in which clients of LiteLLM look for the same number."""
_LONGEST: Final = 4000
"""The most characters that the losses and changes in the report have together."""
_NO_LOSSES: Final = (b"x-dragoman-losses", b"0")
_ATTEMPTS: Final = 10
"""How many attempts the report includes: the latest ones."""


def answer_headers(exchange: Exchange, *, report: bool) -> list[tuple[bytes, bytes]]:
    """Return the gateway's own headers of an answer, or of an error after a call of a provider: the
    deployment that was called last, the number of losses, the number of attempts if there were several, and
    whether the usage is estimated. The cost and the limits are not included (`Meter.headers`). report: True =
    add the report (attempts, losses and changes as JSON).
    """
    losses = (b"x-dragoman-losses", b"%d" % len(exchange.losses)) if exchange.losses else _NO_LOSSES
    headers = [_deployment(exchange.answered or ""), losses]
    if len(exchange.attempts) > 1:
        headers.append((b"x-dragoman-attempts", b"%d" % len(exchange.attempts)))
    if exchange.usage is not None and exchange.usage.estimated:
        headers.append((b"x-dragoman-usage", b"estimated"))
    if report:
        headers.append((b"x-dragoman-report", _report(exchange)))
    return headers


def usd(nano: int) -> bytes:
    """Return an amount of nano-USD (>= 0) as a decimal number of USD, without superfluous zeros: 1500 ->
    b"0.0000015".
    """
    written = b"%d.%09d" % divmod(nano, NANO)
    return written.rstrip(b"0").rstrip(b".")


@lru_cache(maxsize=1024)
def _deployment(name: str) -> tuple[bytes, bytes]:
    return b"x-dragoman-deployment", header_value(name)


def _report(exchange: Exchange) -> bytes:
    """Return the latest attempts (at most 10), the losses and the changes as ASCII JSON. If not all losses
    and changes have room in it, the last ones are left out, and the member `omitted` is their number.
    """
    entries = [("losses", loss) for loss in exchange.losses] + [("changes", c) for c in exchange.changes]
    attempts = [_attempt(attempt) for attempt in exchange.attempts[-_ATTEMPTS:]]
    report: dict[str, Any] = {"attempts": attempts, "losses": [], "changes": []}
    size = 0
    for place, (kind, entry) in enumerate(entries):
        written = msgspec.to_builtins(entry)
        size += len(json.dumps(written))
        if size > _LONGEST:
            report["omitted"] = len(entries) - place
            break
        report[kind].append(written)
    return json.dumps(report).encode()


def _attempt(attempt: AttemptRecord) -> dict[str, Any]:
    told: dict[str, Any] = {
        "deployment": attempt.deployment,
        "mode": attempt.mode,
        "status": attempt.status,
        "error": None if attempt.fault is None else attempt.fault.code or attempt.fault.kind,
    }
    if attempt.outcome == OVERTAKEN:
        told["overtaken"] = True
    return {**told, "reasons": attempt.reasons} if attempt.reasons else told
