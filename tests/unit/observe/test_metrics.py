"""What is counted of exchanges, under which labels, and what a page makes of several processes."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Loss
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.observe import metrics as module
from dragoman.observe.cells import Cells
from dragoman.observe.families import KEYS, REQUESTS, RUNNING
from dragoman.observe.metrics import Metrics, Sample
from tests.scraping import Scraped

CHAT = "/v1/chat/completions"
OVERLOADED = ir.Fault("overloaded", "m", "busy", status=529, blame="upstream")
REFUSED = ir.Fault("invalid_request", "m", "bad_field")


def counting(cells: Cells | None = None, number: int = 1) -> Metrics:
    metrics = Metrics(lambda fault: f"class of {fault.kind}")
    if cells is not None:
        metrics.share(cells, number)
    metrics.know(["gpt", "sonnet"], ["one", "two"], ["one/gpt-5", "two/claude"])
    metrics.serve([CHAT, "/health"])
    return metrics


def attempt(deployment: str = "one/gpt-5", fault: ir.Fault | None = None, **more: Any) -> AttemptRecord:
    status = 200 if fault is None else fault.status
    return AttemptRecord("a", deployment, None, "relay", 10.5, status=status, fault=fault, **more)


def exchange(*attempts: AttemptRecord, fault: ir.Fault | None = None, **more: Any) -> Exchange:
    """One that took two seconds, of which it waited 1.96."""
    stated = {"asked": "gpt", "status": 200, "waited": 1.96, **more}
    gone = stated.pop("gone", False)
    one = Exchange("ex", "req", "openai_chat", "POST", stated.pop("path", CHAT), 10.0, 0.0)
    one.attempts.extend(attempts)
    one.answered = attempts[-1].deployment if attempts else None
    one.mode = "relay" if attempts else None
    one.fault = fault
    for name, value in stated.items():
        setattr(one, name, value)
    if attempts and one.usage is not None:
        attempts[-1].usage = one.usage
    one.close(12.0, gone=gone)
    return one


def read(metrics: Metrics, *stated: Sample) -> Scraped:
    return Scraped(metrics.page(stated, 0.0))


def noted(*exchanges: Exchange) -> Scraped:
    metrics = counting()
    for one in exchanges:
        metrics.note(one)
    return read(metrics)


def test_an_answer_at_the_first_attempt() -> None:
    usage = ir.Usage(input=5, cache_read=7, cache_write=1, tool_input=2, output=11, reasoning=3)
    page = noted(*[exchange(attempt(), usage=usage)] * 3)
    assert page("dragoman_http_requests_total", method="POST", path=CHAT, status="200") == 3
    assert page("dragoman_http_request_duration_seconds_bucket", path=CHAT, le="1.0") == 0
    assert page("dragoman_http_request_duration_seconds_bucket", path=CHAT, le="2.5") == 3
    assert page("dragoman_http_request_duration_seconds_sum") == 6
    assert page("dragoman_requests_total", operation="chat", model="gpt", outcome="done") == 3
    assert page("dragoman_requests_total") == 3
    assert page("dragoman_overhead_seconds_bucket", mode="relay", le="0.05") == 3
    assert page("dragoman_overhead_seconds_bucket", mode="relay", le="0.02") == 0
    assert page("dragoman_overhead_seconds_sum") == pytest.approx(0.12)
    assert page("dragoman_upstream_calls_total", provider="one", status="200") == 3
    assert page("dragoman_upstream_outcomes_total", provider="one", outcome="answered") == 3
    tokens = {kind: page("dragoman_tokens_total", provider="one", model="gpt-5", kind=kind) for kind in KINDS}
    assert tokens == {"input": 21, "cached": 21, "cache_write": 3, "output": 33, "reasoning": 9}
    assert "dragoman_time_to_first_token_seconds_count" not in page.names


KINDS = ("input", "cached", "cache_write", "output", "reasoning")


def test_the_first_token_of_a_continued_stream_is_that_of_its_first_attempt() -> None:
    first, second = attempt(fault=ir.Fault("upstream", "Gone.", blame="upstream")), attempt()
    first.first, second.first, second.started = 11.75, 15.0, 14.0
    page = noted(exchange(first, second, streamed=True, first=11.75))
    assert page("dragoman_time_to_first_token_seconds_sum", provider="one") == 1.25


def test_a_stream_has_a_first_token() -> None:
    page = noted(exchange(attempt(), streamed=True, first=11.75))
    assert page("dragoman_time_to_first_token_seconds_sum", provider="one") == 1.25
    assert page("dragoman_time_to_first_token_seconds_bucket", le="1.5") == 1
    assert page("dragoman_time_to_first_token_seconds_bucket", le="1.0") == 0


def test_a_failover() -> None:
    answered = attempt("two/claude", first=11.75)
    usage = ir.Usage(input=5, cache_read=1, output=2)
    page = noted(exchange(attempt(fault=OVERLOADED), answered, streamed=True, first=11.75, usage=usage))
    assert page("dragoman_http_requests_total", status="200") == 1
    assert page("dragoman_upstream_calls_total", provider="one", status="529") == 1
    assert page("dragoman_upstream_calls_total", provider="two", status="200") == 1
    assert page("dragoman_upstream_outcomes_total", provider="one", outcome="class of overloaded") == 1
    assert page("dragoman_upstream_outcomes_total", provider="two", outcome="answered") == 1
    assert page("dragoman_upstream_errors_total", provider="one", type="overloaded") == 1
    assert page("dragoman_failovers_total", provider="one", outcome="class of overloaded") == 1
    assert page("dragoman_failovers_total") == 1
    assert page("dragoman_requests_total", outcome="done") == 1
    assert page("dragoman_tokens_total", provider="two", model="claude") == 8
    assert page("dragoman_tokens_total", kind="output") == 2
    assert page("dragoman_tokens_total", kind="cached") == 1
    assert page("dragoman_time_to_first_token_seconds_count", provider="two") == 1
    assert page("dragoman_overhead_seconds_count") == 1
    assert "dragoman_request_errors_total" not in page.names


def test_a_failure_of_all_and_one_of_the_client() -> None:
    down = attempt(fault=OVERLOADED)
    page = noted(
        exchange(down, fault=OVERLOADED, status=503),
        exchange(fault=REFUSED, status=400),
        exchange(asked=None, fault=msgspec.structs.replace(REFUSED, code=None), status=400),
    )
    assert page("dragoman_request_errors_total", blame="upstream", code="busy") == 1
    assert page("dragoman_request_errors_total", blame="client", code="bad_field") == 1
    assert page("dragoman_request_errors_total", blame="client", code="invalid_request") == 1
    assert page("dragoman_requests_total", outcome="upstream") == 1
    assert page("dragoman_requests_total", outcome="client") == 1
    assert page("dragoman_requests_total") == 2, "the third named no model"
    assert page("dragoman_http_requests_total", status="400") == 2
    assert page("dragoman_upstream_calls_total") == 1
    assert "dragoman_failovers_total" not in page.names, "nobody was asked after it"


def test_a_client_that_leaves() -> None:
    early = attempt()
    early.status = None
    page = noted(
        exchange(early, status=None, gone=True), exchange(attempt(first=11.0), gone=True, phase="stream")
    )
    assert page("dragoman_http_requests_total", status="none") == 1
    assert page("dragoman_upstream_calls_total", provider="one", status="none") == 1
    assert page("dragoman_upstream_outcomes_total", outcome="abandoned") == 1
    assert page("dragoman_upstream_outcomes_total", outcome="answered") == 1
    assert page("dragoman_requests_total", outcome="client") == 2


def test_an_answer_of_our_own_after_an_attempt_that_failed() -> None:
    """As a count of tokens that the provider cannot make: the exchange is done, its attempt is not."""
    page = noted(exchange(attempt(fault=OVERLOADED)))
    assert page("dragoman_upstream_outcomes_total", outcome="class of overloaded") == 1
    assert page("dragoman_upstream_errors_total") == 1
    assert page("dragoman_requests_total", outcome="done") == 1


def test_losses_by_severity() -> None:
    lost = tuple(Loss("$.x", "no", severity, "d", "request") for severity in ("hint", "meaning", "hint"))
    page = noted(exchange(attempt(), losses=lost), exchange(losses=lost[:1]))
    assert page("dragoman_losses_total", severity="hint") == 3
    assert page("dragoman_losses_total", severity="meaning") == 1


def test_what_is_sent_is_counted_before_it_ends() -> None:
    metrics = counting()
    for _ in range(3):
        metrics.sent("one/gpt-5")
    metrics.sent("one/never-heard-of")
    metrics.sent(None)
    page = read(metrics)
    assert page("dragoman_upstream_requests_sent_total", provider="one", model="gpt-5") == 3
    assert page("dragoman_upstream_requests_sent_total", provider="one", model="other") == 1
    assert page("dragoman_upstream_requests_sent_total", provider="other") == 1


def test_names_of_strangers_add_no_labels() -> None:
    metrics = counting()

    def sets() -> int:
        return len(read(metrics).samples)

    def strange(name: str) -> None:
        for one in (
            exchange(attempt(f"one/{name}"), asked=name),
            exchange(attempt(f"{name}/x"), asked=name, path=f"/{name}", method=name),
            exchange(attempt(f"{name}/x", fault=OVERLOADED), attempt("one/gpt-5"), asked=name),
            exchange(asked=name, path=f"/{name}", fault=REFUSED, status=404, method=name),
        ):
            metrics.note(one)
        metrics.sent(f"one/{name}")
        metrics.sent(name)

    strange("first")
    before = sets()
    for number in range(100):
        strange(f"model-{number}")
    assert sets() == before
    page = read(metrics)
    assert page("dragoman_requests_total", model="other") == 404
    assert page("dragoman_http_requests_total") == 404
    assert page.labels("dragoman_requests_total", "model") == {"other"}
    assert page.labels("dragoman_http_requests_total", "path") == {CHAT, "other"}


def test_beyond_the_limit_all_sets_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes of providers are the only labels that no table knows."""
    metrics = counting()
    for number in range(1000):
        fault = msgspec.structs.replace(REFUSED, code=f"code-{number}" + "x" * 200)
        metrics.note(exchange(fault=fault, status=400))
        metrics.reached(f"bound-{number}")
    page = read(metrics)
    codes = page.labels("dragoman_request_errors_total", "code")
    assert len(codes) == 201
    assert max(map(len, codes)) == 100
    assert page("dragoman_request_errors_total", code="other", blame="other") == 800
    assert page("dragoman_request_errors_total") == 1000
    assert page("dragoman_bounds_reached_total") == 1000


