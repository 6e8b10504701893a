"""What is accounted for an exchange: transcripts of every way in which it can end."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.limits import Limit
from dragoman.upstreams.account import Renewal
from dragoman.upstreams.credential import Lease, Refreshing
from dragoman.upstreams.wire import WireUpstream
from tests.unit.engine.accounts import Accounts, limit
from tests.unit.engine.stage import (
    CLAUDE,
    ONE,
    Reply,
    broken,
    chat,
    json_reply,
    refusal,
    stream,
    streamed,
    whole,
)

BOTH = {"one": ONE, "two": {**ONE, "base_url": "https://two.example/v1"}}
PAIR = {"models": {"m": {"deployments": ["one/gpt", "two/gpt"]}}}
USED = ir.Usage(input=3, output=2)
NANO_PER_TOKEN = 1_000  # one USD per million tokens


def test_a_whole_answer_is_noted_before_it_is_sent_and_states_its_cost() -> None:
    accounts = Accounts()
    accounts.stage.script("one", whole("Hello", usage=USED))
    lines = accounts.stage.plays(chat())
    assert lines[:-1] == [
        "opened one/gpt",
        "ask one with key-1: /v1/chat/completions",
        "closed {'input': 3, 'output': 2} done",
        'answer 200 "Hello" usage 3+2',
    ]
    record = accounts.book.record
    assert (record.cost, record.priced, record.estimated) == (23_000, 23_000, False)
    assert (record.status, record.attempts, record.client, record.model) == (200, 1, "team", "one/gpt")
    assert accounts.stage.client.headers["x-dragoman-cost"] == "0.000023"
    assert accounts.stage.client.headers["x-litellm-response-cost"] == "0.000023"


def test_a_stream_is_noted_before_its_last_event() -> None:
    accounts = Accounts()
    accounts.stage.script("one", stream(*streamed("a", "b", usage=USED)))
    lines = accounts.stage.plays(chat(stream=True, stream_options={"include_usage": True}))
    closed = lines.index("closed {'input': 3, 'output': 2} done")
    assert lines[closed + 1].startswith("end")
    assert accounts.book.record.streamed


@pytest.mark.parametrize("more", [{}, {"stream_options": {"include_usage": True}}], ids=["silent", "told"])
def test_a_stream_that_states_no_usage_is_charged_an_estimate(more: dict[str, Any]) -> None:
    """Also if its client has not asked for the usage, so that nobody else needs one."""
    accounts = Accounts(limits=[limit("tokens", 1_000_000)])
    accounts.stage.script("one", stream(*streamed("word " * 400, usage=None)))
    accounts.stage.plays(chat(stream=True, max_tokens=500, **more))
    record = accounts.book.record
    assert record.estimated
    assert 300 < record.units["output"] < 700
    assert record.units["input"] > 0
    assert list(accounts.standing.values()) == [(sum(record.units.values()), 0)]


def test_a_disconnect_in_a_stream_is_noted_with_what_came() -> None:
    accounts = Accounts()
    frames = streamed("one two three four", usage=USED)
    accounts.stage.script("one", stream(*frames[:3], 5.0, *frames[3:]))
    accounts.stage.plays(chat("Hi there", stream=True), leave=2.0)
    record = accounts.book.record
    assert record.estimated
    assert record.failed
    assert record.end == "client/stream"
    assert record.units["output"] == 5
    assert record.units["input"] > 0
    assert record.cost == record.units["input"] * 1_000 + record.units["output"] * 10_000
    assert accounts.stage.usage.endswith("+5 estimated")


@pytest.mark.parametrize("face", ["anthropic", "openai_chat"])
def test_a_disconnect_in_a_stream_costs_the_searches_that_came(face: str) -> None:
    search = ir.ToolCall("srvtoolu_1", "web_search", '{"query":"x"}', "builtin", "provider")
    told: list[ir.Event] = [
        ir.Start("anthropic", "id-1", "c", usage=ir.Usage(input=9, output=1)),
        *(ir.Open(0, search), ir.Close(0)),
        *(ir.Open(1, ir.Text("")), ir.TextDelta(1, "Found.")),
    ]
    accounts = Accounts({"claude": CLAUDE})
    frames = streamed(dialect="anthropic", told=told)
    accounts.stage.script("claude", stream(*frames, 5.0, b"event: ping\n"))
    accounts.stage.plays(chat(model="claude/c", stream=True, max_tokens=9), face, leave=2.0)
    units = accounts.book.record.units
    assert (units["input"], units["web_search_requests"]) == (9, 1)


def test_a_disconnect_before_the_answer_costs_the_prompt() -> None:
    accounts = Accounts()
    accounts.stage.script("one", Reply(200, {}, [None]))
    accounts.stage.plays(chat("Hi there"), leave=2.0)
    record = accounts.book.record
    assert record.estimated
    assert list(record.units) == ["input"]
    assert record.end == "client/first_byte"


def test_an_attempt_that_never_reached_its_provider_costs_nothing() -> None:
    accounts = Accounts(BOTH, settings=PAIR)
    accounts.stage.script("one", Reply(connect=[broken("It broke.", "connect_failed"), None]))
    accounts.stage.script("two", whole("Hello", usage=USED))
    accounts.stage.plays(chat(model="m"))
    record = accounts.book.record
    assert [(line.deployment, line.units, line.cost) for line in record.lines] == [
        ("one/gpt", {}, 0),
        ("two/gpt", {"input": 3, "output": 2}, 46_000),
    ]
    assert record.attempts == 2
    assert len(accounts.book.opens) == 1


@pytest.mark.parametrize("status", [400, 401, 429, 500, 529])
def test_a_refusal_costs_nothing(status: int) -> None:
    accounts = Accounts()
    accounts.stage.script("one", *[refusal(status)] * 3)
    accounts.stage.plays(chat())
    record = accounts.book.record
    assert (record.units, record.cost, record.failed) == ({}, 0, True)


def test_an_attempt_that_broke_after_it_was_sent_costs_its_prompt() -> None:
    accounts = Accounts(BOTH, settings=PAIR)
    accounts.stage.script("one", Reply(200, {}, [broken()]))
    accounts.stage.script("two", whole("Hello", usage=USED))
    accounts.stage.plays(chat(model="m"))
    first, second = accounts.book.record.lines
    assert first.estimated
    assert list(first.units) == ["input"]
    assert first.outcome == "server"
    assert second.units == {"input": 3, "output": 2}
    assert accounts.book.record.estimated
    assert accounts.book.record.units["input"] == first.units["input"] + 3


def test_a_request_that_is_refused_has_a_record_only_if_its_model_exists() -> None:
    accounts = Accounts()
    accounts.stage.plays(chat(model="none/such"))
    accounts.stage.plays(b'{"model": "one/gpt", "messages": 1}')
    assert accounts.book.closes == []


def test_the_journal_that_refuses_ends_the_request_before_the_call() -> None:
    accounts = Accounts()
    accounts.book.failing = True
    lines = accounts.stage.plays(chat())
    assert not any("one.example" in line for line in lines)
    assert lines[-2].startswith("answer 503 accounting_unavailable")
    assert accounts.stage.exchange.attempts == []


# Limits -------------------------------------------------------------------------------------------------


def test_requests_are_counted_and_refused_before_anything_is_called() -> None:
    accounts = Accounts(limits=[limit("requests", 1)])
    accounts.stage.script("one", whole("Hello", usage=USED))
    accounts.stage.plays(chat())
    headers = accounts.stage.client.headers
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("1", "0")
    lines = accounts.stage.plays(chat())
    assert next(line for line in lines if line.startswith("answer")).startswith(
        "answer 429 rate_limit_exceeded"
    )
    assert accounts.stage.client.headers["retry-after"]
    refused = accounts.book.closes[1]
    assert (refused.lines, refused.status, refused.end) == ((), 429, "client/route/rate_limit_exceeded")
    assert accounts.stage.exchange.refused_by == "l"
    assert list(accounts.standing.values()) == [(1, 0)]


def test_a_failed_call_counts_as_a_request_and_a_refused_one_does_not() -> None:
    accounts = Accounts(limits=[limit("requests", 5), limit("tokens", 10, subject="tenant")])
    accounts.stage.script("one", *[refusal(500)] * 3)
    accounts.stage.plays(chat())
    assert list(accounts.standing.values()) == [(1, 0)]


def test_tokens_are_reserved_and_settled() -> None:
    accounts = Accounts(limits=[limit("tokens", 10_000)])
    accounts.stage.script("one", whole("Hello", usage=USED))
    accounts.stage.plays(chat(max_tokens=50))
    (opened,) = accounts.book.opens
    ((_, reserved),) = opened.settled
    assert 50 < reserved < 100
    assert opened.cut
    assert opened.units["output"] == 50
    assert list(accounts.standing.values()) == [(5, 0)]
    assert accounts.book.record.settled[0][1] == 5


def test_a_request_larger_than_the_whole_limit_is_refused() -> None:
    accounts = Accounts(limits=[limit("tokens", 40)])
    lines = accounts.stage.plays(chat(max_tokens=50))
    assert lines[-2].startswith("answer 429 insufficient_quota: The budget `l` of key team is smaller")
    assert accounts.book.record.lines == ()
    assert all(reserved == 0 for _, reserved in accounts.standing.values())


def test_money_is_reserved_by_the_dearest_deployment() -> None:
    accounts = Accounts(BOTH, [limit("money", 10**9)], settings=PAIR)
    accounts.stage.script("one", whole("Hello", usage=USED))
    accounts.stage.plays(chat(model="m", max_tokens=50))
    ((_, reserved),) = accounts.book.opens[0].settled
    tokens = accounts.book.opens[0].units["input"]
    assert reserved == tokens * 2_000 + 50 * 20_000
    assert list(accounts.standing.values()) == [(23_000, 0)]


def test_an_unknown_price_counts_nothing_or_is_refused() -> None:
    other = {"three": {**ONE, "base_url": "https://three.example/v1"}}
    accounts = Accounts(other, [limit("money", 10**9)])
    accounts.stage.script("three", whole("Hello", usage=USED))
    accounts.stage.plays(chat(model="three/gpt"))
    assert accounts.book.record.cost is None
    assert accounts.book.record.priced == 0
    assert "x-dragoman-cost" not in accounts.stage.client.headers
    assert "x-litellm-response-cost" not in accounts.stage.client.headers
    assert list(accounts.standing.values()) == [(0, 0)]
    accounts = Accounts(other, [limit("money", 10**9, unknown_price="refuse")])
    lines = accounts.stage.plays(chat(model="three/gpt"))
    assert lines[-2].startswith("answer 403 unknown_price")


def test_a_limit_of_a_deployment_chooses_the_next_one() -> None:
    limits = [Limit("d", "requests", 1, "minute", "deployment", only=frozenset({"one/gpt"}))]
    accounts = Accounts(BOTH, limits, settings=PAIR)
    accounts.stage.script("one", whole("Hello", usage=USED))
    accounts.stage.script("two", whole("Hello", usage=USED))
    accounts.stage.plays(chat(model="m"))
    accounts.stage.plays(chat(model="m"))
    assert [record.deployment for record in accounts.book.closes] == ["one/gpt", "two/gpt"]
    assert accounts.stage.exchange.dropped == (("one/gpt", "a limit of it is reached"),)


def test_limits_of_all_deployments_refuse_with_the_earliest_time() -> None:
    """The earliest at which one of them may be called, for which all its limits have to allow it."""
    limits = [
        Limit("d", "requests", 1, "minute", "provider", only=frozenset({"one"})),
        Limit("e", "requests", 1, "day", "provider", only=frozenset({"one"})),
        Limit("f", "requests", 1, "hour", "provider", only=frozenset({"two"})),
    ]
    accounts = Accounts(BOTH, limits=limits, settings=PAIR)
    for name in ("one", "two"):
        accounts.stage.script(name, whole("Hello", usage=USED))
        accounts.stage.plays(chat(model="m"))
    lines = accounts.stage.plays(chat(model="m"))
    assert lines[-2].startswith("answer 429 rate_limit_exceeded")
    assert 60 < int(accounts.stage.client.headers["retry-after"]) <= 3600
    assert accounts.book.closes[2].attempts == 0


def test_the_time_to_wait_is_that_of_the_limit_that_refuses_longest() -> None:
    """A client that comes back with the next minute would be refused again."""
    limits = [
        Limit("a", "requests", 1, "minute"),
        Limit("b", "requests", 1, "day"),
        Limit("c", "tokens", 5, "month", hard=False),
    ]
    accounts = Accounts(limits=limits)
    accounts.stage.script("one", whole("Hello", usage=USED))
    accounts.stage.plays(chat(max_tokens=1))
    accounts.stage.plays(chat(max_tokens=1))
    assert accounts.stage.exchange.refused_by == "b"
    assert int(accounts.stage.client.headers["retry-after"]) > 60
    budget = Accounts(limits=[Limit("a", "requests", 1, "minute"), Limit("c", "tokens", 9, "month")])
    budget.stage.script("one", whole("Hello", usage=ir.Usage(input=5, output=4)))
    budget.stage.plays(chat(max_tokens=1))
    lines = budget.stage.plays(chat(max_tokens=1))
    assert lines[-2].startswith("answer 429 insufficient_quota")


def test_a_stream_that_outgrows_its_reservation_reserves_more() -> None:
    accounts = Accounts(limits=[limit("output_tokens", 1_000_000)])
    words = ["word " * 100] * 100
    accounts.stage.script("one", stream(*streamed(*words, usage=ir.Usage(input=3, output=10_000))))
    accounts.stage.plays(chat(stream=True))
    assert [record.units["output"] for record in accounts.book.opens] == [4096, 6144, 9216, 13824, 20736]
    assert list(accounts.standing.values()) == [(10_000, 0)]


def test_a_hard_limit_ends_a_stream_that_outgrows_it() -> None:
    accounts = Accounts(BOTH, [limit("output_tokens", 5_000)], settings=PAIR)
    words = ["word " * 100] * 100
    accounts.stage.script("one", stream(*streamed(*words, usage=ir.Usage(input=3, output=10_000))))
    lines = accounts.stage.plays(chat(model="m", stream=True))
    assert "error insufficient_quota" in lines[-2]
    assert "is used up. Of 5000 output tokens per day, 4096 output tokens are used;" in lines[-2]
    record = accounts.book.record
    assert record.end == "client/stream/insufficient_quota"
    assert 3_000 < record.units["output"] < 10_000
    ((used, reserved),) = accounts.standing.values()
    assert (used, reserved) == (record.units["output"], 0)


def test_a_hard_limit_ends_a_stream_whose_provider_does_not_keep_its_bound() -> None:
    accounts = Accounts(limits=[limit("output_tokens", 5_000)])
    words = ["word " * 100] * 400
    accounts.stage.script("one", stream(*streamed(*words, usage=ir.Usage(input=3, output=40_000))))
    lines = accounts.stage.plays(chat(stream=True, max_tokens=20))
    assert "error insufficient_quota" in lines[-2]
    ((used, reserved),) = accounts.standing.values()
    assert 1_000 < used < 15_000
    assert reserved == 0


def test_a_soft_limit_lets_a_stream_go_on() -> None:
    accounts = Accounts(limits=[limit("output_tokens", 5_000, hard=False)])
    words = ["word " * 100] * 100
    accounts.stage.script("one", stream(*streamed(*words, usage=ir.Usage(input=3, output=10_000))))
    lines = accounts.stage.plays(chat(stream=True))
    assert lines[-1] == "= done"
    assert list(accounts.standing.values()) == [(10_000, 0)]


LONG = "word " * 1000


@pytest.mark.parametrize(("most", "asked"), [(1_500, ["one"]), (2_500, ["one", "two"])])
def test_another_attempt_reserves_what_the_one_before_has_used(most: int, asked: list[str]) -> None:
    """The first one breaks off after it was sent, so its prompt is paid for."""
    accounts = Accounts(BOTH, limits=[limit("tokens", most)], settings=PAIR)
    accounts.stage.script("one", Reply(200, {}, [broken()]))
    accounts.stage.script("two", whole("Hello", usage=ir.Usage(input=1_001, output=50)))
    lines = accounts.stage.plays(chat(LONG, model="m", max_tokens=50))
    assert [line.split()[1] for line in lines if line.startswith("ask ")] == asked
    ((used, reserved),) = accounts.standing.values()
    assert used <= most
    assert reserved == 0
    if len(asked) == 1:
        assert accounts.book.record.status == 429


def test_attempts_that_cost_nothing_reserve_nothing_anew() -> None:
    accounts = Accounts(BOTH, limits=[limit("tokens", 1_500)], settings=PAIR)
    accounts.stage.script("one", refusal(500))
    accounts.stage.script("two", whole("Hello", usage=USED))
    lines = accounts.stage.plays(chat(LONG, model="m", max_tokens=50))
    assert lines[-1] == "= done"
    assert list(accounts.standing.values()) == [(5, 0)]


def test_a_call_with_a_new_key_takes_the_place_of_the_one_with_the_old_key() -> None:
    """The provider allows one request at once, and is asked twice, one call after another."""
    accounts = Accounts(limits=[Limit("p", "concurrency", 1, None, "provider")])
    stage = accounts.stage
    (upstream,) = stage.backends.values()
    assert isinstance(upstream, WireUpstream)
    (old,) = upstream.accounts
    new, lease = msgspec.structs.replace(old, id="new"), Lease(None)

    async def fetch(_: Lease) -> Lease:
        return Lease(None)

    credential = Refreshing("k", "one", lease, fetch, stage.seams.now)
    renewal = Renewal(credential, lease, lambda _: new)
    upstream._sender.use((msgspec.structs.replace(old, renewal=renewal),))
    stage.script("one", refusal(401), whole("Hello", usage=USED))
    lines = stage.plays(chat())
    assert [line.split()[0] for line in lines if line.startswith(("ask", "answer"))] == [
        "ask",
        "ask",
        "answer",
    ]
    assert lines[-1] == "= done"
    assert [one.key for one in accounts.book.record.lines] == [old.id, "new"]
    assert accounts.standing == {}


@pytest.mark.parametrize(("most", "hedged"), [(1_500, False), (2_500, True)])
def test_a_request_is_hedged_only_if_limits_allow_its_prompt_twice(most: int, *, hedged: bool) -> None:
    settings = {
        "models": {"m": {"deployments": ["one/gpt", "two/gpt"], "hedge": {"after": "1s", "at_most": "100%"}}}
    }
    accounts = Accounts(BOTH, limits=[limit("tokens", most)], settings=settings)
    late = whole("Late", usage=ir.Usage(input=1_001, output=1))
    accounts.stage.script("one", Reply(200, late.headers, [20.0, *late.pieces]))
    accounts.stage.script("two", whole("Hello", usage=ir.Usage(input=1_001, output=1)))
    lines = accounts.stage.plays(chat(LONG, model="m", max_tokens=50))
    assert lines[-1] == "= done"
    assert any(line.startswith("ask two") for line in lines) is hedged
    ((used, reserved),) = accounts.standing.values()
    assert used <= most
    assert reserved == 0
    assert accounts.stage.exchange.refused_by is None


def test_a_hedged_request_pays_for_both_attempts() -> None:
    settings = {
        "models": {"m": {"deployments": ["one/gpt", "two/gpt"], "hedge": {"after": "1s", "at_most": "100%"}}}
    }
    accounts = Accounts(BOTH, settings=settings)
    accounts.stage.script("one", Reply(200, {"content-type": "application/json"}, [60.0, b"{}"]))
    accounts.stage.script("two", whole("Hello", usage=USED))
    lines = accounts.stage.plays(chat(model="m"))
    assert lines[-1] == "= done"
    by_deployment = {line.deployment: line for line in accounts.book.record.lines}
    assert by_deployment["two/gpt"].units == {"input": 3, "output": 2}
    assert by_deployment["one/gpt"].estimated


def test_an_attempt_that_waits_for_its_limits_is_not_hedged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider is not late: it was not asked yet. Its time begins when it is."""
    at_once = MemoryLedger.reserve

    async def later(ledger: MemoryLedger, claims: Any, now: float, onto: Any = None) -> Any:
        await asyncio.sleep(2.5)
        return at_once(ledger, claims, now, onto)

    monkeypatch.setattr(MemoryLedger, "reserve", lambda *_: None)
    monkeypatch.setattr(MemoryLedger, "ask", later)
    settings = {
        "models": {"m": {"deployments": ["one/gpt", "two/gpt"], "hedge": {"after": "1s", "at_most": "100%"}}}
    }
    limits = [limit("requests", 5, subject="deployment", only=frozenset({"one/gpt"}))]
    accounts = Accounts(BOTH, limits, settings=settings)
    accounts.stage.script("one", whole("Hello", usage=USED))
    lines = accounts.stage.plays(chat(model="m"))
    assert [line for line in lines if line.startswith(("ask", "answer"))] == [
        "ask one with key-1: /v1/chat/completions",
        'answer 200 "Hello" usage 3+2',
    ]
    assert list(accounts.standing.values()) == [(1, 0)]


