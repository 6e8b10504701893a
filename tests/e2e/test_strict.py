"""The strict fake providers: they refuse what the real ones refuse and take what those took."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from anthropic.types import Message
from google.genai.types import GenerateContentResponse
from mistralai.client.models import ChatCompletionResponse, CompletionChunk
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from dragoman.testing.provider import Seen, Streamed, Whole
from tests.e2e.answers.anthropic import anthropic
from tests.e2e.answers.said import Said
from tests.e2e.strict import JUDGES, held
from tests.e2e.strict.typed import Refused
from tests.e2e.stubs import DIALECTS, PATHS

HEADERS = {
    "openai_chat": {"authorization": "Bearer k"},
    "anthropic": {"x-api-key": "k", "anthropic-version": "2023-06-01"},
    "gemini": {"x-goog-api-key": "k"},
    "mistral": {"authorization": "Bearer k"},
}
ALL = pytest.mark.parametrize("dialect", list(DIALECTS))
Members = dict[str, Any]


def user(text: str = "Hi") -> Members:
    return {"role": "user", "content": text}


BODIES: dict[str, Members] = {
    "openai_chat": {"model": "gpt-4o", "messages": [user()]},
    "anthropic": {"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": [user()]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    "mistral": {"model": "mistral-large-latest", "messages": [user()]},
}


def ask(
    dialect: str, *, path: str | None = None, headers: dict[str, str] | None = None, **fields: Any
) -> Seen:
    """A good request with these fields. headers: instead of the usual."""
    body = json.dumps({**BODIES[dialect], **fields}).encode()
    return Seen("POST", path or PATHS[dialect], {}, HEADERS[dialect] if headers is None else headers, body)


@ALL
def test_a_plain_request_is_taken(dialect: str) -> None:
    JUDGES[dialect](ask(dialect))


def called(*ids: str) -> Members:
    calls = [{"id": i, "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(id_: str) -> Members:
    return {"role": "tool", "tool_call_id": id_, "content": "fine"}


def uses(*ids: str) -> Members:
    content = [{"type": "tool_use", "id": i, "name": "f", "input": {}} for i in ids]
    return {"role": "assistant", "content": content}


def gives(*blocks: Members | str) -> Members:
    content = [
        {"type": "tool_result", "tool_use_id": block, "content": "fine"} if isinstance(block, str) else block
        for block in blocks
    ]
    return {"role": "user", "content": content}


TEXT = {"type": "text", "text": "and more"}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
DECLARED = [{"functionDeclarations": [{"name": "f"}]}]
OPEN = {"type": "object", "properties": {"a": {"type": "string"}}}


def form(schema: Members, name: str = "x") -> Members:
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}


OPENAI: list[tuple[Members, str]] = [
    ({"top_k": 5}, "top_k"),
    ({"messages": []}, "messages"),
    ({"messages": [{**user(), "mood": "good"}]}, "messages[0].mood"),
    ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
    ({"messages": [user(), called("a")]}, "messages"),
    ({"messages": [user(), called("a"), user()]}, "messages[2]"),
    ({"messages": [user(), result("a")]}, "messages[1].role"),
    ({"messages": [user(), called("a"), result("b")]}, "messages[2].role"),
    ({"messages": [user(), {"role": "assistant", "content": None}]}, "messages[1]"),
    ({"messages": [user(), {"role": "assistant", "content": "x", "images": []}]}, "messages[1].images"),
    ({"temperature": 2.5}, "temperature"),
    ({"temperature": "1"}, "temperature"),
    ({"n": 0}, "n"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens"),
    ({"model": "gpt-5", "max_tokens": 5}, "max_tokens"),
    ({"model": "gpt-5", "temperature": 0.5}, "temperature"),
    ({"reasoning_effort": "low"}, "reasoning_effort"),
    ({"modalities": ["text", "image"]}, "modalities[1]"),
    ({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}, "modalities"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ({"tools": []}, "tools"),
    ({"tool_choice": "auto"}, "tool_choice"),
    ({"tools": [{**FUNCTION, "function": {"name": "a b"}}]}, "tools[0].function.name"),
    ({"tools": [FUNCTION], "tool_choice": "any"}, "tool_choice"),
    ({"response_format": {"type": "json_object"}}, "messages"),
    ({"response_format": form(OPEN)}, "response_format.json_schema.schema"),
    ({"response_format": form({"type": "object"}, "a b")}, "response_format.json_schema.name"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}]},
        "messages[0].content[0]",
    ),
]
ANTHROPIC: list[tuple[Members, str]] = [
    ({"seed": 1}, "seed"),
    ({"max_tokens": None}, "max_tokens"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    ({"messages": [user("")]}, "messages[0].content[0]"),
    ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    ({"messages": [user(), uses("a")]}, "messages"),
    ({"messages": [user(), uses("a"), user()]}, "messages[2]"),
    ({"messages": [user(), uses("a", "b"), gives("a")]}, "messages[2]"),
    ({"messages": [user(), uses("a"), gives(TEXT, "a")]}, "messages[2]"),
    ({"messages": [user(), uses("a"), gives("a", "a")]}, "messages[2]"),
    ({"messages": [gives("a")]}, "messages[0]"),
    ({"messages": [user(), uses("a.b"), gives("a.b")]}, "messages[1]"),
    ({"messages": [user(), {"role": "assistant", "content": "so "}]}, "messages"),
    ({"temperature": 1.5}, "temperature"),
    ({"stop_sequences": ["\n"]}, "stop_sequences[0]"),
    ({"tool_choice": {"type": "auto"}}, "tool_choice"),
    ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "tool_choice.name"),
    ({"tools": [TOOL, TOOL]}, "tools"),
    ({"model": "claude-opus-5-5", "tools": [TOOL], "tool_choice": {"type": "any"}}, "tool_choice"),
    ({"model": "claude-opus-4-8", "temperature": 0.5}, "temperature"),
    (
        {
            "model": "claude-opus-4-8",
            "max_tokens": 9000,
            "thinking": {"type": "enabled", "budget_tokens": 2000},
        },
        "thinking.type",
    ),
    (
        {"model": "claude-sonnet-4-6", "messages": [user(), {"role": "assistant", "content": "So"}]},
        "messages",
    ),
    (
        {
            "model": "claude-3-5-haiku-20241022",
            "output_config": {"format": {"type": "json_schema", "schema": {"type": "string"}}},
        },
        "output_config.format",
    ),
    ({"tools": [{**TOOL, "name": "a.b"}]}, "tools[0].name"),
    ({"tools": [{**TOOL, "strict": "yes"}]}, "tools[0].strict"),
    ({"thinking": {"type": "enabled", "budget_tokens": 50}}, "thinking.budget_tokens"),
    ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "max_tokens"),
    ({"output_config": {"format": {"type": "json_schema", "schema": OPEN}}}, "output_config.format.schema"),
    (
        {
            "messages": [
                user(),
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": ""}]},
                user(),
            ]
        },
        "messages[1].content[0]",
    ),
]


def content(role: str, *parts: Members) -> Members:
    return {"role": role, "parts": [*parts]}


def call(name: str = "f", **more: Any) -> Members:
    return {"functionCall": {"name": name, "args": {}, **more}}


def answer(name: str = "f", **more: Any) -> Members:
    return {"functionResponse": {"name": name, "response": {}, **more}}


HI = content("user", {"text": "Hi"})
GEMINI: list[tuple[Members, str]] = [
    ({"model": "x"}, "model"),
    ({"contents": []}, "contents"),
    ({"contents": [content("system", {"text": "x"})]}, "contents[0].role"),
    ({"contents": [content("user")]}, "contents[0]"),
    ({"contents": [content("user", {})]}, "contents[0].parts[0]"),
    ({"contents": [content("user", {"text": "x", "inlineData": {}})]}, "contents[0].parts[0]"),
    ({"contents": [content("user", {"text": "x", "mood": 1})]}, "contents[0].parts[0].mood"),
    (
        {"contents": [content("user", {"inlineData": {"data": "eA=="}})]},
        "contents[0].parts[0].inlineData.mimeType",
    ),
    (
        {"contents": [content("user", {"fileData": {"fileUri": "https://example.com/a.png"}})]},
        "contents[0].parts[0].fileData.fileUri",
    ),
    ({"contents": [HI, content("model", call())]}, "contents"),
    ({"contents": [HI, content("model", call()), HI]}, "contents[2]"),
    ({"contents": [HI, content("model", call(), call()), content("user", answer())]}, "contents[2]"),
    ({"contents": [HI, content("model", call()), content("user", answer("g"))]}, "contents[2]"),
    ({"contents": [HI, content("model", call(id="a")), content("user", answer(id="b"))]}, "contents[2]"),
    ({"contents": [content("user", answer())]}, "contents[0]"),
    ({"contents": [content("model", call()), content("user", answer())]}, "contents[0]"),
    ({"contents": [HI, content("user", call())]}, "contents[1].parts[0]"),
    ({"generationConfig": {"temperature": 2.5}}, "generationConfig.temperature"),
    ({"generationConfig": {"temperature": "1"}}, "generationConfig.temperature"),
    ({"generationConfig": {"min_p": 1}}, "generationConfig.min_p"),
    ({"generationConfig": {"candidateCount": 9}}, "generationConfig.candidateCount"),
    ({"generationConfig": {"stopSequences": list("abcdef")}}, "generationConfig.stopSequences"),
    ({"generationConfig": {"logprobs": 2}}, "generationConfig."),
    ({"generationConfig": {"responseJsonSchema": {}}}, "generationConfig."),
    (
        {
            "generationConfig": {
                "responseMimeType": "application/json",
                "responseJsonSchema": {"properties": {"a": {"const": 1}}},
            }
        },
        "generationConfig.responseJsonSchema.properties.a",
    ),
    (
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}}},
        "generationConfig.thinkingConfig",
    ),
    ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}, "generationConfig.thinkingConfig"),
    ({"generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}}, "generationConfig.responseModalities"),
    ({"tools": [{"functionDeclarations": [{"name": "1f"}]}]}, "tools[0].functionDeclarations[0].name"),
    (
        {"tools": [{"functionDeclarations": [{"name": "f", "strict": True}]}]},
        "tools[0].functionDeclarations[0].strict",
    ),
    (
        {
            "tools": [
                {"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"$ref": "#", "title": "x"}}]}
            ]
        },
        "tools[0].functionDeclarations[0].parametersJsonSchema",
    ),
    ({"tools": DECLARED * 2}, "tools"),
    ({"tools": [{**DECLARED[0], "googleSearch": {}}]}, "tools"),
    ({"toolConfig": {"functionCallingConfig": {"mode": "AUTO"}}}, "toolConfig"),
    (
        {
            "tools": DECLARED,
            "toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["f"]}},
        },
        "toolConfig",
    ),
    (
        {
            "tools": DECLARED,
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["g"]}},
        },
        "toolConfig",
    ),
    ({"systemInstruction": {"parts": [call()]}}, "systemInstruction.parts[0]"),
]
NINE = "abcdefgh1"
SYSTEM = {"role": "system", "content": "Be kind."}
SAYS = {"role": "assistant", "content": "Hello."}
MISTRAL: list[tuple[Members, str]] = [
    ({"seed": 1}, "seed"),
    ({"max_completion_tokens": 1}, "max_completion_tokens"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "developer", "content": "x"}]}, "messages[0]"),
    ({"messages": [{**user(), "name": "Ada"}]}, "messages[0].name"),
    ({"messages": [user(), {"role": "assistant", "content": "x"}]}, "messages"),
    ({"messages": [user(), {"role": "assistant", "content": ""}, user()]}, "messages[1]"),
    ({"messages": [user(), called("call_1"), result("call_1")]}, ""),
    ({"messages": [user(), called(NINE)]}, "messages"),
    ({"messages": [user(), called(NINE), user()]}, "messages[2]"),
    ({"messages": [user(), SAYS, SYSTEM, user()]}, "messages[2]"),
    ({"messages": [user(), SYSTEM]}, "messages"),
    ({"messages": [user(), called(NINE), result(NINE), user()]}, "messages[3]"),
    ({"messages": [user(), called(NINE), result("000000000")]}, "messages[2]"),
    ({"messages": [user(), called(NINE, "abcdefgh2"), result(NINE)]}, "messages"),
    (
        {"messages": [{"role": "user", "content": [{"type": "video", "video": "x"}]}]},
        "messages[0].content[0].type",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "a": 1}]}]},
        "messages[0].content[0]",
    ),
    ({"temperature": 1.8}, "temperature"),
    ({"n": "2"}, "n"),
    ({"tool_choice": "any"}, "tool_choice"),
    ({"tools": [FUNCTION], "tool_choice": "must"}, "tool_choice"),
    (
        {"tools": [FUNCTION], "tool_choice": {"type": "function", "function": {"name": "g"}}},
        "tool_choice.function.name",
    ),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
]
BAD = {"openai_chat": OPENAI, "anthropic": ANTHROPIC, "gemini": GEMINI, "mistral": MISTRAL}


@pytest.mark.parametrize(
    ("dialect", "fields", "path"),
    [
        pytest.param(dialect, fields, path, id=f"{dialect}-{index}-{path}")
        for dialect, cases in BAD.items()
        for index, (fields, path) in enumerate(cases)
    ],
)
def test_what_the_provider_refuses_is_refused(dialect: str, fields: Members, path: str) -> None:
    with pytest.raises(Refused) as caught:
        JUDGES[dialect](ask(dialect, **fields))
    assert caught.value.path.startswith(path)
    assert caught.value.message


@ALL
def test_a_request_without_a_credential_is_refused(dialect: str) -> None:
    with pytest.raises(Refused) as caught:
        JUDGES[dialect](ask(dialect, headers={}))
    assert caught.value.status in {401, 403}


@ALL
def test_a_request_to_another_path_is_refused(dialect: str) -> None:
    with pytest.raises(Refused) as caught:
        JUDGES[dialect](ask(dialect, path="/v1/chat"))
    assert caught.value.status == 404


def test_a_credential_of_another_kind_is_refused_by_gemini() -> None:
    with pytest.raises(Refused):
        JUDGES["gemini"](ask("gemini", headers={"x-goog-api-key": "k", "authorization": "Bearer k"}))


def test_unsigned_calls_are_refused_by_gemini_3_in_the_running_turn_alone() -> None:
    path = "/v1beta/models/gemini-3-pro-preview:generateContent"
    signed = {**call(), "thoughtSignature": "c2VhbA=="}
    old = [HI, content("model", call()), content("user", answer()), content("model", {"text": "Done."})]
    fine = [*old, HI, content("model", signed, call()), content("user", answer(), answer())]
    JUDGES["gemini"](ask("gemini", path=path, contents=fine))
    with pytest.raises(Refused, match="thought_signature"):
        JUDGES["gemini"](ask("gemini", path=path, contents=old[:3]))


@ALL
def test_an_error_is_in_the_providers_own_form(dialect: str) -> None:
    """As the dialect of the gateway reads it: its message and place survive."""
    script = held(dialect, Whole({}))
    assert callable(script)
    made = script(ask(dialect, unknown_key=1))
    assert isinstance(made, Whole)
    assert made.status == (422 if dialect == "mistral" else 400)
    assert "unknown_key" in json.dumps(made.body)
    assert "Extra inputs are not permitted" in json.dumps(made.body)
    members = {"openai_chat": {"error"}, "gemini": {"error"}, "anthropic": {"type", "error", "request_id"}}
    assert set(made.body) >= members.get(dialect, {"object", "message", "type", "param", "code"})


# Against the real ones ----------------------------------------------------------------------------

TAKEN = {
    "anthropic.messages": (
        ("mcp_servers", "a beta"),
        (".tool", "a beta"),
        ("tools[0].max_tokens", "a beta"),
        ("output_config.task_budget", "a beta"),
        (".stop_reason", "a beta"),
        (".citations", "a beta"),
        ("content[0].id", "a field of answers that was sent back, since refused"),
        ("output_format", "deprecated, and gone from the types"),
        ("messages[1].content[0]", "white space alone, which later versions refuse"),
        ("messages[2]", "a result without its call, taken by an old model"),
    ),
    "openai.chat": ((".tool_call_id", "an unknown member of a message that is tolerated today"),),
    "mistral.chat": (("messages[3]", "a user directly after a tool, which older models refuse with 3230"),),
    "gemini.generateContent": (),
    "gemini.streamGenerateContent": (),
}
"""What real providers took and a judge refuses, by the end of the path, with the reason."""


@pytest.mark.wire
@pytest.mark.parametrize("api", list(TAKEN))
def test_what_the_real_provider_took_is_taken(recorded: Path, api: str) -> None:
    """Over every recorded request that was answered with 200."""
    dialect = {"openai.chat": "openai_chat"}.get(api, api.split(".", maxsplit=1)[0])
    seen = refused = 0
    for line in (recorded / f"{api}.jsonl").read_text(encoding="utf-8").splitlines():
        exchange = json.loads(line)
        request = exchange["request"]
        if exchange["response"]["status"] != 200 or "body" not in request or "trimmed" in exchange:
            continue
        seen += 1
        if (error := _verdict(_as_seen(dialect, request), dialect)) is not None:
            refused += 1
            known = any(error.path.endswith(end) for end, _ in TAKEN[api])
            assert known, (exchange["id"], error.path, error.message)
    assert seen > 50
    assert refused <= seen / 15


def _verdict(seen: Seen, dialect: str) -> Refused | None:
    try:
        JUDGES[dialect](seen)
    except Refused as refused:
        return refused
    return None


def _as_seen(dialect: str, request: Members) -> Seen:
    url = urlsplit(request["url"])
    query = {"alt": "sse"} if ":streamGenerateContent" in url.path else {}
    headers = {**HEADERS[dialect], **{name.lower(): value for name, value in request["headers"].items()}}
    return Seen("POST", url.path, query, headers, json.dumps(request["body"]).encode())


RICH = Said(
    "It is so.",
    (("call_1", "f", '{"a": 1}'),),
    thought="Let me see.",
    seal="c2VhbA==",
    reasoning_tokens=3,
    cached_tokens=2,
)
MODELS: dict[str, tuple[type[BaseModel], type[BaseModel]]] = {
    "openai_chat": (ChatCompletion, ChatCompletionChunk),
    "gemini": (GenerateContentResponse, GenerateContentResponse),
    "mistral": (ChatCompletionResponse, CompletionChunk),
}
ASKING: dict[str, Members] = {
    "openai_chat": {"logprobs": True, "top_logprobs": 2, "n": 2},
    "gemini": {
        "generationConfig": {
            "candidateCount": 2,
            "responseLogprobs": True,
            "logprobs": 2,
            "thinkingConfig": {"includeThoughts": True},
        }
    },
    "mistral": {"logprobs": True, "top_logprobs": 2, "n": 2, "reasoning_effort": "low"},
}


@pytest.mark.parametrize("dialect", list(MODELS))
def test_answers_are_what_the_official_client_reads(dialect: str) -> None:
    """Whole and streamed, closed against its types where those are."""
    whole, chunk = MODELS[dialect]
    said = Said(
        RICH.text,
        RICH.calls,
        others=("Or not.",),
        thought=RICH.thought,
        seal=RICH.seal,
        reasoning_tokens=3,
        cached_tokens=2,
    )
    script = DIALECTS[dialect](said)
    assert callable(script)
    made = script(ask(dialect, **ASKING[dialect]))
    assert isinstance(made, Whole)
    whole.model_validate(made.body)
    path = PATHS[dialect].replace(":generateContent", ":streamGenerateContent")
    streamed = script(ask(dialect, path=path, stream=True, **ASKING[dialect]))
    assert isinstance(streamed, Streamed)
    frames = [frame for frame in streamed.frames if isinstance(frame, dict)]
    assert len(frames) > 5
    for frame in frames:
        chunk.model_validate(frame)


def test_anthropics_answer_is_what_its_client_reads() -> None:
    script = anthropic(RICH)
    assert callable(script)
    made = script(ask("anthropic", thinking={"type": "adaptive"}))
    assert isinstance(made, Whole)
    message = Message.model_validate(made.body)
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
