"""Embeddings in OpenAI's words, and in those of Mistral, which descend from them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.dialect import EmbedReply, Target, WireRequest
from dragoman.dialects.loss import Report
from dragoman.dialects.mistral.embedding import EMBEDDING as MISTRAL
from dragoman.dialects.openai_chat.embedding import EMBEDDING
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import encode
from dragoman.wire.vectors import from_floats, to_base64

VECTOR = from_floats([0.5, -1.0])


def wire(**body: Any) -> WireRequest:
    return WireRequest("embed", {"model": "m", "input": "Hi", **body}, path="/embeddings")


def test_vectors_are_put_in_the_order_of_their_indices() -> None:
    data = [{"index": 1, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}]
    assert EMBEDDING.decode_response(encode({"data": data})).vectors == (
        from_floats([2.0]),
        from_floats([1.0]),
    )


def test_vectors_without_indices_stay_in_their_order() -> None:
    data = [{"embedding": [1.0]}, {"index": 0, "embedding": [2.0]}]
    assert EMBEDDING.decode_response(encode({"data": data})).vectors == (
        from_floats([1.0]),
        from_floats([2.0]),
    )


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [({"prompt_tokens": 3, "total_tokens": 4}, 3), ({"total_tokens": 4}, 4), ({}, None), (None, None)],
)
def test_usage_is_what_was_told(usage: Any, tokens: int | None) -> None:
    response = EMBEDDING.decode_response(encode({"data": [{"embedding": [1.0]}], "usage": usage}))
    assert (response.usage and response.usage.input) == tokens


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"data":[{"embedding":"!"}]}', b'{"data":[{"embedding":[]}]}']
)
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        EMBEDDING.decode_response(body)


def test_an_error_inside_of_a_good_answer_is_one() -> None:
    body = encode({"error": {"message": "slowly", "code": 429}})
    with pytest.raises(RequestFailed) as failed:
        EMBEDDING.decode_response(body)
    assert failed.value.fault.kind == "rate_limit"
    with pytest.raises(RequestFailed):
        EMBEDDING.relay.response(wire(), body, None)


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
    body = encode({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": written}]})
    told = EMBEDDING.relay.response(wire(encoding_format=wished), body, None)
    assert told == ((body, None) if relayed else None)


def test_a_relayed_answer_shows_the_name_that_was_asked_for() -> None:
    body = {"data": [{"embedding": [0.50, 1e-9]}], "model": "m-2026", "usage": {"prompt_tokens": "odd"}}
    told = EMBEDDING.relay.response(wire(), encode(body), "mine")
    assert told is not None
    assert (msgspec.json.decode(told[0]), told[1]) == ({**body, "model": "mine"}, None)


def test_no_list_of_vectors_is_no_answer() -> None:
    with pytest.raises(WireError):
        EMBEDDING.relay.response(wire(), b'{"data":{}}', None)


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
    written = EMBEDDING.encode_request(request, Target(report, "other"))
    assert written.body == {"model": "other", "input": ["a\nb", "c"], "encoding_format": "float"}
    assert [loss.path for loss in report.losses] == ["task", "title", "autoTruncate"]
    assert [change.path for change in report.changes] == ["inputs[0]"]


def test_texts_and_tokens_cannot_be_mixed() -> None:
    request = ir.EmbedRequest("x", "m", (ir.Tokens((1,)), "a"))
    with pytest.raises(WireError) as refused:
        EMBEDDING.encode_request(request, Target(Report("openai_chat")))
    assert refused.value.path == "inputs[1]"


def test_ids_of_answers_are_kept() -> None:
    reply = EmbedReply(ir.EmbedRequest("openai_chat", "m", ("Hi",), encoding="base64"), "shown")
    body = msgspec.json.decode(EMBEDDING.encode_response(ir.EmbedResponse((VECTOR,), id="emb-1"), reply))
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
        MISTRAL.check(wire(**stated))
    assert refused.value.path == path


def test_only_mistral_has_numbers_of_other_kinds() -> None:
    sent = wire(output_dtype="int8")
    MISTRAL.check(sent)
    with pytest.raises(WireError) as refused:
        MISTRAL.decode_request(sent)
    assert refused.value.path == "output_dtype"


def test_mistrals_word_for_dimensions() -> None:
    request = MISTRAL.decode_request(wire(output_dimension=64, metadata={"a": 1}))
    assert request.dimensions == 64
    written = MISTRAL.encode_request(request, Target(Report("mistral")))
    assert written.body == {"model": "m", "input": "Hi", "output_dimension": 64, "metadata": {"a": 1}}
    assert MISTRAL.locate(request, "dimensions") == "$.output_dimension"
    assert MISTRAL.locate(request, "inputs[0]") == "$.input"
