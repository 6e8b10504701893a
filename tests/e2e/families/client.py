"""A conversation of two turns by the official client of each protocol, which sends back all that it heard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from anthropic import AsyncAnthropic
from google import genai
from google.genai import types
from openai import AsyncOpenAI

QUESTION: Final = "Do I need an umbrella in Oslo?"
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}


class Heard(msgspec.Struct, frozen=True):
    """What a client heard in both turns. thought: "" = none was shown. call: the tool's name and arguments.
    last: the text of the second answer.
    """

    thought: str
    text: str
    call: tuple[str, Any]
    last: str


Have = Callable[[str, str, str, str, bool], Awaitable[Heard]]
"""(the gateway's origin, the model, the tool's name, its result, whether to stream) -> what was heard."""


async def _chat(base: str, model: str, name: str, result: str, stream: bool) -> Heard:
    tool = {"type": "function", "function": {"name": name, "parameters": SCHEMA}}
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy-key", max_retries=0) as client:

        async def ask() -> Any:
            asked: Any = {"model": model, "messages": messages, "tools": [tool], "reasoning_effort": "high"}
            if not stream:
                return (await client.chat.completions.create(**asked)).choices[0].message
            async with client.chat.completions.stream(**asked) as events:
                return (await events.get_final_completion()).choices[0].message

        first = await ask()
        [call] = first.tool_calls
        kept = first.model_dump(exclude_none=True, exclude={"parsed": True})
        for one in kept["tool_calls"]:  # what the client adds while it joins a stream
            one.pop("index", None)
            one["function"].pop("parsed_arguments", None)
        messages += [kept, {"role": "tool", "tool_call_id": call.id, "content": result}]
        last = await ask()
    arguments = msgspec.json.decode(call.function.arguments)
    thought = getattr(first, "reasoning_content", None) or ""
    return Heard(thought, first.content or "", (call.function.name, arguments), last.content)


async def _responses(base: str, model: str, name: str, result: str, stream: bool) -> Heard:
    tool = {"type": "function", "name": name, "parameters": SCHEMA, "strict": False}
    items: list[Any] = [{"role": "user", "content": QUESTION}]
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy-key", max_retries=0) as client:

        async def ask() -> Any:
            asked: Any = {
                "model": model,
                "input": items,
                "tools": [tool],
                "reasoning": {"effort": "high", "summary": "auto"},
                "include": ["reasoning.encrypted_content"],
                "store": False,
            }
            if not stream:
                return await client.responses.create(**asked)
            async with client.responses.stream(**asked) as events:
                return await events.get_final_response()

        first = await ask()
        [call] = [item for item in first.output if item.type == "function_call"]
        thoughts = [item for item in first.output if item.type == "reasoning"]
        for item in first.output:
            kept = item.model_dump(exclude_none=True)
            kept.pop("parsed_arguments", None)
            items.append(kept)
        items.append({"type": "function_call_output", "call_id": call.call_id, "output": result})
        last = await ask()
    thought = "".join(part.text for item in thoughts for part in item.summary)
    arguments = msgspec.json.decode(call.arguments)
    return Heard(thought, first.output_text, (call.name, arguments), last.output_text)


async def _messages(base: str, model: str, name: str, result: str, stream: bool) -> Heard:
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    async with AsyncAnthropic(base_url=base, api_key="dummy-key", max_retries=0) as client:

        async def ask() -> Any:
            asked: Any = {
                "model": model,
                "max_tokens": 4000,
                "messages": messages,
                "tools": [{"name": name, "input_schema": SCHEMA}],
                "thinking": {"type": "enabled", "budget_tokens": 2000},
            }
            if not stream:
                return await client.messages.create(**asked)
            async with client.messages.stream(**asked) as events:
                return await events.get_final_message()

        first = await ask()
        [call] = [block for block in first.content if block.type == "tool_use"]
        kept = [block.model_dump(exclude_none=True) for block in first.content]
        for block in kept:
            block.pop("parsed_output", None)
        told = {"type": "tool_result", "tool_use_id": call.id, "content": result}
        messages += [{"role": "assistant", "content": kept}, {"role": "user", "content": [told]}]
        last = await ask()
    thought = "".join(block.thinking for block in first.content if block.type == "thinking")
    text = "".join(block.text for block in first.content if block.type == "text")
    return Heard(thought, text, (call.name, call.input), last.content[-1].text)


async def _generate(base: str, model: str, name: str, result: str, stream: bool) -> Heard:
    config = types.GenerateContentConfig(
        tools=[{"function_declarations": [{"name": name, "parameters_json_schema": SCHEMA}]}],
        thinking_config=types.ThinkingConfig(thinking_budget=2000, include_thoughts=True),
    )
    contents: list[Any] = [types.Content(role="user", parts=[types.Part(text=QUESTION)])]
    client = genai.Client(api_key="dummy-key", http_options=types.HttpOptions(base_url=base))

    async def ask() -> list[types.Part]:
        asked: Any = {"model": model, "contents": contents, "config": config}
        parts: list[types.Part] = []
        if stream:
            async for chunk in await client.aio.models.generate_content_stream(**asked):
                for candidate in chunk.candidates or ():
                    parts += (candidate.content and candidate.content.parts) or ()
            return parts
        answer = await client.aio.models.generate_content(**asked)
        assert answer.candidates is not None
        content = answer.candidates[0].content
        assert content is not None
        return content.parts or []

    try:
        first = await ask()
        [call] = [part.function_call for part in first if part.function_call is not None]
        response = types.FunctionResponse(id=call.id, name=call.name, response={"output": result})
        contents.append(types.Content(role="model", parts=first))
        contents.append(types.Content(role="user", parts=[types.Part(function_response=response)]))
        last = await ask()
    finally:
        await client.aio.aclose()
    thought = "".join(part.text or "" for part in first if part.thought)
    text = "".join(part.text or "" for part in first if not part.thought)
    said = "".join(part.text or "" for part in last if not part.thought)
    return Heard(thought, text, (call.name or "", call.args), said)


CLIENTS: Final[dict[str, Have]] = {
    "openai_chat": _chat,
    "openai_responses": _responses,
    "anthropic": _messages,
    "gemini": _generate,
}
"""By the face that the client speaks."""
