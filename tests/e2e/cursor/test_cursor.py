"""Cursor's agent over every provider: what it writes at chat's path is understood, its free-text tool comes
back in the only form that it reads, and its next turn brings every call and result to the provider.

The requests are written after public recordings of others (each file names them), not recorded here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dragoman.testing.provider import FakeProvider, Script
from tests.e2e import calls
from tests.e2e.answers.anthropic import anthropic
from tests.e2e.answers.gemini import gemini
from tests.e2e.answers.mistral import mistral
from tests.e2e.answers.ollama import ollama
from tests.e2e.answers.openai_chat import openai_chat
from tests.e2e.answers.openai_responses import openai_responses
from tests.e2e.answers.said import Said
from tests.e2e.calls import Answered, Site
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.strict import held

PATCH = '*** Begin Patch\n*** Add File: main.py\n+print("hello, \\ wörld")\n*** End Patch\n'
CONTENT = "print()\n"
ANSWERS: dict[str, tuple[Callable[[Said], Script], str, str]] = {
    "openai_chat": (openai_chat, "gpt-4o", "call_AAAAAAAAAAAAAAAAAAAAAAA"),
    "openai_responses": (openai_responses, "gpt-5", "call_AAAAAAAAAAAAAAAAAAAAAAA"),
    "anthropic": (anthropic, "claude-sonnet-4-5", "toolu_01AAAAAAAAAAAAAAAAAAAAA"),
    "gemini": (gemini, "gemini-2.5-flash", ""),
    "mistral": (mistral, "mistral-large-latest", "aaaaaaaa"),
    "ollama": (ollama, "qwen3", ""),
}
"""What each provider answers, its model, and how the ids of its calls begin."""
FREE = {"openai_chat", "openai_responses"}
"""Who has tools with free text; others are asked for a function with the member `input`."""
SHAPES = ("chat", "input", "claude")


def written(shape: str, model: str, *, stream: bool) -> dict[str, Any]:
    body = json.loads((Path(__file__).parent / f"{shape}.json").read_text(encoding="utf-8"))["body"]
    body["model"] = model
    if not stream:
        del body["stream"], body["stream_options"]
    return dict(body)


def patch_call(shape: str, dialect: str) -> str:
    """The arguments of the patch as the provider's model writes them."""
    if shape == "claude":
        return json.dumps({"patch": PATCH})
    return PATCH if dialect in FREE else json.dumps({"input": PATCH}, ensure_ascii=False)


async def asked(site: Site, body: dict[str, Any]) -> Answered:
    async with site.session.post(site.base + calls.CHAT, json=body) as response:
        return Answered(response.status, response.headers, await response.read())


def message(answered: Answered, *, stream: bool) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """The assistant's message, as Cursor puts it together, the finish reason and the usage."""
    assert answered.status == 200, answered.raw
    if not stream:
        assert answered.body["object"] == "chat.completion"
        [choice] = answered.body["choices"]
        return choice["message"], choice["finish_reason"], answered.body["usage"]
    assert answered.raw.endswith(b"data: [DONE]\n\n")
    made: dict[str, Any] = {"content": "", "tool_calls": []}
    finish, usage = "", dict[str, Any]()
    for chunk in answered.events[:-1]:
        assert chunk["object"] == "chat.completion.chunk"
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            made["content"] += choice["delta"].get("content") or ""
            for piece in choice["delta"].get("tool_calls") or ():
                if piece["index"] == len(made["tool_calls"]):
                    assert piece["type"] == "function"
                    function = {"name": piece["function"]["name"], "arguments": ""}
                    made["tool_calls"].append({"id": piece["id"], "type": "function", "function": function})
                call = made["tool_calls"][piece["index"]]
                call["function"]["arguments"] += piece["function"]["arguments"]
            finish = choice["finish_reason"] or finish
    return made, finish, usage


def next_turn(shape: str, body: dict[str, Any], said: dict[str, Any], *, echo: str) -> dict[str, Any]:
    """The request with the calls and their results. echo: how a call of the free-text tool is sent back."""
    made = said["tool_calls"]
    results = [CONTENT, "Done."]
    if shape == "input":
        items: list[dict[str, Any]] = [
            {"role": "assistant", "content": [{"type": "output_text", "text": said["content"]}]}
        ]
        items += [{"type": "function_call", "call_id": call["id"], **call["function"]} for call in made]
        items += [
            {"type": "function_call_output", "call_id": call["id"], "output": result}
            for call, result in zip(made, results, strict=True)
        ]
        return {**body, "input": [*body["input"], *items]}
    if shape == "claude":
        uses = [
            {
                "type": "tool_use",
                "id": call["id"],
                "name": call["function"]["name"],
                "input": json.loads(call["function"]["arguments"]),
            }
            for call in made
        ]
        outputs = [
            {
                "type": "tool_result",
                "tool_use_id": call["id"],
                "content": [{"type": "text", "text": result}],
            }
            for call, result in zip(made, results, strict=True)
        ]
        turns = [
            {"role": "assistant", "content": [{"type": "text", "text": said["content"]}, *uses]},
            {"role": "user", "content": outputs},
        ]
        return {**body, "messages": [*body["messages"], *turns]}
    if echo == "custom":
        free = made[1]["function"]
        custom = {"name": free["name"], "input": free["arguments"]}
        made = [made[0], {"id": made[1]["id"], "type": "custom", "custom": custom}]
    replies = [
        {"role": "tool", "tool_call_id": call["id"], "content": result}
        for call, result in zip(made, results, strict=True)
    ]
    answer = {"role": "assistant", "content": [], "tool_calls": made}
    return {**body, "messages": [*body["messages"], answer, *replies]}


