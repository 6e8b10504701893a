"""The trace of an exchange as JSON: a line of a list, or the whole trace: what was decided, tried, waited for
and lost.

It is made only when it is asked for. Fields whose names end in `ms` are milliseconds: durations, or times
after the beginning of the exchange (`began_ms`). The message of an error that blames the client is left out,
because it may repeat a part of the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.exchange import AttemptRecord, Exchange, KeptBodies, Wait
from dragoman.observe.finished import error_of
from dragoman.observe.timestamps import utc

_NANO: Final = 1e9
"""nano-USD in one USD."""
_TO_TENANTS: Final = frozenset(
    {
        *("id", "object", "request_id", "worker", "created_at", "time", "client", "tenant", "end_user"),
        *("method", "path", "face", "operation", "model", "deployment", "mode", "stream", "tags"),
        *("status", "end", "error", "refused_by", "phase", "losses", "changes", "tokens", "cost_usd"),
        *("address", "forwarded_for", "user_agent", "waits", "first_content_ms", "total_ms"),
        *("upstream_ms", "gateway_ms", "bodies", "attempts"),
    }
)
"""The fields of a line and of a trace that administrators of the exchange's tenant see: what the client has
sent and got, and what usage records show.
"""
_ATTEMPT_TO_TENANTS: Final = frozenset(
    {
        *("number", "id", "deployment", "own", "mode", "reasons", "status", "outcome", "error"),
        *("tokens", "units", "cost_usd", "price"),
        *("began_ms", "connected_ms", "first_byte_ms", "first_content_ms", "ended_ms"),
    }
)
"""The same for an attempt."""


def summary(exchange: Exchange, worker: int = 1) -> dict[str, Any]:
    """Return one exchange as an entry of a list (a JSON object). `attempts` and `losses` are numbers;
    `detail` replaces them by lists. `created_at` is not rounded: together with the id it is the position of
    the exchange in the list, also for other workers. worker: the number of the process that served the
    exchange.
    """
    return {
        "id": exchange.id,
        "object": "exchange",
        "request_id": exchange.request_id,
        "worker": worker,
        "created_at": exchange.created,
        "time": utc(exchange.created),
        "client": exchange.client,
        "tenant": exchange.tenant,
        "method": exchange.method,
        "path": exchange.path,
        "operation": exchange.operation,
        "model": exchange.asked,
        "deployment": exchange.answered,
        "mode": exchange.mode,
        "stream": exchange.streamed,
        "status": exchange.status,
        "end": exchange.end,
        "error": error_of(exchange),
        "attempts": len(exchange.attempts),
        "losses": len(exchange.losses),
        "tokens": _tokens(exchange.usage),
        "cost_usd": _usd(exchange.cost),
        "total_ms": _ms(exchange, exchange.ended),
    }


def detail(exchange: Exchange, worker: int = 1, now: float | None = None) -> dict[str, Any]:
    """Return the whole trace of one exchange as a JSON object: the fields of `summary` and more. worker: the
    number of the process that served it. now: monotonic seconds, up to which an exchange that is still
    running is measured; None = it has ended.
    """
    until = exchange.ended if exchange.ended is not None else now
    told = summary(exchange, worker)
    told |= {
        "phase": exchange.phase,
        "face": exchange.face,
        "address": exchange.address,
        "forwarded_for": exchange.forwarded,
        "user_agent": exchange.agent,
        "tags": list(exchange.tags),
        "end_user": exchange.end_user,
        "refused_by": exchange.refused_by,
        "error": _error(exchange.fault),
        "candidates": candidates(exchange),
        "attempts": [_attempt(exchange, one) for one in sorted(exchange.attempts, key=_began)],
        "waits": [_wait(exchange, one) for one in exchange.waits],
        "losses": [msgspec.structs.asdict(loss) for loss in exchange.losses],
        "changes": [msgspec.structs.asdict(change) for change in exchange.changes],
        "first_content_ms": _ms(exchange, exchange.first),
        "total_ms": _ms(exchange, until),
        "upstream_ms": round(exchange.waited * 1000, 3),
        "gateway_ms": None if until is None else round(exchange.overhead(until) * 1000, 3),
    }
    if exchange.bodies is not None:
        told["bodies"] = _bodies(exchange.bodies)
    return told


def for_tenant(told: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a line (`summary`) or a trace (`detail`) as administrators of the exchange's tenant
    see it: with the fields in `_TO_TENANTS`.

    The candidates of a trace become an empty list, because they tell about the gateway's keys, about
    providers that the tenant may not use, and about other clients. Of attempts, the key and the place that it
    came from become None, and so does the message of the error, which providers address to the owner of the
    key. If the key is the tenant's or the client's own, its last characters and the message stay.
    """
    shown = {name: value for name, value in told.items() if name in _TO_TENANTS}
    if isinstance(attempts := told["attempts"], list):
        shown |= {"candidates": [], "attempts": [_attempt_for_tenant(one) for one in attempts]}
    return shown


