"""Log probabilities of one protocol for the clients of another: what is not written of a token is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.table import DIALECTS
from dragoman.testing.case import streamed

TOP = (ir.Logprob("Ho", -2.0, extra={"elsewhere": {"inside": 2}}),)
HALF = ir.Logprob("\ufffd", -0.5, (226, 128), TOP, 7, {"elsewhere": {"beside": 1}})
"""A token that is no whole character: its bytes say what its text cannot."""
NAMED = {"bytes", "id", "beside", "inside"}
WRITES: dict[str, frozenset[str]] = {
    "openai_chat": frozenset({"bytes"}),
    "openai_responses": frozenset({"bytes"}),
    "ollama": frozenset({"bytes"}),
    "mistral": frozenset({"bytes", "id"}),
    "cohere": frozenset({"id", "inside"}),  # `top` is named as a whole
    "gemini": frozenset({"id"}),
}


def reply(face: str, stream: bool = False) -> Reply:
    asked = ir.Request(face, "m", (ir.Message("user", (ir.Text("Hi"),)),), stream=stream)
    return Reply(asked, Report(face, "response"), id="a", created=1)


def encoded(face: str, answer: ir.Response, stream: bool = False) -> tuple[str, Report]:
    to = reply(face, stream)
    if stream:
        return str(streamed(list(ir.unfold(answer)), DIALECTS[face], to)), to.report
    return json.dumps(DIALECTS[face].response.encode(answer, to)), to.report


@pytest.mark.parametrize("face", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_not_written_of_a_token_is_named(face: str, stream: bool) -> None:
    text = ir.Text("\ufffd", logprobs=(HALF,))
    answer = ir.Response("elsewhere", candidates=(ir.Candidate((text,), ir.Stop("end")),))
    _, report = encoded(face, answer, stream)
    named = {loss.path for loss in report.losses}
    if face in {"anthropic", "bedrock"}:  # which have no log probabilities at all
        assert any(path.endswith(".logprobs") for path in named)
        return
    assert {path.rpartition(".")[2] for path in named} & NAMED == NAMED - WRITES.get(face, frozenset())


def test_bytes_that_the_text_shows_are_not_named() -> None:
    text = ir.Text("Hi", logprobs=(ir.Logprob("Hi", -0.5, (72, 105)),))
    answer = ir.Response("elsewhere", candidates=(ir.Candidate((text,), ir.Stop("end")),))
    for face in ("gemini", "openai_completions", "cohere"):
        assert not [loss for loss in encoded(face, answer)[1].losses if "logprobs" in loss.path]


ENTRY: dict[str, Any] = {
    "token": "Hi",
    "logprob": -0.5,
    "bytes": [72, 105],
    "beside": 71,
    "top_logprobs": [{"token": "Ho", "logprob": -2.0, "inside": 72}],
}
GOOGLES: dict[str, Any] = {
    "chosenCandidates": [{"token": "Hi", "logProbability": -0.5, "beside": 71}],
    "topCandidates": [
        {"candidates": [{"token": "Ho", "logProbability": -2.0, "inside": 72}], "around": 73},
    ],
}
SAID: dict[str, Any] = {"role": "assistant", "content": "Hi"}
LISTS: dict[str, Any] = {"tokens": ["Hi"], "token_logprobs": [-0.5], "beside": [71], "whole": 72}
ANSWERS: list[tuple[str, dict[str, Any]]] = [
    *(
        ("openai_chat", {"id": "c", "choices": [{"index": 0, "message": SAID, "logprobs": logprobs}]})
        for logprobs in ({"content": [ENTRY]}, {"content": [ENTRY], "whole": 73}, LISTS)
    ),
    *(
        ("openai_completions", {"id": "c", "choices": [{"index": 0, "text": "Hi", "logprobs": logprobs}]})
        for logprobs in ({"content": [ENTRY]}, {"content": [ENTRY], "refusal": 72}, LISTS)
    ),
    ("gemini", {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "logprobsResult": GOOGLES}]}),
    ("ollama", {"model": "m", "message": SAID, "done": True, "logprobs": [ENTRY]}),
]


@pytest.mark.parametrize("face", DIALECTS)
@pytest.mark.parametrize(("origin", "body"), ANSWERS)
def test_unknown_members_of_a_token_come_back_or_are_named(
    face: str, origin: str, body: dict[str, Any]
) -> None:
    answer = DIALECTS[origin].response.decode(body, STANDARD)
    written, report = encoded(face, answer)
    named = " ".join(loss.path for loss in report.losses)
    for member, value in (("beside", 71), ("inside", 72), ("around", 73), ("whole", 72), ("whole", 73)):
        if f'"{member}": {value}' in json.dumps(body) or f'"{member}": [{value}]' in json.dumps(body):
            kept = f": {value}" in written or f"[{value}]" in written
            assert kept or member in named or ".logprobs" in named, (member, named)
            assert kept or face != origin or origin == "openai_completions", (member, written)


def test_lists_for_each_token_become_members_of_the_tokens() -> None:
    """Fireworks and Together write `token_ids` beside the lists of OpenAI's older API."""
    choice = {"index": 0, "message": SAID, "logprobs": LISTS}
    answer = DIALECTS["openai_chat"].response.decode({"id": "c", "choices": [choice]}, STANDARD)
    (text,) = answer.candidates[0].blocks
    assert text == ir.Text("Hi", logprobs=(ir.Logprob("Hi", -0.5, extra={"openai_chat": {"beside": 71}}),))
    assert answer.candidates[0].extra == {"openai_chat": {"logprobs.whole": 72}}
