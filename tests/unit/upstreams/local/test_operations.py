"""What the embedded models of vectors and sound are asked, what is refused with its place, what is lost."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.errors import RequestFailed
from dragoman.upstreams.local.operations import (
    LARGEST_RECORDING,
    LONGEST_TEXT,
    MOST_TEXTS,
    embed_order,
    sound,
    speak_order,
    transcribe_order,
    transcript,
    vectors,
)
from dragoman.upstreams.local.protocol import Embedded, Options, Span, Spoken, Transcribed

OPTIONS = Options("weights")


def embed(report: Report | None = None, **fields: Any) -> Any:
    request = ir.EmbedRequest("openai_chat", "m", **{"inputs": ("a",)} | fields)
    return embed_order(request, OPTIONS, 7.0, report or Report("local"))


def speak(report: Report | None = None, *, encodes: bool = True, **fields: Any) -> Any:
    request = ir.SpeechRequest("openai_chat", "m", **{"text": "Hi."} | fields)
    return speak_order(request, OPTIONS, 7.0, report or Report("local"), encodes=encodes)


def transcribe(report: Report | None = None, **fields: Any) -> Any:
    request = ir.TranscriptionRequest("openai_chat", "m", **{"audio": ir.File(memoryview(b"wave"))} | fields)
    return transcribe_order(request, OPTIONS, 7.0, report or Report("local"))


def lost(report: Report) -> list[str]:
    return [loss.path for loss in report.losses]


def test_what_is_asked_arrives() -> None:
    order = embed(inputs=("a", ir.Parts(("b", "c"))), dimensions=64)
    assert (order.texts, order.dimensions, order.keep_alive) == (("a", "b\nc"), 64, 7.0)
    order = speak(speed=1.5, output="flac")
    assert (order.text, order.speed, order.output) == ("Hi.", 1.5, "flac")
    order = transcribe(prompt="Anna", temperature=0.5, timestamps=("word",), output="srt")
    assert (order.data, order.prompt, order.temperature, order.words) == (b"wave", "Anna", 0.5, True)
    assert transcribe(timestamps=("segment",)).words is False


@pytest.mark.parametrize(
    ("ask", "fields", "place"),
    [
        (embed, {"dimensions": 0}, "dimensions"),
        (embed, {"dimensions": 385}, "dimensions"),
        (embed, {"inputs": ("a", ir.Tokens((1, 2)))}, "inputs[1]"),
        (speak, {"voice": "emma"}, "voice"),
        (speak, {"speed": 0.49}, "speed"),
        (speak, {"speed": 2.01}, "speed"),
        (speak, {"language": "fr"}, "language"),
        (speak, {"output": "midi"}, "output"),
        (speak, {"output": "mp3", "encodes": False}, "output"),
        (speak, {"text": "a" * (LONGEST_TEXT + 1)}, "text"),
        (transcribe, {"translate": True}, "model"),
        (transcribe, {"language": "de"}, "language"),
        (transcribe, {"language": "enm"}, "language"),
        (transcribe, {"output": "diarized_json"}, "output"),
        (transcribe, {"audio": ir.File(url="https://example.org/a.wav")}, "audio"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_place(ask: Any, fields: dict[str, Any], place: str) -> None:
    with pytest.raises(RequestFailed) as caught:
        ask(**fields)
    fault = caught.value.fault
    assert (fault.http_status, fault.code, fault.param) == (400, "unsupported_value", place)


def test_a_recording_that_no_frame_holds_is_too_large() -> None:
    with pytest.raises(RequestFailed) as caught:
        transcribe(audio=ir.File(memoryview(bytes(LARGEST_RECORDING + 1))))
    assert (caught.value.fault.http_status, caught.value.fault.param) == (413, "audio")


@pytest.mark.parametrize("language", [None, "en", "EN", "en-US", "en_GB", "english"])
def test_english_has_many_names(language: str | None) -> None:
    assert transcribe(language=language).data == b"wave"
    assert speak(language=language).text == "Hi."


@pytest.mark.parametrize("voice", [None, "alloy", "Nova", "verse", "heart", "af_heart"])
def test_clients_keep_their_names_of_voices(voice: str | None) -> None:
    assert speak(voice=voice).text == "Hi."


def test_an_unstated_format_is_mp3_where_there_is_an_encoder_and_else_wav_which_is_a_loss() -> None:
    report = Report("local")
    assert speak(report).output == "mp3"
    assert lost(report) == []
    assert speak(report, encodes=False).output == "wav"
    assert lost(report) == ["output"]
    assert speak(encodes=False, output="pcm").output == "pcm"


def test_what_no_model_is_told_is_lost_not_forgotten() -> None:
    report = Report("local")
    extra = {"openai_chat": {"seed": 1, "none": None}}
    embed(report, task="retrieval_query", title="T", user="u", extra=extra)
    speak(report, instructions="whisper")
    assert sorted(lost(report)) == ["instructions", "seed", "task", "title", "user"]


def test_what_must_not_be_cut_is_refused() -> None:
    asked = ir.EmbedRequest("ollama", "m", ("a", "b"), truncate=False)
    with pytest.raises(RequestFailed) as refused:
        vectors(Embedded(1, (b"1234", b"5678"), 9, cut=(1,)), asked, "m", Report("local"))
    fault = refused.value.fault
    assert fault.param == "inputs[1]"
    assert fault.message == "the input length exceeds the context length"
    whole = vectors(Embedded(1, (b"1234",), 9, cut=()), asked, "m", Report("local"))
    assert whole.vectors == (b"1234",)


def test_answers_are_said_in_ir_terms() -> None:
    report = Report("local")
    asked = ir.EmbedRequest("ollama", "m", ("a", "b"))
    answer = vectors(Embedded(1, (b"1234", b"5678"), 9, cut=(1,)), asked, "m", report)
    assert answer == ir.EmbedResponse((b"1234", b"5678"), "m", ir.Usage(input=9))
    assert lost(report) == ["inputs[1]"]
    spoken = sound(Spoken(1, b"data", 24_000), speak(output="pcm"), "m")
    assert spoken == ir.SpeechResponse(b"data", "pcm", "audio/pcm", 24_000, "m")
    detail = {"tokens": [1]}
    heard = Transcribed(1, "Hi.", 1.5, (Span(" Hi.", 0.0, 1.0, detail),), (Span("Hi.", 0.1, 0.9),))
    assert transcript(heard, "m") == ir.TranscriptionResponse(
        "Hi.",
        "english",
        1.5,
        (ir.Segment(" Hi.", 0.0, 1.0, detail=detail),),
        (ir.Word("Hi.", 0.1, 0.9),),
        "m",
    )


def test_more_texts_than_are_read_at_once_are_refused() -> None:
    many = ir.EmbedRequest("openai_chat", "m", ("a",) * (MOST_TEXTS + 1))
    with pytest.raises(RequestFailed) as caught:
        embed_order(many, Options("f"), 0.0, Report("local"))
    assert (caught.value.fault.param, caught.value.fault.code) == ("inputs", "array_above_max_length")
