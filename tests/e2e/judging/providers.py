"""Providers of judgements and rankings. Each holds requests to what its own vendor knows, and answers in its
own form.
"""

from __future__ import annotations

from typing import Any

from dragoman.testing.provider import Answer, Seen, Whole
from dragoman.upstreams.simulate.judging import WORDS
from tests.e2e.stage import Provider


def openai(seen: Seen) -> Answer:
    """OpenAI: a judgement for each text, one for all parts together."""
    body = seen.body
    assert seen.path == "/v1/moderations"
    assert body.keys() <= {"model", "input"}
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    if not isinstance(inputs[0], str):
        inputs = ["\n".join(part.get("text", "") for part in inputs)]
    results = []
    for text in inputs:
        told = _categories(text)
        kinds = {category: ["text"] for category in WORDS}
        results.append({"flagged": any(told["categories"].values()), **told})
        results[-1]["category_applied_input_types"] = kinds
    return Whole({"id": "modr-1", "model": body["model"], "results": results})


def mistral(seen: Seen) -> Answer:
    """Mistral: texts, nothing about whether they are flagged, and usage."""
    body = seen.body
    assert seen.path == "/v1/moderations"
    assert body.keys() <= {"model", "input", "metadata"}
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    assert all(isinstance(text, str) for text in inputs)
    usage = {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}
    results = [_categories(text) for text in inputs]
    return Whole({"id": "mod-1", "model": body["model"], "results": results, "usage": usage})


def _categories(text: str) -> dict[str, Any]:
    flags = {category: bool(words & set(text.lower().split())) for category, words in WORDS.items()}
    return {
        "categories": flags,
        "category_scores": {category: 0.9 if flag else 0.001 for category, flag in flags.items()},
    }


def cohere(seen: Seen) -> Answer:
    """Cohere: its second version, beside the path of its chat."""
    body = seen.body
    assert seen.path == "/v2/rerank"
    assert body.keys() <= {"model", "query", "documents", "top_n", "max_tokens_per_doc"}
    assert all(isinstance(document, str) for document in body["documents"])
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    return Whole({"id": "rr-1", "results": _ranked(body, body.get("top_n")), "meta": meta})


def jina(seen: Seen) -> Answer:
    """Jina: objects too, and documents in the answer unless it is told otherwise."""
    body = seen.body
    assert seen.path == "/v1/rerank"
    results = _ranked(body, body.get("top_n"))
    for result in results:
        document = body["documents"][result["index"]]
        result["document"] = {"text": document} if isinstance(document, str) else document
    usage = {"total_tokens": 21}
    return Whole({"model": body["model"], "object": "list", "usage": usage, "results": results})


def voyage(seen: Seen) -> Answer:
    """Voyage: its own words, and refuses those of others."""
    body = seen.body
    assert seen.path == "/v1/rerank"
    unknown = body.keys() - {"model", "query", "documents", "top_k", "truncation", "return_documents"}
    if unknown:
        return Whole({"detail": f"Argument {sorted(unknown)} is not supported by our API."}, 400)
    results = _ranked(body, body.get("top_k"))
    usage = {"total_tokens": 12}
    return Whole({"object": "list", "data": results, "model": body["model"], "usage": usage})


def _ranked(body: dict[str, Any], top: int | None) -> list[dict[str, Any]]:
    asked = set(body["query"].lower().split())
    results: list[dict[str, Any]] = []
    for index, document in enumerate(body["documents"]):
        text = document if isinstance(document, str) else document["text"]
        shared = asked & set(text.lower().split())
        results.append({"index": index, "relevance_score": len(shared) / len(asked)})
    return sorted(results, key=lambda result: -result["relevance_score"])[:top]


def bad(_: Seen) -> Answer:
    """One that always fails."""
    return Whole({"error": {"message": "no", "type": "server_error", "param": None, "code": None}}, 500)


PROVIDERS: dict[str, Provider] = {
    "openai": openai,
    "mistral": mistral,
    "cohere": cohere,
    "jina": jina,
    "voyage": voyage,
    "bad": bad,
}
MODERATORS = ("openai/omni-moderation-latest", "mistral/mistral-moderation-latest", "simulate/lorem")
RANKERS = ("cohere/rerank-v3.5", "jina/jina-reranker-v2", "voyage/rerank-2.5", "simulate/lorem")