def test_a_translated_stream_has_the_same_numbers_everywhere() -> None:
    accounts = Accounts({"claude": CLAUDE})
    accounts.stage.script("claude", stream(*streamed("a", "b", dialect="anthropic", usage=USED)))
    accounts.stage.plays(chat(model="claude/c", stream=True, stream_options={"include_usage": True}))
    record = accounts.book.record
    assert record.units == {"input": 3, "output": 2}
    assert record.cost == 3 * 3_000 + 2 * 30_000
    assert accounts.stage.usage == "3+2"


def test_a_limit_of_a_model_counts_its_aliases() -> None:
    settings = {**PAIR, "aliases": {"fast": "m"}}
    accounts = Accounts(
        BOTH, [limit("requests", 1, subject="model", only=frozenset({"m"}))], settings=settings
    )
    accounts.stage.script("one", whole("Hello", usage=USED))
    accounts.stage.plays(chat(model="fast"))
    assert accounts.stage.plays(chat(model="m"))[-2].startswith("answer 429")


def test_a_limit_of_a_model_counts_those_who_name_its_deployment() -> None:
    accounts = Accounts(BOTH, [limit("requests", 1, subject="model", only=frozenset({"m"}))], settings=PAIR)
    accounts.stage.script("two", whole("Hello", usage=USED))
    accounts.stage.plays(chat(model="two/gpt"))
    assert accounts.stage.plays(chat(model="m"))[-2].startswith("answer 429")
    assert accounts.stage.plays(chat(model="one/gpt"))[-2].startswith("answer 429")


