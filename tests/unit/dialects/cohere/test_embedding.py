"""Embeddings for clients of other protocols, and for Cohere's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.cohere.embedding import EMBEDDING
from dragoman.dialects.loss import Report
from dragoman.dialects.operation import Payload
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import RequestFailed, WireError
from tests.unit.dialects.cohere.speaking import lost


def written(request: ir.EmbedRequest) -> tuple[dict[str, Any], Report]:
    report = Report("cohere")
    return EMBEDDING.provider.encode(request, Target(report)).body, report


@pytest.mark.parametrize(
    ("task", "word", "losses"),
    [
        (None, "search_document", {}),
        ("retrieval_query", "search_query", {}),
        ("clustering", "clustering", {}),
        ("question_answering", "search_query", {}),
        ("semantic_similarity", "search_document", {"task": "quality"}),
    ],
)
def test_what_the_vectors_are_for(task: str | None, word: str, losses: dict[str, str]) -> None:
    body, report = written(ir.EmbedRequest("another", "m", ("a",), task=task, truncate=True))
    assert body == {
        "model": "m",
        "input_type": word,
        "texts": ["a"],
        "embedding_types": ["float"],
        "truncate": "END",
    }
    assert lost(report) == losses


def test_what_it_lacks() -> None:
    request = ir.EmbedRequest("another", "m", (ir.Parts(("a", "b")),), title="t", user="u", dimensions=8)
    body, report = written(request)
    assert (body["texts"], body["output_dimension"], body["truncate"]) == (["a\nb"], 8, "NONE")
    assert lost(report) == {"title": "quality", "user": "hint"}
    with pytest.raises(WireError):
        written(ir.EmbedRequest("another", "m", (ir.Tokens((1,)),)))


@pytest.mark.parametrize(
    "members",
    [
        {"images": ["data:image/png;base64,AAAA"]},
        {"texts": ["a"], "embedding_types": ["int8"]},
        {"inputs": [{"content": []}]},
    ],
)
def test_what_only_cohere_answers(members: dict[str, Any]) -> None:
    wire = WireRequest("embed", {"model": "m", "input_type": "image", **members})
    EMBEDDING.client.check(wire)
    with pytest.raises(WireError) as refused:
        EMBEDDING.client.decode(wire)
    assert refused.value.code == "unsupported_value"


def test_pictures_are_billed_beside_texts() -> None:
    body = {
        "embeddings": {"float": [[0.5]]},
        "meta": {"billed_units": {"input_tokens": 3, "image_tokens": 4}},
    }
    request = ir.EmbedRequest("another", "m", ("a",))
    answer = EMBEDDING.provider.decode(Payload(json.dumps(body).encode()), request)
    assert answer.usage == ir.Usage(7, detail={"input_image": 4})


def test_what_is_no_answer() -> None:
    request = ir.EmbedRequest("another", "m", ("a",))
    with pytest.raises(RequestFailed):
        EMBEDDING.provider.decode(Payload(b'{"message":"no"}'), request)
    for body in (b"{}", b'{"embeddings":{}}', b'{"embeddings":{"float":[]}}'):
        with pytest.raises(WireError):
            EMBEDDING.provider.decode(Payload(body), request)
