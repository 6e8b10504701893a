"""Transcription in the words of OpenAI, Mistral and Gemini: forms, answers, and what lacks in them."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.forms import texts
from dragoman.dialects.gemini.transcription import TRANSCRIPTION as GEMINI
from dragoman.dialects.loss import Report
from dragoman.dialects.mistral.transcription import TRANSCRIPTION as MISTRAL
from dragoman.dialects.openai.transcription import TRANSCRIPTION, TRANSLATIONS
from dragoman.dialects.operation import OperationReply, Payload
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import encode
from dragoman.wire.multipart import Field

FILE = Field("file", b"ID3abc", "a.mp3", "audio/mpeg")
ASKED = ir.TranscriptionRequest("openai_chat", "m", ir.File(b"ID3abc", "a.mp3", "audio/mpeg"))
SPANS = (ir.Segment("Hi.", 0.0, 1.0), ir.Segment("Ho.", 1.0, 2.5))
assert TRANSCRIPTION.relay is not None
RELAY = TRANSCRIPTION.relay


def form(*fields: Field, file: Field | None = FILE) -> WireRequest:
    every = (Field("model", b"m"), *fields, *(() if file is None else (file,)))
    return WireRequest("transcription", texts(every), fields=every)


def asked(**changes: Any) -> ir.TranscriptionRequest:
    return msgspec.structs.replace(ASKED, **changes)


def written(response: ir.TranscriptionResponse, **changes: Any) -> tuple[Payload, Report]:
    report = Report("openai_chat", "response")
    return TRANSCRIPTION.client.encode(response, OperationReply(asked(**changes), report)), report


# --- Requests ---------------------------------------------------------------------------------------


def test_every_field_comes_back() -> None:
    fields = {
        "language": b"en",
        "prompt": b"Ruby",
        "response_format": b"verbose_json",
        "temperature": b"0.5",
        "timestamp_granularities[]": b"word",
        "stream": b"true",
        "known_speaker_names[]": b"Ada",
        "chunking_strategy[type]": b"server_vad",
    }
    sent = form(*(Field(name, value) for name, value in fields.items()))
    TRANSCRIPTION.client.check(sent)
    request = TRANSCRIPTION.client.decode(sent)
    assert (request.temperature, request.timestamps, request.stream) == (0.5, ("word",), True)
    assert request.audio == ir.File(b"ID3abc", "a.mp3", "audio/mpeg")
    again = TRANSCRIPTION.provider.encode(request, Target(Report("")))
    assert sorted(again.fields, key=str) == sorted(sent.fields, key=str)


@pytest.mark.parametrize(
    "field",
    [Field("url", b"https://x.example/a.mp3"), Field("file", b"https://x.example/a.mp3")],
    ids=["url", "file"],
)
def test_a_recording_that_is_only_named(field: Field) -> None:
    sent = form(field, file=None)
    TRANSCRIPTION.client.check(sent)
    request = TRANSCRIPTION.client.decode(sent)
    assert request.audio.url == "https://x.example/a.mp3"
    assert TRANSCRIPTION.client.located(sent, request, "audio") == f"$.{field.name}"
    assert TRANSCRIPTION.client.located(sent, request, "output") == "$.response_format"
    own = TRANSCRIPTION.provider.encode(request, Target(Report("")))
    assert own.fields == (Field("model", b"m"), Field("url", b"https://x.example/a.mp3"))
    theirs = MISTRAL.encode(request, Target(Report("")))
    assert theirs.fields == (Field("model", b"m"), Field("file_url", b"https://x.example/a.mp3"))
    assert GEMINI.unread is not None
    assert not GEMINI.unread(ASKED).media
    reading = GEMINI.unread(request)
    assert reading.media == [(ir.Media("audio", url="https://x.example/a.mp3"), "audio")]
    filled = reading.fill([ir.Media("audio", "audio/ogg", "T2dnUw==")])
    assert filled == msgspec.structs.replace(request, audio=ir.File(b"OggS", kind="audio/ogg"))


def test_two_addresses_are_no_recording() -> None:
    address = Field("file", b"https://x.example/a.mp3")
    with pytest.raises(WireError) as refused:
        TRANSCRIPTION.client.check(form(address, address, file=None))
    assert (refused.value.path, refused.value.code) == ("file", "invalid_type")


def test_a_granularity_without_brackets() -> None:
    sent = form(Field("timestamp_granularities", b"segment"))
    TRANSCRIPTION.client.check(sent)
    assert TRANSCRIPTION.client.decode(sent).timestamps == ("segment",)


def test_a_file_without_a_name_gets_one() -> None:
    request = TRANSCRIPTION.provider.encode(asked(audio=ir.File(b"x")), Target(Report("")))
    assert request.fields[-1] == Field("file", b"x", "audio", "application/octet-stream")


def test_places() -> None:
    told = {"audio": "$.file", "output": "$.response_format", "timestamps": "$.timestamp_granularities"}
    for where, path in {**told, "prompt": "$.prompt", "translate": "$.model"}.items():
        assert TRANSCRIPTION.client.locate(ASKED, where) == path


# --- Answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["srt", "vtt"])
def test_subtitles_are_read_as_they_are_written(output: str) -> None:
    answer, _ = written(ir.TranscriptionResponse("Hi. Ho.", segments=SPANS), output=output)
    assert answer.kind == "text/plain; charset=utf-8"
    again = TRANSCRIPTION.provider.decode(answer, asked(output=output))
    assert again == ir.TranscriptionResponse("Hi. Ho.", segments=SPANS)
    quoted = Payload(encode(answer.data.decode()))  # some servers answer with a text as JSON
    assert TRANSCRIPTION.provider.decode(quoted, asked(output=output)) == again
    wanted = form(Field("response_format", output.encode()))
    assert RELAY.response(wanted, answer, "m") == (answer, None)
    assert RELAY.response(wanted, quoted, "m") is None


def test_another_form_than_the_one_that_was_asked_for_is_translated() -> None:
    plain = Payload(b"Hi.\n", "text/plain")
    assert RELAY.response(form(), plain, "m") is None
    told = TRANSCRIPTION.provider.decode(plain, ASKED)
    assert written(told)[0].data == b'{"text":"Hi."}'
    assert RELAY.response(form(Field("response_format", b"text")), Payload(b'{"text":"Hi."}'), "m") is None


@pytest.mark.parametrize("kind", ["", "application/octet-stream"])
def test_a_media_type_that_says_nothing(kind: str) -> None:
    assert TRANSCRIPTION.provider.decode(Payload(b' {"text":"Hi."}', kind), ASKED).text == "Hi."
    assert TRANSCRIPTION.provider.decode(Payload(b"Hi.\n", kind), asked(output="text")).text == "Hi."


@pytest.mark.parametrize("output", ["json", "text"])
def test_a_page_is_no_transcript(output: str) -> None:
    page = Payload(b"\n<html>Please log in</html>", "text/html; charset=utf-8")
    assert RELAY.response(form(Field("response_format", output.encode())), page, "m") is None
    with pytest.raises(WireError, match="not a page"):
        TRANSCRIPTION.provider.decode(page, asked(output=output))
    called = Payload(b"1\n00:00:00,000 --> 00:00:01,000\nHi.\n\n", "text/html")  # as Flask calls every text
    assert RELAY.response(form(Field("response_format", b"srt")), called, "m") == (called, None)


def test_a_file_and_an_address_are_one_too_many() -> None:
    with pytest.raises(WireError) as refused:
        TRANSCRIPTION.client.check(form(Field("url", b"https://x.example/a.mp3")))
    assert (refused.value.path, refused.value.code) == ("url", "invalid_value")


@pytest.mark.parametrize("name", ["model", "prompt", "timestamp_granularities[]"])
def test_a_file_is_no_text(name: str) -> None:
    with pytest.raises(WireError) as refused:
        TRANSCRIPTION.client.check(form(Field(name, b"x", "a.txt")))
    assert (refused.value.path, refused.value.code) == (name.removesuffix("[]"), "invalid_type")


def test_words_are_subtitles_where_there_is_nothing_longer() -> None:
    words = (ir.Word("Hi", 0.0, 0.5), ir.Word("there", 0.5, 1.0))
    answer, _ = written(ir.TranscriptionResponse("Hi there", words=words), output="srt")
    assert (
        answer.data == b"1\n00:00:00,000 --> 00:00:00,500\nHi\n\n2\n00:00:00,500 --> 00:00:01,000\nthere\n\n"
    )


@pytest.mark.parametrize("output", ["srt", "vtt", "verbose_json", "diarized_json"])
def test_times_that_nobody_told_are_not_made_up(output: str) -> None:
    with pytest.raises(RequestFailed) as refused:
        written(ir.TranscriptionResponse("Hi"), output=output)
    fault = refused.value.fault
    assert (fault.kind, fault.param, fault.blame) == ("untranslatable", "response_format", "upstream")


def test_silence_needs_no_times() -> None:
    answer, report = written(ir.TranscriptionResponse("", "english", 3.0), output="verbose_json")
    assert msgspec.json.decode(answer.data) == {
        "task": "transcribe",
        "language": "english",
        "duration": 3.0,
        "text": "",
        "segments": [],
        "usage": {"type": "duration", "seconds": 3},
    }
    assert report.losses == []
    assert written(ir.TranscriptionResponse(""), output="srt")[0].data == b""


def test_speakers_that_nobody_told_are_not_made_up() -> None:
    with pytest.raises(RequestFailed, match="speakers"):
        written(ir.TranscriptionResponse("Hi. Ho.", duration=2.5, segments=SPANS), output="diarized_json")


def test_words_that_nobody_told_are_not_made_up() -> None:
    response = ir.TranscriptionResponse("Hi. Ho.", duration=2.5, segments=SPANS)
    with pytest.raises(RequestFailed, match="word timestamps"):
        written(response, output="verbose_json", timestamps=("word",))


def test_a_translation_is_english() -> None:
    response = ir.TranscriptionResponse("Hi. Ho.", "french", 2.5, SPANS)
    answer, _ = written(response, output="verbose_json", translate=True)
    told = msgspec.json.decode(answer.data)
    assert (told["task"], told["language"]) == ("translate", "english")


def test_tokens_are_no_seconds() -> None:
    """One form tells seconds, the others what the model is paid by; seconds are rounded up."""
    usage = ir.Usage(30, output=4, detail={"input_audio": 20, "input_text": 10})
    response = ir.TranscriptionResponse("Hi. Ho.", "english", 2.5, SPANS, usage=usage)
    told = msgspec.json.decode(written(response)[0].data)
    assert told["usage"] == {
        "type": "tokens",
        "total_tokens": 34,
        "input_tokens": 30,
        "output_tokens": 4,
        "input_token_details": {"text_tokens": 10, "audio_tokens": 20},
    }
    told = msgspec.json.decode(written(response, output="verbose_json")[0].data)
    assert told["usage"] == {"type": "duration", "seconds": 3}


@pytest.mark.parametrize("body", [{}, {"text": 5}, {"text": "x", "segments": [{"text": "x"}]}, []])
def test_what_is_no_answer(body: Any) -> None:
    with pytest.raises(WireError):
        TRANSCRIPTION.provider.decode(Payload(encode(body)), ASKED)


def test_what_passes_is_looked_at() -> None:
    with pytest.raises(WireError):
        RELAY.response(form(), Payload(b'{"words":[]}'), None)
    with pytest.raises(RequestFailed, match="no sound"):
        RELAY.response(form(), Payload(encode({"error": {"message": "no sound"}})), None)
    told = Payload(b'{"text":"Hi", "model":"whisper-large"}')
    assert RELAY.response(form(), told, None) == (told, None)
    shown = RELAY.response(form(), told, "mine")
    assert shown is not None
    assert msgspec.json.decode(shown[0].data) == {"text": "Hi", "model": "mine"}


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        ({"duration": 3.62}, ir.Usage(detail={"audio_seconds": 3.62})),
        (
            {"duration": 3.62, "usage": {"type": "duration", "seconds": 4}},
            ir.Usage(detail={"audio_seconds": 4}),
        ),
        ({"duration": 3.62, "usage": {"input_tokens": 5}}, ir.Usage(5)),
        ({"duration": "3.62"}, None),
        ({}, None),
    ],
)
def test_what_passes_is_used_by_its_duration(body: dict[str, Any], usage: ir.Usage | None) -> None:
    """`verbose_json` of whisper-1, which is billed by the time of the audio, states no usage."""
    answer = Payload(encode({"text": "Hi", **body}))
    assert RELAY.response(form(), answer, None) == (answer, usage)


# --- Mistral ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "timestamps", "times"),
    [
        (None, (), None),
        ("json", ("word",), None),
        ("text", (), None),
        ("srt", (), "segment"),
        ("vtt", ("word",), "segment"),
        ("verbose_json", (), "segment"),
        ("verbose_json", ("segment",), "segment"),
        ("verbose_json", ("word",), "word"),
        ("diarized_json", (), "segment"),
    ],
)
def test_mistral_is_asked_for_times_where_they_are_needed(
    output: str | None, timestamps: tuple[str, ...], times: str | None
) -> None:
    report = Report("mistral")
    request = asked(output=output, timestamps=timestamps, language="en")
    body = MISTRAL.encode(request, Target(report, "voxtral")).body
    assert body.get("timestamp_granularities") == (None if times is None else [times])
    assert body.get("diarize") == (True if output == "diarized_json" else None)
    assert body.get("language") == ("en" if times is None else None)
    assert [loss.path for loss in report.losses] == ([] if times is None else ["language"])


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"translate": True}, "translate"),
        ({"output": "verbose_json", "timestamps": ("word", "segment")}, "timestamps"),
    ],
)
def test_what_mistral_cannot(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(WireError) as refused:
        MISTRAL.encode(asked(**changes), Target(Report("")))
    assert refused.value.path == place


def test_mistrals_tokens_are_all_counted() -> None:
    usage = {
        "prompt_audio_seconds": 3,
        "prompt_tokens": 3,
        "completion_tokens": 11,
        "total_tokens": 389,
        "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 375},
    }
    told = MISTRAL.decode(Payload(encode({"text": "Hi", "usage": usage})), ASKED).usage
    assert told is not None
    assert (told.input, told.cache_read, told.output, told.total) == (377, 1, 11, 389)
    assert told.detail == {"input_audio": 375, "input_text": 3, "audio_seconds": 3}
    inside = {"prompt_tokens": 378, "completion_tokens": 11, "total_tokens": 389}
    inside["prompt_tokens_details"] = {"audio_tokens": 375}  # type: ignore[assignment]
    told = MISTRAL.decode(Payload(encode({"text": "Hi", "usage": inside})), ASKED).usage
    assert told is not None
    assert told.total == 389


def test_a_segment_of_mistrals_without_times_makes_all_untimed() -> None:
    segments = [{"text": "Hi", "start": 0, "end": 1}, {"text": "Ho", "start": None, "end": None}]
    answer = Payload(encode({"text": "Hi Ho", "segments": segments}))
    assert MISTRAL.decode(answer, asked(output="srt")).segments is None
    with pytest.raises(WireError):
        MISTRAL.decode(Payload(encode({"segments": []})), ASKED)


# --- Gemini -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (ir.File(b"ID3abc", "a.bin", "application/octet-stream"), "audio/mpeg"),
        (ir.File(b"????", "a.ogg", "audio/ogg"), "audio/ogg"),
        (ir.File(b"????", "a.FLAC", "application/octet-stream"), "audio/flac"),
        (ir.File(memoryview(b"????"), None, None), "audio/mpeg"),
        (ir.File(b"????ftypisom0000", "a.mp4", "video/mp4"), "video/mp4"),
    ],
)
def test_gemini_is_told_what_a_recording_is(file: ir.File, kind: str) -> None:
    body = GEMINI.encode(asked(audio=file), Target(Report(""))).body
    text, sound = body["contents"][0]["parts"]
    assert text["text"].startswith("Transcribe")
    assert sound["inlineData"]["mimeType"] == kind
    assert b64decode(sound["inlineData"]["data"]) == bytes(file.data)


def test_gemini_is_told_the_rest_in_words() -> None:
    report = Report("gemini")
    request = asked(translate=True, language="fr", prompt="Names: Zoë", temperature=0.0)
    body = GEMINI.encode(request, Target(report)).body
    prompt = body["contents"][0]["parts"][0]["text"]
    assert "into English" in prompt
    assert "is fr." in prompt
    assert "Names: Zoë" in prompt
    assert body["generationConfig"] == {"temperature": 0.0}
    assert report.losses == []


def test_geminis_answers() -> None:
    def told(*parts: Any, reason: str = "STOP") -> ir.TranscriptionResponse:
        candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": reason}
        return GEMINI.decode(Payload(encode({"candidates": [candidate]})), ASKED)

    assert told({"text": "Well", "thought": True}, {"text": "Hi "}, {"text": "there.\n"}).text == "Hi there."
    assert told().text == ""
    with pytest.raises(RequestFailed) as refused:
        told(reason="SAFETY")
    assert refused.value.fault.kind == "content_policy"


def test_a_translation_is_told_where_it_was_asked_for() -> None:
    sent = msgspec.structs.replace(form(), path=TRANSLATIONS)
    request = TRANSCRIPTION.client.decode(sent)
    assert request.translate
    assert TRANSCRIPTION.provider.encode(request, Target(Report(""))).path == TRANSLATIONS
    assert RELAY.request(sent, {}, {"model": "other"}).path == TRANSLATIONS


def test_gemini_takes_no_recording_that_fits_into_no_request() -> None:
    with pytest.raises(WireError) as refused:
        GEMINI.encode(asked(audio=ir.File(bytes(70 * 1024 * 1024 + 1))), Target(Report("")))
    assert (refused.value.path, refused.value.code) == ("audio", "request_too_large")


@pytest.mark.parametrize(("output", "lost"), [("srt", 1), ("verbose_json", 1), ("json", 0), (None, 0)])
def test_events_that_hold_no_times_are_a_loss(output: str | None, lost: int) -> None:
    report = Report("openai_chat", "response")
    assert TRANSCRIPTION.client.encode_stream is not None
    answer = ir.TranscriptionResponse("Hi. Ho.", segments=SPANS)
    assert b"Hi. Ho." in TRANSCRIPTION.client.encode_stream(
        answer, OperationReply(asked(output=output), report)
    )
    assert [loss.path for loss in report.losses] == ["response_format"] * lost
