"""Transcription by Whisper with English weights, through faster-whisper and CTranslate2. Nothing is
downloaded.

https://github.com/SYSTRAN/faster-whisper, https://huggingface.co/Systran/faster-whisper-tiny.en
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from dragoman.upstreams.local.cores import usable_cores
from dragoman.upstreams.local.engine import EngineRefused, library
from dragoman.upstreams.local.protocol import Options, Span, Transcribe, Transcribed
from dragoman.upstreams.local.sound import samples_of

_RATE: Final = 16_000
"""The number of samples per second that Whisper reads."""
_PIECE: Final = 3000
"""The number of columns of a spectrum that are computed at once: half a minute of audio."""


class Whisper:
    """The engine that runs Whisper. The constructor sets HF_HUB_OFFLINE in the environment of this process,
    so that no library connects to the model hub. It raises EngineRefused("model") if faster-whisper is not
    installed.
    """

    def __init__(self) -> None:
        # The package also contains a client of the model hub, which must never connect.
        os.environ["HF_HUB_OFFLINE"] = "1"
        # As for llama.cpp: threads in a busy loop take the CPU from those that work.
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
        self._native = library("faster_whisper", "speech")

    def load(self, options: Options) -> WhisperModel:
        """Load the weights from the folder of the file `options.path`. Raises EngineRefused("model") if that
        fails.
        """
        try:
            model = self._native.WhisperModel(
                str(Path(options.path).parent),
                device="cpu",
                compute_type="int8",
                cpu_threads=options.threads or usable_cores(),
                local_files_only=True,
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineRefused("model", f"{options.path} cannot be loaded: {error}") from error
        return WhisperModel(model)


class _Cancelled(Exception):
    """Ends the computation of a job that was cancelled."""


class _Encode:
    """Wraps the model's encoder to notice a cancellation: if `cancelled` returns True, a call raises
    _Cancelled instead of encoding.
    """

    def __init__(self, native: Callable[[Any], Any]) -> None:
        self._native = native
        self.cancelled: Callable[[], bool] = lambda: False

    def __call__(self, features: Any) -> Any:
        if self.cancelled():
            raise _Cancelled
        return self._native(features)


class Spectra:
    """Computes the same spectrum of a recording as faster-whisper's own object (`FeatureExtractor`) does, but
    in parts, which takes less memory. The spectrum has one column for each hundredth of a second.

    native: faster-whisper's own object. Attributes that this class does not have are read from `native`.
    cancelled: returns whether the job is cancelled.
    """

    def __init__(self, native: Any) -> None:
        self._native = native
        self._numpy: Any = library("numpy", "speech")
        self.cancelled: Callable[[], bool] = lambda: False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._native, name)

    def __call__(self, samples: Any, padding: int = 160, chunk_length: int | None = None) -> Any:
        """Return the spectrum: bands × columns of 32-bit floats. samples: 32-bit floats. padding: how many
        zeros follow the samples. chunk_length: must be None. Raises _Cancelled if `cancelled` returns True,
        which is asked before each half minute of the recording.
        """
        assert chunk_length is None
        numpy, native = self._numpy, self._native
        step, width = native.hop_length, native.n_fft
        window = numpy.hanning(width + 1)[:-1].astype(numpy.float32)
        columns = (len(samples) + padding) // step
        spectrum = numpy.empty((len(native.mel_filters), columns), numpy.float32)
        for first in range(0, columns, _PIECE):
            if self.cancelled():
                raise _Cancelled
            last = min(first + _PIECE, columns)
            sound = self._cut(
                samples, first * step - width // 2, (last - 1) * step + width // 2, len(samples) + padding
            )
            waves = native.stft(sound, width, step, window=window, center=False, return_complex=True)
            strengths = numpy.abs(waves.astype(numpy.complex64)) ** 2
            numpy.log10(numpy.maximum(native.mel_filters @ strengths, 1e-10), out=spectrum[:, first:last])
        numpy.maximum(spectrum, spectrum.max() - 8.0, out=spectrum)
        spectrum += 4.0
        spectrum /= 4.0
        return spectrum

    def _cut(self, samples: Any, start: int, stop: int, end: int) -> Any:
        """Return the sound from position `start` to `stop`: the samples, then zeros up to the position `end`.
        Before position 0 and after `end`, the sound is mirrored.
        """
        numpy = self._numpy
        part = samples[max(start, 0) : stop]
        silence = max(0, min(stop, end) - max(len(samples), start))
        part = numpy.pad(part, (0, silence))
        return numpy.pad(part, (max(-start, 0), max(stop - end, 0)), mode="reflect")


class WhisperModel:
    """The loaded Whisper model."""

    context = None

    def __init__(self, model: Any) -> None:
        self._model = model
        self._encode = model.encode = _Encode(model.encode)
        self._spectra = model.feature_extractor = Spectra(model.feature_extractor)

    def answer(self, order: Transcribe, cancelled: Callable[[], bool]) -> Transcribed | None:
        samples = samples_of(order.data, _RATE, cancelled)
        if samples is None:
            return None
        duration = len(samples) / _RATE
        settings: dict[str, Any] = {} if order.temperature is None else {"temperature": order.temperature}
        self._encode.cancelled = self._spectra.cancelled = cancelled
        segments, words = list[Span](), list[Span]()
        try:
            heard, _ = self._model.transcribe(
                samples, language="en", initial_prompt=order.prompt, word_timestamps=order.words, **settings
            )
            del samples
            for segment in heard:
                segments.append(_segment(segment))
                words += [_word(word) for word in segment.words or ()]
        except _Cancelled:
            return None
        return Transcribed(
            order.id,
            "".join(segment.text for segment in segments).strip(),
            duration,
            tuple(segments),
            tuple(words) if order.words else None,
        )

    def cancel(self) -> None:
        """Do nothing: a cancellation is noticed before each half minute of audio."""

    def close(self) -> None:
        self._model.model.unload_model()


def _segment(segment: Any) -> Span:
    """Return a segment of the engine as a `Span`, with Python's numbers instead of numpy's."""
    detail = {
        "seek": int(segment.seek),
        "tokens": [int(token) for token in segment.tokens],
        "temperature": float(segment.temperature),
        "avg_logprob": float(segment.avg_logprob),
        "compression_ratio": float(segment.compression_ratio),
        "no_speech_prob": float(segment.no_speech_prob),
    }
    return Span(segment.text, float(segment.start), float(segment.end), detail)


def _word(word: Any) -> Span:
    return Span(word.word.strip(), float(word.start), float(word.end))
