"""Embeddings in Ollama's words: one text or several, the older endpoint, vectors of length 1."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.ollama.embedding import EMBEDDING, OLD_PATH, PATH
from dragoman.dialects.operation import OperationReply, Payload
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import decode_head, encode
from dragoman.wire.vectors import from_floats, to_floats

ONE = ir.EmbedRequest("ollama", "m", ("Hi",), form="one")
assert EMBEDDING.relay is not None
RELAY = EMBEDDING.relay


def wire(path: str = PATH, **body: Any) -> WireRequest:
    return WireRequest("embed", {"model": "m", **body}, path=path)


def read(path: str = PATH, **body: Any) -> ir.EmbedRequest:
    request = wire(path, **body)
    EMBEDDING.client.check(request)
    return EMBEDDING.client.decode(request)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PATH, {"input": "Hi"}),
        (PATH, {"input": ["Hi"]}),
        (PATH, {"input": ["Hi", "Ho"], "dimensions": 4, "truncate": False, "keep_alive": "5m"}),
        (PATH, {"input": "Hi", "options": {"num_ctx": 512}}),
        (OLD_PATH, {"prompt": "Hi", "options": {"num_ctx": 512}}),
    ],
)
def test_requests_come_back_as_they_were(path: str, body: dict[str, Any]) -> None:
    report = Report("ollama")
    written = EMBEDDING.provider.encode(read(path, **body), Target(report, "other"))
    assert written.body == {"model": "other", **body}
    assert written.path == path
    assert not report.losses


def test_what_only_ollama_takes_is_kept_for_it() -> None:
    request = read(input="Hi", keep_alive="5m")
    assert request.inputs == ("Hi",)
    assert request.extra == {"ollama": {"keep_alive": "5m"}}
    assert read(input="Hi", truncate=False).truncate is False
    assert read(OLD_PATH, prompt="Hi").form == "old"
    assert read(input=["a", "b"]).form is None
    assert read(input="Hi", dimensions=0).dimensions is None


def test_requests_of_others() -> None:
    report = Report("ollama")
    request = ir.EmbedRequest(
        "openai_chat", "x", (ir.Parts(("a", "b")), "c"), dimensions=3, user="u", task="clustering", form="old"
    )
    written = EMBEDDING.provider.encode(request, Target(report, "m"))
    assert written.path == PATH
    assert written.body == {"model": "m", "input": ["a\nb", "c"], "dimensions": 3}
    assert [loss.path for loss in report.losses] == ["user", "task"]
    tokens = ir.EmbedRequest("openai_chat", "x", (ir.Tokens((1,)),))
    with pytest.raises(WireError) as refused:
        EMBEDDING.provider.encode(tokens, Target(report, "m"))
    assert EMBEDDING.client.locate(tokens, refused.value.path) == "$.input[0]"


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        (PATH, {}, "input"),
        (PATH, {"input": 1}, "input"),
        (PATH, {"input": ["a", 1]}, "input[1]"),
        (PATH, {"input": [["a"]]}, "input[0]"),
        (PATH, {"input": "a", "model": 1}, "model"),
        (PATH, {"input": "a", "dimensions": -1}, "dimensions"),
        (PATH, {"input": "a", "truncate": "no"}, "truncate"),
        (PATH, {"input": "a", "options": {"num_ctx": "x"}}, "options.num_ctx"),
        (PATH, {"input": "a", "keep_alive": "soon"}, "keep_alive"),
        (OLD_PATH, {"input": "a"}, "prompt"),
        (OLD_PATH, {"prompt": ["a"]}, "prompt"),
    ],
)
def test_mistakes_are_located(path: str, body: dict[str, Any], where: str) -> None:
    with pytest.raises(WireError) as wrong:
        EMBEDDING.client.check(wire(path, **body))
    assert wrong.value.path == where


@pytest.mark.parametrize(
    ("form", "where", "place"),
    [
        ("one", "inputs[0]", "$.input"),
        (None, "inputs[3]", "$.input[3]"),
        ("old", "inputs[0]", "$.prompt"),
        (None, "dimensions", "$.dimensions"),
    ],
)
def test_places(form: str | None, where: str, place: str) -> None:
    assert EMBEDDING.client.locate(msgspec.structs.replace(ONE, form=form), where) == place


@pytest.mark.parametrize("body", [{"embeddings": [[0.5, -1.0]]}, {"embedding": [0.5, -1.0]}])
def test_answers_of_both_endpoints(body: dict[str, Any]) -> None:
    told = {"model": "m", "prompt_eval_count": 3, **body}
    response = EMBEDDING.provider.decode(Payload(encode(told)), ONE)
    assert response == ir.EmbedResponse((from_floats([0.5, -1.0]),), model="m", usage=ir.Usage(input=3))
    assert EMBEDDING.provider.decode(Payload(encode(body)), ONE).usage is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"embeddings":["x"]}', b'{"embeddings":[[]]}'])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        EMBEDDING.provider.decode(Payload(body), ONE)


def test_an_error_in_an_answer_is_a_failure() -> None:
    for tell in (
        lambda body: EMBEDDING.provider.decode(Payload(body), ONE),
        lambda body: RELAY.response(wire(input="Hi"), Payload(body), None),
    ):
        with pytest.raises(RequestFailed, match="out of memory"):
            tell(b'{"error":"out of memory"}')


def said(vector: list[float], form: str | None, **fields: Any) -> dict[str, Any]:
    response = ir.EmbedResponse((from_floats(vector),), **fields)
    reply = OperationReply(msgspec.structs.replace(ONE, form=form), Report("ollama", "response"), "shown")
    told: dict[str, Any] = json.loads(EMBEDDING.client.encode(response, reply).data)
    return told


def test_vectors_have_length_one_but_for_the_older_endpoint() -> None:
    told = said([3.0, 4.0], "one", usage=ir.Usage(input=2))
    durations = {"total_duration": 0, "load_duration": 0}  # without which ollama-ai-provider-v2 refuses it
    vectors = [pytest.approx([0.6, 0.8])]
    assert told == {"model": "shown", "embeddings": vectors, "prompt_eval_count": 2, **durations}
    assert said([3.0, 4.0], "old") == {"embedding": [3.0, 4.0]}
    assert said([0.0, 0.0], "one")["embeddings"] == [[0.0, 0.0]]


def test_vectors_that_have_length_one_stay_as_they_are() -> None:
    vector = to_floats(from_floats([math.cos(0.3), math.sin(0.3)]))
    assert said(vector, "one")["embeddings"] == [vector]


def test_relayed_requests_and_answers() -> None:
    for path, body in ((PATH, b'{"model":"m","input":["a"]}'), (OLD_PATH, b'{"model":"m","prompt":"a"}')):
        sent = RELAY.request(wire(path), decode_head(body), {"model": "real"})
        assert sent.path == path
        assert json.loads(sent.body) == {**json.loads(body), "model": "real"}  # type: ignore[arg-type]
    answer = Payload(b'{"model":"real","embeddings":[[1.50]],"prompt_eval_count":2,"more":1}')
    told = RELAY.response(wire(input="a"), answer, "shown")
    assert told == (
        Payload(b'{"model":"shown","embeddings":[[1.50]],"prompt_eval_count":2,"more":1}'),
        ir.Usage(input=2),
    )
    assert RELAY.response(wire(input="a"), answer, None) == (answer, ir.Usage(input=2))
    old = Payload(b'{"embedding":[1.50]}')
    assert RELAY.response(wire(OLD_PATH, prompt="a"), old, "shown") == (old, None)
    odd = Payload(b'{"embedding":[1.50],"prompt_eval_count":"x"}')
    assert RELAY.response(wire(OLD_PATH, prompt="a"), odd, None) == (odd, None)
    with pytest.raises(WireError):
        RELAY.response(wire(input="a"), Payload(b'{"model":"m"}'), None)
