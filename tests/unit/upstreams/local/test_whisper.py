"""Half minutes of a recording: a cancellation is heard before each, whether or not anything is said in it,
and no more than one is in memory many times over.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dragoman.upstreams.local import whisper
from dragoman.upstreams.local.protocol import Options, Transcribe
from dragoman.upstreams.local.whisper import Spectra, WhisperModel


class Silence:
    """A native model that hears ten half minutes of nothing."""

    def __init__(self) -> None:
        self.heard = 0
        self.feature_extractor = None

    def encode(self, features: Any) -> Any:
        self.heard += 1
        return features

    def transcribe(self, samples: Any, **_: Any) -> tuple[Iterator[Any], Any]:
        return self._segments(samples), SimpleNamespace()

    def _segments(self, samples: Any) -> Iterator[Any]:
        for _ in range(10):
            self.encode(samples)
        yield from ()


def test_a_silent_recording_is_left_once_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    def samples_of(data: bytes, *_: object) -> bytes:
        return data

    monkeypatch.setattr(whisper, "samples_of", samples_of)
    native = Silence()
    model = WhisperModel(native)
    order = Transcribe(1, Options("w", engine="whisper"), b"")
    assert model.answer(order, lambda: native.heard == 3) is None
    assert native.heard == 3
    answer = model.answer(order, lambda: False)
    assert answer is not None
    assert answer.text == ""


@pytest.mark.parametrize(
    "length",
    [1, 39, 40, 41, 159, 160, 200, 201, 16_000, 480_000, 480_040, 480_199, 480_200, 480_361, 1_000_003],
)
def test_a_spectrum_in_pieces_is_the_engine_s_own(length: int) -> None:
    numpy = pytest.importorskip("numpy", reason="needs the extra `embeddings`")
    native = pytest.importorskip(
        "faster_whisper.feature_extractor", reason="needs the extra `speech`"
    ).FeatureExtractor()
    samples = numpy.random.default_rng(length).uniform(-1, 1, length).astype(numpy.float32)
    whole, pieces = native(samples), Spectra(native)(samples)
    assert pieces.shape == whole.shape
    assert pieces.dtype == whole.dtype
    assert numpy.allclose(pieces, whole, atol=1e-5)


def test_a_spectrum_takes_little_memory_and_is_left_once_it_is_cancelled() -> None:
    numpy = pytest.importorskip("numpy", reason="needs the extra `embeddings`")
    spectra = Spectra(
        pytest.importorskip(
            "faster_whisper.feature_extractor", reason="needs the extra `speech`"
        ).FeatureExtractor()
    )
    minutes = 5
    samples = numpy.zeros(minutes * 60 * 16_000, numpy.float32)
    tracemalloc.start()
    try:
        spectra(samples)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < (40 << 20) + minutes * (2 << 20)
    spectra.cancelled = lambda: True
    with pytest.raises(whisper._Cancelled):
        spectra(samples)
