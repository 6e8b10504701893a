"""Sound in answers: the samples of any model in the member and the format that a chat client asked for."""

from __future__ import annotations

import base64
import io
import itertools
import wave
from typing import Any

import msgspec
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionAudio, ChatCompletionChunk

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.openai_chat.sound import Joined, speak
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import Target
from tests.unit.dialects.openai_chat.speaking import FOREIGN, chunks_of, deltas_of, lost

SPOKEN = "audio/L16;codec=pcm;rate=24000"
SAMPLES = bytes(range(20))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def asking(format: str | None, report: Report) -> Reply:
    audio = None if format is None else {"voice": "alloy", "format": format}
    request = ir.Request(DIALECT.name, "asked", output=ir.Output(audio=audio))
    return Reply(request, report, "chatcmpl-7", 1_700_000_000)


def heard(format: str | None, *blocks: ir.Block) -> tuple[dict[str, Any], Report]:
    """The message of a whole answer."""
    report = Report(DIALECT.name, "response")
    response = ir.Response(FOREIGN, "id-1", "m-1", 1, (ir.Candidate(blocks, ir.Stop("end")),))
    body = msgspec.to_builtins(DIALECT.response.encode(response, asking(format, report)))
    message: dict[str, Any] = ChatCompletion.model_validate(body).choices[0].message.model_dump()
    return message["audio"], report


def sound(data: bytes = SAMPLES, mime: str | None = SPOKEN, **fields: Any) -> ir.Media:
    return ir.Media("audio", mime, b64(data), **fields)


# --- Whole answers -----------------------------------------------------------------------------


def test_samples_become_a_wav_file_with_an_id_and_a_date() -> None:
    audio, report = heard("wav", sound())
    assert {key: audio[key] for key in ("id", "expires_at", "transcript")} == {
        "id": "audio_7_0",
        "expires_at": 1_700_000_000,  # at once: the id cannot be referred to later
        "transcript": "",
    }
    with wave.open(io.BytesIO(base64.b64decode(audio["data"]))) as file:
        assert (file.getframerate(), file.getnchannels()) == (24_000, 1)
        assert file.readframes(99) == SAMPLES
    assert lost(report) == {}
    assert [change.path for change in report.changes] == ["candidates[0].blocks[0]"]


def test_rate_and_channels_are_those_of_the_media_type() -> None:
    audio, _ = heard("wav", sound(mime="audio/L16;rate=16000;channels=2"))
    with wave.open(io.BytesIO(base64.b64decode(audio["data"]))) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 2)


def test_samples_that_were_asked_for_as_such_stay_as_they_are() -> None:
    audio, report = heard("pcm16", sound(mime="audio/pcm"))
    assert audio["data"] == b64(SAMPLES)
    assert (lost(report), report.changes) == ({}, [])


def test_nobody_can_tell_another_rate_from_bare_samples() -> None:
    audio, report = heard("pcm16", sound(mime="audio/L16;rate=16000"))
    assert audio["data"] == b64(SAMPLES)
    assert lost(report) == {"candidates[0].blocks[0]": "quality"}


@pytest.mark.parametrize("format", ["mp3", "opus", "aac", "flac"])
def test_what_cannot_be_made_is_a_wav_file_and_said(format: str) -> None:
    audio, report = heard(format, sound())
    assert base64.b64decode(audio["data"])[:4] == b"RIFF"
    assert lost(report) == {"candidates[0].blocks[0]": "quality"}


@pytest.mark.parametrize(
    ("format", "mime", "losses"),
    [
        ("mp3", "audio/mpeg", {}),
        ("wav", "audio/x-wav", {}),
        ("flac", "audio/flac; rate=1", {}),
        ("wav", None, {}),
        (None, "audio/mpeg", {}),
        ("wav", "audio/mpeg", {"candidates[0].blocks[0]": "quality"}),
        ("pcm16", "audio/wav", {"candidates[0].blocks[0]": "quality"}),
    ],
)
def test_a_file_stays_as_it_is(format: str | None, mime: str | None, losses: dict[str, str]) -> None:
    audio, report = heard(format, sound(mime=mime))
    assert audio["data"] == b64(SAMPLES)
    assert lost(report) == losses