def test_kinds_of_exchanges_without_a_block_are_counted_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCKS", 1)
    usage = ir.Usage(input=1, output=2, reasoning=4)
    exchanges = [
        exchange(attempt(), usage=usage, streamed=True, first=11.0, asked=name) for name in ("gpt", "sonnet")
    ]
    alone = noted(exchanges[0])
    both = noted(*exchanges)
    for (name, labels), value in alone.samples.items():
        if "model" not in dict(labels) or name == "dragoman_tokens_total":
            assert both.samples[name, labels] == pytest.approx(2 * value), name
    assert both("dragoman_requests_total", model="sonnet", outcome="done") == 1


def test_any_mixture_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """However exchanges are counted, no sum misses one."""
    monkeypatch.setattr(module, "_BLOCKS", 3)
    monkeypatch.setattr(module, "_REMEMBERED", 5)
    random.seed(7)
    metrics = counting()
    attempts = 0
    for _ in range(500):
        tried = [
            attempt(random.choice(["one/gpt-5", "two/claude", "two/x"]), random.choice([None, OVERLOADED]))
            for _ in range(random.choice([0, 1, 1, 1, 2]))
        ]
        attempts += len(tried)
        fault = random.choice([None, None, OVERLOADED, REFUSED])
        asked = random.choice(["gpt", "sonnet", "strange"])
        metrics.note(exchange(*tried, fault=fault, asked=asked, usage=ir.Usage(output=1)))
        if random.random() < 0.1:
            metrics.know(["gpt", "strange"], ["one", "two"], [])
    page = read(metrics)
    assert page("dragoman_http_requests_total") == 500
    assert page("dragoman_http_request_duration_seconds_count") == 500
    assert page("dragoman_requests_total") == 500
    assert page("dragoman_upstream_calls_total") == page("dragoman_upstream_outcomes_total") == attempts
    assert page("dragoman_overhead_seconds_count") == page("dragoman_tokens_total") > 300


