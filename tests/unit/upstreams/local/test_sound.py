"""Sound in its formats, and recordings as samples; what is none, or too long, or a list of other files."""

from __future__ import annotations

import io
import itertools
import math
import resource
import struct
import sys
import wave
from pathlib import Path

import pytest

from dragoman.upstreams.local import sound
from dragoman.upstreams.local.engine import EngineRefused

RATE = 24_000
TONE = struct.pack(f"<{RATE}h", *(int(8000 * math.sin(i * 2 * math.pi * 440 / RATE)) for i in range(RATE)))
"""A second of A."""


def test_samples_and_wav_need_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert sound.encoded(TONE, RATE, "pcm") == TONE
    with wave.open(io.BytesIO(sound.encoded(TONE, RATE, "wav"))) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (RATE, 1, 2)
        assert reader.readframes(RATE) == TONE
    for work in (lambda: sound.encoded(TONE, RATE, "mp3"), lambda: sound.samples_of(b"", RATE)):
        with pytest.raises(EngineRefused, match=r"make models|the extra speech") as caught:
            work()
        assert caught.value.kind == "model"


@pytest.mark.media_model
@pytest.mark.parametrize("output", sorted(set(sound.KINDS) - {"pcm"}))
def test_what_is_written_is_read_again(output: str) -> None:
    samples = sound.samples_of(sound.encoded(TONE, RATE, output), 16_000)
    assert len(samples) / 16_000 == pytest.approx(1.0, abs=0.1)
    middle = samples[4000:12_000]
    assert float(abs(middle).max()) == pytest.approx(8000 / 32768, rel=0.15)
    crossings = sum((a < 0) != (b < 0) for a, b in itertools.pairwise(middle))
    assert crossings == pytest.approx(440, abs=5)


@pytest.mark.media_model
@pytest.mark.parametrize("playlist", ["ffconcat version 1.0\nfile {}\n", "#EXTM3U\n#EXTINF:1,\nfile://{}\n"])
def test_a_list_of_files_is_no_recording(tmp_path: Path, playlist: str) -> None:
    file = tmp_path / "secret.wav"
    file.write_bytes(sound.encoded(TONE, RATE, "wav"))
    with pytest.raises(EngineRefused, match="cannot be decoded") as caught:
        sound.samples_of(playlist.format(file).encode(), 16_000)
    assert caught.value.kind == "invalid"


@pytest.mark.media_model
def test_what_is_too_long_or_silent_or_unwanted_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = sound.encoded(TONE * 3, RATE, "mp3")
    assert sound.samples_of(recording, 16_000, lambda: True) is None
    monkeypatch.setattr(sound, "LONGEST", 1)
    with pytest.raises(EngineRefused, match="longer than"):
        sound.samples_of(recording, 16_000)
    with pytest.raises(EngineRefused, match="no sound"):
        sound.samples_of(sound.encoded(b"", RATE, "wav"), 16_000)


@pytest.mark.media_model
def test_a_sample_that_lasts_a_second_takes_no_memory_for_all_of_it() -> None:
    av, numpy = (
        pytest.importorskip("av", reason="needs the extra `speech`"),
        pytest.importorskip("numpy", reason="needs the extra `embeddings`"),
    )
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("pcm_u8", rate=1, layout="mono")
        frame = av.AudioFrame.from_ndarray(numpy.zeros((1, 5000), numpy.uint8), format="u8", layout="mono")
        frame.sample_rate = 1
        container.mux(stream.encode(frame))
    began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(EngineRefused, match="longer than 60 minutes"):
        sound.samples_of(file.getvalue(), 16_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began < 50_000
