"""What several workers know together of the gateway and its providers."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.exchange import OVERTAKEN, AttemptRecord, Exchange
from dragoman.observe.board import LARGEST, Board
from dragoman.observe.health import Figures, ProviderHealth, publish, read, shown, status, together

DOWN = ir.Fault("upstream", "It failed.", code="server_error", status=500, blame="upstream")
REFUSED = ir.Fault("authentication", "Bad key.", code="invalid_api_key", status=401, blame="gateway")
FORBIDDEN = ir.Fault("permission", "No.", status=403, blame="gateway")
SPENT = ir.Fault("quota", "Pay.", code="insufficient_quota", status=429, blame="gateway")
ABSENT = ir.Fault("model_not_found", "No such model.", status=404, blame="gateway")
WRONG = ir.Fault("invalid_request", "Wrong.", status=400, blame="client")
UNSIGNED = ir.Fault("upstream", "No sign-in.", code="sign_in_failed", blame="gateway")
ENDED = ir.Fault("upstream", "It has ended.", code="credential_expired", blame="gateway")
CROWDED = ir.Fault("unavailable", "All taken.", code="pool_exhausted", blame="gateway")


def noted(figures: Figures, *faults: ir.Fault | None, now: float, end: ir.Fault | None = None) -> None:
    """An exchange whose attempts at `up` ended so, over."""
    exchange = Exchange("ex_1", "req_1", "openai_chat", "POST", "/", began=0, created=0)
    for fault in faults:
        record = AttemptRecord("ex_1-1", "up/m", None, "relay", 0)
        record.fault = fault
        exchange.attempts.append(record)
    exchange.fault = end
    exchange.close(1)
    figures.note(exchange, now)


def figures() -> Figures:
    return Figures(providers={"up": ProviderHealth(), "other": ProviderHealth()})


@pytest.mark.parametrize(
    "fault", [DOWN, REFUSED, FORBIDDEN, SPENT, UNSIGNED, ENDED], ids=lambda fault: fault.code or fault.kind
)
def test_what_counts_against_a_provider_until_it_answers(fault: ir.Fault) -> None:
    own = figures()
    noted(own, fault, fault, now=1000.5, end=fault)
    up = own.providers["up"]
    assert (up.healthy, up.failures, up.last_error) == (False, 2, fault.code or fault.kind)
    assert shown(up)["last_error_at"] == "1970-01-01T00:16:40.500Z"
    noted(own, None, now=1001)
    assert (up.healthy, up.failures, up.last_error) == (True, 0, fault.code or fault.kind)
    assert own.providers["other"].healthy is None


@pytest.mark.parametrize("fault", [ABSENT, WRONG, CROWDED], ids=lambda fault: fault.kind)
def test_what_does_not(fault: ir.Fault) -> None:
    own = figures()
    noted(own, fault, now=1, end=fault)
    assert own.providers["up"].healthy is None


@pytest.mark.parametrize("fault", [REFUSED, FORBIDDEN, SPENT, DOWN], ids=lambda fault: fault.kind)
def test_the_refusal_of_a_tenants_own_key_says_nothing_about_the_provider(fault: ir.Fault) -> None:
    counted = figures()
    exchange = Exchange("ex_1", "req_1", "openai_chat", "POST", "/", began=0, created=0, fault=fault)
    exchange.attempts.append(AttemptRecord("ex_1-1", "up/m", "1234", "relay", 0, fault=fault, own=True))
    exchange.close(1)
    counted.note(exchange, 1)
    assert counted.providers["up"].healthy is (False if fault is DOWN else None)


def test_a_second_key_that_works_makes_up_for_the_first() -> None:
    own = figures()
    noted(own, REFUSED, None, now=1)
    assert own.providers["up"].healthy is True
    assert own.providers["up"].last_error == "invalid_api_key"


@pytest.mark.parametrize(("first", "healthy"), [(None, None), (0.5, True)])
def test_who_leaves_in_the_middle_has_seen_the_provider_answer(
    first: float | None, healthy: bool | None
) -> None:
    own = figures()
    exchange = Exchange("ex_1", "req_1", "openai_chat", "POST", "/", began=0, created=0)
    record = AttemptRecord("ex_1-1", "up/m", None, "relay", 0)
    record.first = first
    exchange.attempts.append(record)
    exchange.close(1, gone=True)
    own.note(exchange, 1)
    assert own.providers["up"].healthy is healthy


def test_one_that_was_overtaken_has_not_answered() -> None:
    own = figures()
    exchange = Exchange("ex_1", "req_1", "openai_chat", "POST", "/", began=0, created=0)
    exchange.attempts.append(AttemptRecord("ex_1-1", "up/m", None, "relay", 0, outcome=OVERTAKEN))
    exchange.close(1)
    own.note(exchange, 1)
    assert own.providers["up"].healthy is None


def test_faults_of_clients_are_told_apart() -> None:
    own = figures()
    noted(own, now=1, end=WRONG)
    noted(own, DOWN, now=1, end=DOWN)
    noted(own, None, now=1)
    assert (own.finished, own.failed, own.refused) == (3, 1, 1)


def test_the_state_in_one_word() -> None:
    up, down, new = ProviderHealth(answered=1), ProviderHealth(failed=1, failures=1), ProviderHealth()
    assert status({}, ()) == "healthy"
    assert status({"a": new}, ()) == "healthy"
    assert status({"a": up, "b": new}, ()) == "healthy"
    assert status({"a": up, "b": down}, ()) == "degraded"
    assert status({"a": down, "b": new}, ()) == "unhealthy"
    assert status({"a": down, "simulate": up}, {"simulate"}) == "unhealthy"
    assert status({"a": up, "simulate": down}, {"simulate"}) == "healthy"


def test_what_one_worker_has_met_last_counts() -> None:
    first, second = figures(), figures()
    noted(first, DOWN, now=10, end=DOWN)
    both = together([first, second])
    assert (both.providers["up"].healthy, both.providers["up"].failures) == (False, 1)
    noted(second, REFUSED, now=11, end=REFUSED)
    both = together([first, second])
    assert (both.providers["up"].failures, both.providers["up"].last_error) == (2, "invalid_api_key")
    noted(first, None, now=12)
    for order in ([first, second], [second, first]):
        up = together(order).providers["up"]
        assert (up.healthy, up.failures, up.last_error) == (True, 0, "invalid_api_key")
    assert (both.finished, both.failed) == (2, 2)


def test_sums_of_all() -> None:
    first = Figures(1, 2, 3, 4, bounds={"a": 1}, connections={"open": 1, "limit": 9})
    second = Figures(1, 2, 3, 4, bounds={"a": 2, "b": 1}, connections={"open": 2, "limit": 9})
    both = together([first, second])
    assert (both.running, both.finished, both.failed, both.refused) == (2, 4, 6, 8)
    assert (both.bounds, both.connections) == ({"a": 3, "b": 1}, {"open": 3, "limit": 18})


def test_more_providers_than_there_is_room_for() -> None:
    board = Board(2)
    many = {f"provider-{number}": ProviderHealth(answered=1.5) for number in range(5000)}
    many["last"] = ProviderHealth("server_error", failed=2.5, failures=1)
    publish(Figures(finished=7, providers=many), board, 1, 1.0)
    (told,) = read(board.others(2, lambda: 1.0))
    assert (told.finished, list(told.providers)) == (7, ["last"])
    for health in many.values():
        health.failures = 1
    publish(Figures(finished=8, providers=many), board, 1, 1.0)
    (told,) = read(board.others(2, lambda: 1.0))
    assert (told.finished, told.providers) == (8, {})
    board.write(1, b"x" * LARGEST, 1.0)
    assert len(board.others(2, lambda: 1.0)) == 1


def test_the_long_code_of_one_provider_does_not_hide_the_others() -> None:
    board, told = Board(2), figures()
    noted(told, ir.Fault("upstream", "No.", code="x" * 2 * LARGEST, blame="upstream"), now=1.0)
    publish(told, board, 1, 1.0)
    (heard,) = read(board.others(2, lambda: 1.0))
    assert heard.providers == told.providers
    assert len(heard.providers) > 1
