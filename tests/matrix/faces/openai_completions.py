"""POST /v1/completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openai import AsyncOpenAI

from tests.matrix.asked import HALTED, HELLO, Fields
from tests.matrix.faces.face import Face
from tests.matrix.faces.openai_client import WITH_USAGE, judged, opened, spent
from tests.matrix.heard import Choice, Heard

# What is asked ------------------------------------------------------------------------------------


def _begun(prompt: str = HELLO, **fields: Any) -> Fields:
    return {"prompt": prompt, "max_tokens": 64, **fields}


_FIELDS: dict[str, Fields] = {
    "text": _begun(),
    "stream": _begun(),
    "usage": _begun(),
    "n": _begun(n=2),
    "logprobs": _begun(logprobs=2),
    "stop": _begun(HALTED, stop=["END"]),
    "seed": _begun(seed=7),
}

# How it is asked ----------------------------------------------------------------------------------


async def _whole(client: AsyncOpenAI, fields: Fields) -> Heard:
    return _chunks([await client.completions.create(**fields)])


async def _stream(client: AsyncOpenAI, fields: Fields) -> Heard:
    stream = await client.completions.create(**fields, **WITH_USAGE, stream=True)
    return _chunks([chunk async for chunk in stream])


# What is heard ------------------------------------------------------------------------------------


def _chunks(chunks: Sequence[Any]) -> Heard:
    choices: dict[int, Choice] = {}
    usage = None
    for chunk in chunks:
        usage = chunk.usage or usage
        for stated in chunk.choices:
            choice = choices.setdefault(stated.index, Choice())
            choice.say(stated.text)
            choice.finish = stated.finish_reason or choice.finish
            if logprobs := stated.logprobs:
                choice.tokens += zip(logprobs.tokens, map(len, logprobs.top_logprobs), strict=True)
    return Heard([choices[index] for index in sorted(choices)], spent(usage))


FACE = Face(
    "openai_completions",
    "OpenAI legacy completions",
    opened,
    _FIELDS,
    {"whole": judged(_whole), "streamed": judged(_stream)},
    ("max_tokens",),
)
