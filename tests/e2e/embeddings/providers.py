"""Providers of vectors: each speaks its dialect, holds requests to its own limits, and gives a text the same
vector every time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman import ir
from dragoman.testing.provider import Answer, Seen, Whole
from dragoman.upstreams.simulate.vectors import vector
from dragoman.wire.vectors import to_base64, to_floats
from tests.e2e.stage import Provider

LENGTH = 8
MODELS = {
    "openai_chat": "up/text-embedding-3-small",
    "mistral": "up/mistral-embed",
    "gemini": "up/gemini-embedding-001",
}


def expected(text: str, length: int = LENGTH) -> list[float]:
    """The vector that every provider here has for a text."""
    return to_floats(vector(text, length, 0))


def openai(seen: Seen) -> Answer:
    """OpenAI: base64 where it is asked for."""
    inputs, body = _inputs(seen.body["input"]), seen.body
    write = to_base64 if body.get("encoding_format") == "base64" else to_floats
    vectors = [write(vector(one, body.get("dimensions", LENGTH), 0)) for one in inputs]
    return Whole(_listed(body["model"], vectors, len(inputs)))


def mistral(seen: Seen) -> Answer:
    """Mistral: its own word for dimensions, 512 inputs at most, and no members that it does not know."""
    body = seen.body
    assert body.keys() <= {"model", "input", "output_dimension", "encoding_format"}
    inputs = _inputs(body["input"])
    if len(inputs) > 512:
        refused = {"object": "error", "message": "Too many inputs in request, split into more batches."}
        return Whole({**refused, "type": "invalid_request_prompt", "code": "3210"}, 400)
    vectors = [to_floats(vector(one, body.get("output_dimension", LENGTH), 0)) for one in inputs]
    return Whole({"id": "emb-1", **_listed(body["model"], vectors, len(inputs))})


def gemini(seen: Seen) -> Answer:
    """Gemini: batches of 100, a model in each request, lists of numbers, no usage."""
    requests = seen.body["requests"]
    assert seen.body.keys() == {"requests"}
    assert {one["model"] for one in requests} == {"models/" + MODELS["gemini"].removeprefix("up/")}
    if len(requests) > 100:
        message = "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch\n"
        return Whole({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}, 400)
    vectors = [
        vector(one["content"]["parts"][0]["text"], one.get("outputDimensionality", LENGTH), 0)
        for one in requests
    ]
    return Whole({"embeddings": [{"values": to_floats(one)} for one in vectors]})


PROVIDERS: dict[str, Provider] = {"openai_chat": openai, "mistral": mistral, "gemini": gemini}


def _inputs(value: Any) -> Sequence[ir.Input]:
    if isinstance(value, str):
        return [value]
    if isinstance(value[0], int):
        return [ir.Tokens(tuple(value))]
    return [one if isinstance(one, str) else ir.Tokens(tuple(one)) for one in value]


def _listed(model: str, vectors: Sequence[Any], tokens: int) -> dict[str, Any]:
    data = [{"object": "embedding", "index": index, "embedding": one} for index, one in enumerate(vectors)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}
