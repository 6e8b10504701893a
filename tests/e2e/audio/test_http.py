"""Rows 0.13, 2.31: what is relayed, refused and lost, who is asked next, and what breaks."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import aiohttp
import pytest

from dragoman.testing.provider import Streamed, Whole
from tests.e2e.audio.conftest import Stage
from tests.e2e.audio.providers import MP3, RECORDING, SAID, SOUND, form
from tests.e2e.test_server import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
SAY: dict[str, Any] = {"model": "openai_chat/tts-1", "input": "Hi", "voice": "alloy"}
HEAR: dict[str, Any] = {"model": "openai_chat/whisper-1"}


def say(**changes: Any) -> dict[str, Any]:
    """A request for speech."""
    return {**SAY, **changes}


# --- What is sent on ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/audio/speech", "/audio/speech"])
async def test_a_relayed_request_stays_as_it_is(stage: Stage, path: str) -> None:
    said = await stage.speak(path, **SAY, sample_rate=24000, vendor={"b": 1, "a": 2})
    assert (said.status, said.raw) == (200, MP3)
    assert said.headers["x-dragoman-deployment"] == "openai_chat/tts-1"
    body = {**SAY, "model": "tts-1", "sample_rate": 24000, "vendor": {"b": 1, "a": 2}}
    assert stage.providers["openai_chat"].last.body == body


@pytest.mark.parametrize("path", ["/audio/transcriptions", "/v1/audio/translations", "/audio/translations"])
async def test_a_relayed_form_stays_as_it_is(stage: Stage, path: str) -> None:
    """Names, order, media types; what the gateway does not know; lists with their brackets."""
    fields: dict[str, Any] = {
        "timestamp_granularities": ["word", "segment"],
        "include": ["logprobs"],
        "vendor": "x",
        "response_format": "verbose_json",
    }
    told = await stage.write_down(path, **HEAR, **fields)
    assert (told.status, told.body["text"]) == (200, SAID)
    assert told.body["words"]
    seen = stage.providers["openai_chat"].last
    assert seen.path == "/v1" + path.removeprefix("/v1")
    sent = form(seen)
    assert (sent.name, sent.data, sent.kind) == RECORDING
    assert sent.texts == [
        ("model", "whisper-1"),
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
        ("include[]", "logprobs"),
        ("vendor", "x"),
        ("response_format", "verbose_json"),
    ]


async def test_a_recording_that_is_only_named(stage: Stage) -> None:
    """Mistral reads its address, for Gemini it is read here, and never from a network of one's own."""
    address = "http://127.0.0.1:9/a.wav"
    told = await stage.write_down(model="mistral/voxtral", file=None, url=address)
    assert told.status == 200
    assert b'name="file_url"' in stage.providers["mistral"].last.raw
    assert address.encode() in stage.providers["mistral"].last.raw
    refused = await stage.write_down(model="gemini/m", file=None, url=address)
    assert (refused.status, refused.error["param"]) == (400, "url")
    refused = await stage.write_down(model="gemini/m", file=address)
    assert (refused.status, refused.error["param"]) == (400, "file")
    assert stage.providers["gemini"].seen == []


async def test_a_large_recording_arrives_whole_at_the_second_provider(stage: Stage) -> None:
    """It lies on disk; the first provider that can hear fails, the next one gets all of it again."""
    large = hashlib.shake_128(b"noise").digest(3 * 1024 * 1024)
    told = await stage.write_down(model="hearer", file=large, response_format="srt")
    assert told.status == 200
    assert told.headers["x-dragoman-deployment"] == "mistral/voxtral"
    assert told.headers["x-dragoman-attempts"] == "2"
    assert [form(stage.providers[name].last).data for name in ("bad", "mistral")] == [large, large]
    assert stage.providers["anthropic"].seen == []


async def test_a_translation_goes_past_who_cannot_translate(stage: Stage) -> None:
    told = await stage.write_down("/v1/audio/translations", model="hearer")
    assert told.status == 200
    assert told.headers["x-dragoman-deployment"] == "openai_chat/whisper-1"
    assert stage.providers["mistral"].seen == []


