"""What a usage record adds to the sums of reports."""

from __future__ import annotations

from dragoman.state.usage import UsageLine, UsageRecord
from dragoman.state.usage_sums import LONGEST, Group, Sums, outcome_of, parts_of, tags_of, text


def record(**more: object) -> UsageRecord:
    stated = {"id": "ex_1", "created": 100.0, "ended": 102.0, "client": "ann", "model": "m", **more}
    return UsageRecord(**stated)  # type: ignore[arg-type]


FIRST = UsageLine("a/x", "a", {"input": 10}, 5, outcome="upstream/stream/timeout")
SECOND = UsageLine("b/y", "b", {"input": 20, "output": 3}, 70)


def test_a_request_is_counted_at_the_last_deployment_and_spend_where_it_was_made() -> None:
    one = record(
        deployment="b/y",
        provider="b",
        attempts=2,
        units={"input": 30, "output": 3},
        cost=75,
        lines=(FIRST, SECOND),
        seconds=2.0,
    )
    own, other = parts_of(one)
    assert (own.group.deployment, other.group.deployment) == ("b/y", "a/x")
    assert own.group == Group(
        "ann", model="m", deployment="b/y", provider="b", operation="chat", outcome="done"
    )
    assert own.sums == Sums(
        {"requests": 1, "recovered": 1, "calls": 1, "cost": 70}, {"input": 20, "output": 3}, {22: 1}
    )
    assert other.sums == Sums({"calls": 1, "failed_calls": 1, "cost": 5}, {"input": 10})


def test_the_parts_of_a_record_are_its_totals() -> None:
    one = record(
        deployment="b/y", provider="b", units={"input": 31, "output": 3}, cost=75, lines=(FIRST, SECOND)
    )
    whole = Sums()
    for part in parts_of(one):
        whole.add(part.sums)
    assert whole.units == {"input": 31, "output": 3}
    assert whole["cost"] == 75


def test_an_unknown_cost_is_counted_where_it_is_and_what_is_known_is_added() -> None:
    unknown = UsageLine("a/x", "a", {"input": 10}, None, 4, outcome="upstream/stream/timeout")
    one = record(deployment="b/y", provider="b", cost=None, priced=74, lines=(unknown, SECOND))
    own, other = parts_of(one)
    assert (own.sums["unpriced"], own.sums["cost"]) == (0, 70)
    assert (other.sums["unpriced"], other.sums["cost"]) == (1, 4)


def test_a_request_that_called_nobody_has_a_known_cost() -> None:
    ((_, sums),) = parts_of(record(failed=True, status=429, end="client/limit/rate_limit_exceeded"))
    assert (sums["failed"], sums["unpriced"], sums["cost"]) == (1, 0, 0)
    ((_, sums),) = parts_of(record(deployment="a/x", provider="a", attempts=1))
    assert sums["unpriced"] == 1


def test_a_model_that_does_not_exist_is_no_value_of_its_own() -> None:
    ((group, _),) = parts_of(record(model="made-up", failed=True, status=404))
    assert group.model == ""
    ((group, _),) = parts_of(record(model="m", failed=True, status=429))
    assert group.model == "m"


def test_values_are_cut_and_storable() -> None:
    assert text("x" * LONGEST) == "x" * LONGEST
    long, other = text("x" * 500), text("x" * 500 + "y")
    assert (len(long), len(other), long != other) == (LONGEST, LONGEST, True)
    assert long.startswith("x" * 183 + "…")
    assert text("a\0b\ud800") == "a\ufffdb?"
    assert text(None) == text("") == ""
    assert tags_of(record(tags=("a", "b", "a", ""))) == ["a", "b"]
    assert outcome_of("upstream/first_byte/server_error") == "upstream"


def test_tokens_of_all_kinds_are_input_or_output() -> None:
    sums = Sums(
        None, {"input": 1, "cache_read": 2, "input_audio": 4, "output": 8, "reasoning": 16, "images": 32}
    )
    assert (sums.input_tokens, sums.output_tokens, sums.cached_tokens) == (7, 24, 2)


def test_a_cut_exchange_has_called_once() -> None:
    """Limits on requests begin with the number of requests that have called somebody."""
    cut = UsageRecord(id="ex_1", created=0.0, ended=0.0, end="gateway/killed", failed=True, cut=True)
    assert [part.sums["calls"] for part in parts_of(cut)] == [1]
