"""Claude at Bedrock and Vertex AI is sent what Anthropic's own clients of these clouds send. They read the
answers as we do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from anthropic import AsyncAnthropic, AsyncAnthropicBedrock, AsyncAnthropicVertex

from dragoman.testing.provider import Answer, Seen, Streamed, Whole
from tests.e2e.conftest import Provide, Serve
from tests.e2e.strict import bedrock, vertex
from tests.matrix.asked import PNG_64

Wire = dict[str, Any]
CALL: Final = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"city": "Bonn"}}
THOUGHT: Final = {"type": "thinking", "thinking": "Hm.", "signature": bedrock.SIGNATURE}
TOOL: Final = {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}
MARK: Final = {"type": "ephemeral", "ttl": "1h"}
PICTURE: Final = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PNG_64},
}
REQUESTS: Final[dict[str, Wire]] = {
    "text": {"messages": [{"role": "user", "content": "Hello!"}]},
    "settings": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": MARK}]}],
        "system": [{"type": "text", "text": "Be brief.", "cache_control": MARK}],
        "stop_sequences": ["END"],
        "metadata": {"user_id": "somebody"},
    },
    "thinking": {
        "max_tokens": 4000,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Look!"}, PICTURE]},
            {"role": "assistant", "content": [THOUGHT, CALL]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [PICTURE]}],
            },
        ],
        "tools": [TOOL, {"type": "bash_20250124", "name": "bash"}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 2048},
    },
    "betas": {
        "messages": [{"role": "user", "content": "Hello!"}],
        "betas": ["context-1m-2025-08-07", "context-management-2025-06-27"],
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    },
}
MESSAGE: Final = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [THOUGHT, {"type": "text", "text": "Hello."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 5, "output_tokens": 3},
}
EVENTS: Final[list[Wire]] = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello."}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 3},
    },
    {"type": "message_stop"},
]
MODELS: Final = {
    "bedrock": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "vertex": "claude-sonnet-4-5@20250929",
}
VERSIONS: Final = {"bedrock": "bedrock-2023-05-31", "vertex": "vertex-2023-10-16"}


def answer(seen: Seen) -> Answer:
    if seen.path == "/token":
        return Whole({"access_token": vertex.TOKEN, "expires_in": 3599, "token_type": "Bearer"})
    if seen.path.endswith("/invoke-with-response-stream"):
        return bedrock.stream([bedrock.chunk(event) for event in EVENTS])
    return Streamed(EVENTS, named=True) if seen.path.endswith(":streamRawPredict") else Whole(MESSAGE)


def theirs(cloud: str, url: str) -> Any:
    """Anthropic's own client of the cloud."""
    if cloud == "vertex":
        return AsyncAnthropicVertex(
            region=vertex.LOCATION,
            project_id=vertex.PROJECT,
            access_token=vertex.TOKEN,
            base_url=f"{url}/v1",
            max_retries=0,
        )
    return AsyncAnthropicBedrock(
        api_key=bedrock.BEARER, aws_region=bedrock.REGION, base_url=url, max_retries=0
    )


def configuration(cloud: str, url: str, folder: Path) -> Wire:
    if cloud == "bedrock":
        return {"base_url": url, "keys": [bedrock.BEARER], "region": bedrock.REGION}
    pytest.importorskip("google.auth", reason="needs the extra `google`")
    file = vertex.account(url, folder / "account.json")
    return {
        "base_url": url,
        "project": vertex.PROJECT,
        "region": vertex.LOCATION,
        "credential": {"kind": "google", "file": file},
    }


async def ask(client: Any, model: str, request: Wire, *, stream: bool) -> Any:
    """The answer of a client. A client of betas has other paths for them."""
    messages = client.beta.messages if "betas" in request else client.messages
    fields = {"max_tokens": 100, **request, "model": model}
    if not stream:
        return await messages.create(**fields)
    async with messages.stream(**fields) as events:
        return await events.get_final_message()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("cloud", MODELS)
async def test_the_cloud_is_sent_what_anthropics_client_of_it_sends(
    serve: Serve, provide: Provide, tmp_path: Path, cloud: str, name: str, stream: bool
) -> None:
    provider = await provide(answer)
    config = {"providers": {cloud: configuration(cloud, provider.url, tmp_path)}, "retries": {"attempts": 1}}
    base = await serve(json.dumps(config))
    model, request = MODELS[cloud], REQUESTS[name]
    async with AsyncAnthropic(base_url=base, api_key="dummy-key", max_retries=0) as client:
        ours = await ask(client, f"{cloud}/{model}", request, stream=stream)
    got = provider.last
    async with theirs(cloud, provider.url) as client:
        read = await ask(client, model, request, stream=stream)
    assert read.content == ours.content
    wanted = provider.last
    assert wanted is not got
    assert got.path == wanted.path
    # The client states the version that it reads; ours is the one that all models of the cloud know.
    assert got.body == {**wanted.body, "anthropic_version": VERSIONS[cloud]}
    assert got.headers["authorization"] == wanted.headers["authorization"]
    if cloud == "vertex":
        assert got.headers.get("anthropic-beta") == wanted.headers.get("anthropic-beta")
