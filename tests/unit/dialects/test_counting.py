"""Counting tokens: what is sent, with official clients' types as judge; recorded counts as laws."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import message_count_tokens_params as beta_counted
from anthropic.types.beta import message_create_params as beta_created
from openai.types.responses import input_token_count_params, response_create_params

from dragoman import ir
from dragoman.dialects.anthropic import count as anthropic
from dragoman.dialects.gemini import count as gemini
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses import count as openai_responses
from dragoman.dialects.operation import AnyOperationCodec, OperationReply, Payload
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.testing import corpus
from dragoman.testing.corpus import Exchange
from dragoman.wire.json import decode_head, decode_object, encode

CODECS: Final[dict[str, AnyOperationCodec]] = {
    name: dialect.operations["count"] for name, dialect in DIALECTS.items() if "count" in dialect.operations
}
EVERY: Final = pytest.mark.parametrize("dialect", ["anthropic", "gemini", "openai_responses"])
RECORDED: Final = {
    "anthropic": "anthropic.count_tokens",
    "gemini": "gemini.countTokens",
    "openai_responses": "openai.responses_other",
}
ENDS: Final = ("/count_tokens", ":countTokens", "/input_tokens")
WHOLE: Final = "generateContentRequest"
BODIES: Final[dict[str, dict[str, Any]]] = {
    "anthropic": {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "Hello!"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]},
    "openai_responses": {"model": "m", "input": "Hello!"},
}


def members(*parameters: Any) -> set[str]:
    """The members that a request has by these types of an official client."""
    return {name for typed in parameters for name in typed.__annotations__}


def counts(dialect: str, folder: Path) -> list[tuple[Exchange, WireRequest]]:
    """Recorded counts, with the chat requests that they are of."""
    found = []
    for exchange in corpus.read(folder, RECORDED[dialect]):
        asked = exchange.request
        if asked is None or asked.url is None or not asked.url.partition("?")[0].endswith(ENDS):
            continue
        body: dict[str, Any] = asked.body
        params = {}
        if dialect == "anthropic":
            body = {**body, "max_tokens": 1}
        if dialect == "gemini":
            body, params = body.get(WHOLE, body), {"model": exchange.model or ""}
        path = DIALECTS[dialect].paths.chat
        found.append((exchange, WireRequest("count", body, path=path, params=params)))
    assert len(found) > 2
    return found


# --- What is sent ----------------------------------------------------------------------------------


def test_anthropic_gets_what_its_client_can_say() -> None:
    created = members(message_create_params.MessageCreateParamsBase, beta_created.MessageCreateParamsBase)
    created |= {"stream", "temperature", "top_k", "top_p"}
    counted = members(message_count_tokens_params.MessageCountTokensParams)
    counted |= members(beta_counted.MessageCountTokensParams)
    assert created - counted - anthropic.ANSWER_ONLY == {"container", "thread"}  # they are part of the prompt
    assert not anthropic.ANSWER_ONLY & counted


def test_openai_gets_what_its_client_can_say() -> None:
    created = members(response_create_params.ResponseCreateParamsBase) | {"stream"}
    counted = members(input_token_count_params.InputTokenCountParams)
    assert created - counted - openai_responses.ANSWER_ONLY == {"prompt"}  # it is part of the prompt
    assert not openai_responses.ANSWER_ONLY & counted


def test_contents_alone_are_a_body_and_anything_more_is_a_whole_request() -> None:
    contents = BODIES["gemini"]["contents"]
    assert gemini.reduced({"contents": contents}, "m") == {"contents": contents}
    assert gemini.reduced({"contents": contents, "model": "models/other"}, "m") == {"contents": contents}
    system = {"parts": [{"text": "Be brief."}]}
    whole = {"contents": contents, "systemInstruction": system}
    expected = {"generateContentRequest": {**whole, "model": "models/m"}}
    assert gemini.reduced({**whole, "model": "other"}, "models/m") == expected


@EVERY
def test_a_relay_edits_the_model_and_leaves_out_what_is_not_counted(dialect: str) -> None:
    codec = CODECS[dialect]
    assert codec.relay is not None
    body = {
        **BODIES[dialect],
        **({} if dialect == "gemini" else {"temperature": 1, "stream": False, "new": 1}),
    }
    wire = WireRequest("count", body, params={"model": "alias"})
    outgoing = codec.relay.request(wire, decode_head(encode(body)), {"model": "up-model"})
    assert isinstance(outgoing.body, bytes)
    sent = decode_object(outgoing.body)
    assert outgoing.path == codec.provider.paths[0]
    if dialect == "gemini":
        assert sent == BODIES[dialect]
    else:
        kept = {key: value for key, value in BODIES[dialect].items() if key != "max_tokens"}
        assert sent == {**kept, "model": "up-model", "new": 1}


@EVERY
@pytest.mark.parametrize("face", ["openai_chat", "mistral"])
def test_a_request_of_any_protocol_becomes_one(dialect: str, face: str) -> None:
    codec = CODECS[dialect]
    request = ir.Request(
        face,
        "alias",
        (ir.Message("user", (ir.Text("Hello!"),)),),
        system=(ir.Text("Be brief."),),
        max_output=7,
    )
    wire = codec.provider.encode(request, Target(Report(dialect), "up-model"))
    wire.body["temperature"] = 0.5  # as the configuration may add
    sent = codec.provider.finish(wire)
    assert (sent.operation, sent.path) == ("count", codec.provider.paths[0])
    text = encode(sent.body).decode()
    assert "Hello!" in text
    assert "Be brief." in text
    if dialect == "gemini":
        assert sent.body["generateContentRequest"]["model"] == "models/up-model"
    else:
        assert sent.body["model"] == "up-model"
        assert not {"max_tokens", "max_output_tokens", "temperature", "stream", "store"} & sent.body.keys()


# --- What comes back -------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("answer", [{}, {"error": {"message": "no"}}, [], -1, True, "7", None, 7.5])
def test_what_is_no_number_is_no_answer(dialect: str, answer: Any) -> None:
    codec = CODECS[dialect]
    assert codec.relay is not None
    member = "totalTokens" if dialect == "gemini" else "input_tokens"
    body = answer if isinstance(answer, dict | list) else {member: answer}
    wire = WireRequest("count", BODIES[dialect])
    with pytest.raises(WireError):
        codec.relay.response(wire, Payload(encode(body)), None)
    with pytest.raises(WireError):
        codec.provider.decode(Payload(encode(body)), ir.Request(dialect, "m"))


@EVERY
def test_a_place_is_one_of_the_request(dialect: str) -> None:
    codec = CODECS[dialect]
    assert codec.client.locate(ir.Request(dialect, "m"), "messages[0]") == DIALECTS[dialect].request.locate(
        "messages[0]"
    )


# --- Recorded counts -------------------------------------------------------------------------------


def said(body: Any) -> Any:
    """What a request to count says, whichever of its spellings it has."""
    if isinstance(body, list):
        texts = [block.get("text") for block in body if isinstance(block, dict) and len(block) == 2]
        return texts[0] if len(body) == len(texts) == 1 and texts[0] else [said(one) for one in body]
    if not isinstance(body, dict):
        return body
    kept = {key: said(value) for key, value in body.items() if value not in (None, [], {})}
    if WHOLE in kept:
        kept = {key: value for key, value in kept[WHOLE].items() if key != "model"}
    return kept


@pytest.mark.wire
@EVERY
def test_recorded_requests_come_back(dialect: str, recorded: Path) -> None:
    codec = CODECS[dialect]
    assert codec.relay is not None
    for exchange, wire in counts(dialect, recorded):
        assert exchange.request is not None
        wanted = said(exchange.request.body)
        codec.client.check(wire)
        report = Report(dialect)
        model = codec.client.model(wire)
        written = codec.provider.encode(codec.client.decode(wire), Target(report, model))
        assert said(codec.provider.finish(written).body) == wanted, exchange.id
        assert report.losses == [], exchange.id
        passed = codec.relay.request(wire, decode_head(encode(wire.body)), {"model": model}).body
        assert isinstance(passed, bytes)
        assert said(decode_object(passed)) == wanted, exchange.id


@pytest.mark.wire
@EVERY
def test_recorded_answers_pass_and_come_back(dialect: str, recorded: Path) -> None:
    codec = CODECS[dialect]
    assert codec.relay is not None
    seen = 0
    for exchange, wire in counts(dialect, recorded):
        assert exchange.response is not None
        if exchange.response.status != 200:
            continue
        answer = Payload(exchange.response.raw)
        assert codec.relay.response(wire, answer, "alias") == (answer, None)
        request = codec.client.decode(wire)
        counted = codec.provider.decode(answer, request)
        assert counted.tokens > 0
        told = decode_object(codec.client.encode(counted, OperationReply(request, Report(dialect))).data)
        body: dict[str, Any] = exchange.response.body
        assert {key: body[key] for key in told} == told, exchange.id
        seen += 1
    assert seen > 2


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("anthropic", {"input_tokens": 7}),
        ("gemini", {"totalTokens": 7}),
        ("openai_responses", {"object": "response.input_tokens", "input_tokens": 7}),
    ],
)
def test_an_answer_is_one_number(dialect: str, body: dict[str, Any]) -> None:
    codec = CODECS[dialect]
    request = ir.Request(dialect, "m")
    assert codec.provider.decode(Payload(encode(body)), request) == ir.TokenCount(7)
    written = codec.client.encode(ir.TokenCount(7), OperationReply(request, Report(dialect)))
    assert decode_object(written.data) == body
    more = Payload(encode({**body, "theirs": [1]}))
    assert codec.relay is not None
    assert codec.relay.response(WireRequest("count", {}), more, None) == (more, None)


def test_only_four_protocols_count() -> None:
    assert set(CODECS) == {"anthropic", "bedrock", "gemini", "openai_responses"}


@pytest.mark.wire
def test_vertex_counts_the_prompt_itself(recorded: Path) -> None:
    vertex = CODECS["gemini"].provider.suited(Quirks(vertex_operations=True))
    assert vertex is not None
    seen = 0
    for exchange in corpus.read(recorded, "vertex.countTokens"):
        asked, answered = exchange.request, exchange.response
        assert answered is not None
        if asked is None:  # a sample of an answer
            continue
        wire = WireRequest("count", asked.body, path=DIALECTS["gemini"].paths.chat, params={"model": "m"})
        report = Report("")
        request = CODECS["gemini"].client.decode(wire)
        sent = vertex.finish(vertex.encode(request, Target(report, "m")))
        assert sent.path == "/models/{model}:countTokens"
        config = sent.body.get("generationConfig", {})
        assert (config or None) == ({"maxOutputTokens": 100} if "max_output" in str(asked.body) else None)
        kept = {"contents", "systemInstruction", "tools"}
        for key in kept & asked.body.keys():
            assert (
                sent.body[key]
                == DIALECTS["gemini"].request.encode(request, Target(Report(""), "m")).body[key]
            )
        assert report.losses == []
        assert vertex.decode(Payload(encode(answered.body)), request).tokens == answered.body["totalTokens"]
        seen += 1
    assert seen == 3
    assert not CODECS["gemini"].relays(WireRequest("count", {}), Quirks(vertex_operations=True), "m")