def test_a_page_tells_of_all_places_and_of_what_lives() -> None:
    cells = Cells(2)
    first, second = counting(cells, 1), counting(cells, 2)
    for metrics, times in ((first, 2), (second, 3)):
        for _ in range(times):
            metrics.note(exchange(attempt()))
            metrics.note(exchange(fault=REFUSED, status=400))
    first.publish([Sample(RUNNING, 4)], 100.0)
    second.publish([Sample(RUNNING, 5)], 100.0)
    stated = [Sample(KEYS, 2, ("one", "ready"))]
    page = Scraped(first.page(stated, 101.0))
    assert page("dragoman_http_requests_total", status="200") == 5
    assert page("dragoman_http_requests_total", status="400") == 5
    assert page("dragoman_requests_running") == 9
    assert page("dragoman_upstream_keys", provider="one", state="ready") == 2
    cells.parts[2].bury()
    page = Scraped(first.page(stated, 101.0))
    assert page("dragoman_requests_running") == 4, "what it ran has ended with it"
    assert page("dragoman_http_requests_total", status="200") == 5, "what it has counted has not"
    successor = counting(cells, 2)
    successor.note(exchange(attempt()))
    assert Scraped(first.page(stated, 101.0))("dragoman_http_requests_total", status="200") == 6
    assert set(first.processes(101.0)) == {1}


