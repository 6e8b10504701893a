"""Cohere behind clients of other protocols, and where it is not like OpenAI. The provider is strict; Cohere's
own client confirms that it is one.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from cohere import AsyncClientV2

from dragoman.testing.provider import Answer, Seen, Whole
from dragoman.wire.vectors import to_floats
from tests.e2e.answers.cohere import OVERHEAD, cohere
from tests.e2e.answers.said import Said
from tests.e2e.conftest import Converse, Provide
from tests.e2e.strict import held
from tests.matrix.faces.openai_chat import chat_chunks

STREAMS = pytest.mark.parametrize("stream", [False, True])
MODEL = "cohere/command-a-reasoning-08-2025"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
LOOK: dict[str, Any] = {"type": "function", "function": {"name": "look", "parameters": SCHEMA}}
CALLED = Said(
    "I will look.", (("look_tf4dywn8wgnk", "look", '{"city":"Oslo"}'),), thought="They ask of Oslo."
)


@STREAMS
async def test_a_request_has_coheres_own_words(converse: Converse, stream: bool) -> None:
    talk = await converse("cohere", cohere(Said()), model=MODEL)
    told = await talk.ask(
        stream=stream,
        tools=[LOOK],
        tool_choice="required",
        seed=7,
        max_completion_tokens=50,
        top_p=1,
        stop="x",
        reasoning_effort="low",
    )
    if stream:
        assert chat_chunks([chunk async for chunk in told]).first.text == "Hello there!"
    else:
        assert told.choices[0].message.content == "Hello there!"
    sent = talk.provider.last
    assert (sent.method, sent.path) == ("POST", "/v2/chat")
    assert sent.headers["authorization"] == "Bearer up-key"
    assert sent.body == {
        "model": "command-a-reasoning-08-2025",
        "messages": [{"role": "user", "content": "Hello!"}],
        "tools": [LOOK],
        "tool_choice": "REQUIRED",
        "seed": 7,
        "max_tokens": 50,
        "p": 0.99,
        "stop_sequences": ["x"],
        "thinking": {"type": "enabled", "token_budget": 1024},
        "stream": stream,
    }
    assert talk.losses == {}


@STREAMS
async def test_two_turns_with_thinking_and_a_call(converse: Converse, stream: bool) -> None:
    """The thinking and the plan of the first turn go back with the result."""
    talk = await converse("cohere", cohere(CALLED), cohere(Said("Rain.")), model=MODEL)
    told = await talk.ask(stream=stream, tools=[LOOK])
    if stream:
        chunks = [chunk async for chunk in told]
        thought = "".join(
            getattr(chunk.choices[0].delta, "reasoning_content", None) or ""
            for chunk in chunks
            if chunk.choices
        )
        first = chat_chunks(chunks).first
        text, (call,) = first.text, first.calls
        id_, arguments = call[0], call[2]
        assert chunks[-1].usage is None or chunks[-1].usage.prompt_tokens == 12 + OVERHEAD
    else:
        message = told.choices[0].message
        thought, text, (tool_call,) = message.reasoning_content, message.content, message.tool_calls
        id_, arguments = tool_call.id, tool_call.function.arguments
        assert told.choices[0].finish_reason == "tool_calls"
        assert told.usage.prompt_tokens == 12 + OVERHEAD
    assert (thought, text, arguments) == ("They ask of Oslo.", "I will look.", '{"city":"Oslo"}')
    made = {"id": id_, "type": "function", "function": {"name": "look", "arguments": arguments}}
    again = {"role": "assistant", "content": text, "reasoning_content": thought, "tool_calls": [made]}
    await talk.ask(
        tools=[LOOK],
        messages=[
            {"role": "user", "content": "Oslo?"},
            again,
            {"role": "tool", "tool_call_id": id_, "content": "rain"},
        ],
    )
    assert talk.provider.last.body["messages"][1:] == [
        {
            "role": "assistant",
            "tool_plan": "I will look.",
            "content": [{"type": "thinking", "thinking": "They ask of Oslo."}],
            "tool_calls": [made],
        },
        {"role": "tool", "tool_call_id": id_, "content": "rain"},
    ]


@pytest.mark.parametrize("parallel", [{}, {"parallel_tool_calls": False}])
async def test_a_certain_tool_is_the_only_one_offered(converse: Converse, parallel: dict[str, Any]) -> None:
    other = {"type": "function", "function": {"name": "other", "parameters": SCHEMA}}
    talk = await converse("cohere", cohere(CALLED), model=MODEL)
    choice = {"type": "function", "function": {"name": "look"}}
    await talk.ask(tools=[LOOK, other], tool_choice=choice, **parallel)
    sent = talk.provider.last.body
    assert (sent["tools"], sent["tool_choice"]) == ([LOOK], "REQUIRED")


FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}


async def test_a_schema_alone_is_its_own(converse: Converse) -> None:
    talk = await converse("cohere", cohere(Said('{"city":"Oslo"}')), model=MODEL)
    told = await talk.ask(response_format=FORMAT)
    assert told.choices[0].message.content == '{"city":"Oslo"}'
    assert talk.provider.last.body["response_format"] == {"type": "json_object", "json_schema": SCHEMA}


async def test_a_schema_beside_tools_is_asked_for_by_a_tool(converse: Converse) -> None:
    """The API refuses the two together."""
    said = Said("", (("place_1", "place", '{"city":"Oslo"}'),))
    talk = await converse("cohere", cohere(said), model=MODEL)
    told = await talk.ask(response_format=FORMAT, tools=[LOOK])
    assert told.choices[0].message.content == '{"city":"Oslo"}'
    sent = talk.provider.last.body
    assert "response_format" not in sent
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["look", "place"]
    assert sent["tool_choice"] == "REQUIRED"


async def test_members_of_its_own_reach_it(converse: Converse) -> None:
    talk = await converse("cohere", cohere(Said()), model=MODEL)
    documents = [{"id": "d", "data": {"text": "Oslo is wet."}}]
    await talk.ask(extra_body={"cohere": {"documents": documents, "safety_mode": "STRICT"}})
    sent = talk.provider.last.body
    assert (sent["documents"], sent["safety_mode"]) == (documents, "STRICT")


async def test_only_billed_tokens_are_charged(converse: Converse) -> None:
    price = {"cohere/*": {"input": 1, "output": 0}}
    talk = await converse("cohere", cohere(Said()), model=MODEL, prices=price)
    await talk.ask()
    (attempt,) = talk.exchanges[-1].attempts
    assert attempt.usage is not None
    assert attempt.usage.input_total == 12 + OVERHEAD
    assert attempt.cost == 12 * 10**3


@STREAMS
async def test_a_client_of_anthropic(converse: Converse, stream: bool) -> None:
    talk = await converse("cohere", cohere(CALLED), model=MODEL)
    base = str(talk.client.base_url).removesuffix("/v1/")
    tool: Any = {"name": "look", "input_schema": SCHEMA}
    async with AsyncAnthropic(base_url=base, api_key="dummy-key", max_retries=0) as client:
        asked: Any = {
            "model": MODEL,
            "max_tokens": 500,
            "messages": [{"role": "user", "content": "Oslo?"}],
            "tools": [tool],
        }
        if stream:
            async with client.messages.stream(**asked) as events:
                told = await events.get_final_message()
        else:
            told = await client.messages.create(**asked)
    assert [block.type for block in told.content] == ["thinking", "text", "tool_use"]
    assert told.stop_reason == "tool_use"
    assert told.content[2].to_dict()["input"] == {"city": "Oslo"}
    assert talk.provider.last.path == "/v2/chat"


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_embeddings_in_batches(converse: Converse, provide: Provide, encoding: str) -> None:
    def embed(seen: Seen) -> Answer:
        assert seen.path == "/v2/embed"
        members = {"model", "input_type", "texts", "embedding_types", "output_dimension", "truncate"}
        assert seen.body.keys() <= members
        assert len(seen.body["texts"]) <= 96
        vectors = [[float(text), 0.5] for text in seen.body["texts"]]
        meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": len(vectors)}}
        return Whole({"id": "e", "embeddings": {"float": vectors}, "texts": seen.body["texts"], "meta": meta})

    talk = await converse("cohere", embed, model="cohere/embed-v4.0", strict=False)
    texts = [str(number) for number in range(100)]
    told = await talk.client.post(
        "/embeddings",
        cast_to=dict[str, Any],
        body={"model": "cohere/embed-v4.0", "input": texts, "encoding_format": encoding, "dimensions": 2},
    )
    vectors = [one["embedding"] for one in told["data"]]
    if encoding == "base64":
        vectors = [to_floats(base64.b64decode(vector)) for vector in vectors]
    assert vectors == [[float(number), 0.5] for number in range(100)]
    assert told["usage"] == {"prompt_tokens": 100, "total_tokens": 100}
    first, second = (seen.body for seen in talk.provider.seen)
    assert (len(first["texts"]), second["texts"]) == (96, texts[96:])
    assert (first["input_type"], first["truncate"]) == ("search_document", "NONE")
    assert first["output_dimension"] == 2


# --- The strict provider -----------------------------------------------------------------------


@STREAMS
async def test_coheres_own_client_finds_the_strict_provider_true(provide: Provide, stream: bool) -> None:
    provider = await provide(held("cohere", cohere(CALLED)))
    asked: Any = {
        "model": "command-a-reasoning-08-2025",
        "messages": [
            {"role": "user", "content": "Oslo?"},
            {
                "role": "assistant",
                "tool_plan": "I look.",
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}
                ],
            },
            {
                "role": "tool",
                "tool_call_id": "a",
                "content": [{"type": "document", "document": {"data": {"text": "rain"}}}],
            },
        ],
        "tools": [LOOK],
        "tool_choice": "REQUIRED",
        "strict_tools": True,
        "thinking": {"type": "enabled", "token_budget": 100},
    }
    async with AsyncClientV2(base_url=provider.url, api_key="dummy-key") as client:
        if stream:
            events = [event async for event in client.chat_stream(**asked)]
            plan = "".join(e.delta.message.tool_plan for e in events if e.type == "tool-plan-delta")
            assert (events[0].type, events[-1].type) == ("message-start", "message-end")
            assert plan == "I will look."
            assert events[-1].delta.finish_reason == "TOOL_CALL"
        else:
            told = await client.chat(**asked)
            assert told.message.tool_plan == "I will look."
            assert told.message.content[0].thinking == "They ask of Oslo."
            assert told.usage.tokens.input_tokens == 12 + OVERHEAD