async def test_speech_fails_over(stage: Stage) -> None:
    said = await stage.speak(**say(model="speaker"))
    assert (said.status, said.raw) == (200, MP3)
    assert said.headers["x-dragoman-deployment"] == "openai_chat/tts-1"
    assert len(stage.providers["bad"].seen) >= 1


async def test_the_model_that_is_meant_where_none_is_named(stage: Stage) -> None:
    said = await stage.speak(input="Hi", voice="alloy")
    assert said.status == 200
    assert stage.providers["openai_chat"].last.body["model"] == "tts-1"
    told = await stage.write_down()
    assert (told.status, told.error["param"]) == (400, "model")


# --- What is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"input": None}, "input", "missing_required_parameter"),
        ({"voice": None}, "voice", "missing_required_parameter"),
        ({"input": 5}, "input", "invalid_type"),
        ({"voice": 5}, "voice", "invalid_type"),
        ({"voice": {}}, "voice.id", "missing_required_parameter"),
        ({"voice": {"id": 5}}, "voice.id", "invalid_type"),
        ({"model": 5}, "model", "invalid_type"),
        ({"response_format": "midi"}, "response_format", "invalid_value"),
        ({"speed": 5}, "speed", "decimal_above_max_value"),
        ({"speed": 0.1}, "speed", "decimal_below_min_value"),
        ({"speed": "1"}, "speed", "invalid_type"),
        ({"instructions": ["x"]}, "instructions", "invalid_type"),
        ({"stream_format": "ndjson"}, "stream_format", "invalid_value"),
        ({"Voice": "x"}, "Voice", "unknown_parameter"),
    ],
)
async def test_a_mistake_in_a_request_for_speech(
    stage: Stage, body: dict[str, Any], param: str, code: str
) -> None:
    said = await stage.speak(**say(**body))
    assert said.status == 400
    assert (said.error["param"], said.error["code"]) == (param, code)
    assert stage.providers["openai_chat"].seen == []


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"file": None}, "file", "missing_required_parameter"),
        ({"file": b""}, "file", "invalid_value"),
        ({"File": "x"}, "File", "unknown_parameter"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        *(({"temperature": odd}, "temperature", "invalid_type") for odd in ("nan", "0_1", " 0.5", "\uff10")),
        ({"temperature": "1.5"}, "temperature", "decimal_above_max_value"),
        ({"response_format": "docx"}, "response_format", "invalid_value"),
        ({"timestamp_granularities": ["word", "line"]}, "timestamp_granularities[1]", "invalid_value"),
        ({"stream": "maybe"}, "stream", "invalid_type"),
        ({"language": ["de", "en"]}, "language", "invalid_type"),
        ({"url": "file:///etc/passwd"}, "url", "invalid_value"),
        ({"Temperature": "0"}, "Temperature", "unknown_parameter"),
    ],
)
async def test_a_mistake_in_a_form(stage: Stage, fields: dict[str, Any], param: str, code: str) -> None:
    told = await stage.write_down(**HEAR, **fields)
    assert told.status == 400
    assert (told.error["param"], told.error["code"]) == (param, code)
    assert stage.providers["openai_chat"].seen == []


async def test_a_text_is_no_file(stage: Stage) -> None:
    form = aiohttp.FormData(
        {"model": "openai_chat/whisper-1", "file": "speech.wav"}, default_to_multipart=True
    )
    async with stage.session.post(f"{stage.base}/v1/audio/transcriptions", data=form) as response:
        error = (await response.json())["error"]
    assert (response.status, error["param"], error["code"]) == (400, "file", "invalid_type")


async def test_two_files_are_one_too_many(stage: Stage) -> None:
    form = aiohttp.FormData(default_to_multipart=True)
    for name in ("file", "file[]"):
        form.add_field(name, SOUND, filename="a.wav")
    async with stage.session.post(f"{stage.base}/v1/audio/transcriptions", data=form) as response:
        error = (await response.json())["error"]
    assert (response.status, error["param"]) == (400, "file")


