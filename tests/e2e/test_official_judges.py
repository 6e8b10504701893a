"""The clients of Amazon and Cohere as judges: the gateway sends what they would send, and they read what the
gateway reads.

Each request that the gateway sends is sent once more by the vendor's own client, which knows the vendor's
types: path, headers and body must be the same. Each recorded answer is read by both.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from openai import AsyncOpenAI

from dragoman import ir
from dragoman.dialects.table import DIALECTS
from dragoman.testing import corpus
from dragoman.testing.case import Case
from dragoman.testing.provider import FakeProvider, Script, Seen, Streamed, Whole
from dragoman.wire.eventstream import MIME
from tests.e2e.answers.cohere import cohere
from tests.e2e.answers.said import Said
from tests.e2e.conftest import Provide, Serve
from tests.e2e.strict import bedrock as aws
from tests.e2e.strict import held
from tests.matrix.asked import PNG_64

boto3 = pytest.importorskip("boto3", reason="the client of Amazon is not installed")
sdk = pytest.importorskip("cohere", reason="the client of Cohere is not installed")

Wire = dict[str, Any]
SCHEMA: Final = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL: Final = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": SCHEMA},
}
CALL: Final = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city":"Zürich"}'},
}
HISTORY: Final[list[Wire]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "The weather in Zürich?"},
    {"role": "assistant", "content": "I look.", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "18 °C, rain"},
]
PICTURE: Final = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG_64}"}}
CONVERSATIONS: Final[dict[str, Wire]] = {
    "text": {"messages": [{"role": "user", "content": "Hello!"}]},
    "settings": {
        "messages": HISTORY[:2],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_completion_tokens": 50,
        "stop": ["END", "STOP"],
    },
    "tool": {"messages": HISTORY[:2], "tools": [TOOL], "tool_choice": "required"},
    "result": {"messages": HISTORY, "tools": [TOOL]},
    "thinking": {"messages": HISTORY[:2], "tools": [TOOL], "reasoning_effort": "high"},
    "picture": {"messages": [{"role": "user", "content": [{"type": "text", "text": "What?"}, PICTURE]}]},
}


async def asked(serve: Serve, provider: FakeProvider, row: Wire, name: str, stream: bool, model: str) -> Seen:
    """What the gateway sends for this conversation of a chat client."""
    config = {"providers": {name.partition("/")[0]: {"base_url": provider.url, **row}}}
    base = await serve(json.dumps({**config, "retries": {"attempts": 1}}))
    async with AsyncOpenAI(base_url=f"{base}/v1", api_key="dummy-key", max_retries=0) as client:
        request: Any = CONVERSATIONS[name.partition("/")[2]]
        answer: Any = await client.chat.completions.create(
            model=f"{name.partition('/')[0]}/{model}", stream=stream, **request
        )
        if stream:
            assert [chunk async for chunk in answer]
    return provider.last


# --- Amazon ---------------------------------------------------------------------------------------


def amazon(url: str) -> Any:
    """The official client of Bedrock. Its own name of itself and its retries are of no concern here."""
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name=aws.REGION,
        aws_access_key_id=aws.ID,
        aws_secret_access_key=aws.SECRET,
        config=Config(retries={"max_attempts": 1, "mode": "standard"}, tcp_keepalive=False),
    )


def arguments(body: Any) -> Any:
    """A body as the arguments of the client: media as bytes."""
    if isinstance(body, list):
        return [arguments(one) for one in body]
    if isinstance(body, dict):
        return {
            key: base64.b64decode(value) if key == "bytes" else arguments(value)
            for key, value in body.items()
        }
    return body


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model", [aws.CLAUDE, aws.ARN, "odd model%name"], ids=["claude", "arn", "odd"])
@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_bedrock_is_sent_what_amazons_client_sends(
    serve: Serve, provide: Provide, name: str, model: str, stream: bool
) -> None:
    provider = await provide(aws.bedrock)
    row = {"keys": [f"{aws.ID}:{aws.SECRET}"], "region": aws.REGION}
    ours = await asked(serve, provider, row, f"bedrock/{name}", stream, model)

    def send() -> Any:
        client = amazon(provider.url)
        send = client.converse_stream if stream else client.converse
        told = send(modelId=model, **arguments(ours.body))
        return list(told["stream"]) if stream else told["output"]

    assert await asyncio.to_thread(send)
    theirs = provider.last
    assert theirs is not ours
    assert (ours.method, ours.target) == (theirs.method, theirs.target)
    assert ours.body == theirs.body
    assert ours.headers["content-type"] == theirs.headers["content-type"] == "application/json"
    for seen in (ours, theirs):
        assert signed(seen) == seen.headers["authorization"]


def signed(seen: Seen) -> str:
    """The header with which Amazon's own signer signs this request: the same headers, the same time."""
    stated = seen.headers["authorization"]
    names = stated.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    headers = {name: seen.headers[name] for name in names if name != "host"}
    request = AWSRequest(seen.method, f"http://{seen.headers['host']}{seen.target}", headers, seen.raw)
    request.context["timestamp"] = seen.headers["x-amz-date"]
    signer = SigV4Auth(Credentials(aws.ID, aws.SECRET), "bedrock", aws.REGION)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    scope, signature = signer.scope(request), signer.signature(text, request)
    whose = f"AWS4-HMAC-SHA256 Credential={scope}"
    return f"{whose}, SignedHeaders={';'.join(names)}, Signature={signature}"