async def place(
    visit: Visit, provide: Provide, dialect: str, *said: Said, model: str = ""
) -> tuple[Site, FakeProvider, str]:
    make, usual, _ = ANSWERS[dialect]
    provider = await provide(*(held(dialect, make(one)) for one in said))
    return await visit(up(provider.url, dialect)), provider, f"up/{model or usual}"


@pytest.mark.parametrize("dialect", ANSWERS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_two_turns_with_parallel_calls(
    visit: Visit, provide: Provide, dialect: str, shape: str, *, stream: bool
) -> None:
    id_ = ANSWERS[dialect][2]
    made = (
        (id_ and f"{id_}1", "Read", '{"path": "main.py"}'),
        (id_ and f"{id_}2", "ApplyPatch", patch_call(shape, dialect)),
    )
    site, provider, model = await place(
        visit, provide, dialect, Said("I look.", made), Said("It says hello now.")
    )
    body = written(shape, model, stream=stream)
    said, finish, usage = message(await asked(site, body), stream=stream)
    assert said["content"] == "I look."
    assert finish == "tool_calls"
    assert usage["total_tokens"] == 19
    read, patch = said["tool_calls"]
    assert (read["type"], read["function"]["name"]) == ("function", "Read")
    assert json.loads(read["function"]["arguments"]) == {"path": "main.py"}
    assert (patch["type"], patch["function"]["name"]) == ("function", "ApplyPatch")
    if shape == "claude":
        assert json.loads(patch["function"]["arguments"]) == {"patch": PATCH}
    else:
        assert patch["function"]["arguments"] == PATCH

    again = await asked(site, next_turn(shape, body, said, echo="function"))
    said, finish, _ = message(again, stream=stream)
    assert (said["content"], finish) == ("It says hello now.", "stop")
    sent = json.dumps(provider.seen[1].body, ensure_ascii=False)
    for told in ("main.py", "Begin Patch", "print()", "Done."):
        assert told in sent


SEAL = "RXJzdGUgVW50ZXJzY2hyaWZ0IGVpbmVzIEdlZGFua2Vucw=="


@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
@pytest.mark.parametrize("shape", SHAPES)
async def test_seals_find_their_way_back(visit: Visit, provide: Provide, dialect: str, shape: str) -> None:
    """Chat has no place for them: the gateway remembers what the provider demands of the next turn."""
    id_ = ANSWERS[dialect][2]
    made = (
        (id_ and f"{id_}1", "Read", '{"path": "main.py"}'),
        (id_ and f"{id_}2", "ApplyPatch", patch_call(shape, dialect)),
    )
    first = Said("I look.", made, thought="What does it say?", seal=SEAL)
    site, provider, model = await place(visit, provide, dialect, first, Said("Done."))
    effort: dict[str, Any] = (
        {"reasoning": {"effort": "high"}} if shape == "input" else {"reasoning_effort": "high"}
    )
    body = {**written(shape, model, stream=True), **effort}
    said, _, _ = message(await asked(site, body), stream=True)
    again = await asked(site, next_turn(shape, body, said, echo="function"))
    assert again.status == 200, again.raw
    assert SEAL in json.dumps(provider.seen[1].body)


@pytest.mark.parametrize("echo", ["function", "custom"])
@pytest.mark.parametrize("dialect", sorted(FREE))
async def test_a_provider_with_free_text_gets_the_calls_as_such(
    visit: Visit, provide: Provide, dialect: str, echo: str
) -> None:
    id_ = ANSWERS[dialect][2]
    made = ((f"{id_}1", "Read", "{}"), (f"{id_}2", "ApplyPatch", PATCH))
    site, provider, model = await place(visit, provide, dialect, Said("", made), Said("Done."))
    body = written("chat", model, stream=False)
    said, _, _ = message(await asked(site, body), stream=False)
    answered = await asked(site, next_turn("chat", body, said, echo=echo))
    assert answered.status == 200, answered.raw
    sent = provider.seen[1].body
    if dialect == "openai_chat":
        custom = {"name": "ApplyPatch", "input": PATCH}
        assert sent["messages"][2]["tool_calls"][1] == {"id": f"{id_}2", "type": "custom", "custom": custom}
        assert sent["messages"][2]["content"] is None
        [_, tool] = sent["tools"]
        assert set(tool) == {"type", "custom"}
        assert tool["custom"]["format"]["grammar"]["syntax"] == "lark"
    else:
        items = [(item.get("type"), item.get("call_id")) for item in sent["input"][2:]]
        assert ("custom_tool_call", f"{id_}2") in items
        assert ("custom_tool_call_output", f"{id_}2") in items
        assert sent["tools"][1]["format"]["syntax"] == "lark"


async def test_a_provider_of_both_protocols_is_asked_in_the_one_of_the_body(
    visit: Visit, provide: Provide
) -> None:
    """`input` goes to /responses, where reasoning and tools go together; `messages` to /chat/completions."""
    provider = await provide(
        held("openai_responses", openai_responses(Said("Hello."))),
        held("openai_chat", openai_chat(Said("Hello."))),
    )
    site = await visit({"providers": {"openai": {"base_url": f"{provider.url}/v1", "keys": ["up-key"]}}})
    for shape in ("input", "chat"):
        said, _, _ = message(await asked(site, written(shape, "openai/gpt-4o", stream=True)), stream=True)
        assert said["content"] == "Hello."
    assert [seen.path for seen in provider.seen] == ["/v1/responses", "/v1/chat/completions"]


@pytest.mark.parametrize(
    ("shape", "change", "param"),
    [
        ("chat", {"tools": [{"type": "custom", "name": "Apply Patch"}]}, "tools[0].name"),
        (
            "chat",
            {"tools": [{"type": "custom", "name": "P", "format": {"type": "grammar", "syntax": "ebnf"}}]},
            "tools[0].format.syntax",
        ),
        (
            "claude",
            {"tools": [{"name": "Read", "input_schema": {"type": "string"}}]},
            "tools[0].input_schema",
        ),
        (
            "claude",
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "x"}]}]},
            "messages[0].content[0].tool_use_id",
        ),
        ("claude", {"tool_choice": {"type": "tool", "name": "Write"}}, "tool_choice"),
        ("input", {"input": [{"role": "user"}]}, "input[0].content"),
        ("input", {"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ("input", {"tools": [{"type": "function"}]}, "tools[0].name"),
    ],
)
async def test_mistakes_are_placed_in_what_was_written(
    visit: Visit, provide: Provide, shape: str, change: dict[str, Any], param: str
) -> None:
    site, provider, model = await place(visit, provide, "openai_chat", Said())
    answered = await asked(site, {**written(shape, model, stream=True), **change})
    assert answered.status == 400, answered.raw
    assert answered.error["param"] == param
    if "'tools[" in answered.error["message"]:
        assert param in answered.error["message"]
    assert not provider.seen