def test_unasked_samples_are_a_wav_file() -> None:
    audio, _ = heard(None, sound())
    assert base64.b64decode(audio["data"])[:4] == b"RIFF"


def test_what_the_upstream_states_stays() -> None:
    audio, _ = heard("pcm16", sound(id="audio_up", transcript="Hi.", expires=1_800_000_000))
    assert audio == {
        "id": "audio_up",
        "data": b64(SAMPLES),
        "expires_at": 1_800_000_000,
        "transcript": "Hi.",
    }


def test_samples_in_pieces_are_one_sound() -> None:
    audio, report = heard("pcm16", sound(b"abcd", transcript="A"), ir.Text("x"), sound(b"ef", transcript="B"))
    assert base64.b64decode(audio["data"]) == b"abcdef"
    assert audio["transcript"] == "AB"
    assert lost(report) == {}
    assert [change.path for change in report.changes] == [
        "candidates[0].blocks[0]",
        "candidates[0].blocks[2]",
    ]


def test_a_second_sound_of_another_type_is_lost() -> None:
    audio, report = heard("pcm16", sound(), sound(mime="audio/mpeg"))
    assert audio["data"] == b64(SAMPLES)
    assert lost(report) == {"candidates[0].blocks[1]": "meaning"}


def test_a_sound_without_its_bytes_is_lost() -> None:
    report = Report(DIALECT.name, "response")
    blocks = (ir.Media("audio", SPOKEN, url="https://x.test/a"),)
    response = ir.Response(FOREIGN, "id-1", "m-1", 1, (ir.Candidate(blocks),))
    body = DIALECT.response.encode(response, asking("wav", report))
    assert "audio" not in body["choices"][0]["message"]
    assert lost(report) == {"candidates[0].blocks[0]": "meaning"}


@pytest.mark.parametrize("broken", ["A", "AA*AA*AA*AA*"])
def test_broken_base64_passes_as_it_is(broken: str) -> None:
    audio, report = heard("wav", ir.Media("audio", SPOKEN, broken))
    assert audio["data"] == broken
    assert lost(report) == {"candidates[0].blocks[0]": "quality"}


def test_each_candidate_has_an_id_of_its_own() -> None:
    response = ir.Response(
        FOREIGN, "id", "m", 1, tuple(ir.Candidate((sound(),), ir.Stop("end"), index) for index in (0, 1))
    )
    body = DIALECT.response.encode(response, asking("wav", Report(DIALECT.name, "response")))
    ids = [choice["message"]["audio"]["id"] for choice in body["choices"]]
    assert ids == ["audio_7_0", "audio_7_1"]


# --- Streams -----------------------------------------------------------------------------------


def stream(*events: ir.Event, format: str | None = "pcm16") -> tuple[bytes, Report]:
    report = Report(DIALECT.name, "response")
    encoder = DIALECT.stream.encoder(asking(format, report))
    told = (ir.Start(FOREIGN, "id-1", "m-1", 1), *events, ir.Finish(ir.Stop("end")), ir.End())
    return b"".join(map(encoder.feed, told)), report


def accumulated(stream: bytes) -> ChatCompletionAudio:
    """The message's sound as the official client adds it up."""
    state = ChatCompletionStreamState()
    for chunk in chunks_of(stream)[:-1]:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    message = state.get_final_completion().choices[0].message
    assert message.audio is not None
    return ChatCompletionAudio.model_validate(message.audio.model_dump())


OPEN = ir.Open(0, ir.Media("audio", SPOKEN))


def test_pieces_go_out_as_they_come_and_the_date_last() -> None:
    written, report = stream(
        OPEN,
        ir.MediaDelta(0, "AAECAwQF"),
        ir.MediaDelta(0, transcript="Hi"),
        ir.MediaDelta(0, "BgcICQoL", " there"),
        ir.Close(0),
    )
    assert [delta["audio"] for delta in deltas_of(written)[:-1]] == [
        {"id": "audio_7_0", "transcript": ""},
        {"data": "AAECAwQF"},
        {"transcript": "Hi"},
        {"data": "BgcICQoL", "transcript": " there"},
        {"expires_at": 1_700_000_000},
    ]
    assert accumulated(written) == ChatCompletionAudio(
        id="audio_7_0", data="AAECAwQFBgcICQoL", expires_at=1_700_000_000, transcript="Hi there"
    )
    assert (lost(report), report.changes) == ({}, [])


