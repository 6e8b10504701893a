"""Moderations in the words of OpenAI and Mistral: parts, places, usage, and what no answer is."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.mistral.moderation import MODERATION as MISTRAL
from dragoman.dialects.openai.moderation import MODERATION
from dragoman.dialects.openai.operation import usage_of
from dragoman.dialects.operation import OperationReply, Payload
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import decode_object, encode

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low", "x": 1}}
TEXT = {"type": "text", "text": "Hi", "y": 2}
assert MODERATION.relay is not None
RELAY = MODERATION.relay


def wire(**body: Any) -> WireRequest:
    return WireRequest("moderation", {"model": "m", **body})


def asked(value: Any) -> ir.ModerationRequest:
    sent = wire(input=value)
    MODERATION.client.check(sent)
    return MODERATION.client.decode(sent)


@pytest.mark.parametrize(
    "value",
    [
        "Hi",
        "",
        ["Hi"],
        ["Hi", "there"],
        [TEXT],
        [TEXT, PICTURE],
        [{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}, "z": 3}],
    ],
)
def test_every_form_of_an_input_comes_back(value: Any) -> None:
    report = Report("")
    assert MODERATION.provider.encode(asked(value), Target(report)).body == {"model": "m", "input": value}
    assert report.losses == []


def test_a_text_among_inputs_of_parts_cannot_be_said() -> None:
    several = ir.ModerationRequest("x", "m", ((ir.Text("a"), ir.Text("b")), (ir.Text("c"),)))
    with pytest.raises(WireError) as refused:
        MODERATION.provider.encode(several, Target(Report("")))
    assert refused.value.path == "inputs[1]"
    alone = ir.ModerationRequest("x", "m", ((ir.Text("a"), ir.Text("b")),))
    body = MODERATION.provider.encode(alone, Target(Report(""))).body
    assert [part["text"] for part in body["input"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("value", "where", "path"),
    [
        ("Hi", "inputs[0]", "$.input"),
        (["Hi", "there"], "inputs[1]", "$.input[1]"),
        ([TEXT, PICTURE], "inputs[0]", "$.input"),
        ([TEXT, PICTURE], "inputs[0][1]", "$.input[1]"),
        ("Hi", "metadata", "$.metadata"),
    ],
)
def test_places(value: Any, where: str, path: str) -> None:
    assert MODERATION.client.locate(asked(value), where) == path


def test_mistral_gets_texts_and_says_what_is_lost() -> None:
    report = Report("mistral")
    body = MISTRAL.provider.encode(asked([TEXT]), Target(report, "mistral-moderation-latest")).body
    assert body == {"model": "mistral-moderation-latest", "input": ["Hi"]}
    assert [loss.path for loss in report.losses] == ["inputs[0][0].y"]
    with pytest.raises(WireError) as refused:
        MISTRAL.provider.encode(asked([TEXT, PICTURE]), Target(Report("")))
    assert (refused.value.path, refused.value.code) == ("inputs[0][1]", "unsupported_modality")


@pytest.mark.parametrize("value", ["Hi", ["Hi"], ["Hi", "there"]])
def test_requests_of_mistral_come_back(value: Any) -> None:
    sent = wire(input=value, metadata={"a": "b"})
    MISTRAL.client.check(sent)
    report = Report("")
    assert MISTRAL.provider.encode(MISTRAL.client.decode(sent), Target(report)).body == sent.body
    assert report.losses == []


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"model": None, "input": "x"}, "model"),
        ({"input": None}, "input"),
        ({"input": [TEXT]}, "input[0]"),
        ({"input": []}, "input"),
        ({"input": "x", "metadata": 5}, "metadata"),
    ],
)
def test_mistakes_in_mistrals_words(body: dict[str, Any], path: str) -> None:
    with pytest.raises(WireError) as refused:
        MISTRAL.client.check(wire(**body))
    assert refused.value.path == path


def test_what_says_nothing_of_flags_is_flagged_by_its_categories() -> None:
    results = [
        {"categories": {"a": flag, "b": None}, "category_scores": {"a": 0.5}} for flag in (True, False)
    ]
    body = {"id": "mod-1", "model": "m", "results": results, "usage": {"total_tokens": 3}}
    request = asked(["x", "y"])
    response = MISTRAL.provider.decode(Payload(encode(body)), request)
    assert [judgement.flagged for judgement in response.judgements] == [True, False]
    assert response.usage == ir.Usage(input=3)
    told = decode_object(MODERATION.client.encode(response, OperationReply(request, Report(""))).data)
    assert told["id"] == "mod-1"
    assert [{key: one[key] for key in results[0]} for one in told["results"]] == results


@pytest.mark.parametrize(
    ("told", "tokens"),
    [
        ({"prompt_tokens": 5, "total_tokens": 9}, 5),
        ({"input_tokens": 5.0}, 5),
        ({"prompt_tokens": None, "total_tokens": 9}, 9),
        ({"prompt_tokens": 0, "total_tokens": 9}, 0),
        ({"prompt_tokens": True}, None),
        ({"total_tokens": "many"}, None),
        (None, None),
        ([5], None),
    ],
)
def test_usage_is_read_where_it_can_be(told: Any, tokens: int | None) -> None:
    assert usage_of(told) == (None if tokens is None else ir.Usage(input=tokens))


def test_a_relay_names_the_model_and_reads_usage() -> None:
    raw = b'{ "model":"up", "results": [ {"x":1.0e-3} ], "usage":{"total_tokens":4} }'
    assert RELAY.response(wire(input="x"), Payload(raw), None) == (Payload(raw), ir.Usage(input=4))
    told = RELAY.response(wire(input="x"), Payload(raw), "alias")
    assert told is not None
    assert told[0].data == b'{"model":"alias","results":[ {"x":1.0e-3} ],"usage":{"total_tokens":4}}'


@pytest.mark.parametrize("body", [b"{}", b'{"results": null}', b'{"results": {}, "error": {}}', b"[]", b"x"])
def test_a_relay_passes_no_other_answer(body: bytes) -> None:
    with pytest.raises(WireError):
        RELAY.response(wire(input="x"), Payload(body), None)


def test_a_relay_ignores_a_usage_that_cannot_be_decoded() -> None:
    answer = Payload(b'{"results": [], "usage": {"prompt_tokens": 1e999}}')
    assert RELAY.response(wire(input="x"), answer, None) == (answer, None)


def test_a_relay_tells_a_failure() -> None:
    with pytest.raises(RequestFailed) as failed:
        RELAY.response(wire(input="x"), Payload(b'{"error": {"message": "slow", "code": 429}}'), None)
    assert failed.value.fault.kind == "rate_limit"