async def test_a_recording_is_no_json(stage: Stage) -> None:
    async with stage.session.post(f"{stage.base}/v1/audio/transcriptions", json=HEAR) as response:
        assert response.status == 415
    async with stage.session.get(f"{stage.base}/v1/audio/transcriptions") as response:
        assert response.status == 405


async def test_a_provider_that_only_chats(stage: Stage) -> None:
    """4.17: 400, and nothing is sent."""
    said = await stage.speak(**say(model="anthropic/claude-x"))
    told = await stage.write_down(model="anthropic/claude-x")
    for answer in (said, told):
        assert answer.status == 400
        assert (answer.error["param"], answer.error["code"]) == ("model", "unsupported_value")
    assert stage.providers["anthropic"].seen == []


async def test_a_server_without_the_endpoint(stage: Stage) -> None:
    stage.says("openai_chat", Whole({"detail": "Not Found"}, 404))
    said = await stage.speak(**SAY)
    told = await stage.write_down(**HEAR)
    for answer in (said, told):
        assert (answer.status, answer.error["code"]) == (501, "not_implemented")


@pytest.mark.parametrize(
    ("model", "fields", "param", "code"),
    [
        ("simulate/echo", {"response_format": "opus"}, "response_format", "unsupported_value"),
        ("mistral/tts", {"response_format": "aac"}, "response_format", "unsupported_value"),
        ("gemini/tts", {"response_format": "flac"}, "response_format", "unsupported_value"),
    ],
)
async def test_a_format_that_cannot_be_had(
    stage: Stage, model: str, fields: dict[str, Any], param: str, code: str
) -> None:
    said = await stage.speak(**say(model=model, **fields))
    assert said.status == 400
    assert (said.error["param"], said.error["code"]) == (param, code)


# --- What is lost -----------------------------------------------------------------------------------------


async def test_what_mistral_is_not_told_of_speech(stage: Stage) -> None:
    fields: dict[str, Any] = {**SAY, "model": "mistral/tts", "speed": 2, "instructions": "Whisper", "x": 1}
    said = await stage.speak(**fields, headers={"x-dragoman-report": "1"})
    losses = json.loads(said.headers["x-dragoman-report"])["losses"]
    assert {loss["path"]: loss["severity"] for loss in losses} == {
        "$.speed": "quality",
        "$.instructions": "quality",
        "$.x": "hint",
    }
    refused = await stage.speak(**fields, headers={"x-dragoman-strict": "all"})
    assert (refused.status, refused.error["code"]) == (400, "untranslatable")
    usual = await stage.speak(**say(model="mistral/tts", speed=1))
    assert usual.headers["x-dragoman-losses"] == "0"


async def test_what_mistral_is_not_told_of_a_recording(stage: Stage) -> None:
    fields: dict[str, Any] = {"response_format": "verbose_json", "language": "en", "prompt": "Ruby"}
    told = await stage.write_down(model="mistral/voxtral", headers={"x-dragoman-report": "1"}, **fields)
    assert told.body["language"] == ""
    losses = json.loads(told.headers["x-dragoman-report"])["losses"]
    assert {(loss["path"], loss.get("direction", "request")): loss["severity"] for loss in losses} == {
        ("$.language", "request"): "quality",
        ("$.prompt", "request"): "quality",
        ("language", "response"): "hint",
        ("duration", "response"): "hint",
        ("segments", "response"): "hint",
    }


async def test_a_file_that_no_other_protocol_knows(stage: Stage) -> None:
    """Its own takes it as it is, for the others it is a loss."""
    for model, losses in (("openai_chat/whisper-1", []), ("mistral/voxtral", ["$.glossary"])):
        form = aiohttp.FormData({"model": model}, default_to_multipart=True)
        form.add_field("file", SOUND, filename="a.wav")
        form.add_field("glossary", b"ruby", filename="a.txt")
        stage.says("openai_chat", Whole({"text": SAID}))
        headers = {"x-dragoman-report": "1"}
        url = f"{stage.base}/v1/audio/transcriptions"
        async with stage.session.post(url, data=form, headers=headers) as response:
            report = json.loads(response.headers["x-dragoman-report"])
        assert (response.status, [loss["path"] for loss in report["losses"]]) == (200, losses)
    assert b"glossary" in stage.providers["openai_chat"].last.raw