def test_the_end_user_the_tags_and_the_key_are_in_the_record() -> None:
    accounts = Accounts(
        limits=[limit("requests", 5, subject="end_user"), limit("requests", 5, subject="tag")]
    )
    accounts.stage.caller = Caller(
        "team", key="key_1", tenant="acme", team="blue", user="ann", tags=("a", "b")
    )
    accounts.stage.script("one", whole("Hello", usage=USED))
    accounts.stage.plays(chat(user="bob"), headers={"x-dragoman-tags": "b,c"})
    record = accounts.book.record
    assert (record.key, record.tenant, record.team, record.user) == ("key_1", "acme", "blue", "ann")
    assert (record.end_user, record.tags) == ("bob", ("a", "b", "c"))
    assert sorted(used for used, _ in accounts.standing.values()) == [1, 1, 1, 1]


def test_a_continued_stream_has_a_line_for_each_deployment() -> None:
    uses = ["one/gpt", {"use": "two/gpt", "supports": {"prefill": True}}]
    settings = {"models": {"m": {"deployments": uses, "continue_streams": True}}}
    accounts = Accounts(BOTH, settings=settings)
    said: list[ir.Event] = [ir.Start("", "id-1", "gpt", 1), ir.Open(0, ir.Text(""))]
    said.append(ir.TextDelta(0, "One two three"))
    accounts.stage.script("one", stream(*streamed(told=said), broken()))
    accounts.stage.script("two", stream(*streamed(" four", usage=USED)))
    lines = accounts.stage.plays(chat(model="m", stream=True, stream_options={"include_usage": True}))
    assert lines[-1] == "= done"
    first, second = accounts.book.record.lines
    assert first.estimated
    assert first.units["output"] == 4
    assert second.units == {"input": 3, "output": 2}
    assert not second.estimated
    usage = accounts.stage.exchange.usage
    assert usage is not None
    assert (usage.input, usage.output) == (first.units["input"] + 3, first.units["output"] + 2)
    assert accounts.book.record.units == {"input": usage.input, "output": usage.output}