def test_a_block_that_comes_whole_is_one_piece() -> None:
    block = sound(b"abcdef", id="audio_up", transcript="Hi.", expires=1_800_000_000)
    written, _ = stream(ir.Open(0, block), ir.Close(0))
    assert [delta["audio"] for delta in deltas_of(written)[:-1]] == [
        {"id": "audio_up", "transcript": "Hi.", "data": b64(b"abcdef")},
        {"expires_at": 1_800_000_000},
    ]


def test_what_only_the_end_tells_is_said_then() -> None:
    written, _ = stream(OPEN, ir.Close(0, sound(b"abcdef", transcript="Hi.")))
    assert accumulated(written).data == b64(b"abcdef")
    assert accumulated(written).transcript == "Hi."


def test_the_end_repeats_nothing() -> None:
    written, _ = stream(OPEN, ir.MediaDelta(0, b64(b"abc")), ir.Close(0, sound(b"abc")))
    assert accumulated(written).data == b64(b"abc")


@pytest.mark.parametrize(
    "delta",
    [ir.MediaDelta(0, b64(b"abcdef")), ir.MediaDelta(0, transcript="Hi.")],
    ids=["samples", "transcript"],
)
def test_the_end_tells_what_no_delta_told(delta: ir.MediaDelta) -> None:
    written, report = stream(OPEN, delta, ir.Close(0, sound(b"abcdef", transcript="Hi.")))
    found = accumulated(written)
    assert (found.data, found.transcript) == (b64(b"abcdef"), "Hi.")
    assert lost(report) == {}


@pytest.mark.parametrize("pieces", [["YWJj", "ZA=="], ["YW", "JjZ", "A=="], ["YWJjZ", "A"], ["YWJjZA=="]])
def test_pieces_can_be_decoded_alone_and_together(pieces: list[str]) -> None:
    written, _ = stream(OPEN, *(ir.MediaDelta(0, piece) for piece in pieces), ir.Close(0))
    found = [delta["audio"]["data"] for delta in deltas_of(written)[:-1] if delta["audio"].get("data")]
    assert b"".join(map(base64.b64decode, found)) == b"abcd"
    assert base64.b64decode("".join(found), validate=True) == b"abcd"


def test_several_blocks_are_one_sound() -> None:
    written, report = stream(ir.Open(0, sound(b"abcd")), ir.Close(0), ir.Open(1, sound(b"ef")), ir.Close(1))
    assert base64.b64decode(accumulated(written).data, validate=True) == b"abcdef"
    assert lost(report) == {}


def test_a_streamed_sound_of_another_type_is_lost() -> None:
    written, report = stream(
        *(ir.Open(0, sound(b"abc")), ir.Close(0)),
        *(ir.Open(1, sound(b"x", "audio/mpeg")), ir.MediaDelta(1, "eHh4"), ir.Close(1)),
    )
    assert accumulated(written).data == b64(b"abc")
    assert lost(report) == {"candidates[0].blocks[1]": "meaning"}


@pytest.mark.parametrize(
    ("format", "mime"), [("wav", SPOKEN), ("pcm16", "audio/mpeg"), ("pcm16", "audio/L16;rate=8000")]
)
def test_what_a_stream_cannot_hold_to_is_said(format: str, mime: str) -> None:
    written, report = stream(ir.Open(0, sound(b"abc", mime)), ir.Close(0), format=format)
    assert accumulated(written).data == b64(b"abc")
    assert lost(report) == {"candidates[0].blocks[0]": "quality"}


def test_text_beside_sound_keeps_its_place() -> None:
    written, _ = stream(
        *(ir.Open(0, ir.Text("Listen: ")), ir.Close(0)), *(ir.Open(1, sound(b"abc")), ir.Close(1))
    )
    assert deltas_of(written)[0] == {"content": "Listen: "}


