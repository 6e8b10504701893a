"""How the gateway and its providers are: what `/health` tells, of one process or of several workers.

All of it follows from finished exchanges; nobody is asked for it. So a provider that was down is known to be
up again by the next request that it answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

import msgspec

from dragoman import ir
from dragoman.exchange import Exchange
from dragoman.observe.board import LARGEST, Board

Status: TypeAlias = Literal["healthy", "degraded", "unhealthy"]

_ACCOUNT: Final = frozenset({"authentication", "permission", "quota"})
"""What a provider says of the gateway's own account."""
_CODE_CHARACTERS: Final = 256
"""Providers choose their codes. A longer one would fill the worker's place on the board."""
_MESSAGE_CHARACTERS: Final = 200
"""Enough for a sentence."""


class ProviderHealth(msgspec.Struct):
    """How a provider's latest attempts ended. Times are Unix seconds. failures: since it last answered."""

    last_error: str | None = None
    last_error_message: str | None = None
    failed: float | None = None
    answered: float | None = None
    failures: int = 0

    @property
    def healthy(self) -> bool | None:
        """Whether it answered the latest attempt, None = it was not tried yet."""
        return None if self.failed is None and self.answered is None else not self.failures


class Figures(msgspec.Struct):
    """What one process counts. refused: requests with a fault of the client's own. failed: those that a
    provider or the gateway has failed.
    """

    running: int = 0
    finished: int = 0
    failed: int = 0
    refused: int = 0
    providers: dict[str, ProviderHealth] = {}
    bounds: Mapping[str, int] = {}
    connections: Mapping[str, int] | None = None

    def note(self, exchange: Exchange, now: float) -> None:
        """Count a finished exchange and its attempts. now: Unix seconds."""
        self.finished += 1
        if (fault := exchange.fault) is not None:
            if fault.blame == "client":
                self.refused += 1
            else:
                self.failed += 1
        for attempt in exchange.attempts:
            health = self.providers.get(attempt.deployment.partition("/")[0])
            if health is None:
                continue
            if attempt.fault is None:
                # One that was cut off before its first content tells nothing.
                if exchange.end == "done" or attempt.first is not None:
                    health.answered, health.failures = now, 0
            elif _counts(attempt.fault):
                health.last_error = (attempt.fault.code or attempt.fault.kind)[:_CODE_CHARACTERS]
                health.last_error_message = attempt.fault.message[:_MESSAGE_CHARACTERS]
                health.failed = now
                health.failures += 1


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Figures)


def publish(figures: Figures, board: Board, number: int, now: float) -> None:
    """Tell the other workers. If all providers are too many, only those that fail are told."""
    told = _encoder.encode(figures)
    if len(told) > LARGEST:
        failing = {name: health for name, health in figures.providers.items() if health.failures}
        told = _encoder.encode(msgspec.structs.replace(figures, providers=failing))
    if len(told) > LARGEST:
        told = _encoder.encode(msgspec.structs.replace(figures, providers={}))
    board.write(number, told, now)


def read(told: Iterable[bytes]) -> list[Figures]:
    """What other workers have told."""
    return [_decoder.decode(one) for one in told]


def together(every: Sequence[Figures]) -> Figures:
    """The figures of all workers as those of one. The first has all providers."""
    bounds: Counter[str] = Counter()
    connections: Counter[str] = Counter()
    for one in every:
        bounds.update(one.bounds)
        connections.update(one.connections or {})
    return Figures(
        running=sum(one.running for one in every),
        finished=sum(one.finished for one in every),
        failed=sum(one.failed for one in every),
        refused=sum(one.refused for one in every),
        providers={
            name: _joined([health for one in every if (health := one.providers.get(name)) is not None])
            for name in every[0].providers
        },
        bounds=dict(sorted(bounds.items())),
        connections=None if every[0].connections is None else dict(connections),
    )


def _joined(many: Sequence[ProviderHealth]) -> ProviderHealth:
    """The state of one provider, of which each worker has its own: the latest one counts."""
    if len(many) == 1:
        return many[0]
    latest = max(many, key=lambda health: health.failed or 0)
    answered = max((health.answered or 0 for health in many), default=0)
    failing = [health for health in many if health.failures and (health.failed or 0) >= answered]
    return ProviderHealth(
        latest.last_error,
        latest.last_error_message,
        latest.failed,
        answered or None,
        sum(health.failures for health in failing),
    )


def status(providers: Mapping[str, ProviderHealth], besides: Collection[str]) -> Status:
    """The state in one word, by the providers that were asked. besides: providers that do not count."""
    tried = [health.healthy for name, health in providers.items() if name not in besides]
    down = tried.count(False)
    if not down:
        return "healthy"
    return "degraded" if True in tried else "unhealthy"


def shown(health: ProviderHealth) -> dict[str, Any]:
    """A provider as `/health` shows it."""
    return {
        "configured": True,
        "healthy": health.healthy,
        "last_error": health.last_error,
        "last_error_message": health.last_error_message,
        "last_error_at": None if health.failed is None else _utc(health.failed),
        "consecutive_failures": health.failures,
    }


def _utc(seconds: float) -> str:
    """https://www.rfc-editor.org/rfc/rfc3339, as the access log writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _counts(fault: ir.Fault) -> bool:
    """Whether a failed attempt counts against its provider: its own failures do, and so does a refusal of
    the gateway's key or account.
    """
    return fault.blame == "upstream" or (fault.kind in _ACCOUNT and fault.status is not None)
