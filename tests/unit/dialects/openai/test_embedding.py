"""Embeddings in OpenAI's words, and in those of Mistral, which descend from them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.mistral.embedding import EMBEDDING as MISTRAL
from dragoman.dialects.openai.embedding import EMBEDDING
from dragoman.dialects.operation import OperationReply, Payload
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import encode
from dragoman.wire.vectors import from_floats, to_base64

VECTOR = from_floats([0.5, -1.0])
ONE = ir.EmbedRequest("openai_chat", "m", ("Hi",))
TWO = ir.EmbedRequest("openai_chat", "m", ("Hi", "Ho"))
assert EMBEDDING.relay is not None
RELAY = EMBEDDING.relay


def wire(**body: Any) -> WireRequest:
    return WireRequest("embed", {"model": "m", "input": "Hi", **body}, path="/embeddings")


def test_vectors_are_put_in_the_order_of_their_indices() -> None:
    data = [{"index": 1, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}]
    assert EMBEDDING.provider.decode(Payload(encode({"data": data})), TWO).vectors == (
        from_floats([2.0]),
        from_floats([1.0]),
    )


def test_vectors_without_indices_stay_in_their_order() -> None:
    data = [{"embedding": [1.0]}, {"index": 0, "embedding": [2.0]}]
    assert EMBEDDING.provider.decode(Payload(encode({"data": data})), TWO).vectors == (
        from_floats([1.0]),
        from_floats([2.0]),
    )


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        *[({"prompt_tokens": 3, "total_tokens": 4}, 3), ({"total_tokens": 4}, 4), ({}, None), (None, None)],
        *[({"prompt_tokens": 3.0}, 3), ({"prompt_tokens": "odd"}, None), ("odd", None)],
    ],
)
def test_usage_is_what_was_told(usage: Any, tokens: int | None) -> None:
    response = EMBEDDING.provider.decode(
        Payload(encode({"data": [{"embedding": [1.0]}], "usage": usage})), ONE
    )
    assert (response.usage and response.usage.input) == tokens


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"data":[{"embedding":"!"}]}', b'{"data":[{"embedding":[]}]}']
)
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        EMBEDDING.provider.decode(Payload(body), ONE)


def test_an_error_inside_of_a_good_answer_is_one() -> None:
    body = encode({"error": {"message": "slowly", "code": 429}})
    with pytest.raises(RequestFailed) as failed:
        EMBEDDING.provider.decode(Payload(body), ONE)
    assert failed.value.fault.kind == "rate_limit"
    with pytest.raises(RequestFailed):
        RELAY.response(wire(), Payload(body), None)


@pytest.mark.parametrize(
    ("wished", "written", "relayed"),
    [
        (None, [0.5], True),
        (None, "AAAAPw==", True),
        ("float", [0.5], True),
        ("float", "AAAAPw==", False),
        ("base64", "AAAAPw==", True),
        ("base64", [0.5], False),
    ],
)
def test_an_answer_is_relayed_where_it_is_written_as_was_asked_for(
    wished: str | None, written: Any, relayed: bool
) -> None:
    data = [{"object": "embedding", "index": 0, "embedding": written}]
    body = Payload(encode({"object": "list", "data": data}))
    told = RELAY.response(wire(encoding_format=wished), body, None)
    assert told == ((body, None) if relayed else None)


def test_a_relayed_answer_shows_the_name_that_was_asked_for() -> None:
    body = {"data": [{"embedding": [0.50, 1e-9]}], "model": "m-2026", "usage": {"prompt_tokens": "odd"}}
    told = RELAY.response(wire(), Payload(encode(body)), "mine")
    assert told is not None
    assert (msgspec.json.decode(told[0].data), told[1]) == ({**body, "model": "mine"}, None)


def test_no_list_of_vectors_is_no_answer() -> None:
    with pytest.raises(WireError):
        RELAY.response(wire(), Payload(b'{"data":{}}'), None)


def test_a_usage_that_cannot_be_decoded_is_ignored() -> None:
    answer = Payload(b'{"data":[{"embedding":[1.0]}],"usage":{"prompt_tokens":1e999}}')
    assert EMBEDDING.provider.decode(answer, ONE).usage is None
    assert RELAY.response(wire(), answer, None) == (answer, None)


@pytest.mark.parametrize("vectors", [0, 2])
def test_each_input_has_one_vector(vectors: int) -> None:
    with pytest.raises(WireError, match=f"expected 1 embeddings, got {vectors}"):
        EMBEDDING.provider.decode(Payload(encode({"data": [{"embedding": [1.0]}] * vectors})), ONE)


@pytest.mark.parametrize(("wished", "lost"), [(2, []), (None, []), (3, ["dimensions"])])
def test_another_length_than_was_wished_for_is_a_loss(wished: int | None, lost: list[str]) -> None:
    report = Report("openai_chat")
    asked = msgspec.structs.replace(ONE, dimensions=wished)
    EMBEDDING.client.encode(ir.EmbedResponse((VECTOR,)), OperationReply(asked, report))
    assert [loss.path for loss in report.losses] == lost


def test_purposes_and_other_dialects_members_are_losses() -> None:
    request = ir.EmbedRequest(
        "gemini",
        "m",
        (ir.Parts(("a", "b")), "c"),
        task="clustering",
        title="T",
        extra={"gemini": {"autoTruncate": True}},
    )
    report = Report("openai_chat")
    written = EMBEDDING.provider.encode(request, Target(report, "other"))
    assert written.body == {"model": "other", "input": ["a\nb", "c"], "encoding_format": "float"}
    assert [loss.path for loss in report.losses] == ["task", "title", "autoTruncate"]
    assert [change.path for change in report.changes] == ["inputs[0]"]


def test_texts_and_tokens_cannot_be_mixed() -> None:
    request = ir.EmbedRequest("x", "m", (ir.Tokens((1,)), "a"))
    with pytest.raises(WireError) as refused:
        EMBEDDING.provider.encode(request, Target(Report("openai_chat")))
    assert refused.value.path == "inputs[1]"


def test_ids_of_answers_are_kept() -> None:
    asked = ir.EmbedRequest("openai_chat", "m", ("Hi",), encoding="base64")
    reply = OperationReply(asked, Report("openai_chat"), "shown")
    written = EMBEDDING.client.encode(ir.EmbedResponse((VECTOR,), id="emb-1"), reply)
    body = msgspec.json.decode(written.data)
    assert body == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": to_base64(VECTOR)}],
        "model": "shown",
        "id": "emb-1",
    }


@pytest.mark.parametrize(
    ("stated", "path"),
    [
        ({"input": [[1]]}, "input[0]"),
        ({"input": [1]}, "input[0]"),
        ({"output_dimension": "64"}, "output_dimension"),
        ({"output_dtype": "double"}, "output_dtype"),
        ({"metadata": []}, "metadata"),
    ],
)
def test_mistrals_mistakes_are_named(stated: dict[str, Any], path: str) -> None:
    with pytest.raises(WireError) as refused:
        MISTRAL.client.check(wire(**stated))
    assert refused.value.path == path


def test_only_mistral_has_numbers_of_other_kinds() -> None:
    sent = wire(output_dtype="int8")
    MISTRAL.client.check(sent)
    with pytest.raises(WireError) as refused:
        MISTRAL.client.decode(sent)
    assert refused.value.path == "output_dtype"


def test_mistrals_word_for_dimensions() -> None:
    request = MISTRAL.client.decode(wire(output_dimension=64, metadata={"a": 1}))
    assert request.dimensions == 64
    written = MISTRAL.provider.encode(request, Target(Report("mistral")))
    assert written.body == {"model": "m", "input": "Hi", "output_dimension": 64, "metadata": {"a": 1}}
    assert MISTRAL.client.locate(request, "dimensions") == "$.output_dimension"
    assert MISTRAL.client.locate(request, "inputs[0]") == "$.input"
