"""The trace of an exchange as JSON."""

from __future__ import annotations

import json
from typing import Any

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.dialects.loss import Change, Loss
from dragoman.exchange import OVERTAKEN, AttemptRecord, Exchange, KeptBodies, Wait
from dragoman.observe.trace import candidates, detail, for_tenant, newest_first, summary
from dragoman.routing.reasons import Weighed
from dragoman.routing.route import Deployment

REFUSED = ir.Fault("authentication", "No such key.", "invalid_api_key", status=401, blame="gateway")
INVALID = ir.Fault("invalid_request", "the word 'secret' is too long", "invalid_value", "messages")


def exchange() -> Exchange:
    one = Exchange("ex_1", "req_1", "openai_chat", "POST", "/v1/chat/completions", began=10.0, created=100.5)
    one.asked, one.answered, one.client, one.status, one.mode = "m", "two/b", "ann", 200, "relay"
    one.attempts = [
        AttemptRecord("ex_1-1", "one/a", "1111", "translate", 10.1, ("protocol",), fault=REFUSED, status=401),
        AttemptRecord("ex_1-2", "two/b", "2222", "relay", 10.5, first=10.9, ended=11.0, status=200),
    ]
    first, second = one.attempts
    first.sent, first.answered, first.ended = 10.2, 10.3, 10.4
    first.outcome, first.key_source = "key_permanent", "ONE_KEY"
    second.sent, second.answered = 10.6, 10.8
    one.losses = (Loss("$.seed", "it has none", "hint", "gemini"),)
    one.changes = (Change(None, "$.max_tokens", "required"),)
    one.waits = (Wait("backoff", 10.4, 0.1),)
    one.usage = ir.Usage(3, cache_read=2, output=4)
    one.waited, one.first = 0.75, 10.9
    one.close(11.0)
    return one


def test_a_line_has_the_words_of_the_log() -> None:
    told = summary(exchange(), 3)
    assert (told["id"], told["request_id"], told["worker"], told["created_at"]) == ("ex_1", "req_1", 3, 100.5)
    assert (told["model"], told["deployment"], told["attempts"], told["losses"]) == ("m", "two/b", 2, 1)
    assert (told["total_ms"], told["end"], told["error"]) == (1000.0, "done", None)
    assert (told["tokens"]["in"], told["tokens"]["cached"], told["tokens"]["out"]) == (5, 2, 4)


def test_all_of_it_is_json() -> None:
    told = detail(exchange())
    assert json.loads(json.dumps(told)) == told


def test_attempts_have_their_times_from_the_beginning_of_the_exchange() -> None:
    first, second = detail(exchange())["attempts"]
    names = ("began_ms", "connected_ms", "first_byte_ms", "first_content_ms", "ended_ms")
    assert [first[name] for name in names] == [100.0, 200.0, 300.0, None, 400.0]
    assert [second[name] for name in names] == [500.0, 600.0, 800.0, 900.0, 1000.0]
    assert (first["number"], first["outcome"], first["key"], first["key_source"]) == (
        1,
        "key_permanent",
        "1111",
        "ONE_KEY",
    )
    assert (first["error"]["code"], first["error"]["message"]) == ("invalid_api_key", "No such key.")
    assert (second["outcome"], second["error"], second["reasons"]) == ("answered", None, [])


def test_attempts_that_ran_beside_each_other_come_in_the_order_of_their_beginning() -> None:
    one = exchange()
    one.attempts.reverse()
    one.attempts[1].fault, one.attempts[1].outcome = None, OVERTAKEN
    told = detail(one)["attempts"]
    assert [(row["number"], row["outcome"]) for row in told] == [(1, "overtaken"), (2, "answered")]


def test_an_attempt_that_goes_on_with_another_ones_answer() -> None:
    one = exchange()
    one.attempts[1].continues = True
    assert [row["outcome"] for row in detail(one)["attempts"]] == ["key_permanent", "continued"]


def test_waits_losses_changes_and_times() -> None:
    told = detail(exchange())
    assert told["waits"] == [{"reason": "backoff", "began_ms": 400.0, "ms": 100.0}]
    assert told["losses"] == [
        {
            "path": "$.seed",
            "reason": "it has none",
            "severity": "hint",
            "dialect": "gemini",
            "direction": "request",
        }
    ]
    assert told["changes"] == [{"path": None, "to": "$.max_tokens", "reason": "required"}]
    assert (told["upstream_ms"], told["gateway_ms"], told["first_content_ms"]) == (750.0, 150.0, 900.0)


def test_one_that_runs_is_told_up_to_now() -> None:
    one = exchange()
    one.ended = one.end = None
    assert detail(one, now=12.0)["total_ms"] == 2000.0
    assert summary(one)["total_ms"] is None