async def test_mistral_tells_times_of_one_kind(stage: Stage) -> None:
    granularities = ["word", "segment"]
    fields: dict[str, Any] = {"response_format": "verbose_json", "timestamp_granularities": granularities}
    told = await stage.write_down(model="mistral/voxtral", **fields)
    assert (told.status, told.error["param"]) == (400, "timestamp_granularities")
    assert stage.providers["mistral"].seen == []
    told = await stage.write_down(model="hearer", **fields)
    assert told.headers["x-dragoman-deployment"] == "openai_chat/whisper-1"


# --- What breaks --------------------------------------------------------------------------------------------


async def test_an_error_inside_a_200(stage: Stage) -> None:
    told = {"error": {"message": "no such voice", "type": "invalid_request_error", "param": "voice"}}
    stage.says("openai_chat", Whole(told))
    said = await stage.speak(**SAY)
    assert "no such voice" in said.error["message"]
    assert said.status >= 400
    heard = await stage.write_down(**HEAR)
    assert "no such voice" in heard.error["message"]


@pytest.mark.parametrize("body", [{"audio": "x"}, "<html>", b""])
async def test_what_is_no_sound(stage: Stage, body: Any) -> None:
    kind = "application/json" if isinstance(body, dict) else "text/html" if body else "audio/mpeg"
    stage.says("openai_chat", Whole(body, headers={"content-type": kind}))
    said = await stage.speak(**SAY)
    assert (said.status, said.error["code"]) == (502, "unreadable")


async def test_sound_of_an_unknown_kind_passes(stage: Stage) -> None:
    stage.says("openai_chat", Whole(MP3, headers={"content-type": "video/mp4"}))
    said = await stage.speak(**SAY)
    assert (said.status, said.raw, said.headers["content-type"]) == (200, MP3, "video/mp4")


async def test_a_transcript_is_no_sound_whatever_it_is_called(stage: Stage) -> None:
    """It is looked at: the name of its model is the client's, what it cost is known."""
    told = {"text": SAID, "model": "up", "usage": {"type": "duration", "seconds": 4}}
    stage.says("bad", Whole(json.dumps(told), headers={"content-type": "application/octet-stream"}))
    heard = await stage.write_down(model="hearer")
    assert heard.headers["x-dragoman-deployment"] == "bad/whisper"
    assert (heard.body["text"], heard.body["model"]) == (SAID, "hearer")
    assert stage.exchanges[-1].usage is not None


async def test_events_that_nobody_asked_for(stage: Stage) -> None:
    stage.says("bad", Streamed([DELTA]))
    heard = await stage.write_down(model="hearer")
    assert heard.headers["x-dragoman-deployment"] == "mistral/voxtral"
    assert stage.exchanges[-1].attempts[0].fault is not None
    assert stage.exchanges[-1].attempts[0].fault.code == "unreadable"
    stage.says("openai_chat", Streamed([DELTA]))
    said = await stage.speak(**SAY, stream=True)  # as Together has it
    assert said.raw == DELTA


async def test_sound_that_breaks_off_is_cut(stage: Stage) -> None:
    """Nothing can be said inside of sound: the client sees that it is incomplete."""
    stage.says("openai_chat", Streamed([MP3[:4096]], headers={"content-type": "audio/mpeg"}, die=True))
    with pytest.raises(aiohttp.ClientPayloadError):
        await stage.speak(**SAY)
    assert stage.exchanges[-1].fault is not None


