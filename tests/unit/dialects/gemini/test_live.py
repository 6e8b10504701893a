"""Messages of Gemini's Live API: the model of the setup, turns and their usage."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.dialects.gemini.live import LIVE, LiveTalk, address, closed, model, usage_of
from dragoman.dialects.live import Names
from dragoman.errors import WireError
from dragoman.ir.units import units_of

SETUP = '{"setup": {"model": "models/live", "generationConfig": {"responseModalities": ["AUDIO"]}}}'


def talk(first: str | bytes = SETUP) -> LiveTalk:
    return LiveTalk(Names("gemini-live", None, frozenset()), first)


@pytest.mark.parametrize("first", [SETUP, SETUP.encode()])
def test_the_setup_names_the_providers_model(first: str | bytes) -> None:
    (opening,) = talk(first).opening()
    assert type(opening) is type(first)
    assert json.loads(opening) == {
        "setup": {"model": "models/gemini-live", "generationConfig": {"responseModalities": ["AUDIO"]}}
    }


@pytest.mark.parametrize(
    ("first", "name"),
    [(SETUP, "live"), (b'{"setup":{"model":"models/up/x"}}', "up/x"), ('{"setup":{"model":"x"}}', "x")],
)
def test_the_first_message_names_the_model(first: str | bytes, name: str) -> None:
    assert model(first) == name


@pytest.mark.parametrize(
    "first", ["{", "[]", "{}", '{"setup": 1}', '{"setup": {"model": "models/"}}', b'{"setup": {"model": 1}}']
)
def test_another_first_message_is_refused(first: str | bytes) -> None:
    with pytest.raises(WireError):
        model(first)


@pytest.mark.parametrize("other", ["clientContent", "realtime_input"])
def test_a_first_message_of_two_types_is_refused(other: str) -> None:
    with pytest.raises(WireError) as caught:
        model(json.dumps({**json.loads(SETUP), other: {}}))
    assert (caught.value.path, caught.value.code) == (other, "invalid_value")


@pytest.mark.parametrize(
    "message", ['{"s\\u0065tup": {"model": "models/dearer"}}', "[", b"\xff", '{"a":' * 100_000]
)
def test_a_second_setup_and_no_json_are_refused(message: str | bytes) -> None:
    with pytest.raises(WireError):
        talk().said(message)


@pytest.mark.parametrize(
    "message", ['{"client_content": {"turns": []}}', b'{"realtimeInput":{"text":"setup"}}']
)
def test_other_messages_stay_as_they_are(message: str | bytes) -> None:
    assert talk().said(message).message is message


def test_a_turn_begins_and_ends_with_its_usage() -> None:
    one = talk()
    begun = one.heard(b'{"serverContent": {"modelTurn": {"parts": []}}}')
    assert (begun.begins, begun.ends) == (True, False)
    assert one.heard(b'{"toolCall": {"functionCalls": []}}').begins
    usage = {"promptTokenCount": 24, "responseTokenCount": 26, "totalTokenCount": 50}
    last = json.dumps({"serverContent": {"turnComplete": True}, "usageMetadata": usage}).encode()
    ended = one.heard(last)
    assert (ended.begins, ended.ends, ended.message) == (False, True, last)
    (used,) = ended.used
    assert used.usage is not None
    assert (used.usage.input, used.usage.output) == (24, 26)
    interrupted = one.heard('{"serverContent": {"turnComplete": true}}')
    assert (interrupted.ends, interrupted.owed, interrupted.used) == (False, True, ())
    odd = one.heard(
        json.dumps({"serverContent": {"turnComplete": True}, "usageMetadata": {"promptTokenCount": "x"}})
    )
    assert (odd.ends, odd.owed, odd.used) == (False, True, ())
    alone = one.heard(json.dumps({"usageMetadata": usage}))
    assert (alone.ends, alone.owed, alone.used) == (True, False, ended.used)
    text = one.heard(b'{"serverContent": {"x": "\\"turnComplete\\""}}')
    assert (text.ends, text.owed) == (False, False)


def test_usage_has_the_live_names() -> None:
    stated: dict[str, Any] = {
        "promptTokenCount": 1197,
        "responseTokenCount": 37,
        "totalTokenCount": 1234,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1196}],
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 37}],
        "thoughtsTokenCount": 28,
    }
    usage = usage_of(stated)
    # All 37 tokens are sound: the same words have as many in sessions without thoughts.
    assert (usage.input, usage.output, usage.reasoning) == (1197, 37, 28)
    assert usage.detail == {"input_text": 1196, "output_audio": 37}
    assert units_of(usage) == {"input": 1197, "output_audio": 37, "reasoning": 28}
    inside = {**stated, "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 9}]}
    assert (usage_of(inside).output, usage_of(inside).reasoning) == (9, 28)
    untold = {key: value for key, value in stated.items() if key != "responseTokensDetails"}
    assert (usage_of(untold).output, usage_of(untold).reasoning) == (9, 28)


def test_a_wrong_key_is_told_by_words() -> None:
    fault = closed(1007, "API key expired. Please renew the API key.")
    assert (fault.kind, fault.blame) == ("authentication", "upstream")
    assert closed(1007, "Unknown name").kind == "invalid_request"
    assert closed(1011, "API key").kind == "upstream"


def test_addresses() -> None:
    name = "GenerativeService.BidiGenerateContent"
    assert (
        address("https://g.com/v1beta", "") == f"https://g.com/ws/google.ai.generativelanguage.v1beta.{name}"
    )
    assert address("https://g.com/x/v1alpha/", "") == (
        f"https://g.com/x/ws/google.ai.generativelanguage.v1alpha.{name}"
    )
    assert address("https://region-aiplatform.googleapis.com/v1/projects/p/locations/l", "") is None
    assert LIVE.paths[0] == f"/ws/google.ai.generativelanguage.v1beta.{name}"
