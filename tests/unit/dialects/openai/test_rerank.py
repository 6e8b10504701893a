"""Rankings in the words of Cohere, Jina and Voyage."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai.rerank import RERANK
from dragoman.dialects.operation import OperationReply, Payload
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.wire.json import decode_object, encode

DOCUMENTS = ["a", {"text": "b"}, {"text": "c", "title": "t"}]


def asked(**body: Any) -> ir.RerankRequest:
    sent = WireRequest("rerank", {"model": "m", "query": "q", "documents": DOCUMENTS, **body})
    RERANK.client.check(sent)
    return RERANK.client.decode(sent)


def told(body: dict[str, Any], **members: Any) -> dict[str, Any]:
    """What a client is told when a provider says this."""
    request = asked(**members)
    response = RERANK.provider.decode(Payload(encode(body)), request)
    return decode_object(RERANK.client.encode(response, OperationReply(request, Report(""), id="1")).data)


@pytest.mark.parametrize(
    ("members", "form"),
    [
        ({}, None),
        ({"top_n": 2}, None),
        ({"top_k": 2}, "voyage"),
        ({"top_k": None}, "voyage"),
        ({"top_n": 2, "top_k": 3}, None),
    ],
)
def test_whose_words_a_request_has(members: dict[str, Any], form: str | None) -> None:
    request = asked(**members)
    assert request.form == form
    assert request.top == (2 if any(members.values()) else None)
    assert RERANK.client.locate(request, "top") == ("$.top_k" if form == "voyage" else "$.top_n")
    assert RERANK.client.locate(request, "documents[2]") == "$.documents[2]"
    assert RERANK.client.locate(request, "truncate") == "$.max_tokens_per_doc"
    assert "top_k" not in RERANK.provider.encode(request, Target(Report(""))).body


def test_a_vendors_own_members_pass() -> None:
    body = RERANK.provider.encode(asked(max_doc_length=5, top_n=1), Target(Report(""), "up")).body
    assert body == {"model": "up", "query": "q", "documents": DOCUMENTS, "top_n": 1, "max_doc_length": 5}


def test_rankings_do_not_keep_chat_from_being_relayed() -> None:
    assert Quirks(ranking="voyage").relays({"messages": []})


def test_equals_stay_in_their_order_and_documents_are_written_as_they_are_asked_for() -> None:
    results = [
        {"index": 2, "relevance_score": 1},
        {"index": 0, "relevance_score": 1, "document": "a"},
        {"index": 1, "relevance_score": 2},
    ]
    for members, documents in (
        ({}, [None, None, {"text": "a"}]),
        ({"return_documents": True}, [{"text": "b"}, {"text": "c", "title": "t"}, {"text": "a"}]),
        ({"return_documents": True, "top_k": 3}, [{"text": "b"}, {"text": "c", "title": "t"}, "a"]),
        ({"return_documents": False}, [None, None, None]),
    ):
        answer = told({"data": results}, **members)
        ranked = answer["data" if "top_k" in members else "results"]
        assert [one["index"] for one in ranked] == [1, 2, 0]
        assert [one.get("document") for one in ranked] == documents


def test_what_is_not_told_is_not_made_up() -> None:
    answer = told({"results": [{"index": 0, "relevance_score": 0.5}]})
    assert answer["id"] == "rerank-1"
    assert answer.keys() == {"id", "object", "model", "results"}


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        ({"usage": {"total_tokens": 5, "cost": 0.1}}, ir.Usage(input=5)),
        ({"usage": {"total_tokens": 5, "search_units": 1}}, ir.Usage(input=5, detail={"search_units": 1})),
        ({"meta": {"tokens": {"input_tokens": 7}}}, ir.Usage(input=7)),
        ({"meta": {"billed_units": {"search_units": 2}}}, ir.Usage(detail={"search_units": 2})),
        ({"meta": 5, "usage": "x"}, None),
        ({}, None),
    ],
)
def test_usage(body: dict[str, Any], usage: ir.Usage | None) -> None:
    response = RERANK.provider.decode(Payload(encode({"results": [], **body})), asked())
    assert response.usage == usage
    answer = told({"results": [], **body})
    assert {key: answer[key] for key in body} == body


def test_tokens_that_are_told_elsewhere_are_told_as_usage() -> None:
    meta = {"tokens": {"input_tokens": 7}}
    assert told({"results": [], "meta": meta})["usage"] == {"total_tokens": 7}
    assert "usage" not in told({"results": [], "meta": {"billed_units": {"search_units": 2}}})


@pytest.mark.parametrize("units", ["1", None, [], True])
def test_what_is_billed_in_no_number_is_not_counted(units: Any) -> None:
    answer = {
        "results": [{"index": 0, "relevance_score": 1}],
        "meta": {"billed_units": {"search_units": units}},
    }
    response = RERANK.provider.decode(Payload(encode(answer)), asked())
    assert response.usage is None