def test_a_streamed_sound_by_address_is_lost() -> None:
    written, report = stream(ir.Open(0, ir.Media("audio", SPOKEN, url="https://x.test/a")), ir.Close(0))
    assert b'"audio"' not in written
    assert lost(report) == {"candidates[0].blocks[0]": "meaning"}


@pytest.mark.parametrize("sizes", [[1000, 2, 4], [1, 3, 7, 999], [960], [5], [4802]])
@pytest.mark.parametrize("padded", [True, False])
def test_each_piece_can_be_played_alone_and_all_of_them_together(sizes: list[int], padded: bool) -> None:
    """However the upstream cuts: a player takes samples of two bytes, a client joins the base64."""
    samples = bytes(index * 7 % 256 for index in range(4802))
    whole = samples if padded else b64(samples)
    pieces, at = [], 0
    for size in itertools.cycle(sizes):
        pieces.append(whole[at : at + size])
        at += size
        if at >= len(whole):
            break
    joined = Joined()
    out = [joined.feed(b64(piece) if isinstance(piece, bytes) else piece) for piece in pieces]
    out.append(joined.close())
    assert b"".join(base64.b64decode(piece, validate=True) for piece in out) == samples
    assert base64.b64decode("".join(out), validate=True) == samples
    assert all(len(base64.b64decode(piece)) % 2 == 0 for piece in out)


def test_broken_pieces_pass_as_they_are() -> None:
    joined = Joined()
    assert joined.feed("YWJj") + joined.feed("A") + joined.close() == "YWJjA"


def test_a_broken_piece_keeps_its_place_and_its_characters() -> None:
    joined = Joined()
    assert joined.feed("YWJjZA==") + joined.feed("*A*B") + joined.close() == "YWJjZA==*A*B"
    assert joined.feed("YQ==") + joined.feed("*A") + joined.close() == "YQ==*A"


# --- Asking --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modalities", "audio", "body", "said"),
    [
        (
            ("audio",),
            {"voice": "Kore", "format": "pcm16"},
            {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}},
            {"output.audio.voice": "quality"},
        ),
        (
            ("text", "audio"),
            {"voice": "echo", "format": "wav"},
            {"modalities": ["text", "audio"], "audio": {"voice": "echo", "format": "wav"}},
            {},
        ),
        (
            ("audio",),
            None,
            {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}},
            {},
        ),
        (
            ("audio",),
            {"voice": {"id": "v"}},
            {"modalities": ["text", "audio"], "audio": {"voice": {"id": "v"}, "format": "pcm16"}},
            {},
        ),
        (("text", "image"), None, {"modalities": ["text", "image"]}, {}),
    ],
)
def test_other_protocols_wishes_for_sound(
    modalities: tuple[str, ...], audio: dict[str, Any] | None, body: dict[str, Any], said: dict[str, str]
) -> None:
    output = ir.Output(modalities=modalities, audio=audio)
    request = ir.Request(FOREIGN, "m", (ir.Message("user", (ir.Text("Hi"),)),), output=output)
    report = Report(DIALECT.name)
    written = DIALECT.request.encode(request, Target(report)).body
    assert {key: written[key] for key in ("modalities", "audio") if key in written} == body
    assert lost(report) == said


@pytest.mark.parametrize(
    ("audio", "written", "places"),
    [
        (None, {"voice": "alloy", "format": "pcm16"}, {"audio"}),
        ({"format": "wav"}, {"voice": "alloy", "format": "wav"}, {"audio.voice"}),
        ({"voice": None, "format": "wav"}, {"voice": "alloy", "format": "wav"}, {"audio.voice"}),
        ({"voice": "echo"}, {"voice": "echo", "format": "pcm16"}, {"audio.format"}),
        ({"voice": "echo", "format": "wav"}, {"voice": "echo", "format": "wav"}, set()),
    ],
)
def test_a_voice_or_a_format_that_is_chosen_is_reported(
    audio: dict[str, Any] | None, written: dict[str, Any], places: set[str]
) -> None:
    report = Report("openai_chat")
    body: dict[str, Any] = {"modalities": ["text", "audio"], "audio": audio}
    speak(body, Draft(report))
    assert body["audio"] == written
    assert {change.to for change in report.changes if change.path is None} == places
    assert report.losses == []