def _attempt_for_tenant(attempt: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in attempt.items() if name in _ATTEMPT_TO_TENANTS}
    own, error = attempt["own"], attempt["error"]
    if error is not None and not own:
        shown["error"] = {**error, "message": None}
    return {**shown, "key": attempt["key"] if own else None, "key_source": None}


def candidates(exchange: Exchange) -> list[dict[str, Any]]:
    """Return the rows of the candidates (deployments, with the key if it is known), in three groups: each
    candidate, in the order in which the candidates stood; each deployment and key with attempts that the
    first group does not have; each deployment that was dropped.

    A row has: `deployment`; `key` (the key's last characters, None = none or unknown); `state`; `why` and
    `seconds` (why the candidate was not ready or was dropped, and how long it was not ready from then; None =
    not known, or it was ready); `attempts` (numbers). The state is `called` if there were attempts. Otherwise
    it is `resting`, `refused` or `failing` (such a candidate comes after the ready ones), `disabled` (by an
    operator), or `dropped` (it cannot answer this request). A ready candidate that was not called is
    `not_called` if the exchange has an error, else `not_needed`.
    """
    rows: list[dict[str, Any]] = []
    if exchange.weighed:
        for one in exchange.weighed:
            rows.append(_candidate(exchange, one.deployment, one.key_tail, one.state))
            if one.state != "ready":
                rows[-1] |= {"why": one.why, "seconds": one.seconds and round(one.seconds, 3)}
    else:
        dropped = {name for name, _ in exchange.dropped}
        left = [one.name for one in exchange.deployments if one.name not in dropped]
        rows += [_candidate(exchange, name, None, "ready") for name in left]
    told = {number for row in rows for number in row["attempts"]}
    for place, attempt in enumerate(exchange.attempts):
        if number_of(attempt, place) not in told:  # a provider's files, or a candidate that joined later
            rows.append(_candidate(exchange, attempt.deployment, attempt.key_tail, "ready"))
            told.update(rows[-1]["attempts"])
    for name, why in exchange.dropped:
        rows.append({**_row(name, None, "dropped"), "why": why})
    return rows


def _candidate(exchange: Exchange, deployment: str, tail: str | None, state: str) -> dict[str, Any]:
    """Return the row of a candidate. tail: the last characters of its key, None = no key, or the key of the
    deployment's first attempt. state: its state if it was not called.
    """
    numbers: list[int] = []
    for place, attempt in enumerate(exchange.attempts):
        if attempt.deployment == deployment and (tail is None or attempt.key_tail == tail):
            numbers.append(number_of(attempt, place))
            tail = attempt.key_tail
    if numbers:
        state = "called"
    elif state == "ready":
        state = "not_needed" if exchange.fault is None else "not_called"
    return {**_row(deployment, tail, state), "attempts": numbers}


def _row(deployment: str, key: str | None, state: str) -> dict[str, Any]:
    return {
        "deployment": deployment,
        "key": key,
        "state": state,
        "why": None,
        "seconds": None,
        "attempts": list[int](),
    }


def number_of(attempt: AttemptRecord, place: int) -> int:
    """Return the number of an attempt, counted from 1: the number at the end of its id. If the id has none,
    it is `place` + 1. place: the attempt's index in the list.
    """
    number = attempt.id.rpartition("-")[2]
    return int(number) if number.isdecimal() else place + 1


