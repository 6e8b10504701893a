"""Recorded embeddings as laws: requests come back as they were, vectors are equal in both encodings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.gemini.embedding import BATCH_PATH, PATH
from dragoman.dialects.loss import Report
from dragoman.dialects.ollama.embedding import OLD_PATH
from dragoman.dialects.ollama.embedding import PATH as EMBED_PATH
from dragoman.dialects.operation import OperationCodec, OperationReply, Payload
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.testing import corpus
from dragoman.testing.corpus import Exchange
from dragoman.wire.json import encode
from dragoman.wire.vectors import to_floats

pytestmark = pytest.mark.wire
FAMILY: Final = ("openai", "azure", "openrouter", "voyage")
DIALECT_OF: Final = {
    **{f"{vendor}.embeddings": "openai_chat" for vendor in FAMILY},
    "ollama.openai_embeddings": "openai_chat",
    "mistral.embeddings": "mistral",
    "gemini.embedContent": "gemini",
    "gemini.batchEmbedContents": "gemini",
    "ollama.embed": "ollama",
    "cohere.embed": "cohere",
}
APIS: Final = pytest.mark.parametrize("api", DIALECT_OF)
NAMELESS: Final = "an Azure deployment of old names the model in its path"


EmbedCodec = OperationCodec[ir.EmbedRequest, ir.EmbedResponse]


def codec(api: str) -> EmbedCodec:
    return DIALECTS[DIALECT_OF[api]].operations["embed"]


def exchanges(folder: Path, api: str) -> list[tuple[Exchange, WireRequest]]:
    """The exchanges of an API with their requests; those that name no model get one."""
    found = []
    for exchange in corpus.read(folder, api):
        if exchange.request is None or exchange.response is None:
            continue
        body: dict[str, Any] = exchange.request.body
        if DIALECT_OF[api] == "gemini":
            path, params = PATH if api.endswith(".embedContent") else BATCH_PATH, {"model": "m"}
        elif DIALECT_OF[api] == "ollama":
            path, params = OLD_PATH if "prompt" in body else EMBED_PATH, {}
        else:
            path, params = "/embeddings", {}
            body = {"model": NAMELESS, **body}
        found.append((exchange, WireRequest("embed", body, path=path, params=params)))
    assert found
    return found


def asked(embedding: EmbedCodec, wire: WireRequest) -> ir.EmbedRequest | None:
    """The request in IR terms; None where it holds media, which only Gemini embeds."""
    embedding.client.check(wire)
    if b"inline_data" in encode(wire.body):
        with pytest.raises(WireError):
            embedding.client.decode(wire)
        return None
    return embedding.client.decode(wire)


@APIS
def test_requests_come_back(recorded: Path, api: str) -> None:
    embedding = codec(api)
    for exchange, sent in exchanges(recorded, api):
        if (request := asked(embedding, sent)) is None:
            continue
        report = Report("")
        model = request.model
        if DIALECT_OF[api] == "gemini" and sent.path == BATCH_PATH:
            model = sent.body["requests"][0]["model"]
        written = embedding.provider.encode(request, Target(report, model))
        assert canonical(written.body) == canonical(sent.body), exchange.id
        assert report.losses == [], exchange.id


@APIS
def test_answers_hold_the_same_vectors_in_both_encodings(recorded: Path, api: str) -> None:
    embedding = codec(api)
    for exchange, sent in exchanges(recorded, api):
        assert exchange.response is not None
        if exchange.response.status != 200 or (request := asked(embedding, sent)) is None:
            continue
        body = encode(exchange.response.body)
        if b'"embedding":""' in body:  # what ada answered to an empty text
            continue
        response = embedding.provider.decode(Payload(body), request)
        assert len(response.vectors) == len(request.inputs), exchange.id
        for encoding in ("float", "base64"):
            wished = msgspec.structs.replace(request, encoding=encoding)
            reply = OperationReply(wished, Report(""))
            again = embedding.provider.decode(embedding.client.encode(response, reply), request)
            assert again.vectors == response.vectors, exchange.id
            assert again.usage == response.usage
        for vector, stated in zip(response.vectors, numbers(exchange.response.body), strict=True):
            assert isinstance(stated, str) or to_floats(vector) == pytest.approx(stated, abs=1e-6)


def canonical(body: dict[str, Any]) -> Any:
    """A request without what goes without saying: members that are null, the speaker of a content."""
    if "content" in body:
        body = {"requests": [{"model": "models/m", **body}]}
    if "requests" in body:
        for one in body["requests"]:
            one["content"].pop("role", None)
    return {key: value for key, value in body.items() if value is not None}


def numbers(body: dict[str, Any]) -> list[Any]:
    """The vectors as they were written."""
    if "response_type" in body:  # Cohere's, by type
        return list(body["embeddings"]["float"])
    if "data" in body:
        return [one["embedding"] for one in body["data"]]
    vectors = body.get("embeddings") or [body["embedding"]]
    return [one["values"] if isinstance(one, dict) else one for one in vectors]
