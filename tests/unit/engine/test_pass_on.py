"""Operations that are relayed: whole answers, sound as it comes, and events one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.upstreams.answers import AnswerLimits
from dragoman.wire.multipart import Field
from tests.unit.engine.stage import ONE, Reply, Stage, broken, json_reply, stream

ASK_SPEECH = "ask one with key-1: /v1/audio/speech"
ASK_WORDS = "ask one with key-1: /v1/audio/transcriptions"
NAMED = {"models": {"m": {"use": "one/e"}}}
SOUND = {"content-type": "audio/mpeg"}
DELTA = b'data: {"type":"transcript.text.delta","delta":"Hel"}\n\n'
ENDS = (
    b'data: {"type":"transcript.text.done","text":"Hello.",'
    b'"usage":{"type":"tokens","input_tokens":3,"output_tokens":2,"total_tokens":5}}\n\n'
)
BROKEN = b'data: {"error":{"message":"It broke.","code":"oops"}}\n\n'


def speech(**members: Any) -> bytes:
    """A request to read something out."""
    return json.dumps({"model": "one/tts", "input": "Hello.", "voice": "alloy", **members}).encode()


def hears(stage: Stage, **fields: str) -> list[str]:
    """A request for the words of a recording, which is a form."""
    form = [Field("model", b"one/whisper"), Field("file", b"RIFF", "a.wav", "audio/wav")]
    form += [Field(name, value.encode()) for name, value in fields.items()]
    return stage.plays(b"", operation="transcription", fields=tuple(form), heartbeat=None)


# Whole -------------------------------------------------------------------------------------------------


def test_the_clients_own_words_pass_but_for_the_model() -> None:
    stage = Stage(settings=NAMED)
    vector = b'{"object":"embedding","index":0,"embedding":[0.50]}'
    usage = b'{"prompt_tokens":4,"total_tokens":4}'
    answer = b'{"object":"list",  "model":"e","data":[%s],"usage":%s}' % (vector, usage)
    stage.script("one", json_reply(answer))
    body = b'{"model":"m","input":[ "\\u0061" ],"odd":1.0}'
    assert stage.plays(body, operation="embed")[0] == "ask one with key-1: /v1/embeddings"
    assert b'[ "\\u0061" ]' in stage.sent[0]
    assert stage.bodies[0] == {"model": "e", "input": ["a"], "odd": 1.0}
    assert b'"embedding":[0.50]' in stage.client.body
    assert json.loads(stage.client.body)["model"] == "m"
    assert stage.usage == "4+None"


def test_an_answer_that_does_not_say_what_it_is_is_json() -> None:
    stage = Stage()
    stage.script("one", Reply(200, {}, json_reply({"object": "list", "data": [], "model": "e"}).pieces))
    body = json.dumps({"model": "one/e", "input": "a"}).encode()
    assert stage.plays(body, operation="embed")[-1] == "= done"
    assert stage.client.headers["content-type"] == "application/json"


def test_a_form_passes_as_a_form() -> None:
    stage = Stage()
    stage.script("one", json_reply({"text": "Hello."}))
    assert hears(stage) == [ASK_WORDS, 'answer 200 {"text": "Hello."}', "= done"]
    assert stage.headers[0]["content-type"].startswith("multipart/form-data; boundary=")
    assert b"RIFF" in stage.sent[0]
    assert b"\r\n\r\nwhisper\r\n" in stage.sent[0]


def test_a_failure_within_a_good_status_fails_the_attempt() -> None:
    stage = Stage()
    stage.script("one", *[json_reply({"error": {"message": "No.", "code": "oops"}})] * 3)
    body = json.dumps({"model": "one/e", "input": "a"}).encode()
    assert stage.plays(body, operation="embed")[-1].startswith("= upstream/first_byte/")


def test_a_stream_where_nobody_asked_for_one() -> None:
    stage = Stage()
    stage.script("one", *[stream(DELTA)] * 3)
    assert hears(stage)[-1] == "= upstream/first_byte/unreadable"


def test_a_whole_answer_where_a_stream_was_asked_for() -> None:
    stage = Stage()
    stage.script("one", json_reply({"text": "Hello."}))
    lines = hears(stage, stream="true")
    assert lines[:2] == [ASK_WORDS, "begin 200"]
    assert "transcript.text.done" in lines[2]


# Sound -------------------------------------------------------------------------------------------------


def test_sound_passes_as_it_comes() -> None:
    stage = Stage()
    stage.script("one", Reply(200, SOUND, [b"abc", 1.0, b"def"]))
    assert stage.plays(speech(), operation="speech") == [
        ASK_SPEECH,
        "begin 200",
        "write abc",
        "1 s later",
        "write def",
        "end",
        "= done",
    ]
    assert stage.client.headers["content-type"] == "audio/mpeg"


def test_sound_that_breaks_off_cannot_say_so() -> None:
    stage = Stage()
    stage.script("one", Reply(200, SOUND, [b"abc", broken()]))
    assert stage.plays(speech(), operation="speech") == [
        ASK_SPEECH,
        "begin 200",
        "write abc",
        "= upstream/stream/connection_broken",
    ]


def test_no_sound_at_all_is_a_failure() -> None:
    stage = Stage()
    stage.script("one", Reply(200, SOUND), Reply(200, SOUND, [b"abc"]))
    assert stage.plays(speech(), operation="speech") == [
        ASK_SPEECH,
        "1 s later",
        ASK_SPEECH,
        "begin 200",
        "write abc",
        "end",
        "= done",
    ]


def test_a_client_that_leaves_while_it_listens() -> None:
    stage = Stage()
    stage.script("one", Reply(200, SOUND, [b"abc", 60.0]))
    lines = stage.plays(speech(), operation="speech", leave=2.0)
    assert lines == [ASK_SPEECH, "begin 200", "write abc", "2 s later", "break off one", "= client/stream"]


# Events ------------------------------------------------------------------------------------------------


def test_events_pass_from_the_first_that_says_something() -> None:
    stage = Stage()
    stage.script("one", stream(b": ping\n\n", 1.0, DELTA, ENDS))
    lines = hears(stage, stream="true")
    assert lines[:3] == [ASK_WORDS, "1 s later", "begin 200"]
    assert stage.client.body == DELTA + ENDS
    assert stage.usage == "3+2"


@pytest.mark.parametrize(
    "failure", [BROKEN, b"event: error\n" + BROKEN, broken()], ids=["told", "named", "broken"]
)
def test_a_failure_before_the_first_event_moves_on(failure: Any) -> None:
    stage = Stage()
    stage.script("one", stream(failure), stream(DELTA, ENDS))
    assert hears(stage, stream="true")[:4] == [ASK_WORDS, "1 s later", ASK_WORDS, "begin 200"]


@pytest.mark.parametrize(
    ("failure", "end"), [(BROKEN, "oops"), (broken(), "connection_broken")], ids=["told", "connection"]
)
def test_a_failure_after_it_is_told_in_band(failure: Any, end: str) -> None:
    stage = Stage()
    stage.script("one", stream(DELTA, failure))
    lines = hears(stage, stream="true")
    assert lines[:3] == [ASK_WORDS, "begin 200", f"write {DELTA.decode()}"]
    assert lines[3].startswith("end event: error\ndata: ")
    assert lines[4] == f"= upstream/stream/{end}"


def test_what_came_before_a_failure_in_the_same_read_is_part_of_the_answer() -> None:
    stage = Stage()
    stage.script("one", stream(DELTA + BROKEN))
    assert f"write {DELTA.decode()}" in hears(stage, stream="true")


def test_a_last_event_without_its_empty_line_is_one() -> None:
    stage = Stage()
    stage.script("one", stream(DELTA, ENDS.rstrip(b"\n")))
    assert hears(stage, stream="true")[-1] == "= done"
    assert stage.client.body == DELTA + ENDS


def test_a_stream_may_end_as_chat_does() -> None:
    stage = Stage()
    stage.script("one", stream(DELTA, b"data: [DONE]\n\n"))
    assert hears(stage, stream="true")[-1] == "= done"


def test_a_failure_in_words_of_its_own_is_one_of_the_provider() -> None:
    stage = Stage()
    stage.script("one", stream(DELTA, b'event: error\ndata: {"error":{"message":"It broke."}}\n\n'))
    assert hears(stage, stream="true")[-1] == "= upstream/stream/upstream"


def test_an_event_of_too_many_values_is_a_failure_in_band() -> None:
    stage = Stage(limits=AnswerLimits(values=30))
    stage.script("one", stream(DELTA, b"data: [" + b"0," * 100 + b"0]\n\n"))
    assert hears(stage, stream="true")[-1] == "= upstream/stream/answer_too_many_values"


def test_a_stream_without_its_last_event_is_broken() -> None:
    stage = Stage()
    stage.script("one", stream(DELTA))
    assert hears(stage, stream="true")[-1] == "= upstream/stream/stream_broken"


def test_a_large_read_passes_in_parts() -> None:
    stage = Stage({"one": ONE})
    many = DELTA * 1000
    stage.script("one", stream(many + ENDS))
    lines = hears(stage, stream="true")
    assert sum(line.startswith("write") for line in lines) > 1
    assert stage.client.body == many + ENDS
