"""The record of one exchange: how it ended, what it lost, and which time was our own."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.dialects.loss import Loss
from dragoman.dialects.severity import Severity
from dragoman.exchange import AttemptRecord, Exchange, KeptBodies

BROKEN = ir.Fault("upstream", "It broke.", code="server_error", blame="upstream")


@pytest.fixture
def exchange() -> Exchange:
    return Exchange("ex_1", "req_1", "openai_chat", "POST", "/", began=10.0, created=0)


def loss(path: str, severity: Severity) -> Loss:
    return Loss(path, "it has none", severity, "gemini")


@pytest.mark.parametrize(
    ("fault", "gone", "end"),
    [
        (None, False, "done"),
        (BROKEN, False, "upstream/stream/server_error"),
        (ir.Fault("timeout", "", blame="gateway"), False, "gateway/stream/timeout"),
        (BROKEN, True, "client/stream"),
        (None, True, "client/stream"),
        (ir.Fault("unavailable", "", "stopped", blame="gateway"), True, "gateway/stream/stopped"),
    ],
)
def test_its_end_names_who_ended_it_and_in_which_phase(
    exchange: Exchange, fault: ir.Fault | None, gone: bool, end: str
) -> None:
    exchange.phase, exchange.fault = "stream", fault
    exchange.close(12.0, gone=gone)
    assert (exchange.end, exchange.ended) == (end, 12.0)


def test_its_overhead_is_the_time_that_no_upstream_took(exchange: Exchange) -> None:
    exchange.waited = 1.5
    assert exchange.overhead(12.0) == 0.5
    exchange.waited = 3.0
    assert exchange.overhead(12.0) == 0.0


def test_the_overhead_of_a_stream_ends_at_its_first_content(exchange: Exchange) -> None:
    exchange.waited = 0.25
    exchange.first = exchange.began + 0.5
    assert exchange.overhead(exchange.began + 60.0) == 0.25
    assert exchange.overhead(exchange.began + 0.375) == 0.125


def test_counts_that_cannot_be_are_dropped_at_its_end(exchange: Exchange) -> None:
    exchange.usage = ir.Usage(input=-1)
    exchange.close(12.0)
    assert exchange.usage is None


def test_an_attempts_losses_follow_those_of_the_body(exchange: Exchange) -> None:
    exchange.taken = ((loss("a", "hint"),), ())
    for path in ("b", "c"):  # the second attempt replaces the first one's
        exchange.account((loss(path, "meaning"),), ())
    assert [one.path for one in exchange.losses] == ["a", "c"]
    assert [one.path for one in exchange.foremost_losses(1)] == ["c"]


def test_a_connection_begins_the_wait_for_the_first_byte(exchange: Exchange) -> None:
    exchange.connected(lambda: 11.0)  # a request for something else, before any attempt
    assert exchange.phase == "first_byte"
    exchange.attempts.append(AttemptRecord("ex_1-1", "up/m", None, "relay", 10.5))
    exchange.connected(lambda: 12.0)
    assert exchange.attempts[-1].sent == 12.0


def test_the_beginnings_of_bodies_are_kept_and_their_sizes_counted() -> None:
    bodies = KeptBodies(5)
    bodies.asked(b"question")
    for piece in (b"ans", b"wer", b"!"):
        bodies.told(piece)
    assert (bodies.request, bytes(bodies.answer)) == (b"quest", b"answe")
    assert (bodies.request_size, bodies.answer_size) == (8, 7)
