"""Half minutes of a recording: a cancellation is heard before each, whether or not anything is said in it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dragoman.upstreams.local import whisper
from dragoman.upstreams.local.protocol import Options, Transcribe
from dragoman.upstreams.local.whisper import WhisperModel


class Silence:
    """A native model that hears ten half minutes of nothing."""

    def __init__(self) -> None:
        self.heard = 0

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
