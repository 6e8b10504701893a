"""Raw samples become a file that a standard reader opens; what is no raw sound is told apart."""

from __future__ import annotations

import io
import wave

import pytest

from dragoman.errors import WireError
from dragoman.wire.wav import Pcm, pcm_of, unpacked, wav

SAMPLES = bytes(range(8))


@pytest.mark.parametrize(
    ("mime", "pcm"),
    [
        ("audio/L16;codec=pcm;rate=24000", Pcm(24_000, 1)),
        ("audio/L16; codec=pcm; rate=16000; channels=2", Pcm(16_000, 2)),
        ("audio/l16;RATE=8000", Pcm(8_000, 1)),
        ('audio/L16;rate="44100"', Pcm(44_100, 1)),
        ("audio/pcm", Pcm(24_000, 1)),
        ("audio/L16", Pcm(24_000, 1)),
        ("audio/pcm;rate=fast", Pcm(24_000, 1)),
        ("audio/pcm;rate=0;channels=0", Pcm(24_000, 1)),
        ("audio/pcm;rate=99999999999", Pcm(24_000, 1)),
        ("audio/pcm;channels=70000", Pcm(24_000, 1)),
        ("audio/pcm;rate=" + "9" * 5000, Pcm(24_000, 1)),
        ("audio/wav", None),
        ("audio/L24;rate=24000", None),
        ("image/png", None),
        ("", None),
        (None, None),
    ],
)
def test_raw_sound_is_told_by_its_media_type(mime: str | None, pcm: Pcm | None) -> None:
    assert pcm_of(mime) == pcm


def test_a_standard_reader_opens_the_file() -> None:
    with wave.open(io.BytesIO(wav(SAMPLES, Pcm(16_000, 2)))) as file:
        assert file.getframerate() == 16_000
        assert file.getnchannels() == 2
        assert file.getsampwidth() == 2
        assert file.readframes(99) == SAMPLES


def test_the_header_has_44_bytes_and_states_the_lengths() -> None:
    file = wav(SAMPLES, Pcm())
    header = b"RIFF\x2c\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"
    header += b"\xc0\x5d\x00\x00\x80\xbb\x00\x00\x02\x00\x10\x00data\x08\x00\x00\x00"
    assert file == header + SAMPLES


def test_no_samples_are_a_file_too() -> None:
    with wave.open(io.BytesIO(wav(b"", Pcm()))) as file:
        assert file.getnframes() == 0


def test_samples_come_out_as_they_went_in() -> None:
    assert unpacked(wav(SAMPLES, Pcm(16_000, 2))) == (SAMPLES, Pcm(16_000, 2))


def test_chunks_between_and_a_length_that_nobody_knew() -> None:
    """As FFmpeg writes to a pipe: a list of what wrote it, and sizes that are all ones."""
    file = wav(SAMPLES, Pcm(24_000))
    listed = b"LIST" + (5).to_bytes(4, "little") + b"INFO!" + b"\0"
    piped = file[:36] + listed + b"data" + b"\xff" * 4 + SAMPLES
    assert unpacked(piped) == (SAMPLES, Pcm(24_000))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ID3",
        b"RIFF\0\0\0\0WAVE",
        wav(SAMPLES, Pcm())[:30],
        wav(SAMPLES, Pcm())[:36],
        wav(SAMPLES, Pcm()).replace(b"\x10\0data", b"\x20\0data"),
        b"RIFF\0\0\0\0WAVEdata\x02\0\0\0ab",
    ],
)
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        unpacked(data)


def test_a_file_of_empty_chunks_is_not_read_to_its_end() -> None:
    chunks = b"junk\0\0\0\0" * 5000
    with pytest.raises(WireError):
        unpacked(b"RIFF\0\0\0\0WAVE" + chunks + wav(b"\0\0", Pcm())[12:])


@pytest.mark.parametrize("whole", [0, 36, 0xFFFFFFFF])
def test_a_length_of_0_that_was_never_filled_in(whole: int) -> None:
    file = bytearray(wav(SAMPLES, Pcm(16_000)))
    file[4:8], file[40:44] = whole.to_bytes(4, "little"), bytes(4)
    assert unpacked(bytes(file)) == (SAMPLES, Pcm(16_000))


def test_no_samples_before_another_chunk() -> None:
    more = b"LIST" + (4).to_bytes(4, "little") + b"INFO"
    file = bytearray(wav(b"", Pcm(16_000)) + more)
    file[4:8] = (36 + len(more)).to_bytes(4, "little")
    assert unpacked(bytes(file)) == (b"", Pcm(16_000))


def test_samples_are_not_copied() -> None:
    samples, _ = unpacked(memoryview(wav(b"\1\2\3\4", Pcm())))
    assert isinstance(samples, memoryview)
    assert bytes(samples) == b"\1\2\3\4"
