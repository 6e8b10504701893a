"""A resource of Azure OpenAI: its paths, versions and errors, and its content filter, as recorded.

The recordings are `azure.*.jsonl`; the error of a filtered prompt is that of
https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from dragoman.testing.provider import Answer, Seen, Streamed, Whole
from tests.e2e.strict import openai_chat
from tests.e2e.strict.typed import Refused

KEY: Final = "key-of-the-resource"
TOKEN: Final = "eyJ0eXAiOiJKV1QifQ.eyJhdWQiOiJhIn0.c2lnbmF0dXJl"
DEPLOYMENT: Final = "prod"
"""The only deployment. Its model is gpt-4o."""
MODEL: Final = "gpt-4o-2024-11-20"
FORBIDDEN: Final = "forbidden"
"""A prompt with this word is filtered."""
SAFE: Final = {
    name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")
}
FILTERED: Final = {**SAFE, "violence": {"filtered": True, "severity": "medium"}}
PROMPT: Final = [{"prompt_index": 0, "content_filter_results": SAFE}]
USAGE: Final = {"prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 14}
_DATED: Final = re.compile(r"/openai/deployments/([^/]+)(/.+)")
_VERSION: Final = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")


def error(status: int, code: str | None, message: str, **more: Any) -> Whole:
    """An error in Azure's form."""
    return Whole({"error": {"code": code, "message": message, **more}}, status)


MISSING: Final = error(
    404,
    "DeploymentNotFound",
    "The API deployment for this resource does not exist. If you created the deployment within the last 5"
    " minutes, please wait a moment and try again.",
)
REFUSED: Final = error(401, "401", "Access denied due to invalid subscription key or wrong API endpoint.")
NOWHERE: Final = error(404, "404", "Resource not found")


def azure(seen: Seen) -> Answer:
    """The resource's answer to one request."""
    authorization = seen.headers.get("authorization")
    if (seen.headers.get("api-key"), authorization) not in {(KEY, None), (None, f"Bearer {TOKEN}")}:
        return REFUSED
    version = seen.query.get("api-version")
    if (dated := _DATED.fullmatch(seen.path)) is not None:
        deployment, path = dated.groups()
        if version is None or not _VERSION.fullmatch(version):
            return NOWHERE
    elif seen.path.startswith("/openai/v1/") and version in {None, "preview"}:
        deployment, path = "", seen.path.removeprefix("/openai/v1")
    else:
        return NOWHERE
    if path.startswith("/audio/trans"):
        return Whole({"text": "Good morning"}) if (deployment or DEPLOYMENT) == DEPLOYMENT else MISSING
    if (deployment or seen.body.get("model")) != DEPLOYMENT:
        return MISSING
    answer = _ANSWERS.get(path)
    return NOWHERE if answer is None else answer(seen, version or "9999")


def _chat(seen: Seen, version: str) -> Answer:
    body = seen.body
    if version < "2024-09-01" and (odd := body.keys() & {"max_completion_tokens", "stream_options"}):
        said = f"Unrecognized request argument supplied: {odd.pop()}"
        return error(400, None, said, type="invalid_request_error", param=None)
    headers = {"authorization": "Bearer k"}
    inner = {**body, "model": "gpt-4o"}
    plain = msgspec.structs.replace(
        seen, path="/v1/chat/completions", headers=headers, raw=msgspec.json.encode(inner)
    )
    try:
        openai_chat.judge(plain)
    except Refused as refused:
        return error(400, refused.code, refused.message, type="invalid_request_error", param=refused.path)
    if FORBIDDEN in str(body["messages"]):
        return filtered()
    if body.get("stream"):
        return Streamed(frames(usage=bool((body.get("stream_options") or {}).get("include_usage"))))
    message: dict[str, Any] = {
        "annotations": [],
        "content": "Good morning",
        "refusal": None,
        "role": "assistant",
    }
    choice = {"content_filter_results": SAFE, "finish_reason": "stop", "index": 0, "logprobs": None}
    return Whole(
        {
            "choices": [{**choice, "message": message}],
            "created": 1780491942,
            "id": "chatcmpl-one",
            "model": MODEL,
            "object": "chat.completion",
            "prompt_filter_results": PROMPT,
            "system_fingerprint": None,
            "usage": USAGE,
        }
    )