def _attempt(exchange: Exchange, attempt: AttemptRecord) -> dict[str, Any]:
    fault = attempt.fault
    return {
        "number": number_of(attempt, exchange.attempts.index(attempt)),
        "id": attempt.id,
        "deployment": attempt.deployment,
        "key": attempt.key_tail,
        "key_source": attempt.key_source,
        "own": attempt.own,
        "mode": attempt.mode,
        "reasons": list(attempt.reasons),
        "status": attempt.status,
        "outcome": _outcome(exchange, attempt),
        "error": _error(fault),
        "tokens": _tokens(attempt.usage),
        "units": attempt.units,
        "cost_usd": _usd(attempt.cost),
        "price": attempt.price or None,
        "began_ms": _ms(exchange, attempt.started),
        "connected_ms": _ms(exchange, attempt.sent),
        "first_byte_ms": _ms(exchange, attempt.answered),
        "first_content_ms": _ms(exchange, attempt.first),
        "ended_ms": _ms(exchange, attempt.ended),
    }


def _began(attempt: AttemptRecord) -> float:
    return attempt.started


def _outcome(exchange: Exchange, attempt: AttemptRecord) -> str | None:
    """Return the class of an attempt's failure (an `Outcome` in lower case), or `overtaken` if another
    attempt, which ran beside this one, had content first. Otherwise: `broken_off` if the exchange did not end
    well for another reason (the client or a hook ended it, for example); `continued` if the attempt continued
    the answer of attempts before it; else `answered`. None = the attempt is still running.
    """
    if attempt.outcome is not None or attempt.ended is None:
        return attempt.outcome
    if attempt.fault is not None or exchange.end not in {None, "done"}:
        return "broken_off"
    return "continued" if attempt.continues else "answered"


def _wait(exchange: Exchange, wait: Wait) -> dict[str, Any]:
    return {
        "reason": wait.reason,
        "began_ms": _ms(exchange, wait.began),
        "ms": round(wait.seconds * 1000, 3),
    }


def _error(fault: ir.Fault | None) -> dict[str, Any] | None:
    if fault is None:
        return None
    return {
        "kind": fault.kind,
        "code": fault.code,
        "param": fault.param,
        "blame": fault.blame,
        "status": fault.status,
        "retry_after": fault.retry_after,
        "message": None if fault.blame == "client" else fault.message,
    }


def _tokens(usage: ir.Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {
        "in": usage.input_total,
        "cached": usage.cache_read,
        "cache_write": usage.cache_write,
        "out": usage.output_total,
        "reasoning": usage.reasoning,
        "estimated": usage.estimated,
    }


def _usd(nano: int | None) -> float | None:
    return None if nano is None else nano / _NANO


def _bodies(bodies: KeptBodies) -> dict[str, Any]:
    return {
        "request": _body(bodies.request, bodies.request_size),
        "response": _body(bodies.answer, bodies.answer_size),
    }


def _body(data: bytes | bytearray, size: int) -> dict[str, Any]:
    return {"bytes": size, "kept": len(data), "text": bytes(data).decode("utf-8", "replace")}


def _ms(exchange: Exchange, at: float | None) -> float | None:
    """Return the milliseconds from the beginning of the exchange to `at` (monotonic seconds). None = `at` is
    None: the time is not known.
    """
    return None if at is None else round((at - exchange.began) * 1000, 3)


def newest_first(pages: Sequence[Sequence[dict[str, Any]]], limit: int) -> list[dict[str, Any]]:
    """Merge several lists of exchanges into one, the latest beginning first, at most `limit` lines. pages:
    the lists, whose lines are as `summary` returns them. If several lists have a line of the same exchange,
    that of the first of these lists is used.
    """
    lines: dict[str, dict[str, Any]] = {}
    for page in pages:
        for line in page:
            lines.setdefault(line["id"], line)
    return sorted(lines.values(), key=lambda line: (line["created_at"], line["id"]), reverse=True)[:limit]