async def test_events_that_break_off_end_with_an_error(stage: Stage) -> None:
    delta = {"type": "transcript.text.delta", "delta": "Ruby"}
    failure = {"type": "error", "error": {"message": "worn out", "type": "server_error"}}
    stage.says("openai_chat", Streamed([delta, failure], pause=0.05))
    told = await stage.write_down(**HEAR, stream="true")
    assert told.status == 200
    first, last = told.raw.rstrip(b"\n").split(b"\n\n")
    assert json.loads(first.removeprefix(b"data: ")) == delta
    assert last.startswith(b"event: error\ndata: ")
    assert "worn out" in json.loads(last.partition(b"data: ")[2])["error"]["message"]


async def test_an_error_before_the_first_word_goes_to_the_next(stage: Stage) -> None:
    failure = {"type": "error", "error": {"message": "worn out", "type": "server_error"}}
    stage.says("bad", Streamed([failure]))
    told = await stage.write_down(model="hearer", stream="true")
    assert told.headers["x-dragoman-deployment"] == "mistral/voxtral"
    assert b"transcript.text.done" in told.raw
    assert b"worn out" not in told.raw


DELTA = b'data: {"type": "transcript.text.delta", "delta": "Ruby"}\n\n'
FAILURE = b'data: {"type": "error", "error": {"message": "worn out", "type": "server_error"}}\n\n'


async def test_a_heartbeat_stands_between_events(stage: Stage) -> None:
    """A provider that pauses in the middle of an event does not get one into it."""
    done = b'data: {"type": "transcript.text.done", "text": "Ruby"}\n\n'
    stage.says("openai_chat", Streamed([DELTA[:30], DELTA[30:], done], pause=0.5))
    told = await stage.write_down(**HEAR, stream="true")
    assert b": ping\n\n" in told.raw
    assert told.raw.replace(b": ping\n\n", b"") == DELTA + done


@pytest.mark.parametrize(
    "frames", [[FAILURE[:30], FAILURE[30:]], [b": hello\n\n", FAILURE], [b"event: error\ndata: worn out\n\n"]]
)
async def test_what_says_nothing_commits_to_nothing(stage: Stage, frames: list[bytes]) -> None:
    stage.says("bad", Streamed(frames, pause=0.05))
    told = await stage.write_down(model="hearer", stream="true")
    assert told.headers["x-dragoman-deployment"] == "mistral/voxtral"
    assert b"worn out" not in told.raw


@pytest.mark.parametrize("failure", [FAILURE, b"event: error\ndata: worn out\n\n"])
async def test_what_came_before_a_failure_in_the_same_read_is_there(stage: Stage, failure: bytes) -> None:
    stage.says("openai_chat", Streamed([DELTA + failure]))
    told = await stage.write_down(**HEAR, stream="true")
    assert told.status == 200
    assert told.raw.startswith(DELTA + b"event: error\ndata: {")
    assert b"worn out" in told.raw
    assert stage.exchanges[-1].fault is not None


async def test_half_an_event_is_no_part_of_a_stream_that_breaks_off(stage: Stage) -> None:
    stage.says("openai_chat", Streamed([DELTA + b'data: {"type": "trans'], die=True))
    told = await stage.write_down(**HEAR, stream="true")
    assert told.raw.startswith(DELTA + b"event: error\ndata: {")


@pytest.mark.parametrize("events", [[DELTA], [DELTA, DELTA[:30]], [DELTA + b": the end\n\n"]])
async def test_words_without_their_last_event_have_broken_off(stage: Stage, events: list[bytes]) -> None:
    stage.says("openai_chat", Streamed(events))
    told = await stage.write_down(**HEAR, stream="true")
    assert told.raw.startswith(DELTA)
    assert b"data: {" not in told.raw.removeprefix(DELTA).partition(b"event: error")[0]
    assert json.loads(told.raw.rpartition(b"event: error\ndata: ")[2])["error"]["code"] == "stream_broken"
    assert stage.exchanges[-1].end == "upstream/stream/stream_broken"


async def test_sound_without_its_last_event_has_broken_off(stage: Stage) -> None:
    delta = b'data: {"type": "speech.audio.delta", "audio": "AAAA"}\n\n'
    stage.says("openai_chat", Streamed([delta]))
    said = await stage.speak(**SAY, stream_format="sse")
    assert said.raw.startswith(delta)
    assert json.loads(said.raw.rpartition(b"event: error\ndata: ")[2])["error"]["code"] == "stream_broken"