def filtered() -> Whole:
    """The refusal of a prompt."""
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": FILTERED}
    said = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
    stated = {"message": said, "type": None, "param": "prompt", "code": "content_filter", "status": 400}
    return Whole({"error": {**stated, "innererror": inner}}, 400)


def frames(word: str = "stop", *, usage: bool) -> list[Any]:
    """A stream: first the prompt's filter results without a choice, then results beside each text."""
    head = {"created": 1780491942, "id": "chatcmpl-one", "model": MODEL, "object": "chat.completion.chunk"}

    def chunk(delta: dict[str, Any], results: Any, reason: str | None = None) -> dict[str, Any]:
        choice = {"content_filter_results": results, "delta": delta, "finish_reason": reason, "index": 0}
        return {"choices": [{**choice, "logprobs": None}], **head, "system_fingerprint": None}

    nobody = {"choices": [], "created": 0, "id": "", "model": "", "object": ""}
    tally = [{"choices": [], **head, "usage": USAGE}] if usage else []
    return [
        {**nobody, "prompt_filter_results": PROMPT},
        chunk({"content": "", "refusal": None, "role": "assistant"}, {}),
        chunk({"content": "Good"}, SAFE),
        chunk({"content": " morning"}, SAFE),
        chunk({}, {} if word == "stop" else FILTERED, word),
        *tally,
        b"data: [DONE]\n\n",
    ]


def asynchronous() -> list[Any]:
    """A stream of the asynchronous filter: its annotations follow as choices without a text, by offsets, even
    behind the finish reason (https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-streaming).
    """
    told = frames(usage=True)
    nobody = {"id": "", "object": "", "created": 0, "model": ""}

    def note(checked: int, end: int) -> dict[str, Any]:
        offsets = {"check_offset": checked, "start_offset": 0, "end_offset": end}
        choice = {"index": 0, "finish_reason": None, "content_filter_results": SAFE}
        return {**nobody, "choices": [{**choice, "content_filter_offsets": offsets}], "usage": None}

    return [told[0], *told[1:3], note(4, 4), *told[3:5], note(12, 12), *told[5:]]


def _embeddings(seen: Seen, _: str) -> Answer:
    rows = [{"object": "embedding", "index": 0, "embedding": [0.5, -0.5]}]
    used = {"prompt_tokens": 2, "total_tokens": 2}
    return Whole({"object": "list", "data": rows, "model": "text-embedding-ada-002", "usage": used})


def _completions(seen: Seen, _: str) -> Answer:
    if seen.body["prompt"] == "chat":
        said = "The completion operation does not work with the specified model, gpt-4o. Please choose"
        return error(400, "OperationNotSupported", f"{said} different model and try again.")
    choice = {"text": " down.", "index": 0, "finish_reason": "stop", "logprobs": None}
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1686000000, "model": "gpt-35-turbo"}
    results = [{"prompt_index": 0, "content_filter_results": SAFE}]
    choice["content_filter_results"] = SAFE
    return Whole({**head, "prompt_filter_results": results, "choices": [choice], "usage": USAGE})


def _responses(seen: Seen, version: str) -> Answer:
    text = {"type": "output_text", "text": "Good morning", "annotations": [], "logprobs": []}
    item = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [text]}
    usage = {"input_tokens": 12, "output_tokens": 2, "total_tokens": 14}
    usage["input_tokens_details"] = {"cached_tokens": 0}  # type: ignore[assignment]
    usage["output_tokens_details"] = {"reasoning_tokens": 0}  # type: ignore[assignment]
    head = {"id": "resp_1", "object": "response", "created_at": 1780491942, "status": "completed"}
    return Whole({**head, "model": MODEL, "output": [item], "usage": usage, "tools": [], "error": None})


def _images(seen: Seen, _: str) -> Answer:
    return Whole({"created": 1, "data": [{"b64_json": "iVBORw0KGgo=", "prompt_filter_results": SAFE}]})


def _speech(seen: Seen, _: str) -> Answer:
    return Whole(b"\xff\xf3\x14\xc4", headers={"content-type": "audio/mpeg"})


_ANSWERS: Final = {
    "/chat/completions": _chat,
    "/completions": _completions,
    "/embeddings": _embeddings,
    "/responses": _responses,
    "/images/generations": _images,
    "/audio/speech": _speech,
}
