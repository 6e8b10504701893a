"""The rows of the benchmark name scenarios that there are, and ask what they say."""

from __future__ import annotations

import json

import pytest

from bench.answers import answer, text_of, words_of
from bench.requests import Question, messages_shot, shot
from bench.run import KINDS, LATENCY
from bench.scenarios import COMPARISONS, SCENARIOS


def test_every_row_has_its_scenarios() -> None:
    targets = {scenario.key: scenario.target for scenario in SCENARIOS}
    assert len(targets) == len(SCENARIOS)
    assert len({row.key for row in COMPARISONS}) == len(COMPARISONS)
    for row in COMPARISONS:
        assert targets[row.floor] in (*KINDS["floor"], "unaccounted")
        assert targets[row.gateway] in KINDS["gateway"]
    assert set(LATENCY) <= targets.keys()


def test_a_long_answer_has_the_words_that_its_model_asks_for() -> None:
    body = answer("openai_chat", "answer-4000", stream=False, usage=False).opening.partition(b"\r\n\r\n")[2]
    assert json.loads(body)["choices"][0]["message"]["content"] == text_of(4000)
    assert (words_of("answer"), words_of("answer-4000")) == (40, 4000)
    with pytest.raises(ValueError, match="no answer"):
        answer("openai_chat", "answer-4000", stream=True, usage=False)


@pytest.mark.parametrize(
    ("question", "least", "most"),
    [
        ("small", 300, 500),
        ("long", 99_000, 110_000),
        ("agent", 190_000, 230_000),
        ("tools", 20_000, 40_000),
        ("image", 7_900_000, 8_100_000),
    ],
)
def test_questions_are_as_large_as_they_say(question: Question, least: int, most: int) -> None:
    asked = shot(1, "m", question=question).request
    head, _, body = asked.partition(b"\r\n\r\n")
    assert least <= len(body) <= most
    assert f"content-length: {len(body)}".encode() in head
    assert shot(1, "m", question=question).request == asked


def test_an_agents_calls_are_all_answered() -> None:
    messages = json.loads(shot(1, "m", question="agent").request.partition(b"\r\n\r\n")[2])["messages"]
    called = [call["id"] for message in messages for call in message.get("tool_calls", ())]
    assert called == [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert len(called) > 20


def test_a_client_of_messages_gives_its_key_as_its_protocol_does() -> None:
    head = messages_shot(1, "m").request.partition(b"\r\n\r\n")[0].decode()
    assert "x-api-key: " in head
    assert "authorization" not in head