def told(case: Case) -> ir.Response:
    return ir.fold(case.events) if "stream" in case.subjects else case.response


def answers(folder: Path, *apis: str) -> Iterator[Case]:
    """The recorded answers of these APIs that are none of failure."""
    dialect = DIALECTS[apis[0].partition(".")[0]]
    for exchange in corpus.read(folder, *apis):
        case = Case(exchange, dialect, ())
        if exchange.request is not None and case.subjects & {"response", "stream"}:
            yield case


def said(response: ir.Response) -> tuple[str, str, list[tuple[Any, ...]]]:
    """The thoughts, the words and the calls of an answer, as we read it."""
    blocks = response.candidates[0].blocks
    thoughts = "".join(block.text for block in blocks if isinstance(block, ir.Thinking))
    words = "".join(block.text for block in blocks if isinstance(block, ir.Text))
    calls = [
        (block.id, block.name, json.loads(block.arguments or "{}"))
        for block in blocks
        if isinstance(block, ir.ToolCall) and block.by == "client"
    ]
    return thoughts, words, calls


def recorded_answer(case: Case) -> Script:
    response = case.exchange.response
    assert response is not None
    if (stream := response.stream) is not None:
        return Streamed([stream], headers={"content-type": MIME})
    return Whole(response.body)


def of_amazon(message: Wire) -> tuple[str, str, list[tuple[Any, ...]]]:
    thoughts = words = ""
    calls: list[tuple[Any, ...]] = []
    for block in message["content"]:
        thoughts += block.get("reasoningContent", {}).get("reasoningText", {}).get("text", "")
        words += block.get("text", "")
        words += "".join(part["text"] for part in block.get("citationsContent", {}).get("content", ()))
        if (call := block.get("toolUse")) is not None and call.get("type") != "server_tool_use":
            calls.append((call["toolUseId"], call["name"], call["input"]))
    return thoughts, words, calls


def joined(events: list[Wire]) -> Wire:
    """The message and the usage of the events of a stream."""
    blocks: dict[int, Wire] = {}
    usage: Wire = {}
    for event in events:
        [(kind, value)] = event.items()
        if kind == "contentBlockStart":
            blocks[value["contentBlockIndex"]] = {
                key: {**one, "input": ""} for key, one in value["start"].items()
            }
        elif kind == "contentBlockDelta":
            block = blocks.setdefault(value["contentBlockIndex"], {})
            delta = value["delta"]
            if "text" in delta:
                block["text"] = block.get("text", "") + delta["text"]
            elif "toolUse" in delta:
                block["toolUse"]["input"] += delta["toolUse"]["input"]
            elif "text" in delta.get("reasoningContent", {}):
                thought = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {"text": ""})
                thought["text"] += delta["reasoningContent"]["text"]
        elif kind == "metadata":
            usage = value["usage"]
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    return {"content": [blocks[index] for index in sorted(blocks)], "usage": usage}


