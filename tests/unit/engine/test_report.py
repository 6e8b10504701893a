"""Our own headers of an answer, and the report that a client may ask for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Change, Loss
from dragoman.engine.report import answer_headers, usd
from dragoman.exchange import AttemptRecord, Exchange
from tests.unit.engine.stage import CLAUDE, ONE, Stage, chat, refusal, whole


def exchange(*attempts: AttemptRecord) -> Exchange:
    """One that has been answered."""
    found = Exchange("ex_1", "req_1", "openai_chat", "POST", "/", began=0.0, created=0.0)
    found.answered = "one/gpt"
    found.attempts.extend(attempts)
    return found


def told(exchange: Exchange) -> Any:
    """The report in the headers."""
    return json.loads(dict(answer_headers(exchange, report=True))[b"x-dragoman-report"])


def test_a_plain_answer_has_two_headers() -> None:
    one = AttemptRecord("a", "one/gpt", None, "relay", 0.0)
    assert answer_headers(exchange(one), report=False) == [
        (b"x-dragoman-deployment", b"one/gpt"),
        (b"x-dragoman-losses", b"0"),
    ]


def test_attempts_and_estimates_are_said_where_there_are_any() -> None:
    found = exchange(*[AttemptRecord("a", "one/gpt", None, "relay", 0.0)] * 2)
    found.usage = ir.Usage(input=3, estimated=True)
    headers = dict(answer_headers(found, report=False))
    assert (headers[b"x-dragoman-attempts"], headers[b"x-dragoman-usage"]) == (b"2", b"estimated")


def test_names_of_any_letters_fit_into_a_header() -> None:
    found = exchange()
    found.answered = "one/mödel"
    (_, value), *_ = answer_headers(found, report=False)
    assert value.isascii()


def test_a_report_names_attempts_losses_and_changes() -> None:
    settings = {"models": {"m": {"deployments": ["one/gpt", "claude/opus"]}}}
    stage = Stage({"claude": CLAUDE, "one": ONE}, settings=settings)
    stage.script("one", refusal(429))
    stage.script("claude", whole("Hello.", dialect="anthropic"))
    stage.plays(chat(model="m", logit_bias={"1": 1}), headers={"x-dragoman-report": "1"})
    report = json.loads(stage.client.headers["x-dragoman-report"])
    assert report["attempts"] == [
        {"deployment": "one/gpt", "mode": "relay", "status": 429, "error": "rate_limit_exceeded"},
        {
            "deployment": "claude/opus",
            "mode": "translate",
            "status": 200,
            "error": None,
            "reasons": ["protocol"],
        },
    ]
    assert [loss["path"] for loss in report["losses"]] == ["$.logit_bias"]
    assert [change["to"] for change in report["changes"]] == ["$.max_tokens"]


def test_a_report_has_only_as_many_entries_as_clients_take() -> None:
    found = exchange()
    found.losses = tuple(Loss(f"$.m[{n}]", "x" * 100, "hint", "anthropic") for n in range(50))
    found.changes = (Change(None, "$.a", "why"),)
    report = told(found)
    assert report["omitted"] == 51 - len(report["losses"])
    assert report["changes"] == []
    assert len(json.dumps(report)) < 5000


def test_only_the_latest_attempts_are_reported() -> None:
    found = exchange(*[AttemptRecord("a", f"one/{n}", None, "relay", 0.0) for n in range(12)])
    assert [one["deployment"] for one in told(found)["attempts"]] == [f"one/{n}" for n in range(2, 12)]


@pytest.mark.parametrize(
    ("nano", "text"),
    [(0, "0"), (1, "0.000000001"), (1_500, "0.0000015"), (10**9, "1"), (12_340_000_000, "12.34")],
)
def test_money_as_a_decimal_number(nano: int, text: str) -> None:
    assert usd(nano) == text.encode()