async def test_other_clients_keep_chats_rules_and_calls(visit: Visit, provide: Provide) -> None:
    """A free-text tool that is written as chat writes it is called so; nonsense stays nonsense."""
    made = (("call_1", "ApplyPatch", PATCH),)
    site, _, model = await place(visit, provide, "openai_chat", Said("", made))
    tool = {"type": "custom", "custom": {"name": "ApplyPatch"}}
    answered = await site.ask(model, tools=[tool])
    [call] = answered.body["choices"][0]["message"]["tool_calls"]
    assert call == {"id": "call_1", "type": "custom", "custom": {"name": "ApplyPatch", "input": PATCH}}
    for tools, param in (([{"type": "function"}], "tools[0].function"), ([{"name": "f"}], "tools[0].type")):
        refused = await site.ask(model, tools=tools)
        assert (refused.status, refused.error["param"]) == (400, param)
    refused = await asked(site, {"model": model})
    assert (refused.status, refused.error["param"]) == (400, "messages")
    for body, param in (
        ({"input": "Hello!", "Instructions": "Be brief."}, "Instructions"),
        ({"messages": calls.HELLO, "tools": [{"type": "function", "name": "f"}], "System": "x"}, "System"),
    ):
        refused = await asked(site, {"model": model, **body})
        assert (refused.status, refused.error["param"]) == (400, param)


async def test_losses_are_placed_in_what_was_written(visit: Visit, provide: Provide) -> None:
    site, _, model = await place(visit, provide, "gemini", Said())
    body = written("claude", model, stream=False)
    async with site.session.post(
        site.base + calls.CHAT, json=body, headers={"x-dragoman-strict": "all"}
    ) as response:
        refused = await response.json()
    assert response.status == 400
    assert refused["error"]["param"] == "system[0].cache_control"
