"""Formats the trace of one request as lines for people. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from dragoman.cli.terminal import Channel, clean

Trace: TypeAlias = Mapping[str, Any]

_MARGIN: Final = 12
"""The width of the column with the titles."""
_STATES: Final = {
    "called": "called",
    "resting": "rests",
    "refused": "called only where nobody else can be",
    "failing": "comes after others",
    "disabled": "not called",
    "dropped": "left out",
    "not_needed": "not needed",
    "not_called": "not called: no other would do better",
}
_WAITS: Final = {
    "resting": "all keys rested",
    "retry_after": "as the provider wished",
    "backoff": "before the same one was called again",
}


def lines(trace: Trace, out: Channel) -> Iterator[str]:
    """Yield the lines of a trace. trace: the gateway's answer to `GET /admin/exchanges/ID`. out: the stream
    for which the lines are made: its colours and signs, and its width if it is a terminal.
    """
    yield from _head(trace, out)
    yield from _section("candidates", list(_candidates(trace, out)), out)
    attempts = [line for one in trace["attempts"] for line in _attempt(one, out)]
    yield from _section("attempts", attempts, out)
    yield from _section("waits", [_wait(one) for one in trace["waits"]], out)
    yield from _section("losses", [line for one in trace["losses"] for line in _loss(one, out)], out)
    yield from _section("changes", [line for one in trace["changes"] for line in _change(one, out)], out)
    yield from _section("tokens", _tokens(trace["tokens"]), out)
    yield from _section("time", [_times(trace)], out)
    for name in ("request", "response"):
        if (body := trace.get("bodies", {}).get(name)) is not None and body["bytes"]:
            yield from _section(name, _body(body), out)


def _section(title: str, rows: Sequence[str], out: Channel) -> Iterator[str]:
    """Yield the rows as lines, with the title before the first one. If there are no rows, yield nothing."""
    for place, row in enumerate(rows):
        shown = out.styled(title, "off") + " " * (_MARGIN - len(title)) if place == 0 else " " * _MARGIN
        yield shown + row


def _head(trace: Trace, out: Channel) -> Iterator[str]:
    at = str(trace["time"])
    what = clean(trace["model"] or "no model")
    yield out.styled(
        f"{at[:10]} {at[11:19]} UTC  {trace['method']} {clean(trace['path'])}  {what}", "command"
    )
    agent = [trace["client"], trace["forwarded_for"] or trace["address"], trace["user_agent"]]
    yield from _section("client", [" · ".join(clean(one) for one in agent if one) or "unknown"], out)
    ids = [trace["id"], *([trace["request_id"]] if trace["request_id"][4:] != trace["id"][3:] else [])]
    yield from _section("id", [" · ".join(map(clean, ids)) + f" · worker {trace['worker']}"], out)
    yield from _section("result", list(_end(trace, out)), out)


def _end(trace: Trace, out: Channel) -> Iterator[str]:
    error, end = trace["error"], trace["end"]
    mark = out.mark("warn" if end is None else "ok" if end == "done" else "bad")
    status = "no answer" if trace["status"] is None else str(trace["status"])
    how = [status, *([f"by {clean(trace['deployment'])}"] if trace["deployment"] else [])]
    if trace["mode"]:
        how.append("relayed" if trace["mode"] == "relay" else "translated")
    if trace["stream"]:
        how.append("stream")
    how.append("still running" if end is None else f"after {duration(trace['total_ms'])}")
    yield f"{mark} {' · '.join(how)}"
    if end not in {None, "done"}:
        yield f"  {clean(end)}" + (f" (in {clean(error['param'])})" if error and error["param"] else "")
    if error and error["message"]:
        yield from _wrapped(error["message"], "  ", out)


# Candidates and attempts ---------------------------------------------------------------------------------


def _candidates(trace: Trace, out: Channel) -> Iterator[str]:
    rows = trace["candidates"]
    longest = max((len(_who(one)) for one in rows), default=0)
    failed = {attempt["number"] for attempt in trace["attempts"] if attempt["error"] is not None}
    for one in rows:
        first, *more = _wrapped(_why(one), " " * (longest + 4), out)
        mark = out.mark(_state(one, failed))
        yield f"{mark} {_who(one):<{longest}}  {first.lstrip()}"
        yield from more


def _state(one: Trace, failed: Collection[int]) -> str:
    """Return the state whose sign stands before a candidate: if it was called, `bad` if its latest attempt
    has failed, else `ok`; if it was not called, `warn` or `off`. failed: the numbers of the failed attempts.
    """
    if one["attempts"]:
        return "bad" if one["attempts"][-1] in failed else "ok"
    return "warn" if one["state"] in {"resting", "failing", "refused", "disabled"} else "off"


def _why(one: Trace) -> str:
    if one["attempts"]:
        several = "s" * (len(one["attempts"]) > 1)
        return f"called: attempt{several} {', '.join(map(str, one['attempts']))}"
    words = _STATES.get(one["state"], str(one["state"]))
    if one["seconds"]:  # an older gateway says 0 if the end depends on a running request
        words += f" for {duration(one['seconds'] * 1000)} more"
    return f"{words}: {one['why']}" if one["why"] else words


def _who(one: Trace) -> str:
    return clean(one["deployment"]) + (f" …{clean(one['key'])}" if one["key"] else "")


_UNANSWERED: Final = {
    None: "still running",
    "broken_off": "broken off",
    "continued": "continued the answer of an earlier attempt",
    "overtaken": "overtaken by another attempt",
}


def _attempt(one: Trace, out: Channel) -> Iterator[str]:
    error = one["error"]
    outcome = one["outcome"]
    mark = "bad" if error is not None else "ok" if outcome in {"answered", "continued"} else "warn"
    result = [str(one["status"])] if one["status"] is not None else []
    if error is not None:
        result.append(clean(error["code"] or error["kind"]))
    elif outcome != "answered":
        result.append(_UNANSWERED.get(outcome) or clean(outcome))
    how = "relayed" if one["mode"] == "relay" else f"translated ({', '.join(one['reasons'])})"
    yield f"{out.mark(mark)} {one['number']}  {_who(one)}  {' '.join(result)}  {how}"
    yield f"     {_course(one)}"
    if error is not None and error["message"]:
        yield from _wrapped(error["message"], "     ", out)
    if one["key_source"]:
        yield f"     the key comes from {clean(one['key_source'])}"
    if error is not None and error["retry_after"] is not None:
        yield f"     retry after {duration(error['retry_after'] * 1000)}"


_STEPS: Final = (
    ("connected_ms", "connected"),
    ("first_byte_ms", "first byte"),
    ("first_content_ms", "first content"),
    ("ended_ms", "ended"),
)


def _course(one: Trace) -> str:
    """Return the times of an attempt: its beginning, counted from that of the request, and its steps, counted
    from the beginning of the attempt: `from 12 ms: connected 3 ms · first byte 1.24 s`. Steps that have not
    happened are left out; without any, the text ends with "nothing yet".
    """
    began = one["began_ms"]
    steps = [f"{word} {duration(one[name] - began)}" for name, word in _STEPS if one[name] is not None]
    return f"from {duration(began)}: " + (" · ".join(steps) or "nothing yet")


def _wait(one: Trace) -> str:
    why = _WAITS.get(one["reason"], clean(one["reason"]))
    return f"{duration(one['ms'])} from {duration(one['began_ms'])}: {why}"


# Losses, changes, tokens, times --------------------------------------------------------------------------


def _loss(one: Trace, out: Channel) -> Iterator[str]:
    side = " of the answer" if one["direction"] == "response" else ""
    yield from _wrapped(f"{one['severity']:<8} {one['path']}{side}: {one['reason']}", "", out)


def _change(one: Trace, out: Channel) -> Iterator[str]:
    places = [place for place in (one["path"], one["to"]) if place]
    yield from _wrapped(f"{out.plain(' → ').join(dict.fromkeys(places))}: {one['reason']}", "", out)


def _tokens(tokens: Trace | None) -> list[str]:
    if tokens is None:
        return []
    cached = f" ({tokens['cached']:,} cached)" if tokens["cached"] else ""
    reasoning = f" ({tokens['reasoning']:,} reasoning)" if tokens["reasoning"] else ""
    about = "about " if tokens["estimated"] else ""
    return [f"{about}{tokens['in']:,} in{cached} · {tokens['out']:,} out{reasoning}"]


def _times(trace: Trace) -> str:
    parts = [f"{duration(trace['total_ms'])} in all", f"{duration(trace['upstream_ms'])} of waiting"]
    if trace["gateway_ms"] is not None:
        parts.append(f"{duration(trace['gateway_ms'])} here")
    if trace["first_content_ms"] is not None:
        parts.append(f"first content after {duration(trace['first_content_ms'])}")
    if trace.get("cost_usd") is not None:  # an older gateway does not send it
        parts.append(f"{trace['cost_usd']:.9f}".rstrip("0").rstrip(".") + " USD")
    return " · ".join(parts)


def _body(body: Trace) -> list[str]:
    rows = [clean(line) for line in body["text"].splitlines() if line.strip()]
    left = body["bytes"] - body["kept"]
    return [*rows, *([f"… {left:,} more bytes are not kept"] if left > 0 else [])]


def _wrapped(text: str, margin: str, out: Channel) -> list[str]:
    """Return a sentence, cleaned, on as many lines as it needs beside the column of titles, each after
    `margin`; if the stream is not a terminal, in lines of up to 10,000 characters. [] = the text is blank.
    """
    room = max(40, out.width - _MARGIN - len(margin)) if out.is_terminal else 10_000
    return [margin + line for line in textwrap.wrap(clean(text), room)]


def duration(ms: float | None) -> str:
    """Return milliseconds as text for people: `0.4 ms`, `12 ms`, `1.24 s`, `3 min`; `?` for None."""
    if ms is None:
        return "?"
    if round(ms) < 1000:
        return f"{ms:.2g} ms" if ms < 10 else f"{ms:.0f} ms"
    seconds = ms / 1000
    return f"{seconds:.3g} s" if round(seconds) < 120 else f"{seconds / 60:.0f} min"