def test_a_message_about_the_request_is_left_out() -> None:
    """It may repeat what the client said."""
    one = exchange()
    one.fault = one.attempts[0].fault = INVALID
    told = detail(one)
    assert "secret" not in json.dumps(told)
    assert (told["error"]["param"], told["error"]["code"]) == ("messages", "invalid_value")


def states(one: Exchange) -> list[tuple[Any, ...]]:
    return [(row["deployment"], row["key"], row["state"], row["attempts"]) for row in candidates(one)]


def test_candidates_of_a_calm_request_are_its_deployments() -> None:
    one = exchange()
    one.attempts = one.attempts[1:]
    one.deployments = (Deployment("two", "b"), Deployment("three", "c"), Deployment("four", "d"))
    one.dropped = (("four/d", "its window is too small"),)
    assert states(one) == [
        ("two/b", "2222", "called", [2]),
        ("three/c", None, "not_needed", []),
        ("four/d", None, "dropped", []),
    ]
    assert candidates(one)[2]["why"] == "its window is too small"


def test_candidates_that_were_weighed_say_why_not() -> None:
    one = exchange()
    one.weighed = (
        Weighed("two/b", "2222", "ready"),
        Weighed("two/b", "3333", "ready"),
        Weighed("three/c", "4444", "resting", 7.0, "the API key is rate limited"),
    )
    assert states(one) == [
        ("two/b", "2222", "called", [2]),
        ("two/b", "3333", "not_needed", []),
        ("three/c", "4444", "resting", []),
        ("one/a", "1111", "called", [1]),  # nobody weighed it, but it was called
    ]
    assert candidates(one)[2]["seconds"] == 7.0
    one.fault = REFUSED
    assert states(one)[1][2] == "not_called"


def test_bodies_are_there_only_if_they_are_kept() -> None:
    one = exchange()
    assert "bodies" not in detail(one)
    one.bodies = KeptBodies(3)
    one.bodies.asked(b"what?")
    one.bodies.told(b"so\xff")
    assert detail(one)["bodies"] == {
        "request": {"bytes": 5, "kept": 3, "text": "wha"},
        "response": {"bytes": 3, "kept": 3, "text": "so\ufffd"},
    }


def test_lists_of_several_workers_become_one() -> None:
    pages = [[{"created_at": at, "id": str(at)} for at in page] for page in ((5, 3, 1), (4, 2))]
    assert [line["created_at"] for line in newest_first(pages, 4)] == [5, 4, 3, 2]


def test_a_tenants_administrator_sees_what_its_client_could_see_and_no_key_of_the_gateway() -> None:
    one = exchange()
    one.called_by(Caller("ann", tenant="acme"))
    one.deployments = (Deployment("one", "a"), Deployment("two", "b"), Deployment("three", "c"))
    one.attempts.append(
        AttemptRecord("ex_1-3", "two/b", "3333", "relay", 10.5, fault=REFUSED, ended=11.0, own=True)
    )
    told = for_tenant(detail(one))
    assert (told["tenant"], told["client"], told["model"]) == ("acme", "ann", "m")
    assert told["candidates"] == []
    gateways, _, own = sorted(told["attempts"], key=lambda attempt: str(attempt["number"]))
    assert (gateways["key"], gateways["key_source"], gateways["outcome"]) == (None, None, "key_permanent")
    assert (gateways["error"]["code"], gateways["error"]["message"]) == ("invalid_api_key", None)
    assert (own["key"], own["error"]["message"]) == ("3333", "No such key.")
    written = json.dumps(told)
    assert [word for word in ("1111", "2222", "ONE_KEY", "three") if word in written] == []
    assert told["losses"] == detail(one)["losses"]


def test_the_error_that_the_client_got_stays() -> None:
    one = exchange()
    one.fault = ir.Fault("upstream", "The provider 'up' refused the gateway's API key.", blame="gateway")
    assert for_tenant(detail(one))["error"] == detail(one)["error"]


def test_each_field_is_for_tenants_or_kept_from_them_on_purpose() -> None:
    one = exchange()
    one.bodies = KeptBodies(9)
    told = detail(one)
    assert told.keys() - for_tenant(told).keys() == set()
    assert summary(one).keys() == for_tenant(summary(one)).keys()
    shown = for_tenant(told)["attempts"][0]
    assert told["attempts"][0].keys() == shown.keys()
    unknown = {**told, "new": 1, "attempts": [{**told["attempts"][0], "new": 1}]}
    assert "new" not in for_tenant(unknown) | for_tenant(unknown)["attempts"][0]
