"""Reading a request: exact errors, what is kept of it for the gateway, and what it asks for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.capacity.heavy import HeavySteps, Steps
from dragoman.capacity.space import Share, Space
from dragoman.dialects.table import DIALECTS
from dragoman.engine.asked import Asked, Inbound
from dragoman.engine.decode import decode
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from tests.unit.engine.stage import chat


class Read:
    """One request that has been read, or refused."""

    def __init__(self, face: str = "openai_chat") -> None:
        self.exchange = Exchange("ex_1", "req_1", face, "POST", "/", began=0.0, created=0.0)
        self._face = DIALECTS[face]

    async def read(self, body: bytes, *, always_usage: bool = False, **inbound: Any) -> Asked:
        asked = Inbound(self._face, body, inbound.pop("headers", {}), **inbound)
        return await decode(self.exchange, asked, Steps(HeavySteps(), "team"), always_usage=always_usage)


async def test_what_was_asked_for() -> None:
    read = Read()
    asked = await read.read(chat(stream=True))
    assert (asked.model, asked.streamed, asked.prompts) == ("one/gpt", True, True)
    assert (read.exchange.asked, read.exchange.streamed, read.exchange.phase) == ("one/gpt", True, "decode")
    assert asked.said.raw == chat(stream=True)
    assert asked.request.messages


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"{", None, None),
        (b"[]", None, None),
        (chat(temperature="hot"), "invalid_type", "temperature"),
        (chat(Messages=[]), "unknown_parameter", "Messages"),
        (chat(model="a" * 257), "invalid_value", "model"),
        (chat(model="a\nb"), "invalid_value", "model"),
        (b'{"model": ["x"], "models": ["a", "b"], "messages": []}', "invalid_type", "model"),
        (b'{"model": {"x": 1}, "models": ["a", "b"], "messages": []}', "invalid_type", "model"),
        (json.dumps({"model": "m"}).encode(), "missing_required_parameter", "messages"),
    ],
)
async def test_errors_name_the_member(body: bytes, code: str | None, param: str | None) -> None:
    with pytest.raises(RequestFailed) as refused:
        await Read().read(body)
    fault = refused.value.fault
    assert (fault.kind, fault.blame) == ("invalid_request", "client")
    assert (code, param) in ((None, None), (fault.code, fault.param))


async def test_a_refused_request_is_known_by_the_model_that_it_names() -> None:
    read = Read()
    with pytest.raises(RequestFailed):
        await read.read(chat(temperature="hot"))
    assert read.exchange.asked == "one/gpt"


async def test_the_bounds_of_json_hold() -> None:
    with pytest.raises(RequestFailed) as refused:
        await Read().read(chat(), max_values=3)
    assert (refused.value.fault.kind, refused.value.fault.code) == ("too_large", "request_too_large")
    with pytest.raises(RequestFailed):
        await Read().read(chat(metadata={"a": {"b": {"c": {}}}}), max_depth=3)


async def test_a_large_body_is_read_in_its_turn() -> None:
    asked = await Read().read(chat(logit_bias={str(n): 1 for n in range(5_000)}))
    assert not asked.light
    assert asked.weight > 10_000


async def test_a_long_text_is_light_where_it_is_not_read() -> None:
    asked = await Read().read(chat("word " * 2_000))
    assert asked.light
    assert asked.weight > 10_000


async def test_the_memory_of_many_values_is_taken() -> None:
    space = Space(10_000_000, ir.Fault("unavailable", "full"))
    room = Share(space)
    await Read().read(chat("word " * 2_000), room=room)
    room.take(10_000_000)
    other = Share(space)
    with pytest.raises(RequestFailed, match="full"):
        await Read().read(chat(logit_bias={str(n): 1 for n in range(2_000)}), room=other)


async def test_what_is_for_the_gateway_is_taken_out() -> None:
    read = Read()
    body = chat(metadata={"tags": ["a"], "team": {"x": 1}}, guardrails=["pii"])
    asked = await read.read(body, headers={"x-dragoman-tags": "b, c"})
    assert sorted(read.exchange.tags) == ["a", "b", "c"]
    assert read.exchange.metadata["team"] == {"x": 1}
    assert "guardrails" not in asked.wire.body
    assert "guardrails" not in asked.said.head
    assert [loss.path for loss in read.exchange.losses] == ["$.guardrails"]
    assert read.exchange.taken[0] == read.exchange.losses


async def test_too_many_tags_are_named_once() -> None:
    read = Read()
    many = ",".join(f"t{n}" for n in range(20))
    await read.read(chat(), headers={"x-dragoman-tags": many, "x-litellm-tags": many})
    assert len(read.exchange.tags) == 16
    assert [loss.path for loss in read.exchange.losses] == ["$.metadata.tags"]


async def test_what_is_no_chat_is_told_by_its_codec() -> None:
    body = json.dumps({"model": "m", "input": "a"}).encode()
    asked = await Read().read(body, operation="embed")
    assert (asked.model, asked.streamed, asked.prompts) == ("m", False, False)
    assert asked.codec is DIALECTS["openai_chat"].operations["embed"]
    assert asked.request.inputs


async def test_a_count_is_of_a_prompt() -> None:
    asked = await Read("anthropic").read(chat(max_tokens=1), operation="count")
    assert (asked.prompts, asked.codec is None) == (True, False)


async def test_streams_end_with_their_usage_where_that_is_configured() -> None:
    for always in (False, True):
        asked = await Read().read(chat(stream=True), always_usage=always)
        assert bool(asked.brief.stream_usage) is always


async def test_what_only_the_author_refuses_waits_for_the_route() -> None:
    asked = await Read("anthropic").read(chat(max_tokens=9, temperature=1.5))
    assert asked.beyond is not None
    assert asked.beyond.path == "temperature"
    with pytest.raises(RequestFailed):
        await Read("anthropic").read(chat(max_tokens=9, temperature="hot"))


async def test_what_another_client_writes_at_this_path_is_read_in_its_words() -> None:
    body = json.dumps({"model": "m", "input": [{"role": "user", "content": "Hi"}]}).encode()
    asked = await Read().read(body)
    assert asked.face.name != "openai_chat"
    assert asked.inbound.face.name == "openai_chat"
    with pytest.raises(RequestFailed) as refused:
        await Read().read(json.dumps({**json.loads(body), "Stream": True}).encode())
    assert refused.value.fault.param == "Stream"


async def test_headers_of_the_protocol_pass_and_no_others() -> None:
    headers = {"anthropic-beta": "x", "cookie": "secret"}
    asked = await Read("anthropic").read(chat(max_tokens=9), headers=headers)
    assert asked.wire.headers == {"anthropic-beta": "x"}
