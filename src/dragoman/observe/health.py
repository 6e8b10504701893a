"""The health of the gateway and its providers for `/health`: of one process, or of all workers together.

A provider's health is computed here from the attempts of finished exchanges; this sends no test requests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from dragoman import ir
from dragoman.exchange import OVERTAKEN, Exchange
from dragoman.observe.board import LARGEST, Board
from dragoman.observe.timestamps import utc

Status: TypeAlias = Literal["healthy", "degraded", "unhealthy"]

_ACCOUNT: Final = frozenset({"authentication", "permission", "quota"})
"""Kinds of faults by which a provider refuses the gateway's key or account."""
_UNSIGNED: Final = frozenset({"credential_expired", "sign_in_failed"})
"""Codes of the gateway's own faults if it has no valid credential (`upstreams.credential`)."""
_CODE_CHARACTERS: Final = 256
"""The most characters of a provider's error code that are stored, because the board's slot is small."""
_COUNTERS: Final = ("running", "finished", "failed", "refused")
"""The fields of `Figures` that count requests."""
_MESSAGE_CHARACTERS: Final = 200
"""The most characters of a provider's error message that are stored."""


class ProviderHealth(msgspec.Struct):
    """The results of a provider's latest attempts.

    last_error: the code of the latest failure, or its kind if it has no code; last_error_message: its
    message, at most 200 characters. Both stay after a later answer; None = no failure yet. failed, answered:
    the times of the latest failure and the latest answer, Unix seconds; None = none yet. failures: the number
    of failures since the latest answer.
    """

    last_error: str | None = None
    last_error_message: str | None = None
    failed: float | None = None
    answered: float | None = None
    failures: int = 0

    @property
    def healthy(self) -> bool | None:
        """Whether the provider answered the latest attempt that counts (see `Figures.note`); None = no
        attempt has counted yet.
        """
        return None if self.failed is None and self.answered is None else not self.failures


class Figures(msgspec.Struct):
    """The counters of one process. running: requests that run now. finished: finished requests. refused:
    finished requests with an error that blames the client. failed: finished requests with any other error.
    providers: the health of each provider by its name; `note` adds no names. bounds: how often each bound (a
    limit that protects the gateway) was reached, by its name. connections: {"open": the number of clients'
    connections, "limit": the most that may be open}, None = not counted.
    """

    running: int = 0
    finished: int = 0
    failed: int = 0
    refused: int = 0
    providers: dict[str, ProviderHealth] = {}
    bounds: Mapping[str, int] = {}
    connections: Mapping[str, int] | None = None

    def note(self, exchange: Exchange, now: float) -> None:
        """Count a finished exchange, and update the health of its attempts' providers. now: Unix seconds.

        An attempt counts as a failure if the fault is the provider's own, the provider refused the gateway's
        key or account, or the gateway has no valid credential for it. If the key is a tenant's or a client's
        own, its refusal does not count. An attempt counts as an answer if it has no fault, was not overtaken
        by another attempt, and had content or belongs to an exchange that ended well. Other attempts do not
        count, nor do those of providers that `providers` does not name.
        """
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
                # An attempt that was cancelled before its first content says nothing about the provider.
                if attempt.outcome == OVERTAKEN:
                    continue
                if exchange.end == "done" or attempt.first is not None:
                    health.answered = now
                    if health.failures:
                        health.failures = 0
            elif _counts(attempt.fault, own=attempt.own):
                health.last_error = (attempt.fault.code or attempt.fault.kind)[:_CODE_CHARACTERS]
                health.last_error_message = attempt.fault.message[:_MESSAGE_CHARACTERS]
                health.failed = now
                health.failures += 1

    def forget(self, provider: str) -> None:
        """Forget the results of a provider's attempts in this process, as if the provider had not been called
        yet. Does nothing for an unknown provider.
        """
        if provider in self.providers:
            self.providers[provider] = ProviderHealth()

    def requests(self) -> dict[str, int]:
        """Return the counters of requests: {"running": …, "finished": …, "failed": …, "refused": …}."""
        return {name: getattr(self, name) for name in _COUNTERS}

    def providers_shown(self, *, details: bool) -> dict[str, Any]:
        """Return the health of the providers as a JSON object. details: True = the health of each provider
        (`shown`) by its name; False = how many providers there are (`total`), and how many of them are
        unhealthy (`unhealthy`). A provider whose health is unknown is not unhealthy.
        """
        if details:
            return {name: shown(health) for name, health in self.providers.items()}
        tried = [health.healthy for health in self.providers.values()]
        return {"total": len(tried), "unhealthy": tried.count(False)}


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Figures)


def publish(figures: Figures, board: Board, number: int, now: float) -> None:
    """Write the counters of worker `number` to its slot of the board, as JSON. If they have more than LARGEST
    bytes, providers without failures since their latest answer are left out; if they are still too long, all
    providers are left out. now: monotonic seconds.
    """
    message = _encoder.encode(figures)
    if len(message) > LARGEST:
        failing = {name: health for name, health in figures.providers.items() if health.failures}
        message = _encoder.encode(msgspec.structs.replace(figures, providers=failing))
    if len(message) > LARGEST:
        message = _encoder.encode(msgspec.structs.replace(figures, providers={}))
    board.write(number, message, now)


def read(messages: Iterable[bytes]) -> list[Figures]:
    """Return the counters of other workers. messages: what `publish` has written for each of them."""
    return [_decoder.decode(message) for message in messages]


def together(every: Sequence[Figures]) -> Figures:
    """Return the counters of all workers, added up. every: at least those of this worker, which come first;
    they decide which providers are named and whether connections are counted.
    """
    bounds: Counter[str] = Counter()
    connections: Counter[str] = Counter()
    for one in every:
        bounds.update(one.bounds)
        connections.update(one.connections or {})
    return Figures(
        **{name: sum(getattr(one, name) for one in every) for name in _COUNTERS},
        providers={
            name: _joined([health for one in every if (health := one.providers.get(name)) is not None])
            for name in every[0].providers
        },
        bounds=dict(sorted(bounds.items())),
        connections=None if every[0].connections is None else dict(connections),
    )


def _joined(many: Sequence[ProviderHealth]) -> ProviderHealth:
    """Join the states of one provider in several workers (at least one). A worker's failures do not count if
    another worker got an answer after the latest of them.
    """
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
    """Return the gateway's state: "healthy" if no provider is unhealthy, "unhealthy" if all are, else
    "degraded". Providers whose health is unknown, and those whose names are in `besides`, do not count; if no
    provider counts, the state is "healthy".
    """
    tried = [health.healthy for name, health in providers.items() if name not in besides]
    down = tried.count(False)
    if not down:
        return "healthy"
    return "degraded" if True in tried else "unhealthy"


def shown(health: ProviderHealth) -> dict[str, Any]:
    """Return the JSON object of a provider in `/health`. The time is in the format of RFC 3339, in UTC."""
    return {
        "configured": True,
        "healthy": health.healthy,
        "last_error": health.last_error,
        "last_error_message": health.last_error_message,
        "last_error_at": None if health.failed is None else utc(health.failed),
        "consecutive_failures": health.failures,
    }


def _counts(fault: ir.Fault, *, own: bool) -> bool:
    """Whether a fault counts against the health of a provider (see `Figures.note`). own: True = the key is a
    tenant's or a client's, so its refusal says nothing about the provider.
    """
    if own and fault.kind in _ACCOUNT:
        return False
    if fault.blame == "upstream" or fault.code in _UNSIGNED:
        return True
    return fault.kind in _ACCOUNT and fault.status is not None
