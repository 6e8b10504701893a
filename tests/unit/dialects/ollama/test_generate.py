"""The older endpoint: a question and its answer in terms of chat."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.dialects.ollama.check import check
from dragoman.dialects.ollama.generate import chat_body, generated, generated_lines, is_load, place
from dragoman.errors import WireError
from tests.unit.dialects.ollama.speaking import PNG, answer, last, line, wire

COMMAND_LINE: dict[str, Any] = {
    "model": "m",
    "prompt": "Hi",
    "suffix": "",
    "system": "",
    "template": "",
    "context": [],
    "format": "",
    "keep_alive": "5m0s",
    "options": {},
    "raw": False,
    "images": [],
    "think": None,
}


def test_a_prompt_is_a_users_message() -> None:
    body = chat_body(COMMAND_LINE)
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "format": "",
        "keep_alive": "5m0s",
        "options": {},
        "think": None,
    }
    check(wire(body))


def test_system_and_pictures() -> None:
    body = chat_body(
        {"model": "m", "prompt": "What?", "system": "Be brief.", "images": [PNG], "context": [1]}
    )
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What?", "images": [PNG]},
    ]
    assert "context" not in body


@pytest.mark.parametrize(
    ("members", "path", "words"),
    [
        ({"raw": True}, "raw", "a raw prompt"),
        ({"raw": True, "system": "s"}, "raw", "raw mode does not support template, system, or context"),
        ({"suffix": "end"}, "suffix", '"m" does not support insert'),
        ({"template": "{{ .Prompt }}"}, "template", "template"),
        ({"prompt": ["Hi"]}, "prompt", "'prompt' must be a string"),
        ({"images": PNG}, "images", "'images' must be an array"),
        ({"raw": "yes"}, "raw", "'raw' must be a boolean"),
    ],
)
def test_what_a_conversation_cannot_ask(members: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(WireError, match=words) as caught:
        chat_body({"model": "m", "prompt": "Hi", **members})
    assert caught.value.path == path


def test_who_asks_nothing_wants_the_model_loaded() -> None:
    assert is_load({"model": "m", "prompt": ""})
    assert not is_load(COMMAND_LINE)
    assert not is_load({"model": "m", "images": [PNG]})


def test_an_answers_text_lies_at_the_top() -> None:
    body = answer({"content": "Hi", "thinking": "Hm"}, eval_count=5)
    told = generated(body)
    assert list(told) == ["model", "created_at", "response", "thinking", "done", "done_reason", "eval_count"]
    assert (told["response"], told["thinking"]) == ("Hi", "Hm")
    assert generated(answer({"content": ""}))["response"] == ""
    assert generated({"error": "no"}) == {"error": "no"}


def test_lines() -> None:
    data = line(content="H") + b"\n" + last(eval_count=5) + b"\n"
    lines = generated_lines(data).splitlines(keepends=True)
    assert [one[-1:] for one in lines] == [b"\n", b"\n"]
    assert [json.loads(one).get("response") for one in lines] == ["H", ""]
    assert json.loads(lines[1])["eval_count"] == 5
    for other in (b"", b'{"error":"no"}\n'):
        assert generated_lines(other) == other


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("$.messages[0]", "$.system"),
        ("messages[1].content", "prompt"),
        ("$.messages[1].images[0]", "$.images[0]"),
        ("messages[1].images[0]", "images[0]"),
        ("$.options.seed", "$.options.seed"),
    ],
)
def test_places(where: str, path: str) -> None:
    assert place({"system": "s", "prompt": "p"}, where) == path


def test_without_system_text_the_first_message_is_the_prompt() -> None:
    assert place({"system": "", "prompt": "p"}, "$.messages[0]") == "$.prompt"
