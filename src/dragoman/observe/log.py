"""The access log: one line for each finished exchange, for people or as JSON. Health probes and requests of
`/metrics` that were answered with 200 get no line.

No request waits for a terminal or a pipe that is not read: see `observe.lines`.

No field of a line is for prompts, answers or client keys; of provider keys a line has only the last
characters, of the texts that providers send only error codes and messages. In JSON, control characters below
U+0020 are escaped; for people, each character that cannot be printed becomes `?`. Fields: docs/operations.md.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from dragoman.exchange import OVERTAKEN, AttemptRecord, Exchange, Mode
from dragoman.observe.lines import Lines
from dragoman.observe.timestamps import local, utc

_TEXT_CHARACTERS = 256
_PROBES = frozenset(
    {
        *("/health", "/health/live", "/health/liveness", "/health/liveliness", "/ping"),
        *("/health/ready", "/health/readiness", "/metrics"),
    }
)
"""Paths that monitors and load balancers request every few seconds."""
_NANO = 1e9
"""nano-USD in one USD."""
_NAMED_LOSSES = 10
_NAMED_ATTEMPTS = 8
_PLACE_CHARACTERS = 80
"""The most characters of a loss's JSON path in the log, which contains names that clients choose."""
_encode = msgspec.json.Encoder().encode


