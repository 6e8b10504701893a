"""Tools of models that have none (rows 3.6, 3.8, 3.9): told in the system text, called in text.

The provider refuses `tools`, and everything else that a model without tools has no use for.
"""

from __future__ import annotations

import json
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
READ: Wire = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
TOOLS: Any = [
    {"type": "function", "function": {"name": "read_file", "description": "Reads.", "parameters": READ}}
]
MODES = ("xml", "hermes", "json")
CALLS = {
    "xml": "<read_file><path>a.py</path></read_file>",
    "hermes": '<tool_call>\n{"name": "read_file", "arguments": {"path": "a.py"}}\n</tool_call>',
    "json": '```tool_code\n{"tool": "read_file", "arguments": {"path": "a.py"}}\n```',
}
ASKED = [{"role": "user", "content": "What is in a.py?"}]


class Model:
    """A model that says this, one character at a time if it is asked for a stream, or in these pieces."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.cut: int | None = None

    def __call__(self, seen: Seen) -> Answer:
        body = seen.body
        assert not body.keys() & {"tools", "tool_choice", "parallel_tool_calls", "functions"}, body
        assert all(message.keys() <= {"role", "content"} for message in body["messages"])
        head = {"id": "c1", "created": 1, "model": body["model"]}
        if not body.get("stream"):
            message = {"role": "assistant", "content": self.text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
            return Whole({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
        at = self.cut
        pieces = (
            list(self.text) if at is None else [piece for piece in (self.text[:at], self.text[at:]) if piece]
        )
        frames: list[Any] = [
            {
                **head,
                "object": "chat.completion.chunk",
                "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
            }
            for delta in [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces)]
        ]
        end = {"index": 0, "delta": {}, "finish_reason": "stop"}
        frames.append({**head, "object": "chat.completion.chunk", "choices": [end]})
        return Streamed([*frames, "data: [DONE]\n\n"])


class Stage:
    def __init__(self, site: Site, provider: FakeProvider, model: Model, exchanges: list[Exchange]) -> None:
        self.site = site
        self.provider = provider
        self.model = model
        self.exchanges = exchanges


@pytest.fixture(params=MODES)
async def stage(request: pytest.FixtureRequest, visit: Visit, provide: Provide) -> Stage:
    mode: str = request.param
    model = Model(f"I will look.{CALLS[mode]}")
    provider = await provide(held("openai_chat", model))
    exchanges: list[Exchange] = []
    row = {"dialect": "openai_chat", "base_url": provider.url, "keys": ["up-key"]}
    able = {"tools": False, "structured": True}
    models = {"small": {"use": "up/gpt-4", "tool_mode": mode, "supports": able}}
    site = await visit({"providers": {"up": row}, "models": models}, observers=[exchanges.append])
    return Stage(site, provider, model, exchanges)


@pytest.fixture
async def openai(stage: Stage, stack: AsyncExitStack) -> Any:
    client = AsyncOpenAI(base_url=f"{stage.site.base}/v1", api_key="x", max_retries=0)
    return await stack.enter_async_context(client)


async def streamed(openai: Any, **fields: Any) -> tuple[str, list[tuple[str, Wire]], str]:
    """(text, calls, stop reason) of a stream."""
    text, end = "", ""
    calls: dict[int, tuple[str, str]] = {}
    stream = await openai.chat.completions.create(model="small", messages=ASKED, stream=True, **fields)
    async for chunk in stream:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            end = choice.finish_reason or end
            for part in choice.delta.tool_calls or ():
                name, arguments = calls.get(part.index, ("", ""))
                calls[part.index] = (
                    name + (part.function.name or ""),
                    arguments + (part.function.arguments or ""),
                )
    return text, [(name, json.loads(arguments)) for name, arguments in calls.values()], end


async def test_whole_answers(stage: Stage, openai: Any) -> None:
    answer = await openai.chat.completions.create(model="small", messages=ASKED, tools=TOOLS)
    (choice,) = answer.choices
    assert (choice.message.content, choice.finish_reason) == ("I will look.", "tool_calls")
    (call,) = choice.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("read_file", {"path": "a.py"})
    assert call.id
    system, user = stage.provider.last.body["messages"]
    assert (system["role"], user) == ("system", ASKED[0])
    assert '{"name":"read_file","description":"Reads.","parameters":' in system["content"]
    exchange = stage.exchanges[-1]
    assert exchange.losses == ()
    assert [change.path for change in exchange.changes] == ["$.tools"]
    assert exchange.attempts[-1].reasons == ("model",)


async def test_streams_are_the_same_wherever_they_are_cut(stage: Stage, openai: Any) -> None:
    expected = ("I will look.", [("read_file", {"path": "a.py"})], "tool_calls")
    assert await streamed(openai, tools=TOOLS) == expected
    for cut in range(len(stage.model.text) + 1):
        stage.model.cut = cut
        assert await streamed(openai, tools=TOOLS) == expected, stage.model.text[:cut]


async def test_text_that_only_looks_like_calls_stays_text(stage: Stage, openai: Any) -> None:
    stage.model.text = "<b>hi</b> <tool_call> ```tool_code"
    assert await streamed(openai, tools=TOOLS) == ("<b>hi</b> <tool_call> ```tool_code", [], "stop")


async def test_without_tools_the_same_text_is_untouched(stage: Stage, openai: Any) -> None:
    """Row 3.7."""
    assert await streamed(openai) == (stage.model.text, [], "stop")
    assert stage.exchanges[-1].attempts[-1].mode == "relay"


async def test_several_calls_unless_one_alone_is_allowed(stage: Stage, openai: Any) -> None:
    call = stage.model.text.removeprefix("I will look.")
    stage.model.text = f"{call}\n{call}\nDone."
    one = ("read_file", {"path": "a.py"})
    assert await streamed(openai, tools=TOOLS) == ("\nDone.", [one, one], "tool_calls")
    text, calls, _ = await streamed(openai, tools=TOOLS, parallel_tool_calls=False)
    assert (text, calls) == (f"\n{call}\nDone.", [one])


async def test_calls_and_results_are_written_back(stage: Stage, openai: Any) -> None:
    """Row 3.8."""
    call = {"id": "c1", "type": "function", "function": {"name": "read_file", "arguments": '{"path":"a.py"}'}}
    history = [
        *ASKED,
        {"role": "assistant", "content": "I look.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "x = 1"},
    ]
    await openai.chat.completions.create(model="small", messages=history, tools=TOOLS)
    _, _, said, result = stage.provider.last.body["messages"]
    assert said["role"] == "assistant"
    assert said["content"].startswith("I look.\n\n")
    assert "a.py" in said["content"]
    assert result["role"] == "user"
    assert "x = 1" in result["content"]
    assert "read_file" in result["content"]


async def test_messages(stage: Stage, stack: AsyncExitStack) -> None:
    client = AsyncAnthropic(base_url=stage.site.base, api_key="x", max_retries=0)
    anthropic: Any = await stack.enter_async_context(client)
    tools = [{"name": "read_file", "input_schema": READ}]
    fields: Wire = {"model": "small", "max_tokens": 99, "messages": ASKED, "tools": tools}
    async with anthropic.messages.stream(**fields) as stream:
        answer = await stream.get_final_message()
    for one in (answer, await anthropic.messages.create(**fields)):
        text, call = one.content
        assert (text.text, call.name, call.input) == ("I will look.", "read_file", {"path": "a.py"})
        assert one.stop_reason == "tool_use"


async def test_responses(openai: Any) -> None:
    tools = [{"type": "function", "name": "read_file", "parameters": READ}]
    async with openai.responses.stream(model="small", input="What?", tools=tools) as stream:
        answer = await stream.get_final_response()
    for one in (answer, await openai.responses.create(model="small", input="What?", tools=tools)):
        text, call = one.output
        assert (text.content[0].text, call.name) == ("I will look.", "read_file")
        assert json.loads(call.arguments) == {"path": "a.py"}


async def test_gemini_and_ollama(stage: Stage) -> None:
    declared = [{"name": "read_file", "parametersJsonSchema": READ}]
    body: Wire = {
        "contents": [{"role": "user", "parts": [{"text": "What?"}]}],
        "tools": [{"functionDeclarations": declared}],
    }
    url = f"{stage.site.base}/v1beta/models/small:generateContent"
    async with stage.site.session.post(url, json=body) as response:
        text, call = (await response.json())["candidates"][0]["content"]["parts"]
    assert (text["text"], call["functionCall"]["args"]) == ("I will look.", {"path": "a.py"})
    body = {"model": "small", "messages": ASKED, "tools": TOOLS, "stream": False}
    async with stage.site.session.post(f"{stage.site.base}/api/chat", json=body) as response:
        message = (await response.json())["message"]
    assert message["content"] == "I will look."
    assert message["tool_calls"][0]["function"]["arguments"] == {"path": "a.py"}


async def test_forced_calls_use_the_schema(stage: Stage, openai: Any) -> None:
    """Structured output forces the call, also where the model has no tools."""
    stage.model.text = '{"path": "b.py"}'
    text, calls, end = await streamed(openai, tools=TOOLS, tool_choice="required")
    assert (text, calls, end) == ("", [("read_file", {"path": "b.py"})], "tool_calls")
    form = stage.provider.last.body["response_format"]["json_schema"]
    assert form["schema"]["properties"] == READ["properties"]


async def test_a_form_of_the_answer_is_told_in_words_beside_tools(stage: Stage, openai: Any) -> None:
    """A grammar would not let the model write a call."""
    schema = {"name": "a", "schema": READ}
    form = {"type": "json_schema", "json_schema": schema}
    text, calls, _ = await streamed(openai, tools=TOOLS, response_format=form)
    assert (text, len(calls)) == ("I will look.", 1)
    assert "response_format" not in stage.provider.last.body
    assert [loss.path for loss in stage.exchanges[-1].losses] == ["$.response_format"]


async def test_without_a_mode_a_model_without_tools_refuses_them(visit: Visit, provide: Provide) -> None:
    provider = await provide()
    row = {"dialect": "openai_chat", "base_url": provider.url, "keys": ["up-key"]}
    models = {"small": {"use": "up/gpt-4", "supports": {"tools": False}}}
    site = await visit({"providers": {"up": row}, "models": models})
    asked = {"model": "small", "messages": ASKED, "tools": TOOLS}
    async with site.session.post(f"{site.base}/v1/chat/completions", json=asked) as response:
        assert response.status == 400
        assert (await response.json())["error"]["param"] == "tools"


async def test_completions_have_tools_by_prompt(visit: Visit, provide: Provide) -> None:
    """The older Completions API has no tools at all."""
    text = f"I will look.{CALLS['xml']}"

    def answer(seen: Seen) -> Answer:
        assert "read_file" in seen.body["prompt"]
        choice = {"index": 0, "text": text, "finish_reason": "stop", "logprobs": None}
        return Whole(
            {"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}
        )

    provider = await provide(held("openai_completions", answer))
    row = {"dialect": "openai_completions", "base_url": provider.url, "keys": ["up-key"]}
    config = {
        "providers": {"up": row},
        "models": {"small": {"use": "up/gpt-3.5-turbo-instruct", "tool_mode": "xml"}},
    }
    site = await visit(config)
    asked = {"model": "small", "messages": ASKED, "tools": TOOLS}
    async with site.session.post(f"{site.base}/v1/chat/completions", json=asked) as response:
        assert response.status == 200, await response.text()
        (choice,) = (await response.json())["choices"]
    assert choice["message"]["content"] == "I will look."
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "read_file"


async def test_one_deployment_may_have_a_mode_of_its_own(visit: Visit, provide: Provide) -> None:
    provider = await provide(held("openai_chat", Model(CALLS["hermes"])))
    row = {"dialect": "openai_chat", "base_url": provider.url, "keys": ["up-key"]}
    models = {"m": {"tool_mode": "xml", "deployments": [{"use": "up/gpt-4", "tool_mode": "hermes"}]}}
    site = await visit({"providers": {"up": row}, "models": models})
    asked = {"model": "m", "messages": ASKED, "tools": TOOLS}
    async with site.session.post(f"{site.base}/v1/chat/completions", json=asked) as response:
        (choice,) = (await response.json())["choices"]
    assert len(choice["message"]["tool_calls"]) == 1