def test_a_successor_knows_how_many_sets_there_are() -> None:
    cells = Cells()
    for generation in range(3):
        metrics = counting(cells)
        for number in range(90):
            metrics.reached(f"bound-{generation}-{number}")
    assert len(read(counting(cells)).labels("dragoman_bounds_reached_total", "bound")) == 101


def test_names_that_become_known_are_told_from_then_on() -> None:
    metrics = counting()
    metrics.note(exchange(attempt(), asked="new"))
    metrics.know(["new"], ["one"], [])
    metrics.note(exchange(attempt(), asked="new"))
    page = read(metrics)
    assert page(REQUESTS.name, model="other") == page(REQUESTS.name, model="new") == 1


def test_costs_and_unknown_prices_are_counted_for_every_attempt() -> None:
    usage = ir.Usage(input=5, output=2)
    failed = attempt("one/gpt-5", fault=OVERLOADED, usage=usage, cost=1_000_000_000)
    page = noted(
        exchange(attempt(usage=usage, cost=500_000_000), usage=usage, priced=500_000_000),
        exchange(failed, attempt("two/claude", usage=usage), priced=1_000_000_000),
        exchange(attempt("two/claude", usage=usage), usage=usage, priced=0),
        exchange(attempt("two/claude", usage=usage), usage=usage),
    )
    assert page("dragoman_cost_usd_total", provider="one", model="gpt-5") == 1.5
    assert page("dragoman_cost_usd_total", provider="two") == 0
    assert page("dragoman_unpriced_attempts_total", provider="two") == 2
    assert page("dragoman_tokens_total", provider="one", kind="input") == 10
    assert page("dragoman_tokens_total", provider="two", kind="input") == 15


def test_work_on_other_models_counts_as_theirs() -> None:
    further = ir.Usage(7, output=3, reasoning=2, cache_read=4)
    usage = ir.Usage(5, output=2, others=(("o3", further), ("unknown", ir.Usage(1))))
    priced = (("one/gpt-5", 500_000_000), ("one/o3", 250_000_000), ("one/unknown", 0))
    page = noted(exchange(attempt(usage=usage, priced=priced), usage=usage, priced=750_000_000))
    assert page("dragoman_tokens_total", provider="one", model="gpt-5") == 7
    assert page("dragoman_tokens_total", provider="one", model="other") == 17  # none of these is configured
    assert page("dragoman_cost_usd_total", provider="one") == 0.75
    assert page("dragoman_cost_usd_total", provider="one", model="gpt-5") == 0.5
    assert page("dragoman_unpriced_attempts_total", provider="one") == 1


def test_what_is_known_of_a_cost_is_counted() -> None:
    usage = ir.Usage(5)
    known = attempt(usage=usage, priced=(("one/gpt-5", 500_000_000),))
    page = noted(exchange(known, usage=usage, priced=500_000_000))
    assert page("dragoman_cost_usd_total", provider="one", model="gpt-5") == 0.5
    assert page("dragoman_unpriced_attempts_total", provider="one") == 1


def test_refusals_of_limits_are_counted() -> None:
    page = noted(exchange(fault=OVERLOADED, refused_by="team"), exchange(attempt(), refused_by="deployment"))
    assert page("dragoman_limit_refusals_total", limit="team") == 1
    assert page("dragoman_limit_refusals_total", limit="deployment") == 1