@pytest.mark.wire
@pytest.mark.parametrize("api", ["bedrock.converse", "bedrock.converseStream"])
async def test_amazons_client_reads_recorded_answers_as_we_do(
    recorded: Path, provide: Provide, api: str
) -> None:
    provider = await provide(Whole({}))
    client = amazon(provider.url)
    asked: Any = {"modelId": aws.NOVA, "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    count = 0
    for case in answers(recorded, api):
        provider.answers = deque([recorded_answer(case)])
        if api == "bedrock.converseStream":
            message = joined(await asyncio.to_thread(lambda: list(client.converse_stream(**asked)["stream"])))
            usage = message["usage"]
        else:
            answer = await asyncio.to_thread(lambda: client.converse(**asked))
            message, usage = answer["output"]["message"], answer["usage"]
        ours = told(case)
        assert said(ours) == of_amazon(message), case.exchange.id
        assert ours.usage is not None
        assert ours.usage.output == usage["outputTokens"], case.exchange.id
        count += 1
    assert count > 20


# --- Cohere ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_cohere_is_sent_what_its_client_sends(
    serve: Serve, provide: Provide, name: str, stream: bool
) -> None:
    provider = await provide(held("cohere", cohere(Said())))
    models = {"picture": "command-a-vision-07-2025", "thinking": "command-a-reasoning-08-2025"}
    model = models.get(name, "command-a-03-2025")
    ours = await asked(serve, provider, {"keys": ["up-key"]}, f"cohere/{name}", stream, model)
    body = {key: value for key, value in ours.body.items() if key != "stream"}
    async with sdk.AsyncClientV2(base_url=provider.url, api_key="up-key") as client:
        if stream:
            assert [event async for event in client.chat_stream(**body)]
        else:
            assert await client.chat(**body)
    theirs = provider.last
    assert theirs is not ours
    assert (ours.method, ours.target) == (theirs.method, theirs.target) == ("POST", "/v2/chat")
    assert ours.body == theirs.body
    for header in ("content-type", "authorization"):
        assert ours.headers[header] == theirs.headers[header]


def of_cohere(message: Any) -> tuple[str, str, list[tuple[Any, ...]]]:
    parts = message.content or ()
    thoughts = "".join(part.thinking for part in parts if part.type == "thinking")
    words = (message.tool_plan or "") + "".join(part.text for part in parts if part.type == "text")
    calls = [
        (call.id, call.function.name, json.loads(call.function.arguments or "{}"))
        for call in message.tool_calls or ()
    ]
    return thoughts, words, calls


@pytest.mark.wire
async def test_coheres_client_reads_recorded_answers_as_we_do(recorded: Path, provide: Provide) -> None:
    provider = await provide(Whole({}))
    count = 0
    async with sdk.AsyncClientV2(base_url=provider.url, api_key="up-key") as client:
        for case in answers(recorded, "cohere.chat"):
            if "stream" in case.subjects:
                continue
            provider.answers = deque([recorded_answer(case)])
            answer = await client.chat(model="command-r", messages=[{"role": "user", "content": "Hi"}])
            assert said(case.response) == of_cohere(answer.message), case.exchange.id
            usage = case.response.usage
            assert usage is not None
            assert usage.output is not None
            spent = usage.output + (usage.reasoning or 0)  # Cohere's count holds the reasoning
            assert spent == answer.usage.tokens.output_tokens, case.exchange.id
            count += 1
    assert count > 20
