"""Averages follow complete streams, and nothing else."""

from __future__ import annotations

from dragoman import ir
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.observe.performance import Performance


def streamed(first: float, ended: float, tokens: int, *, gone: bool = False) -> Exchange:
    exchange = Exchange("ex", "req", "openai_chat", "POST", "/", began=0.0, created=0.0)
    exchange.attempts.append(AttemptRecord("ex-1", "up/m", None, "relay", 1.0))
    exchange.answered = "up/m"
    exchange.first = first
    exchange.usage = ir.Usage(3, output=tokens)
    exchange.close(ended, gone=gone)
    return exchange


def test_the_first_answer_is_the_average() -> None:
    performance = Performance()
    performance.note(streamed(1.5, 3.5, 100))
    assert performance.of("up/m") == {"answers": 1, "first_token_ms": 500.0, "tokens_per_second": 50.0}


def test_later_answers_move_it_by_a_fifth() -> None:
    performance = Performance()
    performance.note(streamed(1.5, 3.5, 100))
    performance.note(streamed(2.5, 3.5, 100))
    assert performance.of("up/m") == {"answers": 2, "first_token_ms": 700.0, "tokens_per_second": 60.0}


def test_a_continued_stream_counts_from_the_attempt_that_ended_it() -> None:
    performance = Performance()
    exchange = streamed(1.5, 9.0, 120)
    exchange.attempts.append(AttemptRecord("ex-2", "other/m", None, "translate", 5.0, continues=True))
    exchange.answered = "other/m"
    performance.note(exchange)
    assert performance.of("other/m") == {"answers": 1}
    exchange.attempts[-1].first = 7.0
    exchange.attempts[-1].usage = ir.Usage(3, output=20)
    performance.note(exchange)
    assert performance.of("other/m") == {"answers": 2, "first_token_ms": 2000.0, "tokens_per_second": 10.0}
    assert performance.of("up/m") is None


def test_what_was_cut_off_does_not_count() -> None:
    performance = Performance()
    performance.note(streamed(1.5, 3.5, 100, gone=True))
    assert performance.of("up/m") is None


def test_counting_tokens_is_no_answer() -> None:
    performance = Performance()
    exchange = streamed(1.5, 3.5, 100)
    exchange.operation = "count"
    performance.note(exchange)
    assert performance.of("up/m") is None


def test_a_whole_answer_is_counted_without_a_pace() -> None:
    performance = Performance()
    exchange = streamed(1.5, 3.5, 100)
    exchange.first = None
    performance.note(exchange)
    assert performance.of("up/m") == {"answers": 1}
