"""Embeddings of Vertex AI: recorded requests and answers, and the other endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects import inputs
from dragoman.dialects.gemini.embedding import EMBEDDING
from dragoman.dialects.gemini.predict import CONTENT_PATH, PATH, PREDICTED, by_content, split
from dragoman.dialects.loss import Report
from dragoman.dialects.operation import OperationReply, Payload
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import RequestFailed, WireError
from dragoman.testing import corpus
from dragoman.wire.json import encode
from dragoman.wire.vectors import to_floats

CLIENT = EMBEDDING.client
TEXTS = ir.EmbedRequest("openai_chat", "m", ("a", ir.Parts(("b", "c"))), dimensions=3, task="clustering")


def predict(**body: Any) -> WireRequest:
    return WireRequest("embed", body, path=PATH, params={"model": "m"})


@pytest.mark.wire
def test_recorded_requests_come_back_and_answers_hold_the_same_vectors(recorded: Path) -> None:
    found = [one for one in corpus.read(recorded, "vertex.predict") if one.request is not None]
    assert len(found) == 3
    for exchange in found:
        assert exchange.request is not None
        assert exchange.response is not None
        wire = predict(**exchange.request.body)
        CLIENT.check(wire)
        request = CLIENT.decode(wire)
        report = Report("")
        assert PREDICTED.encode(request, Target(report, "text-embedding-004")).body == wire.body
        assert report.losses == []
        stated = exchange.response.body["predictions"]
        response = PREDICTED.decode(Payload(encode(exchange.response.body)), request)
        for vector, one in zip(response.vectors, stated, strict=True):
            assert to_floats(vector) == pytest.approx(one["embeddings"]["values"], abs=1e-6)
        counts = [one["embeddings"]["statistics"].get("token_count") for one in stated]
        assert response.usage == (None if None in counts else ir.Usage(input=sum(counts)))
        again = PREDICTED.decode(CLIENT.encode(response, OperationReply(request, Report(""))), request)
        assert again.vectors == response.vectors
        assert again.usage == (response.usage if len(stated) == 1 else None)


def test_only_vertex_is_asked_so() -> None:
    vertex = Quirks(vertex_operations=True)
    assert EMBEDDING.provider.suited(vertex) is PREDICTED
    assert EMBEDDING.provider.suited(STANDARD) is None
    own = WireRequest("embed", {}, path=CONTENT_PATH)
    assert EMBEDDING.relays(own, STANDARD, "m")
    assert not EMBEDDING.relays(own, vertex, "m")
    assert not EMBEDDING.relays(predict(), STANDARD, "m")


@pytest.mark.parametrize(
    ("model", "content"),
    [
        ("text-embedding-005", False),
        ("gemini-embedding-001", False),
        ("gemini-embedding-2-preview", True),
        ("publishers/intfloat/models/e5-maas", True),
    ],
)
def test_the_endpoint_of_a_model(model: str, content: bool) -> None:
    assert by_content(model) is content


def test_both_forms_of_requests() -> None:
    report = Report("")
    request = ir.EmbedRequest(
        "x", "m", TEXTS.inputs, 3, task="clustering", title="t", user="u", truncate=False
    )
    sent = PREDICTED.encode(request, Target(report, "text-embedding-005"))
    each = {"task_type": "CLUSTERING", "title": "t"}
    assert sent.body == {
        "instances": [{"content": "a", **each}, {"content": "b\nc", **each}],
        "parameters": {"outputDimensionality": 3, "autoTruncate": False},
    }
    assert (sent.path, sent.params) == (PATH, {"model": "text-embedding-005"})
    assert [loss.path for loss in report.losses] == ["user"]
    assert [(change.path, change.to) for change in report.changes] == [("inputs[1]", "instances[1].content")]
    (_, first), _ = split(request, "gemini-embedding-2")
    sent = PREDICTED.encode(first, Target(Report(""), "gemini-embedding-2"))
    assert sent.path == CONTENT_PATH
    assert sent.body == {
        "content": {"role": "user", "parts": [{"text": "a"}]},
        "embedContentConfig": {
            "taskType": "CLUSTERING",
            "title": "t",
            "outputDimensionality": 3,
            "autoTruncate": False,
        },
    }


@pytest.mark.parametrize(
    ("model", "to"),
    [("text-embedding-005", "instances[0].content"), ("gemini-embedding-2", "content.parts[0].text")],
)
def test_token_ids_are_reported_where_their_text_is_written(
    model: str, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "detokenized", lambda *_: ("Hi", 0))
    report = Report("")
    request = ir.EmbedRequest("x", "m", (ir.Tokens((1,)),))
    PREDICTED.encode(request, Target(report, model))
    assert [(change.path, change.to) for change in report.changes] == [("inputs[0]", to)]


def test_how_requests_are_split() -> None:
    many = ir.EmbedRequest("x", "m", ("a",) * 251)
    assert [index for index, _ in split(many, "text-embedding-005")] == [0, 250]
    assert [index for index, _ in split(TEXTS, "gemini-embedding-001")] == [0, 1]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "instances"),
        ({"instances": []}, "instances"),
        ({"instances": [{}]}, "instances[0].content"),
        ({"instances": [{"content": 1}]}, "instances[0].content"),
        ({"instances": [{"content": "a"}], "parameters": []}, "parameters"),
        (
            {"instances": [{"content": "a"}], "parameters": {"outputDimensionality": 0}},
            "parameters.outputDimensionality",
        ),
        (
            {"instances": [{"content": "a"}], "parameters": {"autoTruncate": "yes"}},
            "parameters.autoTruncate",
        ),
    ],
)
def test_mistakes_are_named(body: dict[str, Any], path: str) -> None:
    with pytest.raises(WireError) as refused:
        CLIENT.check(predict(**body))
    assert refused.value.path == path


def test_instances_with_different_options_and_places() -> None:
    wire = predict(instances=[{"content": "a"}, {"content": "b", "title": "t"}])
    with pytest.raises(WireError, match="different options"):
        CLIENT.decode(wire)
    request = CLIENT.decode(predict(instances=[{"content": "a"}]))
    assert CLIENT.locate(request, "inputs[0]") == "$.instances[0].content"
    assert CLIENT.locate(request, "dimensions") == "$.parameters.outputDimensionality"


def test_answers_that_are_none() -> None:
    one = ir.EmbedRequest("x", "m", ("a",))
    for body, kind in (({}, WireError), ({"predictions": []}, WireError), ({"predictions": 1}, WireError)):
        with pytest.raises(kind):
            PREDICTED.decode(Payload(encode(body)), one)
    with pytest.raises(RequestFailed, match="no"):
        PREDICTED.decode(Payload(encode({"error": {"code": 400, "message": "no"}})), one)


def test_unknown_members_are_lost_by_name() -> None:
    body = {"instances": [{"content": "a", "odd": 1}], "parameters": {"odd": 2}, "other": 3}
    wire = predict(**body)
    CLIENT.check(wire)
    read = CLIENT.decode(wire)
    for side in (PREDICTED, EMBEDDING.provider):
        report = Report("gemini")
        written = side.encode(read, Target(report, "text-embedding-005")).body
        assert b"odd" not in encode(written)
        assert {CLIENT.locate(read, loss.path) for loss in report.losses} == {
            "$.other",
            "$.parameters.odd",
            "$.instances[0].odd",
        }
    report = Report("gemini")
    asked = ir.EmbedRequest("openai_chat", "m", ("a",), extra={"openai_chat": {"odd": 1}})
    PREDICTED.encode(asked, Target(report, "text-embedding-005"))
    assert [loss.path for loss in report.losses] == ["odd"]
