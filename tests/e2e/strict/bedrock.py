"""Amazon Bedrock: Converse, ConverseStream, CountTokens, and InvokeModel for Claude, with strict checks.

The signature is verified by code of its own, as the page says:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. Bodies are held
to the members and unions of `bedrock-runtime/2023-09-30`, and to the order of roles. Answers have the form of
the recordings `bedrock.*.jsonl`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import struct
import zlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

from dragoman.testing.provider import Answer, Seen, Streamed, Whole
from tests.e2e.strict.typed import Refused, demand

ID: Final = "AKIAIOSFODNN7EXAMPLE"
SECRET: Final = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TEMPORARY: Final = "ASIAIOSFODNN7EXAMPLE"
TOKEN: Final = "FwoGZXIvYXdzEBYaDHqa0AP//example=="
BEARER: Final = "bedrock-api-key-example"
REGION: Final = "eu-central-1"
CLAUDE: Final = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA: Final = "us.amazon.nova-2-lite-v1:0"
LLAMA: Final = "us.meta.llama4-maverick-17b-instruct-v1:0"
ARN: Final = f"arn:aws:bedrock:{REGION}:000000000000:application-inference-profile/mi1dadi0g15f"
SIGNATURE: Final = "EuYBCkgIBxABGAIqQ=="
MODELS: Final = frozenset({CLAUDE, NOVA, LLAMA, ARN, "odd model%name"})
_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/bedrock/aws4_request, "
    r"SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})"
)
_PATH: Final = re.compile(r"/model/([^/]+)/(converse|converse-stream|count-tokens|invoke[a-z-]*)")
_USAGE: Final = {
    "inputTokens": 12,
    "outputTokens": 8,
    "totalTokens": 25,
    "cacheReadInputTokens": 5,
    "cacheWriteInputTokens": 0,
    "serverToolUsage": {},
}
_CONTENT: Final = frozenset(
    {
        *(
            "text",
            "image",
            "document",
            "video",
            "audio",
            "toolUse",
            "toolResult",
            "guardContent",
            "cachePoint",
        ),
        *("reasoningContent", "citationsContent", "searchResult"),
    }
)
_BODY: Final = frozenset(
    {
        *("messages", "system", "inferenceConfig", "toolConfig", "guardrailConfig", "promptVariables"),
        *("additionalModelRequestFields", "additionalModelResponseFieldPaths", "requestMetadata"),
        *("performanceConfig", "serviceTier", "outputConfig"),
    }
)


class _Refused(Exception):
    pass


EXCEPTIONS: Final = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
"""The exception of each status (the pages of Converse and of the common errors)."""


def error(status: int, kind: str, message: str) -> Whole:
    """An error in Bedrock's form."""
    said = {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    return Whole({"message": message}, status, said)


def judge(seen: Seen) -> None:
    """Hold a request for Converse or ConverseStream to the API's rules. Raises Refused."""
    if (wrong := unauthorized(seen)) is not None:
        raise Refused(wrong, status=403)
    found = _PATH.fullmatch(seen.target)
    demand(found is not None and found[2].startswith("converse"), "no such operation", status=404)
    assert found is not None
    model = unquote(found[1])
    known = quote(model, safe="") == found[1] and model in MODELS
    demand(known, "The provided model identifier is invalid.")
    try:
        _hold(seen.body, seen.body.keys() - _BODY)
    except _Refused as refused:
        raise Refused(str(refused)) from refused


def bedrock(seen: Seen) -> Answer:
    """The answer to one request."""
    if (wrong := unauthorized(seen)) is not None:
        return error(403, "InvalidSignatureException", wrong)
    found = _PATH.fullmatch(seen.target)
    if found is None:
        return error(404, "UnknownOperationException", f"no operation at {seen.target}")
    model, method = unquote(found[1]), found[2]
    if quote(model, safe="") != found[1] or model not in MODELS:
        return error(400, "ValidationException", "The provided model identifier is invalid.")
    try:
        body = seen.body
        if method.startswith("invoke"):
            return _claude(body, streamed=method.endswith("stream"))
        if method == "count-tokens":
            inner = body["input"]["converse"]
            _hold(inner, inner.keys() - {"messages", "system", "toolConfig", "additionalModelRequestFields"})
            return Whole({"inputTokens": 17})
        _hold(body, body.keys() - _BODY)
        if model == LLAMA:
            _hold_llama(body, streamed=method == "converse-stream")
    except _Refused as refused:
        return error(400, "ValidationException", str(refused))
    blocks, stop = _answer(body)
    if method == "converse":
        return Whole(
            {
                "metrics": {"latencyMs": 250},
                "output": {"message": {"role": "assistant", "content": blocks}},
                "stopReason": stop,
                "usage": _USAGE,
            }
        )
    return stream(frames(blocks, stop))


# --- The signature -------------------------------------------------------------------------------


def unauthorized(seen: Seen) -> str | None:
    """Why the request is refused; None = it is not."""
    stated = seen.headers.get("authorization", "")
    if stated.startswith("Bearer "):
        return (
            None if stated == f"Bearer {BEARER}" else "The security token included in the request is invalid."
        )
    found = _AUTHORIZATION.fullmatch(stated)
    if found is None:
        return "Missing Authentication Token"
    key, day, region, names, signature = found.groups()
    if SECRET in str(seen.headers) or region != REGION or key not in {ID, TEMPORARY}:
        return "The security token included in the request is invalid."
    if (key == TEMPORARY) != (seen.headers.get("x-amz-security-token") == TOKEN):
        return "The security token included in the request is invalid."
    signed = names.split(";")
    amazons = [name for name in seen.headers if name.startswith("x-amz-")]
    if not {"host", "content-type", "x-amz-date", *amazons} <= set(signed) or signed != sorted(signed):
        return "headers that must be signed are not"
    path, _, query = seen.target.partition("?")
    canonical = "\n".join(
        [
            seen.method,
            quote(path, safe="/~"),
            query,
            *(f"{name}:{seen.headers[name].strip()}" for name in signed),
            "",
            names,
            hashlib.sha256(seen.raw).hexdigest(),
        ]
    )
    scope = f"{day}/{region}/bedrock/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", seen.headers["x-amz-date"], scope, hashed])
    secret = ("AWS4" + SECRET).encode()
    for part in scope.split("/"):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    ours = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
    return None if ours == signature else "The request signature we calculated does not match the signature"


