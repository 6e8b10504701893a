"""Recorded moderations and rankings as laws: requests come back as they were, and so do answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from dragoman.dialects.loss import Report
from dragoman.dialects.operation import AnyOperationCodec, OperationReply, Payload
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.testing import corpus
from dragoman.testing.corpus import Exchange
from dragoman.wire.json import decode_object, encode

pytestmark = pytest.mark.wire
OPERATIONS: Final = DIALECTS["openai_chat"].operations
RANKINGS: Final = {"cohere.rerank": "jina", "openrouter.rerank": "jina", "voyage.rerank": "voyage"}
"""Cohere's first version takes objects as Jina does; of its second everything recorded is texts."""
APIS: Final = pytest.mark.parametrize("api", ["openai.moderations", *RANKINGS])


def codec(api: str) -> AnyOperationCodec:
    return OPERATIONS["moderation" if api.endswith("moderations") else "rerank"]


def exchanges(folder: Path, api: str) -> list[tuple[Exchange, WireRequest]]:
    """The exchanges of an API with their requests. The moderations that name no model get one."""
    operation: Any = "moderation" if api.endswith("moderations") else "rerank"
    found = []
    for exchange in corpus.read(folder, api):
        if exchange.request is not None and exchange.response is not None:
            body = {"model": "m", **exchange.request.body}
            found.append((exchange, WireRequest(operation, body)))
    assert found
    return found


def stated(body: dict[str, Any]) -> dict[str, Any]:
    """A body without what says nothing."""
    return {key: value for key, value in body.items() if value is not None}


@APIS
def test_requests_come_back(recorded: Path, api: str) -> None:
    for exchange, sent in exchanges(recorded, api):
        codec(api).client.check(sent)
        report = Report("")
        target = Target(report, quirks=Quirks(ranking=RANKINGS.get(api, "jina")))  # type: ignore[arg-type]
        written = codec(api).provider.encode(codec(api).client.decode(sent), target)
        whole = stated(sent.body)
        whole.pop("return_documents", None)  # what is to come back is known, see `rerank.encode_request`
        assert written.body == whole, exchange.id
        assert report.losses == [], exchange.id


@APIS
def test_answers_come_back(recorded: Path, api: str) -> None:
    for exchange, sent in exchanges(recorded, api):
        assert exchange.response is not None
        if exchange.response.status != 200:
            continue
        body: dict[str, Any] = exchange.response.body
        request = codec(api).client.decode(sent)
        response = codec(api).provider.decode(Payload(encode(body)), request)
        reply = OperationReply(request, Report(""), body.get("model"))
        told = decode_object(codec(api).client.encode(response, reply).data)
        assert {key: told[key] for key in body} == body, exchange.id
        assert told.keys() - body.keys() <= {"object", "model"}, exchange.id


@pytest.mark.parametrize("api", ["cohere.rerank", "voyage.rerank"])
def test_answers_without_their_requests_come_back(recorded: Path, api: str) -> None:
    (exchange,) = (found for found in corpus.read(recorded, api) if found.request is None)
    assert exchange.response is not None
    body = exchange.response.body
    words: dict[str, Any] = {"top_k": None} if api.startswith("voyage") else {}
    request = codec("rerank").client.decode(
        WireRequest("rerank", {"model": "m", "query": "q", "documents": ["a", "b"], **words})
    )
    response = codec("rerank").provider.decode(Payload(encode(body)), request)
    told = decode_object(codec("rerank").client.encode(response, OperationReply(request, Report(""))).data)
    assert {key: told[key] for key in body} == body
