"""Log probabilities, in both directions."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from tests.unit.dialects.gemini.answering import (
    body,
    candidate,
    chunks,
    events,
    foreign,
    read,
    reply,
    streamed,
    written,
)


def token(text: str, value: float, number: int) -> dict[str, Any]:
    return {"token": text, "logProbability": value, "tokenId": number}


RESULT: dict[str, Any] = {
    "chosenCandidates": [token("Hel", -0.5, 1), token("lo", -0.25, 2)],
    "topCandidates": [{"candidates": [token("Hel", -0.5, 1), token("Hi", -1.5, 3)]}, {"candidates": []}],
}
TOKENS = (
    ir.Logprob("Hel", -0.5, top=(ir.Logprob("Hel", -0.5, id=1), ir.Logprob("Hi", -1.5, id=3)), id=1),
    ir.Logprob("lo", -0.25, top=(), id=2),
)


def test_tokens_of_a_text() -> None:
    value = body(candidate("Hello", logprobsResult=RESULT, avgLogprobs=-0.375))
    response = read(value)
    assert response.candidates[0].blocks == (ir.Text("Hello", logprobs=TOKENS),)
    assert response.candidates[0].extra == {"gemini": {"avgLogprobs": -0.375}}
    assert written(response)[0] == value


def test_tokens_of_several_texts() -> None:
    value = body(candidate("Hel", "lo", logprobsResult=RESULT))
    response = read(value)
    assert response.candidates[0].blocks == (
        ir.Text("Hel", logprobs=TOKENS[:1]),
        ir.Text("lo", logprobs=TOKENS[1:]),
    )
    assert written(response)[0] == value


def test_tokens_that_do_not_add_up_to_the_texts_are_all_of_the_first() -> None:
    value = body(candidate("Hell", "o", logprobsResult=RESULT))
    response = read(value)
    assert response.candidates[0].blocks == (ir.Text("Hell", logprobs=TOKENS), ir.Text("o"))
    assert written(response)[0] == value


def test_what_else_the_object_says() -> None:
    value = body(candidate("Hello", logprobsResult={**RESULT, "logProbabilitySum": -0.75}))
    response = read(value)
    assert response.candidates[0].extra == {"gemini": {"logprobsResult.logProbabilitySum": -0.75}}
    assert written(response)[0] == value


def test_a_certain_token_has_no_number() -> None:
    response = read(body(candidate("x", logprobsResult={"chosenCandidates": [{"token": "x"}]})))
    assert response.candidates[0].blocks == (ir.Text("x", logprobs=(ir.Logprob("x", 0.0),)),)


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"chosenCandidates": [{}]},
        {"chosenCandidates": [token("x", -1, 1)], "topCandidates": []},
        {"chosenCandidates": [token("x", -1, 1)], "topCandidates": [{}]},
        {"chosenCandidates": [{"token": "x", "logProbability": "-Infinity"}]},
        {"chosenCandidates": [{"token": "x", "logProbability": None}]},
        {"chosenCandidates": [{"token": 5, "logProbability": -1}]},
        {"chosenCandidates": [{"token": "x"}], "topCandidates": [{"candidates": [{"token": None}]}]},
        [],
        "none",
    ],
)
def test_an_unknown_shape_is_left_as_it_is(result: Any) -> None:
    response = read(body(candidate("x", logprobsResult=result)))
    assert response.candidates[0].blocks == (ir.Text("x"),)
    assert response.candidates[0].extra == {"gemini": {"logprobsResult": result}}
    finish = events(body(candidate("x", logprobsResult=result)))[-2]
    assert isinstance(finish, ir.Finish)
    assert finish.extra == response.candidates[0].extra or not result


def test_tokens_of_no_text_are_left_as_they_are() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    value = body(candidate(call, logprobsResult=RESULT))
    assert read(value).candidates[0].extra == {"gemini": {"logprobsResult": RESULT}}
    assert written(read(value))[0] == value


def test_tokens_of_another_protocol() -> None:
    block = ir.Text("Hello", logprobs=(ir.Logprob("Hel", -0.5, (72,)), ir.Logprob("lo", -0.25)))
    value, _ = written(foreign(block))
    assert value["candidates"][0]["logprobsResult"] == {
        "chosenCandidates": [
            {"token": "Hel", "logProbability": -0.5},
            {"token": "lo", "logProbability": -0.25},
        ]
    }
    assert value["candidates"][0]["avgLogprobs"] == -0.375


def test_no_tokens() -> None:
    value, _ = written(foreign(ir.Text("x", logprobs=())))
    assert value["candidates"][0]["logprobsResult"] == {"chosenCandidates": []}
    assert "avgLogprobs" not in value["candidates"][0]


def test_streamed_tokens() -> None:
    first, second = ({"chosenCandidates": [one]} for one in RESULT["chosenCandidates"])
    given = [
        body(candidate("Hel", stop=None, logprobsResult=first)),
        body(candidate("lo", stop=None, logprobsResult={**second, "logProbabilitySum": -0.25})),
        body(candidate("")),
    ]
    found = events(*given)
    tokens = tuple(ir.Logprob(one.token, one.logprob, id=one.id) for one in TOKENS)
    deltas = [event for event in found if isinstance(event, ir.TextDelta)]
    assert deltas == [ir.TextDelta(0, "Hel", 0, tokens[:1]), ir.TextDelta(0, "lo", 0, tokens[1:])]
    out = chunks(streamed(found, reply()))
    assert [chunk["candidates"][0].get("logprobsResult") for chunk in out[:2]] == [first, second]
    assert out[-1]["candidates"][0]["logprobsResult"] == {"logProbabilitySum": -0.25}
    assert ir.fold(events(*out)) == ir.fold(found)


def test_streamed_tokens_of_no_text() -> None:
    found = events(body(candidate("x", stop=None)), body(candidate("", logprobsResult=RESULT)))
    finish = next(event for event in found if isinstance(event, ir.Finish))
    assert finish.extra == {"gemini": {"logprobsResult": RESULT}}


def test_tokens_without_text_at_the_end_belong_to_the_last_text() -> None:
    last = {"chosenCandidates": [token("Hel", -0.5, 1), token("lo", -0.25, 2), token("", -0.1, 3)]}
    value = body(candidate("Hel", "lo", logprobsResult=last))
    first, second = read(value).candidates[0].blocks
    assert isinstance(first, ir.Text)
    assert isinstance(second, ir.Text)
    assert [one.id for one in first.logprobs or ()] == [1]
    assert [one.id for one in second.logprobs or ()] == [2, 3]
    assert written(read(value))[0] == value


def test_streamed_tokens_of_reasoning_are_all_kept() -> None:
    first, second = ({"chosenCandidates": [one]} for one in RESULT["chosenCandidates"])
    thought = {"text": "Hm", "thought": True}
    found = events(
        body(candidate(thought, stop=None, logprobsResult={**first, "logProbabilitySum": -0.5})),
        body(candidate(thought, stop=None, logprobsResult={**second, "logProbabilitySum": -0.75})),
        body(candidate("x")),
    )
    finish = next(event for event in found if isinstance(event, ir.Finish))
    whole = {"chosenCandidates": RESULT["chosenCandidates"], "logProbabilitySum": -0.75}
    assert finish.extra == {"gemini": {"logprobsResult": whole}}


def test_streamed_tokens_of_a_text_with_a_signature() -> None:
    part = {"text": "Hel", "thoughtSignature": "c2ln"}
    result = {"chosenCandidates": [token("Hel", -0.5, 1)]}
    found = events(body(candidate(part, stop=None, logprobsResult=result)), body(candidate("lo")))
    (first, _) = ir.fold(found).candidates[0].blocks
    assert isinstance(first, ir.Text)
    assert first.logprobs == (ir.Logprob("Hel", -0.5, id=1),)
