"""generateContent and streamGenerateContent, asked by Google's official client."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from google import genai
from google.genai import errors, types

from tests.matrix.asked import (
    BUDGET,
    CALLING,
    HALTED,
    HELLO,
    LOOKING,
    NAMES,
    PARIS,
    PNG_64,
    QUESTION,
    RESULTS,
    ROME,
    SCHEMA,
    WAV_64,
    WHERE,
    Fields,
)
from tests.matrix.faces.face import Ask, Face
from tests.matrix.heard import Choice, Heard, Spent
from tests.matrix.permitted import Refused

# What is asked ------------------------------------------------------------------------------------


def _said(*parts: Fields, **config: Any) -> Fields:
    asked = list(parts or ({"text": HELLO},))
    return {"contents": [{"role": "user", "parts": asked}], "config": config}


def _beside(mime: str, data: str) -> Fields:
    return _said({"text": LOOKING}, {"inline_data": {"mime_type": mime, "data": data}})


_TOOLS = [{"function_declarations": [{"name": name, "parameters_json_schema": WHERE} for name in NAMES]}]
_ANY: Fields = {"function_calling_config": {"mode": "ANY"}}
_ANSWERED = [
    {"role": "user", "parts": [{"text": QUESTION}]},
    {
        "role": "model",
        "parts": [
            {"function_call": {"id": id_, "name": name, "args": json.loads(arguments)}}
            for id_, name, arguments in (PARIS, ROME)
        ],
    },
    {
        "role": "user",
        "parts": [
            {"function_response": {"id": id_, "name": name, "response": {"output": RESULTS[id_]}}}
            for id_, name, _ in (PARIS, ROME)
        ],
    },
]
_VOICE: Fields = {"voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}}}
_FIELDS: dict[str, Fields] = {
    "text": _said(),
    "stream": _said(),
    "usage": _said(),
    "tools": _said(tools=_TOOLS, tool_config=_ANY),
    "parallel tools": _said({"text": CALLING}, tools=_TOOLS, tool_config=_ANY),
    "tool results": {"contents": _ANSWERED, "config": {"tools": _TOOLS}},
    "image in": _beside("image/png", PNG_64),
    "image out": _said(response_modalities=["TEXT", "IMAGE"]),
    "audio in": _beside("audio/wav", WAV_64),
    "audio out": _said(response_modalities=["AUDIO"], speech_config=_VOICE),
    "JSON schema": _said(response_mime_type="application/json", response_json_schema=SCHEMA),
    "reasoning": _said(thinking_config={"thinking_budget": BUDGET, "include_thoughts": True}),
    "n": _said(candidate_count=2),
    "logprobs": _said(response_logprobs=True, logprobs=2),
    "stop": _said({"text": HALTED}, stop_sequences=["END"]),
    "seed": _said(seed=7),
}

# How it is asked ----------------------------------------------------------------------------------


@asynccontextmanager
async def _opened(base: str) -> AsyncGenerator[Any, None]:
    with genai.Client(api_key="any", http_options={"base_url": base}) as client:
        async with client.aio as asking:
            yield asking.models


def _judged(ask: Callable[[Any, Fields], Awaitable[Heard]]) -> Ask:
    """The same, with errors as values. Code and place stand in the details."""

    async def asked(models: Any, fields: Fields) -> Heard | Refused:
        try:
            return await ask(models, fields)
        except errors.APIError as failed:
            body: Any = failed.details
            details = {one["@type"].rpartition(".")[2]: one for one in body["error"]["details"]}
            violations = details.get("BadRequest", {}).get("fieldViolations") or [{}]
            code = details["ErrorInfo"]["reason"].lower()
            return Refused(failed.code, code, violations[0].get("field"))

    return asked


async def _whole(models: Any, fields: Fields) -> Heard:
    return _heard([await models.generate_content(**fields)])


async def _stream(models: Any, fields: Fields) -> Heard:
    return _heard([chunk async for chunk in await models.generate_content_stream(**fields)])


# What is heard ------------------------------------------------------------------------------------

_FINISHES = {types.FinishReason.STOP: "stop", types.FinishReason.MAX_TOKENS: "length"}


def _heard(chunks: list[types.GenerateContentResponse]) -> Heard:
    choices: dict[int, Choice] = {}
    usage = None
    for chunk in chunks:
        usage = chunk.usage_metadata or usage
        for candidate in chunk.candidates or ():
            choice = choices.setdefault(candidate.index or 0, Choice())
            for part in (candidate.content and candidate.content.parts) or ():
                _add(choice, part)
            _count(choice, candidate.logprobs_result)
            if candidate.finish_reason is not None:
                choice.finish = "tool_calls" if choice.calls else _FINISHES[candidate.finish_reason]
    return Heard([choices[index] for index in sorted(choices)], _spent(usage))


def _add(choice: Choice, part: types.Part) -> None:
    if part.thought:
        choice.reasoning += part.text or ""
    elif part.function_call is not None:
        call = part.function_call
        choice.calls.append([call.id or "", call.name or "", json.dumps(call.args)])
    elif part.inline_data is not None:
        mime, data = part.inline_data.mime_type or "", part.inline_data.data or b""
        if mime.startswith("audio/L16"):
            choice.sound += data
        else:
            choice.draw(mime, data)
    else:
        choice.say(part.text)


def _count(choice: Choice, result: types.LogprobsResult | None) -> None:
    if result is not None:
        top = [len(one.candidates or ()) for one in result.top_candidates or ()]
        said = [one.token or "" for one in result.chosen_candidates or ()]
        choice.tokens += zip(said, top, strict=True)


def _spent(usage: types.GenerateContentResponseUsageMetadata | None) -> Spent | None:
    if usage is None:
        return None
    thought = usage.thoughts_token_count or 0
    return Spent(
        input=usage.prompt_token_count or 0,
        cached=usage.cached_content_token_count or 0,
        output=(usage.candidates_token_count or 0) + thought,
        thought=thought,
        total=usage.total_token_count or 0,
    )


FACE = Face(
    "gemini",
    "Gemini generateContent",
    _opened,
    _FIELDS,
    {"whole": _judged(_whole), "streamed": _judged(_stream)},
    ("config", "max_output_tokens"),
    # The protocol does not say whether several calls may be made at once; they may.
    means={"parallel tools": "tools"},
)
