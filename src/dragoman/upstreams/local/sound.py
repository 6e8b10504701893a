"""Encodes audio in the common formats, and decodes recordings to samples.

WAV and raw samples are encoded without a library. Everything else needs numpy and PyAV (FFmpeg in a wheel):
https://pyav.basswood-io.com/docs/stable/
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from dragoman.upstreams.local.engine import EngineRefused, library
from dragoman.wire.wav import Pcm, wav


class _Codec(NamedTuple):
    """An audio format. container, codec: the names that PyAV uses for it. kind: its media type."""

    container: str
    codec: str
    kind: str


_CODECS: Final = {
    "mp3": _Codec("mp3", "libmp3lame", "audio/mpeg"),
    "opus": _Codec("ogg", "libopus", "audio/opus"),
    "aac": _Codec("adts", "aac", "audio/aac"),
    "flac": _Codec("flac", "flac", "audio/flac"),
}
KINDS: Final = {"wav": "audio/wav", "pcm": "audio/pcm"} | {
    name: codec.kind for name, codec in _CODECS.items()
}
"""The media types, by format. "pcm" = 16-bit little-endian samples of one channel, without header."""
PLAIN: Final = frozenset({"wav", "pcm"})
"""The formats that are encoded without a library."""
LONGEST: Final = 3600
"""The most seconds of audio that are transcribed or spoken. A small file can contain days of silence, which
would take memory when decoded; and a short text can contain long numbers.
"""


# A playlist is a file that names other files and addresses for FFmpeg to open. So only formats that hold the
# audio itself are allowed, and FFmpeg may open nothing else.
_OPTIONS: Final = {
    "format_whitelist": "aac,ac3,aiff,amr,asf,au,caf,flac,flv,m4a,matroska,mov,mp3,mp4,mpeg,mpegts,ogg,w64,"
    "wav,webm",
    "protocol_whitelist": "none",
}


def encoded(samples: bytes, rate: int, output: str) -> bytes:
    """Return samples in an audio format. samples: 16-bit little-endian samples of one channel. rate: samples
    per second. output: a key of KINDS. Raises EngineRefused("model") if the format needs a library (it is not
    in `PLAIN`) that is not installed.
    """
    if output == "pcm":
        return samples
    if output == "wav":
        return wav(samples, Pcm(rate))
    av, numpy = library("av", "speech"), library("numpy", "speech")
    codec, file = _CODECS[output], io.BytesIO()
    with av.open(file, "w", format=codec.container) as container:
        stream = container.add_stream(codec.codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            numpy.frombuffer(samples, "<i2").reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return file.getvalue()


def samples_of(data: bytes, rate: int, cancelled: Callable[[], bool] = lambda: False) -> Any:
    """Decode a recording to a numpy array of 32-bit floats from -1 to 1, with one channel and `rate` samples
    per second. The accepted formats are in `_OPTIONS`. Return None if `cancelled` returned True before the
    end. Raises EngineRefused: "invalid" if the recording cannot be decoded, contains no sound or is longer
    than `LONGEST` seconds, "model" if PyAV or numpy is not installed.
    """
    av, numpy = library("av", "speech"), library("numpy", "speech")
    parts: list[Any] = []
    length, seconds = 0, 0.0
    try:
        with av.open(io.BytesIO(data), mode="r", metadata_errors="ignore", options=_OPTIONS) as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
            for frame in itertools.chain(container.decode(audio=0), [None]):
                # Checked before resampling: at a rate of one sample a second, each becomes 16,000.
                seconds += 0.0 if frame is None else frame.samples / frame.sample_rate
                if seconds > LONGEST:
                    raise EngineRefused("invalid", f"the audio is longer than {LONGEST // 60} minutes")
                for resampled in resampler.resample(frame):
                    parts.append(resampled.to_ndarray().reshape(-1))
                    length += parts[-1].size
                if cancelled():
                    return None
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise EngineRefused("invalid", f"the audio cannot be decoded: {_reason(error)}") from error
    if not length:
        raise EngineRefused("invalid", "the audio file contains no sound")
    samples = numpy.concatenate(parts, dtype=numpy.float32)
    samples *= numpy.float32(1 / 32768)
    return samples


def _reason(error: Exception) -> str:  # without the error number and file name of FFmpeg's exceptions
    return str(getattr(error, "strerror", None) or error)
