"""POST /generate, the gateway's own endpoint: one prompt and its answer, both as text. Chat's decoder reads
it.

    Request: {prompt, systemPrompt, model, temperature, maxTokens}
    Response: {id, content, model, finishReason, tokenUsage, processingTime, timestamp}

A request with another member, or with a true `stream`, is refused, and the error names the member.
`finishReason` has chat's words, `processingTime` is in milliseconds, `timestamp` is a text of RFC 3339 in
UTC, and `tokenUsage` is null if it is unknown. Images of an answer are in `images`, as in chat; other content
that is not text is a loss. Errors are chat's. No upstream has this API, so every answer is translated.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.response import shown_model
from dragoman.dialects.chat.stops import encode_stop
from dragoman.dialects.openai.terms import NAME
from dragoman.dialects.openai_chat import DIALECT as CHAT
from dragoman.dialects.openai_chat.request import decode_request as decode_chat
from dragoman.dialects.openai_chat.saying import encode_image
from dragoman.dialects.plain import plain_text
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import WireRequest
from dragoman.dialects.rules import Rule, a_string, integer, missing, number
from dragoman.errors import RequestFailed, WireError

_RULES: Final[dict[str, Rule]] = {
    "prompt": a_string,
    "systemPrompt": a_string,
    "model": a_string,
    "temperature": number(0, 2),
    "maxTokens": integer(1),
}
_MESSAGE: Final = re.compile(r"messages\[(\d+)\]")
_MEMBERS: Final = {"max_output": "maxTokens", "sampling.temperature": "temperature"}
"""IR path -> the request member that it stands for, where the two names differ."""


def check(request: WireRequest) -> None:
    """Raise WireError for the first mistake that is found, with the JSON path of the value ("maxTokens"):
    `prompt` is missing or null, a member is unknown, or a value has a wrong type or range.
    """
    body = request.body
    if body.get("prompt") is None:
        missing("prompt")
    for key, value in body.items():
        if key == "stream" and not value:
            continue
        if (rule := _RULES.get(key)) is None:
            raise WireError(
                f"`{key[:64]!r}` is not supported here: use /v1/chat/completions.",
                key[:64],
                "unknown_parameter",
            )
        if value is not None:
            rule(value, key)


def decode_request(wire: WireRequest) -> ir.Request:
    """Return the decoded request. The system prompt becomes a system message, if it is not empty; the prompt
    becomes a user message. wire: a request that `check` has accepted.
    """
    get = wire.body.get
    messages = [{"role": "user", "content": get("prompt")}]
    if get("systemPrompt"):
        messages.insert(0, {"role": "system", "content": get("systemPrompt")})
    body: dict[str, Any] = {"model": get("model"), "messages": messages}
    for member, theirs in (("temperature", "temperature"), ("maxTokens", "max_completion_tokens")):
        if get(member) is not None:
            body[theirs] = get(member)
    return decode_chat(WireRequest("chat", body))


def brief(wire: WireRequest) -> ir.Request:
    """Return an IR request that has only the request's model."""
    return ir.Request(NAME, wire.body.get("model"))


def place(request: WireRequest, where: str) -> str:
    """Return the JSON path, in the client's request, for the IR path `where`: "$.systemPrompt" or "$.prompt"
    for a place in a message, and the member of a setting ("$.maxTokens").
    """
    if (found := _MESSAGE.match(where)) is not None:
        system = found[1] == "0" and request.body.get("systemPrompt")
        return "$.systemPrompt" if system else "$.prompt"
    return "$." + _MEMBERS.get(where, where)


def encode_response(response: ir.Response, reply: Reply) -> dict[str, Any]:
    """Return the response body for the client, from the first candidate; all other candidates are ignored. A
    block that is not a text, a refusal or an image is reported as lost, and so are citations, and an image
    without data and URL. Raises RequestFailed if the response holds an error.
    """
    if response.error is not None:
        raise RequestFailed(response.error)
    report = reply.report
    first = response.candidates[0] if response.candidates else ir.Candidate(())
    where = f"candidates[{first.index}]"
    draft, content, images = Draft(report, answer=True), "", list[dict[str, Any]]()
    for at, block in enumerate(first.blocks):
        inside = f"{where}.blocks[{at}]"
        if isinstance(block, ir.Media) and block.kind == "image":
            if (image := encode_image(block, draft, inside)) is not None:
                images.append(image)
        else:
            content += plain_text(block, report, inside)
    stop = encode_stop(first.stop, draft, where, called=False, legacy=False)
    now = reply.created if reply.now is None else reply.now()
    out: dict[str, Any] = {
        "id": reply.id,
        "content": content,
        "model": shown_model(response.model, reply),
        "finishReason": stop,
        "tokenUsage": _usage(response.usage),
        "processingTime": round(reply.elapsed * 1000),
        "timestamp": datetime.fromtimestamp(now, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
    }
    if images:
        out["images"] = images
    return out


def _usage(usage: ir.Usage | None) -> dict[str, int] | None:
    if usage is None:
        return None
    return {
        "promptTokens": usage.input_total,
        "completionTokens": usage.output_total,
        "totalTokens": usage.total,
    }


FACE: Final = msgspec.structs.replace(
    CHAT,
    title="Dragoman's /generate",
    spec="docs/clients/others.md",
    version="1",
    request=msgspec.structs.replace(
        CHAT.request,
        check=check,
        decode=decode_request,
        brief=brief,
        locate_in=place,
        members=frozenset({*_RULES, "stream"}),
    ),
    response=msgspec.structs.replace(CHAT.response, encode=encode_response, id_prefix="gen-"),
    headers=msgspec.structs.replace(CHAT.headers, request=frozenset()),
)
"""The dialect that the gateway speaks with clients of `/generate`: chat's, with other requests and
responses."""
