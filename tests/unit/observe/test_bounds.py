"""Bounds that strangers reach: every one is counted, the log is not filled."""

from __future__ import annotations

import logging

import msgspec
import pytest

from dragoman import ir
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.observe.bounds import Bounds
from dragoman.seams.clock import SYSTEM


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def finished(fault: ir.Fault | None, *attempts: ir.Fault | None) -> Exchange:
    exchange = Exchange("ex_1", "req_1", "openai_chat", "POST", "/v1/x", began=0, created=0)
    for fault_of_attempt in attempts:
        record = AttemptRecord("ex_1-1", "simulate/echo", None, "translate", 0)
        record.fault = fault_of_attempt
        exchange.attempts.append(record)
    exchange.fault = fault
    return exchange


def test_each_time_is_counted_and_the_log_has_a_line_in_ten_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    bounds = Bounds(msgspec.structs.replace(SYSTEM, monotonic=clock))
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            bounds.reached("head_too_large", "from 192.0.2.1")
        clock.now += 10
        bounds.reached("head_too_large", "from 192.0.2.1")
        bounds.reached("url_too_long")
    assert bounds.counts == {"head_too_large": 51, "url_too_long": 1}
    assert caplog.messages == [
        "limit head_too_large reached from 192.0.2.1",
        "limit head_too_large reached from 192.0.2.1 (50 times since the last line)",
        "limit url_too_long reached",
    ]


def test_whoever_counts_beside_it_hears_of_each() -> None:
    heard: list[str] = []
    bounds = Bounds(also=heard.append)
    bounds.reached("url_too_long")
    bounds.reached("url_too_long")
    assert heard == ["url_too_long"] * 2


def test_what_ends_an_exchange_is_counted_once_wherever_it_stands() -> None:
    bounds = Bounds()
    large = ir.Fault("too_large", "m", code="request_too_large")
    answer = ir.Fault("upstream", "m", code="answer_too_large", blame="upstream")
    other = ir.Fault("invalid_request", "m", code="unknown_url")
    bounds(finished(large))
    bounds(finished(other))
    bounds(finished(None, answer, None))
    bounds(finished(answer, answer))
    assert bounds.counts == {"answer_too_large": 2, "request_too_large": 1}
