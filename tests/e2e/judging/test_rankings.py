"""Row 2.31: rankings over plain HTTP, in the words of Cohere, Jina and Voyage."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from dragoman.testing.provider import Whole
from tests.e2e.judging.conftest import Stage
from tests.e2e.judging.providers import RANKERS
from tests.e2e.test_server import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
COHERE, JINA, VOYAGE, SIMULATOR = RANKERS
EVERY = pytest.mark.parametrize("model", RANKERS)
QUERY = "capital of france"
TEXTS = ["cats sleep all day", "paris is the capital of france", "the capital of italy is rome"]
OBJECTS = [{"text": text} for text in TEXTS]
ORDER = [1, 2, 0]


@EVERY
@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
async def test_the_best_come_first(stage: Stage, model: str, path: str) -> None:
    told = await stage.ask(path, model=model, query=QUERY, documents=TEXTS)
    assert told.status == 200
    assert told.headers["x-dragoman-losses"] == "0"
    assert [result["index"] for result in told.body["results"]] == ORDER
    scores = [result["relevance_score"] for result in told.body["results"]]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]
    assert told.body["model"] == model.partition("/")[2]
    assert told.body["id"]


@EVERY
@pytest.mark.parametrize("documents", [TEXTS, OBJECTS])
async def test_so_many_come_back_with_their_documents(stage: Stage, model: str, documents: list[Any]) -> None:
    """Whatever the provider does: the gateway knows the documents."""
    told = await stage.rank(model, query=QUERY, documents=documents, top_n=2, return_documents=True)
    assert [result["index"] for result in told.body["results"]] == ORDER[:2]
    for result in told.body["results"]:
        assert result["document"] == OBJECTS[result["index"]]


@EVERY
async def test_documents_stay_away_where_nobody_wants_them(stage: Stage, model: str) -> None:
    told = await stage.rank(model, query=QUERY, documents=TEXTS, return_documents=False)
    assert [result.keys() for result in told.body["results"]] == [{"index", "relevance_score"}] * 3


async def test_documents_come_as_the_provider_sends_them_where_nothing_is_said(stage: Stage) -> None:
    told = await stage.rank(JINA, query=QUERY, documents=TEXTS)
    assert told.body["results"][0]["document"] == OBJECTS[1]
    told = await stage.rank(COHERE, query=QUERY, documents=TEXTS)
    assert "document" not in told.body["results"][0]


async def test_what_else_a_provider_says_is_there(stage: Stage) -> None:
    told = await stage.rank(COHERE, query=QUERY, documents=TEXTS)
    assert told.body["id"] == "rr-1"
    assert told.body["meta"] == {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    assert "usage" not in told.body
    usage = stage.exchanges[-1].usage
    assert usage is not None
    assert (usage.input, usage.detail) == (None, {"search_units": 1})
    told = await stage.rank(VOYAGE, query=QUERY, documents=TEXTS)
    assert told.body["usage"] == {"total_tokens": 12}
    usage = stage.exchanges[-1].usage
    assert usage is not None
    assert usage.input == 12


@EVERY
async def test_voyages_words_are_answered_in_them(stage: Stage, model: str) -> None:
    words: dict[str, Any] = {"top_k": 2, "return_documents": True}
    told = await stage.rank(model, query=QUERY, documents=TEXTS, **words)
    assert told.body.keys() <= {"object", "data", "model", "usage", "meta"}
    assert [one["index"] for one in told.body["data"]] == ORDER[:2]
    assert told.body["data"][0]["document"] == TEXTS[1]


async def test_a_vendor_is_asked_in_its_own_words(stage: Stage) -> None:
    """The stubs refuse what their vendors do not know; here is what became of it."""
    body: dict[str, Any] = {"query": QUERY, "documents": OBJECTS, "top_n": 1, "max_tokens_per_doc": 64}
    body |= {"rank_fields": ["text"], "max_chunks_per_doc": 3, "truncation": True, "return_documents": True}
    lost = {
        COHERE: {"$.rank_fields": "meaning", "$.max_chunks_per_doc": "quality", "$.truncation": "hint"},
        JINA: {},
        VOYAGE: {
            "$.rank_fields": "meaning",
            "$.max_chunks_per_doc": "quality",
            "$.max_tokens_per_doc": "quality",
        },
    }
    for model, losses in lost.items():
        told = await stage.rank(model, {"x-dragoman-report": "1"}, **body)
        assert told.status == 200
        report = json.loads(told.headers["x-dragoman-report"])
        assert {loss["path"]: loss["severity"] for loss in report["losses"]} == losses
    sent = {name: stage.providers[name].last.body for name in ("cohere", "jina", "voyage")}
    assert sent["cohere"].keys() == {"model", "query", "documents", "top_n", "max_tokens_per_doc"}
    assert sent["jina"].keys() == body.keys() - {"return_documents"} | {"model"}
    assert sent["jina"]["documents"] == OBJECTS
    assert sent["voyage"].keys() == {"model", "query", "documents", "top_k", "truncation"}
    assert sent["voyage"]["documents"] == sent["cohere"]["documents"] == TEXTS
    refused = await stage.rank(COHERE, {"x-dragoman-strict": "1"}, **body)
    assert (refused.status, refused.error["param"]) == (400, "rank_fields")


async def test_objects_of_several_fields_are_refused_where_only_texts_are_ranked(stage: Stage) -> None:
    documents = [TEXTS[0], {"title": "Paris", "text": TEXTS[1]}]
    for model in (COHERE, VOYAGE):
        told = await stage.rank(model, query=QUERY, documents=documents)
        assert (told.status, told.error["param"]) == (400, "documents[1]")
    assert stage.providers["cohere"].seen == []
    told = await stage.rank(JINA, query=QUERY, documents=documents, return_documents=True)
    assert told.body["results"][0]["document"] == documents[1]
    told = await stage.rank(SIMULATOR, query=QUERY, documents=documents)
    assert told.body["results"][0]["index"] == 1


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"query": None}, "query", "missing_required_parameter"),
        ({"documents": None}, "documents", "missing_required_parameter"),
        ({"query": 5}, "query", "invalid_type"),
        ({"documents": "x"}, "documents", "invalid_type"),
        ({"documents": []}, "documents", "empty_array"),
        ({"documents": ["x", 5]}, "documents[1]", "invalid_type"),
        ({"top_n": 0}, "top_n", "integer_below_min_value"),
        ({"top_n": "3"}, "top_n", "invalid_type"),
        ({"top_n": True}, "top_n", "invalid_type"),
        ({"top_k": 0}, "top_k", "integer_below_min_value"),
        ({"max_tokens_per_doc": 0}, "max_tokens_per_doc", "integer_below_min_value"),
        ({"max_chunks_per_doc": 0}, "max_chunks_per_doc", "integer_below_min_value"),
        ({"return_documents": "yes"}, "return_documents", "invalid_type"),
        ({"truncation": 1}, "truncation", "invalid_type"),
        ({"rank_fields": ["a", 5]}, "rank_fields[1]", "invalid_type"),
        ({"model": 5}, "model", "invalid_type"),
        ({"TopN": 1, "Top_N": 1}, "Top_N", "unknown_parameter"),
    ],
)
async def test_a_mistake_is_named(stage: Stage, body: dict[str, Any], param: str, code: str) -> None:
    told = await stage.ask(
        "/v2/rerank", None, **{"model": COHERE, "query": QUERY, "documents": TEXTS, **body}
    )
    assert told.status == 400
    assert (told.error["param"], told.error["code"]) == (param, code)
    assert stage.providers["cohere"].seen == []


@pytest.mark.parametrize("index", [-1, 3])
async def test_a_document_that_does_not_exist_is_no_answer(stage: Stage, index: int) -> None:
    stage.says("cohere", Whole({"results": [{"index": index, "relevance_score": 0.5}]}))
    told = await stage.rank(COHERE, query=QUERY, documents=TEXTS)
    assert told.status == 502
    assert f"there is no document {index}" in told.error["message"]


async def test_a_provider_that_sorts_and_counts_otherwise_is_put_right(stage: Stage) -> None:
    scores = [0.1, 2, -3.5]
    results = [{"index": index, "relevance_score": score} for index, score in enumerate(scores)]
    stage.says("jina", Whole({"results": results, "usage": {"total_tokens": "many"}}))
    told = await stage.rank(JINA, query=QUERY, documents=TEXTS, top_n=2)
    assert [result["index"] for result in told.body["results"]] == [1, 0]
    usage = stage.exchanges[-1].usage
    assert usage is not None
    assert usage.estimated  # what is no number is not stated


@pytest.mark.parametrize("model", [COHERE, JINA, VOYAGE])
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"message": "too many requests", "status_code": 429}, 429),
        ({"detail": "broken"}, 502),
        ({"error": {"message": "bad document", "code": 400}}, 400),
        ({"results": "none"}, 502),
        ({"id": "rr-1"}, 502),
        (b"no JSON", 502),
    ],
)
async def test_what_is_no_answer_is_a_failure(stage: Stage, model: str, answer: Any, status: int) -> None:
    """An error inside a 200, and what is nothing of the kind."""
    stage.says(model.partition("/")[0], Whole(answer))
    told = await stage.rank(model, query=QUERY, documents=TEXTS)
    assert told.status == status, told.raw
    assert told.error["message"]


async def test_the_next_deployment_answers_when_one_fails(stage: Stage) -> None:
    told = await stage.rank("ranker", query=QUERY, documents=TEXTS)
    assert (told.status, told.body["model"]) == (200, "ranker")
    assert told.headers["x-dragoman-deployment"] == COHERE
    assert [seen.path for seen in stage.providers["bad"].seen] == ["/v1/rerank"]


async def test_a_provider_that_cannot_rank_is_refused(stage: Stage) -> None:
    for model in ("anthropic/claude-x", "mistral/mistral-large-latest"):
        told = await stage.rank(model, query=QUERY, documents=TEXTS)
        assert told.status == 400
        assert (told.error["param"], told.error["code"]) == ("model", "unsupported_value")
    assert stage.providers["mistral"].seen == []
    stage.says("openai", Whole({"error": {"message": "Invalid URL (POST /v1/rerank)"}}, 404))
    told = await stage.rank("openai/gpt-4o", query=QUERY, documents=TEXTS)
    assert (told.status, told.error["code"]) == (501, "not_implemented")


async def test_nobody_ranks_for_a_client_that_is_gone(stage: Stage) -> None:
    stage.says("cohere", Whole({"results": []}, delay=30))
    asking = asyncio.ensure_future(stage.rank(COHERE, query=QUERY, documents=TEXTS))
    await until(lambda: stage.providers["cohere"].open)
    asking.cancel()
    await until(lambda: stage.providers["cohere"].cut)
