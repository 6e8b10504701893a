"""The access log says each exchange in one line, and never makes anybody wait for its reader."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Loss
from dragoman.exchange import OVERTAKEN, AttemptRecord, Exchange
from dragoman.observe.lines import Lines
from dragoman.observe.log import AccessLog

BOTH = pytest.mark.parametrize("people", [False, True], ids=["machines", "people"])


def exchange(path: str = "/v1/chat/completions") -> Exchange:
    one = Exchange("ex_1", "req_1", "openai_chat", "POST", path, began=5.0, created=1_700_000_000.0)
    one.status = 200
    one.close(5.25)
    return one


def written(one: Exchange, *, people: bool = False) -> str:
    stream = io.BytesIO()
    AccessLog(Lines(stream, people=people))(one)
    line = stream.getvalue().decode()
    assert line.endswith("\n")
    assert line.count("\n") == 1
    return line[:-1]


def answered() -> Exchange:
    one = exchange()
    one.asked, one.answered, one.mode, one.client = "fast", "p/m", "translate", "ann"
    one.address, one.agent, one.forwarded = "10.0.0.7", "OpenAI/Python 2.8.0", "203.0.113.9"
    one.attempts.append(attempt("p/m", status=200))
    one.first, one.waited = 5.125, 0.0625
    one.usage = ir.Usage(input=3, output=4, cache_read=2)
    return one


def attempt(deployment: str, key: str | None = None, **outcome: Any) -> AttemptRecord:
    record = AttemptRecord("ex_1-1", deployment, key, "translate", 5.0)
    record.status, record.fault, record.ended = outcome.get("status"), outcome.get("fault"), 5.2
    return record


OVERLOADED = ir.Fault("overloaded", "All servers are busy.", code="busy", status=503, blame="upstream")


def test_programs_get_one_object() -> None:
    record = json.loads(written(answered()))
    assert record == {
        "time": "2023-11-14T22:13:20.000Z", "at": 1_700_000_000.0, "event": "exchange", "level": "info",
        "id": "ex_1", "request_id": "req_1", "method": "POST",
        "path": "/v1/chat/completions", "status": 200, "end": "done", "client": "ann", "total_us": 250_000,
        "address": "10.0.0.7", "forwarded_for": "203.0.113.9", "user_agent": "OpenAI/Python 2.8.0",
        "model": "fast", "deployment": "p/m", "mode": "translate", "stream": False, "attempts": 1,
        "tried": [
            {"deployment": "p/m", "key": None, "mode": "translate", "status": 200, "us": 200_000},
        ],
        "losses": 0, "upstream_us": 62_500, "first_us": 125_000,
        "tokens": {
            "in": 5, "cached": 2, "cache_write": None, "out": 4, "reasoning": None, "estimated": False,
        },
    }  # fmt: skip


def test_people_get_one_line() -> None:
    date, clock, rest = written(answered(), people=True).split(" ", 2)
    assert time.strptime(f"{date} {clock}", "%Y-%m-%d %H:%M:%S")
    assert rest == (
        "200 POST /v1/chat/completions fast → p/m translate 250 ms 5 in 4 out"
        " [ann 10.0.0.7 OpenAI/Python 2.8.0 req_1]"
    )


def test_each_attempt_is_told() -> None:
    """Where the request went, and why it failed there."""
    one = answered()
    one.attempts[:] = [
        attempt("openai/gpt-5", "aaaa", fault=OVERLOADED, status=503),
        attempt(
            "openai/gpt-5", "bbbb", fault=ir.Fault("timeout", "It took long.", code="first_byte_timeout")
        ),
        attempt("p/m", status=200),
    ]
    assert "fast → openai/gpt-5 …aaaa 503 → openai/gpt-5 …bbbb first_byte_timeout → p/m 200 " in written(
        one, people=True
    )
    tried = json.loads(written(one))["tried"]
    assert [one.get("error") for one in tried] == ["busy", "first_byte_timeout", None]
    assert tried[0] == {
        "deployment": "openai/gpt-5", "key": "aaaa", "mode": "translate", "status": 503, "us": 200_000,
        "error": "busy", "message": "All servers are busy.",
    }  # fmt: skip


def test_an_attempt_that_was_overtaken_is_no_failure() -> None:
    one = answered()
    one.attempts[:] = [attempt("slow/m", status=200), attempt("p/m", status=200)]
    one.attempts[0].outcome = OVERTAKEN
    assert "fast → slow/m overtaken → p/m 200 " in written(one, people=True)
    tried = json.loads(written(one))["tried"]
    assert [(member.get("overtaken"), member.get("error")) for member in tried] == [
        (True, None),
        (None, None),
    ]


def test_an_attempt_that_goes_on_with_another_ones_answer() -> None:
    one = answered()
    one.attempts[:] = [attempt("slow/m", fault=OVERLOADED), attempt("p/m", status=200)]
    one.attempts[1].continues = True
    tried = json.loads(written(one))["tried"]
    assert [member.get("continues") for member in tried] == [None, True]


def test_the_one_attempt_of_a_failure_is_told() -> None:
    one = answered()
    one.attempts[:] = [attempt("p/m", fault=OVERLOADED, status=503)]
    one.fault = OVERLOADED
    one.close(6.0)
    assert "fast → p/m 503 translate" in written(one, people=True)


def test_many_attempts_do_not_fill_the_log() -> None:
    one = answered()
    one.attempts[:] = [attempt(f"p/{n}", fault=OVERLOADED) for n in range(100)]
    record = json.loads(written(one))
    assert (record["attempts"], len(record["tried"])) == (100, 8)
    assert written(one, people=True).count("→") == 8


def test_a_failure_is_named() -> None:
    one = exchange()
    one.fault = ir.Fault("rate_limit", "The key's text sk-1 stays out.", code="slow_down", blame="upstream")
    one.close(6.0)
    assert json.loads(written(one))["error"] == "slow_down"
    assert written(one, people=True).endswith(" 1,000 ms upstream/head/slow_down [req_1]")
    assert "sk-1" not in written(one) + written(one, people=True)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (OVERLOADED, "upstream/head/busy (All servers are busy.) ["),
        (
            ir.Fault("unavailable", "The gateway is stopping.", code="stopping", blame="gateway"),
            "gateway/head/stopping (All servers are busy.) [",
        ),
        (
            ir.Fault("invalid_request", "Not 'my secret'.", code="bad", param="seed", blame="client"),
            "client/head/bad in seed [",
        ),
    ],
)
def test_people_are_told_why(fault: ir.Fault, told: str) -> None:
    """A client's mistake is told by its field alone: its words may repeat the request."""
    one = answered()
    one.attempts[:] = [attempt("p/m", fault=OVERLOADED, status=503)]
    one.fault = fault
    one.close(6.0)
    assert told in written(one, people=True)
    assert "my secret" not in written(one, people=True) + written(one)