def test_pictures_that_are_passed_on_are_counted_as_they_were_asked_for() -> None:
    accounts = Accounts()
    accounts.stage.script("one", json_reply({"created": 1, "data": [{"b64_json": "eA=="}] * 2}))
    body = b'{"model": "one/gpt", "prompt": "A cat", "n": 2, "size": "1024x1024"}'
    accounts.stage.plays(body, operation="image", path="/images/generations")
    record = accounts.book.record
    assert (record.operation, record.units, record.estimated) == ("image", {"images/1024x1024": 2}, True)
    assert record.cost is None


@pytest.mark.parametrize("subject", ["key", "provider", "deployment"])
def test_a_count_costs_nothing_and_reserves_nothing(subject: Any) -> None:
    limits = [limit("requests", 1, subject=subject)]
    accounts = Accounts({"claude": {**CLAUDE, "quirks": {"counts": True}}}, limits)
    accounts.stage.script("claude", json_reply({"input_tokens": 7}))
    lines = accounts.stage.plays(chat(model="claude/c", max_tokens=1), "anthropic", operation="count")
    assert "ask claude with key-c: /v1/messages/count_tokens" in lines
    assert (accounts.book.record.units, accounts.book.record.cost) == ({}, 0)
    assert accounts.standing == {}


def test_requests_at_once_are_free_again_whatever_ends_them() -> None:
    accounts = Accounts(limits=[Limit("c", "concurrency", 1, None, "key")])
    accounts.stage.script("one", *[refusal(500)] * 3, Reply(200, {}, [None]), whole("Hello", usage=USED))
    accounts.stage.plays(chat())
    accounts.stage.plays(chat(), leave=2.0)
    assert accounts.stage.plays(chat())[-1] == "= done"
    assert accounts.standing == {}


def test_headers_of_the_provider_do_not_stand_beside_ours() -> None:
    accounts = Accounts(limits=[limit("requests", 5)])
    answer = whole("Hello", usage=USED)
    answer.headers = {**answer.headers, "x-ratelimit-limit-requests": "10000", "openai-version": "1"}
    accounts.stage.script("one", answer)
    accounts.stage.plays(chat())
    assert accounts.stage.client.headers["x-ratelimit-limit-requests"] == "5"


def test_a_stream_states_its_cost_in_a_comment_if_the_client_asks_for_a_report() -> None:
    accounts = Accounts()
    for wished in ({"x-dragoman-report": "1"}, {}):
        accounts.stage.script("one", stream(*streamed("a", usage=USED)))
        lines = accounts.stage.plays(chat(stream=True), headers=wished)
        assert lines[-1] == "= done"
        assert (b": x-dragoman-cost: 0.000023\n\n" in accounts.stage.client.body) is bool(wished)
    assert accounts.stage.client.body.endswith(b"data: [DONE]\n\n")
