"""Speech without a model, and made-up transcripts of recordings, whose content is not recognised. Pure: the
same request and seed give the same answer.

Speech is one tone for each word. The word, the voice and the seed decide the pitch of the tone; the number of
letters and the speed decide its duration. In the format mp3, speech is silence of about the same duration,
because that needs no encoder.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from typing import Final, NamedTuple

from dragoman import ir
from dragoman.errors import WireError
from dragoman.upstreams.simulate.words import Draw, sentence
from dragoman.wire.wav import Pcm, unpacked, wav

RATE: Final = 24_000
KINDS: Final = {"mp3": "audio/mpeg", "wav": "audio/wav", "pcm": "audio/pcm"}
_LETTER: Final = 0.06
"""Seconds of a tone for each letter of its word, at normal speed. The pause after a word has the same
duration as one letter.
"""
_LOUDNESS: Final = 8_000
_PERIODS: Final = range(60, 180)
"""The possible lengths of one wave of a tone, in samples: 400 to 134 Hz."""
_SILENT_FRAME: Final = bytes((0xFF, 0xF3, 0x14, 0xC4)).ljust(24, b"\0")
"""One silent mp3 frame, MPEG-2 layer III, 8 kbit/s, 24 kHz, mono: a header, and side information without
data.
"""
_FRAME: Final = 576
"""The number of samples in one mp3 frame."""
MOST: Final = 12_000_000
"""The most bytes of speech: in wav and pcm, four minutes, or 4,096 letters (the limit of OpenAI's API) at
normal speed.
"""
_WORD: Final = 0.4
"""Seconds of a word in the transcript of a recording whose duration is 0 or unknown."""


def length(request: ir.SpeechRequest, output: str) -> int:
    """Return approximately the number of bytes that `spoken` would return. output: the format, a key of
    KINDS.
    """
    letters = sum(len(word) + 1 for word in request.text.split())
    samples = 2 * letters * _LETTER * RATE / (request.speed or 1)
    return round(samples / 2 / _FRAME * len(_SILENT_FRAME) if output == "mp3" else samples)


def spoken(request: ir.SpeechRequest, output: str, seed: int) -> bytes:
    """Return the speech for the request's text, as bytes in the format `output`, a key of KINDS."""
    tones = [_tone(word, request, seed) for word in request.text.split()]
    size = sum(tone.size for tone in tones)
    if output == "mp3":
        return _SILENT_FRAME * max(math.ceil(size / 2 / _FRAME), 1)
    samples = bytearray(size)  # allocated at once: a growing buffer would be copied and fragment the memory
    place = 0
    for tone in tones:
        sounding = len(tone.wave) * tone.waves
        samples[place : place + sounding] = tone.wave * tone.waves
        place += tone.size
    return wav(samples, Pcm(RATE)) if output == "wav" else bytes(samples)


class _Tone(NamedTuple):
    """The tone of one word. wave: the samples of one wave, 16 bits each. waves: how often the wave is
    repeated. size: the bytes of all these waves and of the pause after them.
    """

    wave: bytes
    waves: int
    size: int


def _tone(word: str, request: ir.SpeechRequest, seed: int) -> _Tone:
    period = Draw(f"{seed}/{request.voice}/{word.casefold()}".encode()).one(_PERIODS)
    letter = _LETTER * RATE / (request.speed or 1)
    waves = max(round(letter * len(word) / period), 1)
    return _Tone(_wave(period), waves, 2 * (period * waves + round(letter)))


@cache
def _wave(period: int) -> bytes:
    wave = [round(_LOUDNESS * math.sin(2 * math.pi * place / period)) for place in range(period)]
    return struct.pack(f"<{period}h", *wave)


def written(request: ir.TranscriptionRequest, model: str, seed: int) -> ir.TranscriptionResponse:
    """Return a transcript with random words: two sentences, whose words share the duration of the recording
    equally. If the duration is 0 or unknown (no WAV file, or a URL), each word takes `_WORD` seconds. For the
    output `diarized_json`, the sentences have the speakers A and B. seed: decides the words, together with
    the recording.
    """
    audio = request.audio
    digest = blake2b(audio.data if audio.url is None else audio.url.encode()).digest()
    draw = Draw(b"%d/%b" % (seed, digest))
    told = [sentence(draw) for _ in range(2)]
    words = [word for text in told for word in text.split()]
    length = _length(audio.data) or len(words) * _WORD
    each = length / len(words)
    return ir.TranscriptionResponse(
        " ".join(told),
        "english",
        length,
        _segments(told, each, speakers=request.output == "diarized_json"),
        tuple(ir.Word(word, round(at * each, 3), round((at + 1) * each, 3)) for at, word in enumerate(words)),
        model,
    )


def _segments(told: Sequence[str], each: float, *, speakers: bool) -> tuple[ir.Segment, ...]:
    segments: list[ir.Segment] = []
    at = 0
    for place, text in enumerate(told):
        start, at = at, at + len(text.split())
        speaker = "AB"[place % 2] if speakers else None
        segments.append(ir.Segment(" " + text, round(start * each, 3), round(at * each, 3), speaker))
    return tuple(segments)


def _length(data: bytes | memoryview) -> float:
    """Return the duration of a WAV file in seconds; 0 for data that `unpacked` cannot read."""
    try:
        samples, pcm = unpacked(memoryview(data))
    except WireError:
        return 0.0
    return len(samples) / 2 / pcm.channels / pcm.rate