class AccessLog:
    """Writes the lines of finished exchanges to the process's log."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def __call__(self, exchange: Exchange) -> None:
        """Write the line of a finished exchange. A health probe or a request of `/metrics` that was answered
        with 200 gets no line.
        """
        if exchange.path in _PROBES and exchange.status == 200:
            return
        lines = self._lines
        lines.put(_for_people(exchange) if lines.people else _for_machines(exchange, lines.most))


class _Tokens(msgspec.Struct, rename={"input": "in", "output": "out"}):
    """The token counts of an exchange in its JSON line. input: with the cached ones and those written to a
    cache. output: with those of reasoning. None = unknown. estimated: True = the gateway has estimated them.
    """

    input: int
    cached: int | None
    cache_write: int | None
    output: int
    reasoning: int | None
    estimated: bool


class _Tried(msgspec.Struct):
    """One attempt in the JSON line. key: the last characters of the provider's key, None = no key. us: the
    duration in microseconds, None = it has not ended. error: the code of the error, or its kind. message: the
    error message (keys were removed from it before); it is left out if the error blames the client, because
    it may repeat a part of the request. key_source: the variable or the file of a key that was refused. UNSET
    = the line does not have this field. overtaken: another attempt, which ran beside this one, had content
    first. continues: this attempt continued the answer of the attempts before it.
    """

    deployment: str
    key: str | None
    mode: Mode
    status: int | None
    us: int | None
    error: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    key_source: str | UnsetType = UNSET
    overtaken: bool | UnsetType = UNSET
    continues: bool | UnsetType = UNSET


class _Line(msgspec.Struct):
    """The JSON line of an exchange, with its fields in their order. UNSET = the line does not have this
    field.
    """

    time: str
    at: float
    event: str
    level: str
    id: str
    request_id: str
    method: str
    path: str
    status: int | None
    end: str | None
    client: str | None
    address: str | None
    forwarded_for: str | None
    user_agent: str | None
    total_us: int
    model: str | UnsetType = UNSET
    deployment: str | UnsetType | None = UNSET
    mode: Mode | UnsetType | None = UNSET
    stream: bool | UnsetType = UNSET
    attempts: int | UnsetType = UNSET
    tried: list[_Tried] | UnsetType = UNSET
    losses: int | UnsetType = UNSET
    lost: list[dict[str, str]] | UnsetType = UNSET
    upstream_us: int | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    first_us: int | UnsetType = UNSET
    tokens: _Tokens | UnsetType = UNSET
    cost_usd: float | UnsetType = UNSET
    tenant: str | UnsetType = UNSET
    end_user: str | UnsetType = UNSET
    refused_by: str | UnsetType = UNSET
    error: str | UnsetType = UNSET
    param: str | UnsetType = UNSET
    shortened: bool | UnsetType = UNSET


def _for_machines(exchange: Exchange, most: int = sys.maxsize) -> bytes:
    """Return the line of an exchange as JSON. If it would have more than `most` bytes, some of its fields are
    left out (`_shortened`), and it may still be longer.
    """
    began, ended, end = exchange.began, exchange.ended, exchange.end
    line = _Line(
        utc(exchange.created),
        exchange.created,
        "exchange",
        "info",
        exchange.id,
        exchange.request_id,
        exchange.method,
        _cut(exchange.path),
        exchange.status,
        end if end is None or end == "done" else _cut(end),
        exchange.client,
        exchange.address,
        exchange.forwarded,
        exchange.agent,
        0 if ended is None else int((ended - began) * 1e6),
        *(() if exchange.asked is None else _model(exchange, exchange.asked)),
    )
    if exchange.tags:
        line.tags = exchange.tags
    if exchange.first is not None:
        line.first_us = int((exchange.first - began) * 1e6)
    if (usage := exchange.usage) is not None:
        line.tokens = _Tokens(
            usage.input_total,
            usage.cache_read,
            usage.cache_write,
            usage.output_total,
            usage.reasoning,
            usage.estimated,
        )
    if exchange.cost is not None and exchange.attempts:
        line.cost_usd = exchange.cost / _NANO
    if exchange.tenant is not None:
        line.tenant = exchange.tenant
    if exchange.end_user is not None:
        line.end_user = exchange.end_user
    if exchange.refused_by is not None:
        line.refused_by = exchange.refused_by
    if exchange.fault is not None:
        line.error = _cut(exchange.fault.code or exchange.fault.kind)
        if exchange.fault.param is not None:
            line.param = _cut(exchange.fault.param)
    encoded = _encode(line)
    return (encoded if len(encoded) < most else _shortened(line, most)) + b"\n"


def _model(exchange: Exchange, asked: str) -> tuple[Any, ...]:
    """Return the values of the fields from `model` to `upstream_us` in the JSON line."""
    attempts, losses, answered = exchange.attempts, exchange.losses, exchange.answered
    return (
        _cut(asked),
        answered and _cut(answered),
        exchange.mode,
        exchange.streamed,
        len(attempts),
        [_tried(attempt) for attempt in attempts[-_NAMED_ATTEMPTS:]],
        len(losses),
        _worst(exchange) if losses else UNSET,
        int(exchange.waited * 1e6),
    )


def _worst(exchange: Exchange) -> list[dict[str, str]]:
    foremost = exchange.foremost_losses(_NAMED_LOSSES)
    return [{"path": _cut(x.path, _PLACE_CHARACTERS), "severity": x.severity} for x in foremost]


def _tried(attempt: AttemptRecord) -> _Tried:
    started, ended = attempt.started, attempt.ended
    tried = _Tried(
        _cut(attempt.deployment),
        attempt.key_tail,
        attempt.mode,
        attempt.status,
        None if ended is None else int((ended - started) * 1e6),
    )
    if (fault := attempt.fault) is not None:
        tried.error = _cut(fault.code or fault.kind)
        if fault.blame != "client":
            tried.message = _cut(fault.message)
    if attempt.key_source is not None:
        tried.key_source = _cut(attempt.key_source)
    if attempt.outcome == OVERTAKEN:
        tried.overtaken = True
    if attempt.continues:
        tried.continues = True
    return tried


def _shortened(line: _Line, most: int) -> bytes:
    """Return the line as JSON, with the field `shortened`. Changes `line`. The attempts' messages are
    removed; then `lost`, `tags` and `tried`, one after another, until the JSON has fewer than `most` bytes.
    Nothing else is removed.
    """
    line.shortened = True
    for tried in line.tried or ():
        tried.message = UNSET
    for member in ("lost", "tags", "tried"):
        if len(encoded := _encode(line)) < most:
            return encoded
        setattr(line, member, UNSET)
    return _encode(line)


def _for_people(exchange: Exchange) -> bytes:
    total = ((exchange.ended or exchange.began) - exchange.began) * 1000
    parts = [local(exchange.created), str(exchange.status or "---"), exchange.method, _cut(exchange.path)]
    if exchange.asked:
        parts.append(_cut(exchange.asked))
        parts.extend(_way(exchange))
    if exchange.mode:
        parts.append(exchange.mode)
    parts.append(f"{total:,.0f} ms" if total >= 100 else f"{total:.3g} ms")
    if (usage := exchange.usage) is not None:
        about = "about " if usage.estimated else ""
        parts.append(f"{about}{usage.input_total} in {usage.output_total} out")
    if exchange.cost:
        parts.append(f"${exchange.cost / _NANO:.9f}".rstrip("0").rstrip("."))
    if exchange.tags:
        parts.append(f"tags {', '.join(exchange.tags)}")
    if exchange.losses:
        parts.append(_lost(exchange))
    if exchange.end != "done":
        parts.append(_cut(str(exchange.end)))
        parts.extend(_reason(exchange))
    who = (exchange.client, exchange.address, exchange.agent, exchange.request_id)
    parts.append(f"[{' '.join(_cut(one) for one in who if one)}]")
    line = " ".join(parts)
    return "".join(c if c.isprintable() else "?" for c in line).encode() + b"\n"


def _way(exchange: Exchange) -> Iterator[str]:
    """Yield the latest eight attempts, for people: `→ openai/gpt-5 503 → anthropic/claude-sonnet-5 200`. If
    several attempts have the same deployment, the last characters of their keys are shown. If a deployment
    answered, and there was no failed and no second attempt, only this deployment is named.
    """
    attempts = exchange.attempts[-_NAMED_ATTEMPTS:]
    if exchange.answered is not None and (not attempts or (len(attempts) == 1 and not attempts[0].fault)):
        yield f"→ {_cut(exchange.answered)}"
        return
    named = Counter(attempt.deployment for attempt in attempts)
    for attempt in attempts:
        yield f"→ {_cut(attempt.deployment)}"
        if attempt.key_tail and named[attempt.deployment] > 1:
            yield f"…{attempt.key_tail}"
        if (fault := attempt.fault) is not None:
            yield str(attempt.status or _cut(fault.code or fault.kind))
        elif attempt.outcome == OVERTAKEN:
            yield OVERTAKEN
        elif attempt.status is not None:
            yield str(attempt.status)


def _reason(exchange: Exchange) -> Iterator[str]:
    """Yield the parts of the log line that say why an exchange failed, for people. If the error blames the
    client, only the request's field is named, because the message may repeat a part of the request.
    Otherwise: the message of the last attempt's error and, if it refused a key whose variable or file is
    known, the last characters of the key and that place. If the last attempt has no error: the message of the
    gateway's own error.
    """
    fault, tried = exchange.fault, exchange.attempts
    if fault is None:
        return
    if fault.blame == "client":
        if fault.param is not None:
            yield f"in {_cut(fault.param)}"
    elif tried and (told := tried[-1].fault) is not None:  # keys were removed from this message
        yield f"({_cut(told.message)})"
        if (source := tried[-1].key_source) is not None:
            yield f"key …{tried[-1].key_tail} of {_cut(source)}"
    elif fault.blame == "gateway":
        yield f"({_cut(fault.message)})"


def _lost(exchange: Exchange) -> str:
    """Return the losses for people: `3 lost: $.logit_bias (meaning), …`. At most ten are named; losses of the
    severity `hint` are not.
    """
    foremost = exchange.foremost_losses(_NAMED_LOSSES)
    named = [f"{_cut(x.path, _PLACE_CHARACTERS)} ({x.severity})" for x in foremost if x.severity != "hint"]
    more = ["…"] if named and len(exchange.losses) > len(named) else []
    return f"{len(exchange.losses)} lost" + (f": {', '.join(named + more)}" if named else "")


def _cut(text: str, most: int = _TEXT_CHARACTERS) -> str:
    """Return the text, cut to at most `most` characters with `…` at the end, so that texts of clients and
    providers do not fill the log.
    """
    return text if len(text) <= most else text[: most - 1] + "…"
