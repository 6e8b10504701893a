"""Forced and required calls over Ollama's protocol, which has no tool choice (row 5.36).

The provider refuses every member that Ollama does not know, writes what `format` demands, and nothing but
words where a request has none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from dragoman.exchange import Exchange
from dragoman.testing.provider import Answer, FakeProvider, Seen, Streamed, Whole
from tests.e2e.calls import Site
from tests.e2e.conftest import Provide, Visit
from tests.e2e.strict import held

Wire = dict[str, Any]
MODEL = "here/qwen3"
CHAT = "/v1/chat/completions"
CITY: Wire = {"type": "object", "properties": {"city": {"$ref": "#/$defs/City"}}, "required": ["city"]} | {
    "$defs": {"City": {"type": "string", "minLength": 1}}
}
NOTE: Wire = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
ARGUMENTS: Mapping[str, Wire] = {"weather": {"city": 'Oslo "}{'}, "note": {"text": "Größe"}}
SCHEMAS = {"weather": CITY, "note": NOTE}
ASKED = [{"role": "user", "content": "Is it cold in Oslo?"}]


def written(form: Wire, wanted: str) -> str:
    """What a model writes that is held to this schema."""
    properties = form["properties"]
    if "call" not in properties:
        (arguments,) = (ARGUMENTS[name] for name, schema in SCHEMAS.items() if schema == form)
        return json.dumps(arguments, ensure_ascii=False)
    ways = {way["properties"]["tool"]["enum"][0]: way["properties"] for way in properties["call"]["anyOf"]}
    assert list(ways[wanted]) == ["tool", "arguments"], (
        "a grammar keeps the order, and the name is needed first"
    )
    return json.dumps(
        {"call": {"tool": wanted, "arguments": ARGUMENTS[wanted]}}, ensure_ascii=False, indent=1
    )


def model(wanted: str) -> Any:
    """A model that would like to call this tool."""

    def answer(seen: Seen) -> Answer:
        body = seen.body
        text = "I do not know." if "format" not in body else written(body["format"], wanted)
        end = {"done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 5}
        head = {"model": body["model"], "created_at": "2026-11-21T12:00:00.1Z"}
        if body.get("stream") is False:
            return Whole({**head, "message": {"role": "assistant", "content": text}, **end})
        lines = [
            {**head, "message": {"role": "assistant", "content": character}, "done": False}
            for character in text
        ]
        lines.append({**head, "message": {"role": "assistant", "content": ""}, **end})
        return Streamed([json.dumps(line) + "\n" for line in lines], {"content-type": "application/x-ndjson"})

    return held("ollama", answer)


class Stage:
    def __init__(self, site: Site, provider: FakeProvider, exchanges: list[Exchange]) -> None:
        self.site = site
        self.provider = provider
        self.exchanges = exchanges

    @property
    def changes(self) -> dict[str | None, str]:
        return {change.path: change.reason for change in self.exchanges[-1].changes}


@pytest.fixture
async def stage(visit: Visit, provide: Provide) -> Stage:
    provider = await provide(model("note"))
    exchanges: list[Exchange] = []
    row = {"dialect": "ollama", "base_url": provider.url}
    site = await visit({"providers": {"here": row}}, observers=[exchanges.append])
    return Stage(site, provider, exchanges)


@pytest.fixture
async def openai(stage: Stage, stack: AsyncExitStack) -> Any:
    client = AsyncOpenAI(base_url=f"{stage.site.base}/v1", api_key="x", max_retries=0)
    return await stack.enter_async_context(client)


@pytest.fixture
async def anthropic(stage: Stage, stack: AsyncExitStack) -> Any:
    client = AsyncAnthropic(base_url=stage.site.base, api_key="x", max_retries=0)
    return await stack.enter_async_context(client)


def functions(*names: str) -> list[Any]:
    return [{"type": "function", "function": {"name": name, "parameters": SCHEMAS[name]}} for name in names]


CHOICES: list[tuple[Any, tuple[str, ...], str]] = [
    ("required", ("weather", "note"), "note"),
    ("required", ("weather",), "weather"),
    ({"type": "function", "function": {"name": "weather"}}, ("weather", "note"), "weather"),
    (
        {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required",
                "tools": [{"type": "function", "function": {"name": "weather"}}],
            },
        },
        ("weather", "note"),
        "weather",
    ),
]


@pytest.mark.parametrize(("choice", "offered", "called"), CHOICES)
async def test_chat(stage: Stage, openai: Any, choice: Any, offered: tuple[str, ...], called: str) -> None:
    fields: Wire = {"model": MODEL, "messages": ASKED, "tools": functions(*offered), "tool_choice": choice}
    answer = await openai.chat.completions.create(**fields)
    (one,) = answer.choices
    assert one.finish_reason == "tool_calls"
    assert one.message.content is None
    assert one.message.tool_calls is not None
    (call,) = one.message.tool_calls
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == (called, ARGUMENTS[called])
    assert call.id
    assert stage.exchanges[-1].losses == ()
    assert "one call" in stage.changes["$.tool_choice"]

    names, arguments, texts, ends = [], [], [], []
    async for chunk in await openai.chat.completions.create(**fields, stream=True):
        for choice_ in chunk.choices:
            ends.append(choice_.finish_reason)
            texts.append(choice_.delta.content or "")
            for part in choice_.delta.tool_calls or ():
                assert part.function is not None
                names.append(part.function.name)
                arguments.append(part.function.arguments or "")
    assert ([name for name in names if name], json.loads("".join(arguments))) == ([called], ARGUMENTS[called])
    assert len([piece for piece in arguments if piece]) > 5, "arguments come while they are written"
    assert ("".join(texts), ends[-1]) == ("", "tool_calls")


async def test_responses(openai: Any) -> None:
    tools: Any = [{"type": "function", "name": name, "parameters": SCHEMAS[name]} for name in SCHEMAS]
    allowed: Any = {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "weather"}],
    }
    for choice, called in (
        ("required", "note"),
        ({"type": "function", "name": "weather"}, "weather"),
        (allowed, "weather"),
    ):
        answer = await openai.responses.create(model=MODEL, input="Cold?", tools=tools, tool_choice=choice)
        (item,) = answer.output
        assert item.type == "function_call"
        assert (item.name, json.loads(item.arguments)) == (called, ARGUMENTS[called])
        async with openai.responses.stream(
            model=MODEL, input="Cold?", tools=tools, tool_choice=choice
        ) as stream:
            deltas = [e.delta async for e in stream if e.type == "response.function_call_arguments.delta"]
            (item,) = (await stream.get_final_response()).output
        assert json.loads("".join(deltas)) == ARGUMENTS[called]
        assert len(deltas) > 5
        assert item.type == "function_call"
        assert item.name == called


async def test_messages(anthropic: Any) -> None:
    tools: Any = [{"name": name, "input_schema": SCHEMAS[name]} for name in SCHEMAS]
    choices: list[tuple[Any, str]] = [
        ({"type": "any"}, "note"),
        ({"type": "tool", "name": "weather"}, "weather"),
        ({"type": "any", "disable_parallel_tool_use": True}, "note"),
    ]
    for choice, called in choices:
        fields: Wire = {"model": MODEL, "max_tokens": 99, "messages": ASKED, "tools": tools}
        answer = await anthropic.messages.create(**fields, tool_choice=choice)
        (block,) = answer.content
        assert block.type == "tool_use"
        assert (block.name, block.input, answer.stop_reason) == (called, ARGUMENTS[called], "tool_use")
        async with anthropic.messages.stream(**fields, tool_choice=choice) as stream:
            pieces = [e.partial_json async for e in stream if e.type == "input_json"]
            (block,) = (await stream.get_final_message()).content
        assert block.type == "tool_use"
        assert (block.name, block.input) == (called, ARGUMENTS[called])
        assert len(pieces) > 5


async def test_gemini(stage: Stage) -> None:
    declared = [{"name": name, "parametersJsonSchema": SCHEMAS[name]} for name in SCHEMAS]
    for names, called in ((None, "note"), (["weather"], "weather")):
        config = {"mode": "ANY", **({"allowedFunctionNames": names} if names else {})}
        body = {
            "contents": [{"role": "user", "parts": [{"text": "Cold?"}]}],
            "tools": [{"functionDeclarations": declared}],
            "toolConfig": {"functionCallingConfig": config},
        }
        url = f"{stage.site.base}/v1beta/models/{MODEL}:generateContent"
        async with stage.site.session.post(url, json=body) as response:
            assert response.status == 200, await response.text()
            (part,) = (await response.json())["candidates"][0]["content"]["parts"]
        assert part["functionCall"]["name"] == called
        assert part["functionCall"]["args"] == ARGUMENTS[called]


async def test_what_is_sent(stage: Stage, openai: Any) -> None:
    """The tools stand in the system text, because the server tells the model nothing of the schema."""
    await openai.chat.completions.create(
        model=MODEL,
        messages=ASKED,
        tools=functions("weather", "note"),
        tool_choice="required",
    )
    body = stage.provider.last.body
    assert "tools" not in body
    assert body["format"]["$defs"] == {"0_City": {"type": "string", "minLength": 1}}
    first = body["format"]["properties"]["call"]["anyOf"][0]["properties"]["arguments"]
    assert first["properties"]["city"] == {"$ref": "#/$defs/0_City"}
    system, user = body["messages"]
    assert (system["role"], user["content"]) == ("system", ASKED[0]["content"])
    assert '{"name":"weather","parameters":' in system["content"]
    # Not forced, the tools are Ollama's own.
    await openai.chat.completions.create(model=MODEL, messages=ASKED, tools=functions("note"))
    assert "format" not in stage.provider.last.body
    assert [tool["function"]["name"] for tool in stage.provider.last.body["tools"]] == ["note"]


async def test_results_of_forced_calls_are_the_protocols_own(stage: Stage, openai: Any) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
    history = [
        *ASKED,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "7"},
    ]
    await openai.chat.completions.create(
        model=MODEL,
        messages=history,
        tools=functions("weather", "note"),
        tool_choice={"type": "function", "function": {"name": "note"}},
    )
    sent = stage.provider.last.body["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool"]
    assert sent[2]["tool_calls"][0]["function"]["arguments"] == {"city": "Oslo"}


def compatible(wanted: str) -> Any:
    """A model that would like to call this tool; in Anthropic's protocol nothing makes it call one."""

    def answer(seen: Seen) -> Answer:
        body = seen.body
        if seen.path == "/v1/messages":
            return Whole(
                {
                    "id": "m",
                    "type": "message",
                    "role": "assistant",
                    "model": "m",
                    "stop_sequence": None,
                    "content": [{"type": "text", "text": "I do not know."}],
                    "stop_reason": "end_turn",
                    "usage": {"input_tokens": 1, "output_tokens": 1},
                }
            )
        if seen.path == "/v1/responses":
            form = body["text"]["format"]["schema"]
            part = {"type": "output_text", "text": written(form, wanted), "annotations": []}
            item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
            return Whole(
                {
                    "id": "resp_1",
                    "object": "response",
                    "created_at": 1,
                    "status": "completed",
                    "model": body["model"],
                    "output": [{**item, "content": [part]}],
                    "usage": {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14},
                }
            )
        text = written(body["response_format"]["json_schema"]["schema"], wanted)
        message = {"role": "assistant", "content": text}
        return Whole(
            {
                "id": "c",
                "object": "chat.completion",
                "created": 1,
                "model": body["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
            }
        )

    return answer


@pytest.mark.parametrize(("vendor", "responses"), [("ollama", "/v1/responses"), ("lmstudio", CHAT)])
async def test_the_known_servers_force_calls_for_every_client(
    visit: Visit, provide: Provide, stack: AsyncExitStack, vendor: str, responses: str
) -> None:
    """They speak Anthropic's protocol and the Responses API, but obey no tool choice there."""
    provider = await provide(compatible("note"))
    site = await visit({"providers": {"here": {"catalog": vendor, "base_url": f"{provider.url}/v1"}}})
    claude = await stack.enter_async_context(AsyncAnthropic(base_url=site.base, api_key="x", max_retries=0))
    tools: Any = [{"name": name, "input_schema": SCHEMAS[name]} for name in SCHEMAS]
    fields: Wire = {"model": MODEL, "max_tokens": 99, "messages": ASKED, "tools": tools}
    answer = await claude.messages.create(**fields, tool_choice={"type": "any"})
    (block,) = answer.content
    assert (block.type, answer.stop_reason, provider.last.path) == ("tool_use", "tool_use", CHAT)
    assert block.type == "tool_use"
    assert (block.name, block.input) == ("note", ARGUMENTS["note"])
    free = await claude.messages.create(**fields)
    assert (free.content[0].type, provider.last.path) == ("text", "/v1/messages")
    openai = await stack.enter_async_context(
        AsyncOpenAI(base_url=f"{site.base}/v1", api_key="x", max_retries=0)
    )
    told = await openai.responses.create(
        model=MODEL,
        input="Cold?",
        tools=[
            {"type": "function", "name": name, "parameters": SCHEMAS[name], "strict": False}
            for name in SCHEMAS
        ],
        tool_choice="required",
    )
    (item,) = told.output
    assert (item.type, provider.last.path) == ("function_call", responses)


async def test_a_server_that_ignores_the_schema_has_said_text(visit: Visit, provide: Provide) -> None:
    words = Whole(
        {
            "model": "m",
            "message": {"role": "assistant", "content": "No."},
            "done": True,
            "done_reason": "stop",
        }
    )
    provider = await provide(held("ollama", words))
    site = await visit({"providers": {"here": {"dialect": "ollama", "base_url": provider.url}}})
    asked = {"model": MODEL, "messages": ASKED, "tools": functions("note"), "tool_choice": "required"}
    async with site.session.post(f"{site.base}/v1/chat/completions", json=asked) as response:
        (choice,) = (await response.json())["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("No.", "stop")


async def test_a_vendors_server_that_ignores_tool_choice(visit: Visit, provide: Provide) -> None:
    """Ollama's own Chat Completions API, by its row in the catalogue: the same mechanism."""

    def answer(seen: Seen) -> Answer:
        form = seen.body["response_format"]["json_schema"]
        assert "tool_choice" not in seen.body
        message = {"role": "assistant", "content": written(form["schema"], "weather")}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return Whole(
            {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        )

    provider = await provide(held("openai_chat", answer))
    row = {"catalog": "ollama", "base_url": f"{provider.url}/v1", "keys": ["up-key"]}
    site = await visit({"providers": {"here": row}})
    asked = {
        "model": MODEL,
        "messages": ASKED,
        "tools": functions("weather", "note"),
        "tool_choice": "required",
    }
    async with site.session.post(f"{site.base}/v1/chat/completions", json=asked) as response:
        assert response.status == 200, await response.text()
        (choice,) = (await response.json())["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == ARGUMENTS["weather"]


@pytest.mark.parametrize("fenced", [False, True])
async def test_a_server_of_completions_that_takes_a_schema(
    visit: Visit, provide: Provide, *, fenced: bool
) -> None:
    """As vLLM's does. The answer is the same call if a server ignores the schema."""

    def answer(seen: Seen) -> Answer:
        body = seen.body
        assert not body.keys() & {"tools", "tool_choice"}
        assert '{"name":"weather","parameters":' in body["prompt"]
        text = written(body["response_format"]["json_schema"]["schema"], "weather")
        text = f"```json\n{text}\n```" if fenced else text
        head = {"id": "c", "object": "text_completion", "created": 1, "model": "m"}
        if not body.get("stream"):
            return Whole(
                {**head, "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}]}
            )
        said = [(character, None) for character in text]
        return Streamed(
            [
                *(
                    {**head, "choices": [{"index": 0, "text": one, "logprobs": None, "finish_reason": end}]}
                    for one, end in [*said, ("", "stop")]
                ),
                "data: [DONE]\n\n",
            ]
        )

    provider = await provide(answer)
    row = {"dialect": "openai_completions", "base_url": f"{provider.url}/v1", "keys": ["up-key"]}
    site = await visit({"providers": {"here": {**row, "quirks": {"completion_format": True}}}})
    client = AsyncOpenAI(base_url=f"{site.base}/v1", api_key="x", max_retries=0)
    async with client:
        fields: Wire = {"model": "here/m", "messages": ASKED, "tools": functions("weather", "note")}
        whole = await client.chat.completions.create(**fields, tool_choice="required")
        (choice,) = whole.choices
        assert (choice.message.content, choice.finish_reason) == (None, "tool_calls")
        calls: Any = choice.message.tool_calls
        (call,) = calls
        assert json.loads(call.function.arguments) == ARGUMENTS["weather"]
        arguments = ""
        async for chunk in await client.chat.completions.create(
            **fields, tool_choice="required", stream=True
        ):
            for part in chunk.choices[0].delta.tool_calls or () if chunk.choices else ():
                arguments += part.function.arguments or "" if part.function else ""
        assert json.loads(arguments) == ARGUMENTS["weather"]


async def test_a_claude_that_refuses_forced_calls(
    visit: Visit, provide: Provide, stack: AsyncExitStack
) -> None:
    """The same mechanism, also for clients of its own protocol; the tools stay, because the history may need
    them.
    """

    def answer(seen: Seen) -> Answer:
        body = seen.body
        assert body["tool_choice"] == {"type": "none"}
        assert [tool["name"] for tool in body["tools"]] == ["weather", "note"]
        text = {"type": "text", "text": written(body["output_config"]["format"]["schema"], "note")}
        head = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"]}
        usage = {"input_tokens": 9, "output_tokens": 5}
        return Whole(
            {**head, "content": [text], "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
        )

    provider = await provide(held("anthropic", answer))
    row = {"dialect": "anthropic", "base_url": provider.url, "keys": ["up-key"]}
    site = await visit({"providers": {"claude": row}})
    model = "claude/claude-opus-5-5"
    chat: Any = await stack.enter_async_context(
        AsyncOpenAI(base_url=f"{site.base}/v1", api_key="x", max_retries=0)
    )
    told = await chat.chat.completions.create(
        model=model, messages=ASKED, tools=functions("weather", "note"), tool_choice="required"
    )
    (call,) = told.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("note", ARGUMENTS["note"])
    own: Any = await stack.enter_async_context(AsyncAnthropic(base_url=site.base, api_key="x", max_retries=0))
    tools = [{"name": name, "input_schema": SCHEMAS[name]} for name in SCHEMAS]
    said = await own.messages.create(
        model=model, max_tokens=99, messages=ASKED, tools=tools, tool_choice={"type": "any"}
    )
    assert [(block.type, block.input) for block in said.content] == [("tool_use", ARGUMENTS["note"])]
