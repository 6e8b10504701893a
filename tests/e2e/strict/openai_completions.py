"""What api.openai.com refuses of a legacy completion.

https://platform.openai.com/docs/api-reference/completions/create, types of the client `openai`, errors seen
there.
"""

from __future__ import annotations

import re
from typing import Any

from openai.types.completion_create_params import CompletionCreateParams

from dragoman.testing.provider import Seen
from tests.e2e.strict.typed import Types, demand, within

TYPES = Types(CompletionCreateParams)
_MODELS = re.compile(r"(gpt-3\.5-turbo-instruct|davinci-002|babbage-002)")
_RANGES = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "n": (1, 128),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "logprobs": (0, 5),
}
_CONTEXT = {"gpt-3.5-turbo-instruct": 4097, "davinci-002": 16_384, "babbage-002": 16_384}


def judge(seen: Seen) -> None:
    """Raises Refused."""
    demand(
        seen.headers.get("authorization", "").startswith("Bearer "),
        "You didn't provide an API key.",
        status=401,
    )
    demand(seen.path == "/v1/completions", f"Invalid URL (POST {seen.path})", status=404)
    body = {key: value for key, value in seen.body.items() if value is not None}
    demand("model" in body, "you must provide a model parameter")
    chat = "This is a chat model and not supported in the v1/completions endpoint."
    demand(_MODELS.match(body["model"]), chat, "model", status=404)
    TYPES.hold(body)
    for key, (least, most) in _RANGES.items():
        within(body, key, least, most)
    _combinations(body)


def _combinations(body: dict[str, Any]) -> None:
    stop = body.get("stop")
    demand(not isinstance(stop, list) or len(stop) <= 4, "Expected at most 4 stop sequences.", "stop")
    demand(not body.get("stream_options") or body.get("stream"), "Only with 'stream'.", "stream_options")
    demand(body.get("best_of", body.get("n", 1)) >= body.get("n", 1), "Must be at least 'n'.", "best_of")
    prompt = body.get("prompt", "")
    least = len(prompt.split()) if isinstance(prompt, str) else 1  # tokens, for a word has at least one
    context = next(size for name, size in _CONTEXT.items() if body["model"].startswith(name))
    long = f"This model's maximum context length is {context} tokens."
    fits = least + body.get("max_tokens", 16) <= context
    demand(fits, long, "max_tokens", "context_length_exceeded")