async def test_the_last_event_may_lack_its_blank_line(stage: Stage) -> None:
    stage.says("openai_chat", Streamed([DELTA + b"data: [DONE]"]))
    told = await stage.write_down(**HEAR, stream="true")
    assert told.raw == DELTA + b"data: [DONE]\n\n"


async def test_a_long_silence_is_filled(stage: Stage) -> None:
    """A whole recording takes its time, and connections that are silent are cut on the way."""
    stage.says("openai_chat", Whole({"text": SAID}, delay=0.5))
    told = await stage.write_down(**HEAR, stream="true")
    assert told.headers["content-type"].startswith("text/event-stream")
    assert told.raw.startswith(b": ping\n\n")
    assert told.raw.endswith(b"data: [DONE]\n\n")


async def test_a_failure_after_a_long_silence_is_an_event(stage: Stage) -> None:
    refused = {"error": {"message": "worn out", "type": "invalid_request_error"}}
    stage.says("openai_chat", Whole(refused, 400, delay=0.5))
    for told in (
        await stage.write_down(**HEAR, stream="true"),
        await stage.speak(**say(stream_format="sse")),
    ):
        assert told.status == 200
        last = told.raw.rstrip(b"\n").rpartition(b"\n\n")[2]
        assert last.startswith(b"event: error\ndata: ")
        assert "worn out" in json.loads(last.partition(b"data: ")[2])["error"]["message"]


async def test_whoever_leaves_stops_the_work(stage: Stage) -> None:
    stage.says(
        "openai_chat", Streamed([MP3[:4096], MP3[4096:]], headers={"content-type": "audio/mpeg"}, pause=30)
    )
    async with stage.session.post(f"{stage.base}/v1/audio/speech", json=SAY) as response:
        assert await response.content.readany()
        response.close()
    stage.says("openai_chat", Whole({"text": SAID}, delay=30))
    await until(lambda: len(stage.providers["openai_chat"].cut) == 1)
    asking = asyncio.ensure_future(stage.write_down(**HEAR))
    await until(lambda: stage.providers["openai_chat"].open)
    asking.cancel()
    await until(lambda: len(stage.providers["openai_chat"].cut) == 2)


def told_by(raw: bytes) -> list[dict[str, Any]]:
    """The JSON of each event."""
    return [json.loads(line[6:]) for line in raw.splitlines() if line.startswith(b"data: {")]


async def test_a_translated_stream_that_breaks_off_says_so(stage: Stage) -> None:
    """The pieces before it went out, so nobody else is asked."""
    stage.says("mistral", Streamed([{"type": "transcription.text.delta", "text": "Ruby "}]))
    told = await stage.write_down(model="mistral/voxtral", stream="true")
    first, last = told_by(told.raw)
    assert first == {"type": "transcript.text.delta", "delta": "Ruby "}
    assert (last["type"], last["error"]["code"]) == ("error", "stream_broken")


async def test_a_translated_stream_without_a_first_word_goes_to_the_next(stage: Stage) -> None:
    failed = {"type": "error", "error": {"message": "no audio", "code": 3000}}
    stage.says("mistral", Streamed([{"type": "transcription.language", "audio_language": "en"}, failed]))
    told = await stage.write_down(model="hearer", stream="true")
    assert told.headers["x-dragoman-deployment"] == "openai_chat/whisper-1"
    assert told_by(told.raw)[-1]["text"] == SAID


async def test_mistrals_speakers_as_a_stream(stage: Stage) -> None:
    told = await stage.write_down(model="mistral/voxtral", stream="true", response_format="diarized_json")
    *segments, done = told_by(told.raw)
    assert [(one["type"], one["speaker"]) for one in segments] == [
        ("transcript.text.segment", "s0"),
        ("transcript.text.segment", "s1"),
    ]
    assert (done["type"], done["text"]) == ("transcript.text.done", SAID)
    assert done["usage"]["total_tokens"] == 389
