"""Embeddings in Gemini's words: one or many, options wherever they stand, and exact errors."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.gemini.embedding import BATCH_PATH, EMBEDDING, PATH
from dragoman.dialects.loss import Report
from dragoman.dialects.operation import OperationReply, Outgoing, Payload
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import decode_head, decode_object, encode
from dragoman.wire.vectors import from_floats

HI: dict[str, Any] = {"parts": [{"text": "Hi"}]}
VECTOR = from_floats([0.5, -1.0])
ASKED = ir.EmbedRequest("gemini", "m", ("Hi",))
assert EMBEDDING.relay is not None
RELAY = EMBEDDING.relay


def written(sent: Outgoing) -> Any:
    assert isinstance(sent.body, bytes)
    return msgspec.json.decode(sent.body)


def one(**body: Any) -> WireRequest:
    return WireRequest("embed", body, path=PATH, params={"model": "m"})


def many(*requests: Any) -> WireRequest:
    return WireRequest("embed", {"requests": list(requests)}, path=BATCH_PATH, params={"model": "m"})


def test_one_content_with_its_options() -> None:
    wire = one(
        content=HI, taskType="RETRIEVAL_DOCUMENT", title="T", outputDimensionality=2, autoTruncate=True
    )
    request = EMBEDDING.client.decode(wire)
    assert request == ir.EmbedRequest(
        "gemini",
        "m",
        ("Hi",),
        dimensions=2,
        task="retrieval_document",
        title="T",
        form="one",
        extra={"gemini": {"autoTruncate": True}},
    )
    written = EMBEDDING.provider.encode(request, Target(Report("gemini"), "other"))
    assert written.body == {"requests": [{"model": "models/other", **wire.body}]}
    assert (written.path, written.params) == (BATCH_PATH, {"model": "other"})


@pytest.mark.parametrize(
    "options",
    [
        {"output_dimensionality": 2, "task_type": "CLUSTERING"},
        {"embedContentConfig": {"outputDimensionality": 2, "taskType": "CLUSTERING"}},
        {"embed_content_config": {"output_dimensionality": 2, "task_type": "CLUSTERING"}},
        {
            "outputDimensionality": 2,
            "embedContentConfig": {"outputDimensionality": None, "taskType": "CLUSTERING"},
        },
    ],
)
def test_options_are_found_in_either_spelling_and_place(options: dict[str, Any]) -> None:
    wire = many({"model": "models/m", "content": HI, **options})
    EMBEDDING.client.check(wire)
    request = EMBEDDING.client.decode(wire)
    assert (request.dimensions, request.task, request.extra) == (2, "clustering", None)


def test_an_unspecified_task_is_none() -> None:
    assert EMBEDDING.client.decode(one(content=HI, taskType="TASK_TYPE_UNSPECIFIED")).task is None


def test_a_content_of_several_texts_is_one_input() -> None:
    content = {"parts": [{"text": "a"}, {"text": "b"}]}
    request = EMBEDDING.client.decode(many({"content": content}, {"content": HI}))
    assert request.inputs == (ir.Parts(("a", "b")), "Hi")
    written = EMBEDDING.provider.encode(request, Target(Report("gemini")))
    assert [one["content"] for one in written.body["requests"]] == [content, HI]


@pytest.mark.parametrize(
    ("wire", "path", "code"),
    [
        (one(), "content", "missing_required_parameter"),
        (one(content="Hi"), "content", "invalid_type"),
        (one(content={}), "content.parts", "missing_required_parameter"),
        (one(content={"parts": "Hi"}), "content.parts", "invalid_type"),
        (one(content={"parts": []}), "content.parts", "empty_array"),
        (one(content={"parts": [{"text": 5}]}), "content.parts[0].text", "invalid_type"),
        (one(content=HI, outputDimensionality=0), "outputDimensionality", "integer_below_min_value"),
        (
            one(content=HI, embedContentConfig={"taskType": 99}),
            "embedContentConfig.taskType",
            "invalid_type",
        ),
        (WireRequest("embed", {}, path=BATCH_PATH), "requests", "missing_required_parameter"),
        (many(), "requests", "empty_array"),
        (many({"content": HI}, 5), "requests[1]", "invalid_type"),
        (many({"content": HI}, {}), "requests[1].content", "missing_required_parameter"),
    ],
)
def test_a_mistake_is_named(wire: WireRequest, path: str, code: str) -> None:
    with pytest.raises(WireError) as refused:
        EMBEDDING.client.check(wire)
    assert (refused.value.path, refused.value.code) == (path, code)


@pytest.mark.parametrize(
    ("wire", "path"),
    [
        (one(content={"parts": [{"text": "a"}, {"inlineData": {}}]}), "content.parts[1]"),
        (many({"content": HI}, {"content": {"parts": [{"inlineData": {}}]}}), "requests[1].content.parts[0]"),
        (many({"content": HI}, {"content": HI, "title": "T"}), "requests[1]"),
    ],
)
def test_what_only_gemini_takes_is_not_translated(wire: WireRequest, path: str) -> None:
    EMBEDDING.client.check(wire)
    with pytest.raises(WireError) as refused:
        EMBEDDING.client.decode(wire)
    assert (refused.value.path, refused.value.code) == (path, "unsupported_value")


def test_it_is_relayed_all_the_same() -> None:
    body = {"requests": [{"model": "models/m", "content": {"parts": [{"inlineData": {}}]}, "x": 1}], "y": 2}
    sent = RELAY.request(
        WireRequest("embed", body, path=BATCH_PATH), decode_head(encode(body)), {"model": "n", "z": 3}
    )
    requests = [{**body["requests"][0], "model": "models/n"}]  # type: ignore[index]
    assert sent.path == BATCH_PATH
    assert written(sent) == {"requests": requests, "y": 2, "z": 3}
    answer = Payload(encode({"embeddings": [{"values": [0.5]}], "usageMetadata": {"promptTokenCount": 3}}))
    told = RELAY.response(WireRequest("embed", body, path=BATCH_PATH), answer, "shown")
    assert told == (answer, ir.Usage(input=3))


def test_one_content_is_relayed_as_a_batch_of_one() -> None:
    wire = one(content=HI)
    sent = RELAY.request(wire, decode_head(encode(wire.body)), {"model": "n"})
    assert written(sent) == {"requests": [{"model": "models/n", "content": HI}]}
    told = RELAY.response(wire, Payload(b'{"embeddings":[{"values":[0.50]}],"x":1}'), None)
    assert told == (Payload(b'{"x":1,"embedding":{"values":[0.50]}}'), None)


@pytest.mark.parametrize(
    "body",
    [b'{"embeddings":[]}', b'{"embeddings":[{"values":[1]},{"values":[2]}]}'],
)
def test_one_content_gets_one_vector_or_an_error(body: bytes) -> None:
    with pytest.raises(WireError, match="expected 1 embedding") as broken:
        RELAY.response(one(content=HI), Payload(body), None)
    assert broken.value.path == "embeddings"


def test_a_vector_in_the_right_form_stays() -> None:
    answer = Payload(b'{"embedding":{"values":[1]},"embeddings":null}')
    assert RELAY.response(one(content=HI), answer, None) == (answer, None)


@pytest.mark.parametrize("form", ["one", None])
def test_an_answer_is_what_was_asked_for(form: str | None) -> None:
    request = ir.EmbedRequest("gemini", "m", ("Hi",), form=form)
    response = ir.EmbedResponse((VECTOR,), usage=ir.Usage(input=3))
    body = EMBEDDING.client.encode(response, OperationReply(request, Report("gemini")))
    vector = {"values": [0.5, -1.0]}
    usage = {"promptTokenCount": 3, "totalTokenCount": 3}
    expected = {"embedding": vector} if form else {"embeddings": [vector]}
    assert msgspec.json.decode(body.data) == {**expected, "usageMetadata": usage}
    assert EMBEDDING.provider.decode(body, request) == response


def test_tokens_of_pictures_are_counted_apart() -> None:
    """gemini-embedding-2 has another price for each kind."""
    kinds = [{"modality": "TEXT", "tokenCount": 3}, {"modality": "IMAGE", "tokenCount": 258}]
    counts = {"promptTokenCount": 261, "totalTokenCount": 261, "promptTokenDetails": kinds}
    body = Payload(encode({"embeddings": [{"values": [0.5, -1.0]}], "usageMetadata": counts}))
    decoded = EMBEDDING.provider.decode(body, ASKED)
    assert decoded.usage == ir.Usage(261, detail={"input_text": 3, "input_image": 258})
    written = EMBEDDING.client.encode(decoded, OperationReply(ASKED, Report("gemini")))
    assert msgspec.json.decode(written.data)["usageMetadata"] == counts
    relayed = RELAY.response(WireRequest("embed", {}, path=BATCH_PATH), body, None)
    assert relayed == (body, decoded.usage)


def test_an_estimate_is_not_told() -> None:
    response = ir.EmbedResponse((VECTOR,), usage=ir.Usage(input=3, estimated=True))
    body = EMBEDDING.client.encode(response, OperationReply(ASKED, Report("gemini")))
    assert b"usage" not in body.data


def test_an_error_inside_of_an_answer_is_one() -> None:
    body = encode({"error": {"code": 429, "message": "slowly", "status": "RESOURCE_EXHAUSTED"}})
    with pytest.raises(RequestFailed) as failed:
        EMBEDDING.provider.decode(Payload(body), ASKED)
    assert failed.value.fault.kind == "rate_limit"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"embeddings":[{"values":["x"]}]}', b"\xff"])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        EMBEDDING.provider.decode(Payload(body), ASKED)


@pytest.mark.parametrize(
    ("form", "where", "path"),
    [
        ("one", "inputs[0]", "$.content"),
        (None, "inputs[7]", "$.requests[7].content"),
        ("one", "dimensions", "$.outputDimensionality"),
        (None, "task", "$.requests[0].taskType"),
    ],
)
def test_places(form: str | None, where: str, path: str) -> None:
    assert EMBEDDING.client.locate(ir.EmbedRequest("gemini", "m", ("Hi",), form=form), where) == path


@pytest.mark.parametrize(
    ("options", "where", "path"),
    [
        (
            {"embedContentConfig": {"outputDimensionality": 5}},
            "dimensions",
            "embedContentConfig.outputDimensionality",
        ),
        ({"embed_content_config": {"task_type": "CLUSTERING"}}, "task", "embed_content_config.task_type"),
        ({"output_dimensionality": 5}, "dimensions", "output_dimensionality"),
        ({"title": "a", "embedContentConfig": {"title": "b"}}, "title", "embedContentConfig.title"),
        ({"title": "a", "embedContentConfig": {"odd": 1}}, "odd", "embedContentConfig.odd"),
        ({"title": "a", "embedContentConfig": {"odd": 1}}, "title", "title"),
        ({"title": "a", "embedContentConfig": None}, "title", "title"),
    ],
)
def test_an_option_is_where_the_client_wrote_it(options: dict[str, Any], where: str, path: str) -> None:
    client = EMBEDDING.client
    for wire, before in (
        (one(content=HI, **options), "$."),
        (many({"content": HI, **options}), "$.requests[0]."),
    ):
        client.check(wire)
        assert client.locate(client.decode(wire), where) == before + path


def test_a_request_with_options_elsewhere_is_answered_as_it_was_asked() -> None:
    asked = EMBEDDING.client.decode(one(content=HI, embedContentConfig={"outputDimensionality": 1}))
    reply = OperationReply(asked, Report("gemini", "response"))
    told = EMBEDDING.client.encode(ir.EmbedResponse((from_floats([0.5]),)), reply)
    assert decode_object(told.data) == {"embedding": {"values": [0.5]}}


def test_tokens_and_users_are_not_googles() -> None:
    report = Report("gemini")
    request = ir.EmbedRequest("openai_chat", "m", ("Hi", ir.Tokens((1,))), user="u", extra={"x": {"y": 1}})
    with pytest.raises(WireError) as refused:
        EMBEDDING.provider.encode(request, Target(report))
    assert refused.value.path == "inputs[1]"
    assert [(loss.path, loss.severity) for loss in report.losses] == [("user", "hint"), ("y", "hint")]


def test_what_a_content_states_beside_its_texts_is_lost_by_name() -> None:
    content = {"role": "user", "odd": 1, "parts": [{"text": "a"}, {"text": "b", "odd": 2}]}
    wire = one(content=content, other=3)
    read = EMBEDDING.client.decode(wire)
    report = Report("gemini")
    body = EMBEDDING.provider.encode(read, Target(report, "n")).body
    assert body["requests"] == [
        {"model": "models/n", "content": {"parts": [{"text": "a"}, {"text": "b"}]}, "other": 3}
    ]
    places = [EMBEDDING.client.locate(read, loss.path) for loss in report.losses]
    assert places == ["$.content.odd", "$.content.parts[1].odd"]
    batch = {"requests": [{"content": HI}, {"content": {**HI, "odd": 1}}]}
    read = EMBEDDING.client.decode(WireRequest("embed", batch, path=BATCH_PATH))
    report = Report("mistral")
    DIALECTS["mistral"].asked()["embed"].encode(read, Target(report, "n"))
    places = [EMBEDDING.client.locate(read, loss.path) for loss in report.losses]
    assert places == ["$.requests[1].content.odd"]


def test_what_stands_beside_the_requests_of_a_batch_stays_or_is_lost_by_name() -> None:
    wire = many({"content": HI, "taskType": "CLUSTERING"})
    wire.body["metadata"] = {"key": "1"}
    request = EMBEDDING.client.decode(wire)
    assert request.extra == {"gemini": {"batch.metadata": {"key": "1"}}}
    report = Report("gemini")
    again = EMBEDDING.provider.encode(request, Target(report, "m"))
    assert again.body["metadata"] == {"key": "1"}
    assert again.body["requests"] == [{"model": "models/m", "content": HI, "taskType": "CLUSTERING"}]
    assert report.losses == []
    report = Report("openai_chat")
    DIALECTS["openai_chat"].asked()["embed"].encode(request, Target(report, "m"))
    places = [EMBEDDING.client.locate(request, loss.path) for loss in report.losses]
    assert "$.metadata" in places
