"""Operations beside chat: in several requests, at upstreams of one's own, and failures in their words."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.routing.attempts import Policy
from dragoman.tokens.vocabulary import BYTES_PER_TOKEN
from dragoman.upstreams.upstream import Call
from tests.unit.engine.accounts import Accounts
from tests.unit.engine.stage import ONE, Own, Reply, Stage, broken, json_reply, refusal

GEMINI = {"dialect": "gemini", "base_url": "https://g.example/v1beta", "keys": "key-g"}
ONCE = Policy(retries=0)
ASK_G = "ask g with key-g: /v1beta/models/e:batchEmbedContents"
ASK_ONE = "ask one with key-1: /v1/embeddings"


def embed(*inputs: str, model: str = "g/e", **members: Any) -> bytes:
    """A request for vectors in OpenAI's words."""
    return json.dumps({"model": model, "input": list(inputs), **members}).encode()


def vectors(first: int, count: int) -> Reply:
    """Google's answer with so many vectors."""
    return json_reply({"embeddings": [{"values": [float(first + place)]} for place in range(count)]})


def openai_vectors(count: int) -> Reply:
    """OpenAI's answer."""
    data = [{"object": "embedding", "index": place, "embedding": [0.5]} for place in range(count)]
    return json_reply(
        {"object": "list", "model": "e", "data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}}
    )


# In as many requests as the provider needs -------------------------------------------------------------


def test_many_inputs_are_asked_in_two_requests_and_answered_in_one() -> None:
    stage = Stage({"g": GEMINI})
    stage.script("g", vectors(0, 100), vectors(100, 1))
    lines = stage.plays(embed(*map(str, range(101))), operation="embed")
    assert lines[:2] == [ASK_G, ASK_G]
    assert lines[2].startswith('answer 200 {"object":"list"')
    assert lines[3:] == ["= done"]
    told = json.loads(stage.client.body)["data"]
    assert [(one["index"], one["embedding"]) for one in told] == [(n, [float(n)]) for n in range(101)]
    assert [len(body["requests"]) for body in stage.bodies] == [100, 1]
    assert stage.attempts == ["g/e translate(protocol) 200"]


def test_when_the_second_fails_there_is_no_answer() -> None:
    settings = {"models": {"m": {"deployments": ["g/e", "one/e"]}}}
    stage = Stage({"g": GEMINI, "one": ONE}, settings=settings)
    stage.script("g", vectors(0, 100), refusal(500, dialect="gemini"))
    stage.script("one", openai_vectors(101))
    assert stage.plays(embed(*map(str, range(101)), model="m"), operation="embed")[:3] == [
        ASK_G,
        ASK_G,
        ASK_ONE,
    ]
    assert stage.attempts == ["g/e translate(protocol) 500 upstream", "one/e relay 200"]
    assert stage.usage == "4+None"


@pytest.mark.parametrize("answered", [0, 1])
def test_parts_that_were_answered_are_charged_if_a_later_one_is_refused(answered: int) -> None:
    accounts = Accounts({"g": GEMINI}, policy=ONCE)
    accounts.stage.script("g", *[vectors(0, 100)] * answered, refusal(400, dialect="gemini"))
    body = embed(*map(str, range(200)))
    accounts.stage.plays(body, operation="embed")
    half = len(body) // BYTES_PER_TOKEN // 2
    record = accounts.book.record
    assert record.status == 400
    assert record.units.get("input", 0) == pytest.approx(half * answered, abs=1)
    assert record.estimated is bool(answered)


def test_a_client_that_leaves_between_them() -> None:
    stage = Stage({"g": GEMINI})
    stage.script("g", vectors(0, 100), Reply(connect=[60.0]))
    lines = stage.plays(embed(*map(str, range(101))), operation="embed", leave=2.0)
    assert lines == [ASK_G, ASK_G, "2 s later", "break off g", "= client/first_byte"]


def test_an_answer_that_cannot_be_read() -> None:
    stage = Stage({"g": GEMINI})
    stage.script("g", *[json_reply(b"<html>")] * 3)
    assert stage.plays(embed("a"), operation="embed")[-1] == "= upstream/first_byte/unreadable"


def test_what_is_lost_is_named_before_anything_is_sent() -> None:
    stage = Stage({"g": GEMINI})
    body = embed("a", user="jane")
    lines = stage.plays(body, operation="embed", headers={"x-dragoman-strict": "all"})
    why = "the request cannot be translated for g/e without loss: $.user: "
    assert lines[0].startswith(f"answer 400 untranslatable: {why}")
    assert lines[1:] == ["= client/encode/untranslatable"]
    assert stage.sent == []


def test_a_server_without_such_an_endpoint_gives_way() -> None:
    settings = {"models": {"m": {"deployments": ["one/e", "g/e"]}}}
    stage = Stage({"g": GEMINI, "one": ONE}, settings=settings)
    stage.script("one", Reply(404, {}, [b"404 page"]))
    stage.script("g", vectors(0, 1))
    assert stage.plays(embed("a", model="m"), operation="embed")[:2] == [ASK_ONE, ASK_G]
    assert stage.attempts == ["one/e relay not_implemented", "g/e translate(protocol) 200"]
    stage.script("one", Reply(404, {}, [b"404 page"]))
    assert stage.plays(embed("a", model="one/e"), operation="embed")[1] == (
        "answer 501 not_implemented: This model's provider has no endpoint for embeddings."
    )
    assert json.loads(stage.client.body)["error"]["param"] == "model"


def test_the_status_is_the_providers() -> None:
    stage = Stage({"g": GEMINI})
    created = vectors(0, 1)
    created.status = 201
    stage.script("g", created)
    stage.plays(embed("a"), operation="embed")
    assert stage.attempts == ["g/e translate(protocol) 201"]


# An upstream of one's own ------------------------------------------------------------------------------


class Embeds(Own):
    """Makes vectors. early: reports a loss before its work; late: afterwards."""

    def __init__(self, *, early: bool = False, late: bool = False, fault: ir.Fault | None = None) -> None:
        super().__init__()
        self._early = early
        self._late = late
        self._fault = fault

    async def embed(self, request: ir.EmbedRequest, call: Call) -> ir.EmbedResponse:
        if self._fault is not None:
            raise RequestFailed(self._fault)
        if self._early:
            call.report.lose("user", "nobody is told")
        call.ready()
        self.note(f"work {len(request.inputs)}")
        if self._late:
            call.report.lose("user", "nobody is told")
        return ir.EmbedResponse((bytes(4),) * len(request.inputs), "x")


def test_an_upstream_of_ones_own_is_asked_in_ir_terms() -> None:
    stage = Stage(own=Embeds())
    lines = stage.plays(embed("a", "b", model="own/x"), operation="embed")
    assert lines[0] == "work 2"
    assert lines[1].startswith('answer 200 {"object":"list"')
    assert stage.attempts == ["own/x translate(protocol)"]


@pytest.mark.parametrize("early", [True, False])
def test_strict_mode_stops_it_before_its_work_where_it_says_so_in_time(early: bool) -> None:
    stage = Stage(own=Embeds(early=early, late=not early))
    body = embed("a", model="own/x", user="jane")
    lines = stage.plays(body, operation="embed", headers={"x-dragoman-strict": "all"})
    assert lines[:-2] == ([] if early else ["work 1"])
    assert lines[-2].startswith("answer 400 untranslatable: ")


def test_its_places_are_told_in_the_clients_words() -> None:
    fault = ir.Fault("invalid_request", "Too long.", param="inputs[1]")
    stage = Stage(own=Embeds(fault=fault))
    stage.plays(embed("a", "b", model="own/x"), operation="embed")
    assert json.loads(stage.client.body)["error"]["param"] == "input[1]"


def test_what_it_has_no_method_for_it_does_not_do() -> None:
    stage = Stage(own=Own())
    assert stage.plays(embed("a", model="own/x"), operation="embed") == [
        "answer 400 unsupported_value: This model's provider does not offer embeddings.",
        "= client/route/unsupported_value",
    ]


# A stream of an operation ------------------------------------------------------------------------------


class Draws(Own):
    """Draws a picture after some seconds, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self._fails = fails

    async def draw(self, request: ir.ImageRequest, call: Call) -> ir.ImageResponse:
        await asyncio.sleep(7.0)
        if self._fails:
            raise broken()
        return ir.ImageResponse((ir.Picture("AAAA", kind="image/png"),), "x")


def drawing(**members: Any) -> bytes:
    """A request for a picture."""
    return json.dumps({"model": "own/x", "prompt": "a cat", **members}).encode()


def test_a_whole_picture_is_told_as_the_stream_that_was_asked_for() -> None:
    stage = Stage(own=Draws())
    lines = stage.plays(drawing(stream=True), operation="image")
    assert lines[:2] == ["7 s later", "begin 200"]
    assert lines[2].startswith("end event: image_generation.completed")


def test_after_a_heartbeat_a_failure_is_told_in_band() -> None:
    stage = Stage(own=Draws(fails=True), policy=ONCE)
    lines = stage.plays(drawing(stream=True), operation="image", heartbeat=5.0)
    assert lines[:3] == ["5 s later", "begin 200 by heartbeat", "ping"]
    assert lines[4].startswith('end event: error\ndata: {"type":"error","error":{"type":"upstream"')
    assert '"message":"It broke."' in lines[4]
    assert lines[-1] == "= upstream/first_byte/connection_broken"


def test_without_a_stream_it_is_whole() -> None:
    stage = Stage(own=Draws(fails=True), policy=ONCE)
    assert stage.plays(drawing(), operation="image", heartbeat=5.0)[1].startswith(
        "answer 502 connection_broken: "
    )


def test_what_an_answer_forecasts_of_its_key_counts_for_other_operations_too() -> None:
    stage = Stage({"one": {**ONE, "keys": ["key-1", "key-2"]}})
    spent = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s"}
    good = openai_vectors(1)
    stage.script("one", Reply(200, {**good.headers, **spent}, good.pieces), good)
    body = embed("a", model="one/e")
    assert [stage.plays(body, operation="embed")[0].split()[3] for _ in range(2)] == ["key-1:", "key-2:"]
