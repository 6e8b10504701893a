"""The older endpoint: a question and its answer in terms of chat."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.ollama import DIALECT, GENERATE
from dragoman.dialects.ollama.check import check
from dragoman.dialects.ollama.generate import chat_body, generated, generated_lines, place
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from tests.unit.dialects.ollama.speaking import PNG, answer, last, line, reply, wire

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


# --- As a dialect ------------------------------------------------------------------------------


def asked(**members: Any) -> WireRequest:
    return WireRequest("chat", {"model": "m", "prompt": "Hi", **members})


def test_a_prompt_is_read_as_a_conversation() -> None:
    request = GENERATE.request.decode(asked(system="Be kind.", images=[PNG], think="low", keep_alive="1m"))
    assert [(message.role, type(message.blocks[0])) for message in request.messages] == [
        ("system", ir.Text),
        ("user", ir.Text),
    ]
    assert isinstance(request.messages[1].blocks[1], ir.Media)
    assert request.extra == {"ollama": {"keep_alive": "1m"}}
    assert GENERATE.request.brief(asked(stream=False)).stream is False
    assert GENERATE.request.brief(asked()).stream is True


@pytest.mark.parametrize("dialect", ["ollama", "openai_chat", "anthropic"])
def test_what_an_earlier_answer_left_is_missed(dialect: str) -> None:
    """Nobody takes it in a conversation, Ollama neither."""
    report = Report(dialect)
    request = GENERATE.request.decode(asked(context=[1, 2]))
    sent = DIALECTS[dialect].request.encode(request, Target(report, "m"))
    assert "context" not in sent.body
    assert ("context", "meaning") in [(loss.path, loss.severity) for loss in report.losses]


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_members_that_only_chat_has_are_not_sent_but_reported(name: str) -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    stated = asked(tools=tools, messages=[{"role": "user", "content": "Another one."}])
    GENERATE.request.check(stated)
    report = Report(name)
    sent = DIALECTS[name].request.encode(GENERATE.request.decode(stated), Target(report, "m"))
    assert "look" not in json.dumps(sent.body)
    assert "Another one." not in json.dumps(sent.body)
    assert {"messages", "tools"} <= {loss.path for loss in report.losses}


@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"prompt": 7}, "prompt"),
        ({"context": "1, 2"}, "context"),
        ({"images": ["no base64!"]}, "images[0]"),
        ({"options": {"seed": "x"}}, "options.seed"),
        ({"raw": True}, "raw"),
        ({"top_logprobs": 21}, "top_logprobs"),
    ],
)
def test_mistakes_are_told_in_its_own_words(members: dict[str, Any], where: str) -> None:
    with pytest.raises(WireError) as wrong:
        GENERATE.request.check(asked(**members))
    assert wrong.value.path == where
    assert "messages" not in wrong.value.message
    GENERATE.request.check(asked(system="", context=[], template="", suffix=""))


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("messages[0].blocks[0]", "$.system"),
        ("messages[1].blocks[0]", "$.prompt"),
        ("sampling.seed", "$.options.seed"),
        ("output.schema.type", "$.format.type"),
    ],
)
def test_places_are_those_of_the_prompt(where: str, found: str) -> None:
    assert GENERATE.locator(asked(system="S"))(where) == found
    assert GENERATE.locator(WireRequest("chat", {}))("messages[0].blocks[0]") == "$.prompt"


def test_answers_and_streams_have_their_text_at_the_top() -> None:
    response = DIALECT.response.decode(answer({"content": "Hello", "thinking": "Hm"}), STANDARD)
    whole = GENERATE.response.encode(response, reply())
    assert (whole["response"], whole["thinking"], "message" in whole) == ("Hello", "Hm", False)
    encoder = GENERATE.stream.encoder(reply())
    written = b"".join(encoder.feed(event) for event in ir.unfold(response))
    lines = [json.loads(one) for one in written.splitlines()]
    assert "".join(one["response"] for one in lines) == "Hello"
    assert lines[-1]["done"] is True
    broken = json.loads(encoder.feed(ir.Error(ir.Fault("upstream", "gone"))))
    assert broken["error"] == "gone"


def test_no_provider_is_asked_in_it() -> None:
    assert GENERATE not in DIALECTS.values()
    assert not GENERATE.paths.chat
