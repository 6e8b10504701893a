"""Counting a prompt: upstreams of one's own that count, hooks, and what is counted here."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.upstreams.upstream import Call
from tests.unit.engine.stage import CLAUDE, ONE, Reply, Stage, json_reply, refusal
from tests.unit.turns.asking import Asker, Paced

PATH = "/v1/messages/count_tokens"
BODY: dict[str, Any] = {"model": "own/m", "messages": [{"role": "user", "content": "Hello!"}]}


class Counts(Paced):
    """One that counts, or fails to."""

    def __init__(self, told: int | ir.Fault) -> None:
        super().__init__()
        self.told = told

    async def count_tokens(self, request: ir.Request, call: Call) -> ir.TokenCount:
        self.asked.append(request)
        if isinstance(self.told, ir.Fault):
            raise RequestFailed(self.told)
        return ir.TokenCount(self.told)


async def test_an_upstream_of_ones_own_may_count() -> None:
    asker = Asker(upstream := Counts(4321))
    told = await asker.ask("POST", PATH, BODY)
    assert (told.status, told.body) == (200, {"input_tokens": 4321})
    assert "x-dragoman-estimated" not in told.headers
    assert [message.blocks for message in upstream.asked[0].messages] == [(ir.Text("Hello!"),)]
    await asker.close()


async def test_a_session_is_counted_with_what_it_remembers() -> None:
    upstream = Counts(4321)
    for word in ("Hi.", "end"):
        upstream.words.put_nowait(word)
    asker = Asker(upstream)
    assert (
        await asker.ask("POST", "/v1/messages", {**BODY, "max_tokens": 9}, x_session_id="s")
    ).status == 200
    assert (await asker.ask("POST", PATH, BODY, x_session_id="s")).body == {"input_tokens": 4321}
    assert len(upstream.asked[-1].messages) == 3
    assert (await asker.ask("GET", "/admin/sessions/s")).body["turns"] == 1
    await asker.close()


@pytest.mark.parametrize("kind", ["authentication", "overloaded", "invalid_request", "timeout"])
async def test_no_failure_fails_a_count(kind: ir.Kind) -> None:
    asker = Asker(Counts(ir.Fault(kind, "no", blame="upstream")))
    told = await asker.ask("POST", PATH, BODY)
    assert (told.status, told.headers["x-dragoman-attempts"]) == (200, "1")
    assert 0 < told.body["input_tokens"] < 100
    await asker.close()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "own/m"}, 400),
        ({**BODY, "messages": [{"role": "nobody", "content": "a"}]}, 400),
        ({**BODY, "max_tokens": "many"}, 400),
        ({**BODY, "model": "nothing/here"}, 404),
    ],
)
async def test_what_is_no_request_is_refused_without_asking(body: dict[str, Any], status: int) -> None:
    asker = Asker(upstream := Counts(4321))
    refused = await asker.ask("POST", PATH, body)
    assert (refused.status, refused.body["type"]) == (status, "error")
    assert upstream.asked == []
    await asker.close()


# As transcripts ----------------------------------------------------------------------------------------

COUNTS = {**CLAUDE, "quirks": {"counts": True}}
ASK = "ask claude with key-c: /v1/messages/count_tokens"


def counted(*replies: Reply, model: str = "claude/opus", face: str = "anthropic", **more: Any) -> Stage:
    """The count of a prompt by a provider that has an endpoint for it, beside one that has none."""
    settings = {"models": {"m": {"deployments": ["one/gpt", "claude/opus"]}}}
    stage = Stage({"claude": COUNTS, "one": ONE}, settings=settings, **more)
    stage.script("claude", *replies)
    said = {**BODY, "max_tokens": 1} if face == "anthropic" else {"input": "Hi"}
    stage.plays(json.dumps({**said, "model": model}).encode(), face, operation="count")
    return stage


def test_who_would_answer_counts() -> None:
    stage = counted(json_reply({"input_tokens": 42}))
    assert stage.lines == [ASK, 'answer 200 {"input_tokens": 42}', "= done"]
    assert stage.attempts == ["claude/opus relay 200"]


def test_a_client_of_another_protocol_reads_the_same_count() -> None:
    stage = counted(json_reply({"input_tokens": 42}), face="openai_responses")
    assert stage.lines == [ASK, 'answer 200 {"object":"response.input_tokens","input_tokens":42}', "= done"]
    assert stage.attempts == ["claude/opus translate(protocol) 200"]


def test_a_refusal_is_asked_once_and_the_gateway_counts() -> None:
    stage = counted(refusal(529, dialect="anthropic"))
    assert stage.lines == [ASK, 'answer 200 {"input_tokens":9}', "= done"]
    assert stage.client.headers == {"x-dragoman-estimated": "1", "x-dragoman-attempts": "1"}
    assert (stage.exchange.answered, stage.exchange.mode) == (None, None)


def test_nobody_waits_long_for_a_count() -> None:
    stage = counted(Reply(connect=[60.0]))
    assert stage.lines == [ASK, "5 s later", "break off claude", 'answer 200 {"input_tokens":9}', "= done"]
    assert stage.attempts == ["claude/opus relay counting_timeout"]
    fault = stage.exchange.attempts[0].fault
    assert fault is not None
    assert fault.blame == "upstream"


@pytest.mark.parametrize("face", ["anthropic", "openai_responses"])  # relayed, and translated
def test_a_client_that_reads_slowly_is_no_slow_provider(face: str) -> None:
    stage = counted(json_reply({"input_tokens": 42}), face=face, pace=60.0)
    assert stage.lines[-2:] == ["60 s later", "= done"]
    assert stage.lines[1].startswith("answer 200 ")
    assert len(stage.lines) == 4


def test_who_stands_behind_one_that_does_not_count_is_not_asked() -> None:
    assert counted(model="m").lines == ['answer 200 {"input_tokens":9}', "= done"]


class Shortens:
    """Leaves one word of every request."""

    def before(self, exchange: Exchange, request: ir.Request) -> ir.Request:
        return msgspec.structs.replace(request, messages=(ir.Message("user", (ir.Text("Hi"),)),))


def test_what_a_hook_changes_is_counted_as_it_would_be_asked() -> None:
    stage = counted(json_reply({"input_tokens": 3}), hooks=[Shortens()])
    assert stage.attempts == ["claude/opus translate(hook) 200"]
    assert stage.bodies[0]["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]


def test_nobody_is_asked_where_that_is_configured() -> None:
    stage = counted(count_upstream=False)
    assert stage.lines == ['answer 200 {"input_tokens":9}', "= done"]


def test_a_client_that_leaves_ends_the_count() -> None:
    stage = Stage({"claude": COUNTS})
    stage.script("claude", Reply(connect=[60.0]))
    body = json.dumps({**BODY, "model": "claude/opus", "max_tokens": 1}).encode()
    lines = stage.plays(body, "anthropic", operation="count", leave=2.0)
    assert lines == [ASK, "2 s later", "break off claude", "= client/first_byte"]