def test_what_was_lost_is_named_by_place_and_severity() -> None:
    """5.1: a number tells nobody what to do about it."""
    one = answered()
    one.losses = (
        Loss("$.seed", "no seed here", "hint", "anthropic"),
        Loss("$.logit_bias", "no weights here", "meaning", "anthropic"),
    )
    record = json.loads(written(one))
    assert record["losses"] == 2
    assert record["lost"] == [
        {"path": "$.logit_bias", "severity": "meaning"},
        {"path": "$.seed", "severity": "hint"},
    ]
    assert written(one, people=True).endswith(
        "2 lost: $.logit_bias (meaning), … [ann 10.0.0.7 OpenAI/Python 2.8.0 req_1]"
    )


def test_nothing_lost_takes_no_room() -> None:
    assert "lost" not in json.loads(written(answered()))


@BOTH
def test_no_losses_fill_the_log(people: bool) -> None:
    """Clients choose the names of members, and how many there are."""
    one = answered()
    one.losses = tuple(Loss(f"$.{n}" + "z" * 5_000, "", "meaning", "anthropic") for n in range(500))
    line = written(one, people=people)
    assert len(line) < 2_000
    assert "500" in line
    assert ("…" if people else '"losses":500') in line


@BOTH
def test_no_name_fills_the_log(people: bool) -> None:
    endless = "z" * 3_000_000
    one = exchange(f"/{endless}")
    one.asked = one.answered = endless
    one.fault = ir.Fault("upstream", "", code=endless)
    one.close(6.0)
    line = written(one, people=people)
    assert len(line) < 2_000
    assert "z" * 255 + "…" in line
    assert "z" * 256 not in line
    at_the_limit = "/" + "y" * 255
    assert f"{at_the_limit}" in written(exchange(at_the_limit), people=people)


def test_control_characters_do_not_reach_a_terminal() -> None:
    assert "/?[2J?" in written(exchange("/\x1b[2J\n"), people=True)


@pytest.mark.parametrize("letter", ["x", "é", "\x01"])
def test_a_long_line_says_less_so_that_it_stays_whole_in_a_pipe(letter: str) -> None:
    """The last attempts, the losses and the tags of one request may be longer than what a pipe takes."""
    one = answered()
    long = msgspec.structs.replace(OVERLOADED, message=letter * 300, code=letter * 40)
    one.attempts[:] = [attempt("p/m", status=503, fault=long) for _ in range(8)]
    one.losses = tuple(Loss(f"$.{letter * 70}{n}", "why", "meaning", "gemini") for n in range(10))
    one.tags = tuple(f"{letter * 90}{n}" for n in range(16))
    one.agent, one.asked = letter * 200, letter * 200
    stream = io.BytesIO()
    lines = Lines(stream, people=False)
    lines.start(shared=True)
    log = AccessLog(lines)
    log(one)
    log(answered())
    lines.close()
    assert all(len(line) <= 4096 for line in stream.getvalue().splitlines(keepends=True))
    shortened, usual = map(json.loads, stream.getvalue().splitlines())
    assert (shortened["shortened"], shortened["status"], shortened["attempts"]) == (True, 200, 8)
    assert "shortened" not in usual
    alone = json.loads(written(one))
    assert "shortened" not in alone, "nobody else writes to its pipe"
    assert len(alone["tried"][0]["message"]) == 256
