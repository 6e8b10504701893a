"""What a terminal shows of a trace."""

from __future__ import annotations

import io
from typing import Any

import pytest

from dragoman import ir
from dragoman.cli.terminal import Channel
from dragoman.cli.traced import duration, lines
from dragoman.dialects.loss import Change, Loss
from dragoman.exchange import OVERTAKEN, AttemptRecord, Exchange, KeptBodies, Wait
from dragoman.observe.trace import detail
from dragoman.routing.reasons import Weighed
from tests.unit.cli.conftest import Window

REFUSED = ir.Fault("authentication", "No such\x1b[2J key.", "invalid_api_key", status=401, blame="gateway")


def exchange() -> Exchange:
    one = Exchange(
        "ex_1a2b", "req_1a2b", "openai_chat", "POST", "/v1/chat/completions", 10.0, 1_700_000_000.0
    )
    one.asked, one.answered, one.client, one.status, one.mode = "robust", "two/b", "ann", 200, "translate"
    one.address, one.agent, one.streamed = "10.0.0.7", "OpenAI/Python 2.8.0", True
    one.attempts = [
        AttemptRecord("ex_1a2b-1", "one/a", "1111", "relay", 10.1, fault=REFUSED, status=401, ended=10.2),
        AttemptRecord("ex_1a2b-2", "two/b", "2222", "translate", 10.5, ("protocol",), 10.9, 11.0, 200),
    ]
    first, second = one.attempts
    first.outcome, first.key_source, first.sent, first.answered = "key_permanent", "ONE_KEY", 10.11, 10.15
    second.sent, second.answered = 10.6, 10.8
    one.weighed = (
        Weighed("one/a", "1111", "ready"),
        Weighed("two/b", "2222", "ready"),
        Weighed("three/c", "3333", "resting", 28.0, "the API key is rate limited"),
        Weighed("four/d", None, "ready"),
    )
    one.dropped = (("five/e", "its context window is too small"),)
    one.waits = (Wait("backoff", 10.2, 0.3),)
    one.losses = (Loss("$.seed", "the Messages API has no seed", "hint", "anthropic"),)
    one.changes = (Change(None, "$.max_tokens", "required"), Change("$.a", "$.b", "another name"))
    one.usage = ir.Usage(1200, cache_read=34, output=50, reasoning=6)
    one.waited, one.first = 0.75, 10.9
    one.close(11.0)
    return one


def shown(one: Exchange, stream: io.StringIO | None = None) -> str:
    return "\n".join(lines(detail(one), Channel(stream or io.StringIO())))


def test_all_of_a_trace(window: Window) -> None:
    assert shown(exchange(), window).splitlines() == [
        "2023-11-14 22:13:20 UTC  POST /v1/chat/completions  robust",
        "client      ann · 10.0.0.7 · OpenAI/Python 2.8.0",
        "id          ex_1a2b · worker 1",
        "result      ● 200 · by two/b · translated · stream · after 1 s",
        "candidates  ✕ one/a …1111    called: attempt 1",
        "            ● two/b …2222    called: attempt 2",
        "            ▲ three/c …3333  rests for 28 s more: the API key is rate limited",
        "            ○ four/d         not needed",
        "            ○ five/e         left out: its context window is too small",
        "attempts    ✕ 1  one/a …1111  401 invalid_api_key  relayed",
        "                 from 100 ms: connected 10 ms · first byte 50 ms · ended 100 ms",
        "                 No such[2J key.",
        "                 the key comes from ONE_KEY",
        "            ● 2  two/b …2222  200  translated (protocol)",
        "                 from 500 ms: connected 100 ms · first byte 300 ms · first content 400 ms · ended 500 ms",  # noqa: E501
        "waits       300 ms from 200 ms: before the same one was called again",
        "losses      hint     $.seed: the Messages API has no seed",
        "changes     $.max_tokens: required",
        "            $.a → $.b: another name",
        "tokens      1,234 in (34 cached) · 56 out (6 reasoning)",
        "time        1 s in all · 750 ms of waiting · 150 ms here · first content after 900 ms",
    ]


def test_one_that_failed_says_how(window: Window) -> None:
    one = exchange()
    one.status, one.phase = 502, "first_byte"
    one.fault = ir.Fault("upstream", "The provider refused the key.", "upstream_credential_refused")
    one.fault = ir.Fault(
        "upstream", "The provider refused the key.", "upstream_credential_refused", blame="gateway"
    )
    one.close(11.0)
    told = shown(one, window)
    assert "✕ 502 · by two/b" in told
    assert "  gateway/first_byte/upstream_credential_refused\n" in told
    assert "  The provider refused the key.\n" in told
    assert "four/d         not called: no other would do better" in told


def test_a_mistake_of_the_client_names_the_field() -> None:
    one = exchange()
    one.fault = ir.Fault("invalid_request", "a secret", "invalid_value", "messages")
    one.close(11.0)
    told = shown(one)
    assert "client/head/invalid_value (in messages)" in told
    assert "a secret" not in told


def test_one_that_runs(window: Window) -> None:
    one = exchange()
    one.ended = one.end = one.status = None
    one.attempts[1].ended = None
    told = shown(one, window)
    assert "▲ no answer · by two/b · translated · stream · still running" in told
    assert "▲ 2  two/b …2222  200 still running" in told


def test_one_that_was_overtaken(window: Window) -> None:
    one = exchange()
    one.attempts[0].fault, one.attempts[0].outcome, one.attempts[0].status = None, OVERTAKEN, None
    assert "▲ 1  one/a …1111  overtaken by another attempt  relayed" in shown(one, window)


def test_one_that_continued_another(window: Window) -> None:
    one = exchange()
    one.attempts[1].continues = True
    told = shown(one, window)
    assert "2  two/b …2222  200 continued the answer of an earlier attempt" in told


def test_bodies(window: Window) -> None:
    one = exchange()
    one.bodies = KeptBodies(30)
    one.bodies.asked(b'{"model": "robust"}')
    one.bodies.told(b"data: 1\n\ndata: \x1b[2J2\n\n" + b"x" * 90)
    told = shown(one, window)
    assert 'request     {"model": "robust"}\n' in told
    assert "response    data: 1\n            data: [2J2\n" in told
    assert told.endswith("more bytes are not kept")


def test_a_request_without_a_model() -> None:
    one = Exchange("ex_1", "mine", "openai_chat", "GET", "/v1/nothing", 1.0, 1_700_000_000.0)
    one.fault = ir.Fault("not_found", "There is nothing.", "unknown_url")
    one.close(2.0)
    told = shown(one)
    assert "GET /v1/nothing  no model" in told
    assert "ex_1 · mine · worker 1" in told
    assert "candidates" not in told


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, "?"),
        (0.04, "0.04 ms"),
        (9.96, "10 ms"),
        (123.4, "123 ms"),
        (999.4, "999 ms"),
        (999.6, "1 s"),
        (1240, "1.24 s"),
        (119_400, "119 s"),
        (119_700, "2 min"),
        (300_000, "5 min"),
    ],
)
def test_durations(ms: float | None, text: str) -> None:
    assert duration(ms) == text


def test_no_colour_is_the_only_difference(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = shown(exchange(), window)
    monkeypatch.delenv("NO_COLOR")
    coloured: Any = shown(exchange(), window)
    assert "\x1b[" in coloured
    assert len(coloured.splitlines()) == len(plain.splitlines())
