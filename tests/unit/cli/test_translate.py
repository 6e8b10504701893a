"""`dragoman translate`: the body on stdout, and what happened to it on stderr."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from dragoman.dialects.table import DIALECTS
from tests.unit.cli.conftest import Run

QUESTION = [{"role": "user", "content": "Hi"}]
LOSSY = {"model": "claude-sonnet-4-5", "messages": QUESTION, "logit_bias": {"50256": -100}}
CLEAN = {"model": "claude-sonnet-4-5", "messages": QUESTION, "max_tokens": 50}
GEMINI = {"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": {"maxOutputTokens": 50}}
COMPLETIONS = {"model": "davinci-002", "prompt": "Hi", "max_tokens": 50}
OLLAMA = {"model": "qwen3", "messages": QUESTION, "stream": False, "options": {"num_predict": 50}}
RESPONSES = {"model": "gpt-5", "input": "Hi", "max_output_tokens": 50, "store": False}
BEDROCK = {
    "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
    "inferenceConfig": {"maxTokens": 50},
}
BODIES = {
    "bedrock": BEDROCK,
    "gemini": GEMINI,
    "ollama": OLLAMA,
    "openai_completions": COMPLETIONS,
    "openai_responses": RESPONSES,
}
PAIR = ("translate", "--from", "openai_chat", "--to", "anthropic")


def dumped(body: Any) -> bytes:
    return json.dumps(body).encode()


@pytest.mark.parametrize(("source", "target"), [*itertools.product(DIALECTS, repeat=2)])
def test_every_pair_of_dialects_gives_a_body(run: Run, source: str, target: str) -> None:
    code, out, err = run(
        *("translate", "--from", source, "--to", target, "--model", "gemini-2.5-flash"),
        stdin=dumped(BODIES.get(source, CLEAN)),
    )
    body = json.loads(out)
    endpoint, summary = err.splitlines()[-2:]
    assert (code, summary) == (0, "0 lost, 0 changed, 0 added")
    if target == "gemini":
        assert endpoint == "POST /models/gemini-2.5-flash:generateContent"
        assert body["contents"][0]["parts"] == [{"text": "Hi"}]
    elif target == "bedrock":
        assert endpoint == "POST /model/gemini-2.5-flash/converse"
        assert body["messages"] == BEDROCK["messages"]
    elif target == "openai_responses":
        assert body["input"] == "Hi" if source == target else body["input"][0]["content"][0]["text"] == "Hi"
    else:
        assert endpoint == f"POST {DIALECTS[target].paths.chat}"
        assert body["model"] == "gemini-2.5-flash"
        assert body["prompt"] == "Hi" if "prompt" in body else body["messages"][0]["role"] == "user"


def test_a_stream_is_asked_for_where_the_body_cannot_say_so(run: Run) -> None:
    asked = ("translate", "--from", "gemini", "--model", "m", "--stream")
    assert json.loads(run(*asked, "--to", "mistral", stdin=dumped(GEMINI)).out)["stream"] is True
    code, _, err = run(*asked, "--to", "gemini", stdin=dumped(GEMINI))
    assert (code, err.splitlines()[-2]) == (0, "POST /models/m:streamGenerateContent?alt=sse")


def test_help_names_every_dialect(run: Run) -> None:
    told = " ".join(run("translate", "--help").out.split())
    assert f"Dialects: {', '.join(sorted(DIALECTS))}." in told


def test_a_loss_is_named_beside_the_body(run: Run) -> None:
    code, out, err = run(*PAIR, stdin=dumped(LOSSY))
    assert (code, json.loads(out)["messages"]) == (0, QUESTION)
    lost, added, endpoint, summary = err.splitlines()
    assert lost.split()[:4] == ["✕", "lost", "meaning", "$.logit_bias"]
    assert added.split()[:3] == ["+", "added", "$.max_tokens"]
    assert endpoint == "POST /messages"
    assert summary == "1 lost, 0 changed, 1 added"


def test_strict_gives_no_body_when_meaning_would_be_lost(run: Run) -> None:
    code, out, err = run(*PAIR, "--strict", stdin=dumped(LOSSY))
    assert (code, out) == (1, "")
    assert "$.logit_bias" in err
    assert run(*PAIR, "--strict", stdin=dumped(CLEAN)).code == 0


def test_for_programs_all_of_it_is_one_value(run: Run) -> None:
    code, out, err = run(*PAIR, "--json", stdin=dumped(LOSSY))
    report = json.loads(out)
    assert (code, err, report["body"]["messages"]) == (0, "", QUESTION)
    assert [loss["path"] for loss in report["losses"]] == ["$.logit_bias"]
    code, out, _ = run("--json", *PAIR, "--strict", stdin=dumped(LOSSY))
    assert (code, json.loads(out)["body"]) == (1, None)
    assert json.loads(out)["losses"] == report["losses"]


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (b"", "error: "),
        (b"{", "error: The body is not valid JSON: line 1, column 2"),
        (b"[]", "error: "),
        (b'{"model":"x","messages":"\xff"}', "error: "),
        (b'{"model":"x"}', "error: messages"),
        (b'{"model":"x","messages":[{"role":"user","content":5}]}', "error: messages"),
        (b"[" * 100_000, "error: "),
    ],
)
def test_what_is_no_request_is_one_error(run: Run, stdin: bytes, message: str) -> None:
    code, out, err = run(*PAIR, stdin=stdin)
    assert (code, out) == (1, "")
    assert err.startswith(message)
    assert err.splitlines()[1:] == [" hint: stdin must contain one request body of openai_chat"]


def test_an_error_for_programs_names_the_parameter(run: Run) -> None:
    body = {**CLEAN, "temperature": 9}
    error = json.loads(run(*PAIR, "--json", stdin=dumped(body)).err)["error"]
    assert (error["code"], error["param"]) == ("failed", "temperature")


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (
            ("--from", "openai", "--to", "anthropic"),
            "unknown dialect 'openai'",
            "did you mean openai_chat?",
        ),
        (
            ("--from", "openai_chat", "--to", "x"),
            "unknown dialect 'x'",
            f"one of: {', '.join(sorted(DIALECTS))}",
        ),
        ((*PAIR[1:], "--vendor", "anthropc"), "unknown vendor 'anthropc'", "did you mean anthropic?"),
        ((*PAIR[1:], "--vendor", "groq"), "groq does not support the protocol anthropic", "--to openai_chat"),
    ],
)
def test_unknown_names_are_misuse(run: Run, arguments: tuple[str, ...], error: str, hint: str) -> None:
    assert run("translate", *arguments) == (2, "", f"error: {error}\n hint: {hint}\n")


def test_a_vendor_brings_its_deviations(run: Run) -> None:
    body = {"model": "llama-3.3-70b", "messages": QUESTION, "max_completion_tokens": 5}
    arguments = ("translate", "--from", "openai_chat", "--to", "openai_chat")
    assert json.loads(run(*arguments, stdin=dumped(body)).out)["max_completion_tokens"] == 5
    assert json.loads(run(*arguments, "--vendor", "together", stdin=dumped(body)).out)["max_tokens"] == 5


def test_what_a_terminal_would_obey_is_escaped(run: Run) -> None:
    text = "a\x1b[2J\x9b0m\u202e"
    out = run(*PAIR, stdin=dumped({**CLEAN, "messages": [{"role": "user", "content": text}]})).out
    assert out.replace("\n", "").isprintable()
    assert json.loads(out)["messages"][0]["content"] == text