# --- The body ------------------------------------------------------------------------------------


def _require(told: object, message: str) -> None:
    if not told:
        raise _Refused(message)


def _hold(body: Mapping[str, Any], unknown: object) -> None:
    _require(not unknown, f"unknown members: {unknown}")
    config = body.get("inferenceConfig", {})
    _require(config.keys() <= {"maxTokens", "temperature", "topP", "stopSequences"}, "inferenceConfig")
    _require(0 <= config.get("temperature", 0) <= 1, "temperature must be at most 1")
    for block in body.get("system", ()):
        _require(len(block) == 1 and block.keys() <= {"text", "guardContent", "cachePoint"}, "system")
        _require(block.get("text", "x").strip(), "The text field in the system block is blank.")
    names: list[str] = []
    for tool in body.get("toolConfig", {}).get("tools", ()):
        _require(len(tool) == 1, "a tool must set one member")
        spec = tool.get("toolSpec")
        if spec is not None:
            _require(spec.keys() <= {"name", "description", "inputSchema", "strict"}, "toolSpec")
            _require(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", spec["name"]), "toolSpec.name")
            _require(spec.get("description", "x"), "toolSpec.description is empty")
            _require(spec["inputSchema"].keys() == {"json"}, "toolSpec.inputSchema")
            names.append(spec["name"])
    _turns(body["messages"], names)


def _hold_llama(body: Mapping[str, Any], *, streamed: bool) -> None:
    """What Llama refuses: https://github.com/earendil-works/pi/issues/3739 and
    https://github.com/run-llama/llama_index/issues/19886.
    """
    tools = body.get("toolConfig", {})
    _require(not (tools and streamed), "This model doesn't support tool use in streaming mode.")
    for kind in tools.get("toolChoice", ()):
        _require(kind == "auto", f"This model doesn't support the toolConfig.toolChoice.{kind} field.")
    _require("outputConfig" not in body, "This model doesn't support the outputConfig field.")


def _turns(messages: list[Any], names: list[str]) -> None:
    _require(messages, "messages must not be empty")
    calls: list[str] = []
    for index, message in enumerate(messages):
        _require(message.keys() == {"role", "content"}, "a message has role and content")
        expected = ("user", "assistant")[index % 2]
        _require(
            message["role"] == expected, "A conversation must alternate between user and assistant roles."
        )
        results = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
        _require(sorted(results) == sorted(calls), "Expected toolResult blocks for the toolUse blocks")
        calls = []
        documents: set[str] = set()
        for block in message["content"]:
            _require(len(block) == 1 and block.keys() <= _CONTENT, f"content block {list(block)}")
            _require(block.get("text", "x").strip(), "The text field in the ContentBlock object is blank.")
            if (call := block.get("toolUse")) is not None:
                _require(call.keys() <= {"toolUseId", "name", "input", "type"}, "toolUse")
                _require(isinstance(call["input"], dict), "toolUse.input must be an object")
                _require(call["name"] in names, "The toolConfig field must be defined when using toolUse")
                calls.append(call["toolUseId"])
            if (document := block.get("document")) is not None:
                _require(re.fullmatch(r"[A-Za-z0-9 ()\[\]-]{1,200}", document["name"]), "document.name")
                _require(document["name"] not in documents, "document names must differ")
                documents.add(document["name"])
            for kind in ("image", "document"):
                if (source := block.get(kind, {}).get("source", {}).get("bytes")) is not None:
                    base64.b64decode(source, validate=True)
            reasoning = block.get("reasoningContent", {})
            _require(reasoning.keys() <= {"reasoningText", "redactedContent"}, "reasoningContent")
            if (text := reasoning.get("reasoningText")) is not None:
                _require(text.get("signature") == SIGNATURE, "Invalid `signature` in `thinking` block")


# --- Answers -------------------------------------------------------------------------------------


def _answer(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """(the blocks of the answer, the stop reason). With tools and no result yet, a tool is called; with
    thinking, the answer begins with it.
    """
    blocks: list[dict[str, Any]] = []
    thinking = body.get("additionalModelRequestFields", {}).get("thinking", {}).get("type")
    last = body["messages"][-1]["content"]
    if thinking in {"enabled", "adaptive"}:
        text = {"text": "Let me think.", "signature": SIGNATURE}
        blocks.append({"reasoningContent": {"reasoningText": text}})
    tools = body.get("toolConfig", {}).get("tools", ())
    if tools and not any("toolResult" in block for block in last):
        name = tools[0]["toolSpec"]["name"]
        call = {"toolUseId": "tooluse_abc123", "name": name, "input": {"city": "Bonn"}}
        return [*blocks, {"text": "I look."}, {"toolUse": call}], "tool_use"
    return [*blocks, {"text": "Hello from Bedrock."}], "end_turn"


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message of an event stream."""
    head = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    whole = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return whole + struct.pack(">I", zlib.crc32(whole))


def event(kind: str, value: Mapping[str, Any]) -> bytes:
    """One event, with the padding that Bedrock adds."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, json.dumps({**value, "p": "abcdefghij"}).encode())


def exception(kind: str, message: str) -> bytes:
    """An exception, which ends a stream."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, json.dumps({"message": message}).encode())


def frames(blocks: list[dict[str, Any]], stop: str, usage: Mapping[str, Any] = _USAGE) -> list[bytes]:
    """The messages of a whole stream."""
    out = [event("messageStart", {"role": "assistant"})]
    for index, block in enumerate(blocks):
        deltas: list[dict[str, Any]] = []
        if (call := block.get("toolUse")) is not None:
            start = {"toolUse": {"toolUseId": call["toolUseId"], "name": call["name"]}}
            out.append(event("contentBlockStart", {"contentBlockIndex": index, "start": start}))
            text = json.dumps(call["input"])
            deltas = [{"toolUse": {"input": piece}} for piece in ("", text[:5], text[5:])]
        elif (reasoning := block.get("reasoningContent")) is not None:
            text = reasoning["reasoningText"]
            deltas = [{"reasoningContent": {key: text[key]}} for key in ("text", "signature")]
        else:
            deltas = [{"text": piece} for piece in re.findall(r"\s*\S+\s*", block["text"])]
        out += [event("contentBlockDelta", {"contentBlockIndex": index, "delta": one}) for one in deltas]
        out.append(event("contentBlockStop", {"contentBlockIndex": index}))
    out.append(event("messageStop", {"stopReason": stop}))
    out.append(event("metadata", {"metrics": {"latencyMs": 250}, "usage": usage}))
    return out


def stream(pieces: list[bytes], *, die: bool = False) -> Streamed:
    """The answer with these messages, in pieces of seven bytes. die: the connection breaks after them."""
    whole = b"".join(pieces)
    cut = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    return Streamed(cut, {"content-type": "application/vnd.amazon.eventstream"}, die=die)


_MESSAGE: Final = {
    "id": "msg_bdrk_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "stop_sequence": None,
}


def _claude(body: dict[str, Any], *, streamed: bool) -> Answer:
    _require(body.get("anthropic_version") == "bedrock-2023-05-31", "anthropic_version: Field required")
    _require(not body.keys() & {"model", "stream"}, "extraneous key [model] is not permitted")
    _require("max_tokens" in body, "max_tokens: Field required")
    usage = {"input_tokens": 9, "output_tokens": 4}
    if not streamed:
        content = [{"type": "text", "text": "Hello from Claude."}]
        return Whole({**_MESSAGE, "content": content, "stop_reason": "end_turn", "usage": usage})
    events: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": {**_MESSAGE, "content": [], "stop_reason": None, "usage": usage},
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello from "}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Claude."}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 4},
        },
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 9}},
    ]
    return stream([chunk(one) for one in events])


def chunk(value: Mapping[str, Any]) -> bytes:
    """One event of InvokeModelWithResponseStream."""
    return event("chunk", {"bytes": base64.b64encode(json.dumps(value).encode()).decode()})
