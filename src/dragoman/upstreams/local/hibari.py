"""Speech by hibari: English text to audio, one voice.

Only the voice in the package is used; other voices would be downloaded. https://github.com/MMWilliams/hibari
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from dragoman.upstreams.local.engine import EngineRefused, library, missing_engine
from dragoman.upstreams.local.protocol import Options, Speak, Spoken
from dragoman.upstreams.local.sound import LONGEST, encoded

_LONGEST: Final = 400
"""The most characters that are spoken at once. Time and memory grow with the square of this number."""
_SPELLED: Final = 100
"""The most characters that are spoken at once if a text has mostly capitals, digits and signs, each of which
may be spoken as a word.
"""


class Hibari:
    """The engine that runs hibari. The constructor raises EngineRefused("model") if numpy or hibari is not
    installed.
    """

    def __init__(self) -> None:
        self._numpy = library("numpy", "speech")
        self._native = library("hibari", "speech")

    def load(self, options: Options) -> HibariModel:
        """Load the voice in the file `options.path`, to run with one thread; the other options are not used.
        Raises EngineRefused("model") if that fails.
        """
        try:
            return HibariModel(self._numpy, self._native.Hibari(model=options.path, threads=1))
        except ImportError as error:
            raise missing_engine("speech", error) from error
        except Exception as error:  # the runtime raises its own errors for an invalid file
            raise EngineRefused("model", f"{options.path} cannot be loaded: {error}") from error


class HibariModel:
    """The loaded voice. The same text, speed and format give the same audio."""

    context = None

    def __init__(self, numpy: Any, voice: Any) -> None:
        self._np = numpy
        self._voice: Any = voice

    def answer(self, order: Speak, cancelled: Callable[[], bool]) -> Spoken | None:
        np = self._np
        sentences: list[bytes] = []
        left = LONGEST * int(self._voice.sample_rate)
        for text in breaths(self._voice.split_sentences(order.text)):
            if cancelled():
                return None
            try:
                spoken = self._voice(text, order.speed, seed=0)
            except Exception as error:  # the voice's reading rules fail on some texts, for example 400 digits
                raise EngineRefused("invalid", f"the voice cannot pronounce {text[:40]!r}…") from error
            if (left := left - spoken.size) < 0:
                message = f"the speech for this text is longer than {LONGEST // 60} minutes"
                raise EngineRefused("invalid", message)
            sentences.append((np.clip(spoken, -1.0, 1.0) * 32767).astype("<i2").tobytes())
        samples = b"".join(sentences)
        if not samples:
            raise EngineRefused("invalid", "this text contains nothing that an English voice can speak")
        rate = int(self._voice.sample_rate)
        return Spoken(order.id, encoded(samples, rate, order.output), rate)

    def cancel(self) -> None:
        """Do nothing: `answer` checks for a cancellation before each piece of text."""

    def close(self) -> None:
        self._voice = None


def breaths(sentences: Sequence[str]) -> Iterator[str]:
    """Yield the sentences, cut into pieces of at most 400 characters, or at most 100 if less than half of the
    sentence is small letters and white space. A sentence is cut between words. Only a word that is longer
    than a piece is cut inside.
    """
    for sentence in sentences:
        prose = sum(char.islower() or char.isspace() for char in sentence)
        longest = _LONGEST if 2 * prose >= len(sentence) else _SPELLED
        if len(sentence) <= longest:
            yield sentence
        else:
            yield from textwrap.wrap(sentence, longest, break_on_hyphens=False)
