"""Speech by hibari: English text to sound, one voice, some hundred times faster than it is spoken.

The package is run in the model process, which holds no credentials. Its only voice here is the one inside
the package: another would be downloaded. Source: https://github.com/MMWilliams/hibari
"""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from dragoman.upstreams.local.engine import EngineRefused, missing_engine
from dragoman.upstreams.local.protocol import Options, Speak, Spoken
from dragoman.upstreams.local.sound import LONGEST, encoded

_LONGEST: Final = 400
"""Characters that are spoken in one breath. The voice reads a sentence at once, in time and memory that grow
with the square of its length: a text without a full stop would take gigabytes.
"""
_SPELLED: Final = 100
"""The same of capitals, figures and signs, which may be words each."""


class Hibari:
    """The engine."""

    def __init__(self) -> None:
        try:
            self._numpy = importlib.import_module("numpy")
            self._native = importlib.import_module("hibari")
        except ImportError as error:
            raise missing_engine("speech", error) from error

    def load(self, options: Options) -> HibariModel:
        """Load the voice of this file. More threads than one help little."""
        try:
            return HibariModel(self._numpy, self._native.Hibari(model=options.path, threads=1))
        except ImportError as error:
            raise missing_engine("speech", error) from error
        except Exception as error:  # the runtime has errors of its own for a file that it cannot read
            raise EngineRefused("model", f"{options.path} cannot be loaded: {error}") from error


class HibariModel:
    """The loaded voice. The same text is the same sound."""

    context = None

    def __init__(self, numpy: Any, voice: Any) -> None:
        self._np = numpy
        self._voice: Any = voice

    def answer(self, order: Speak, cancelled: Callable[[], bool]) -> Spoken | None:
        """The sound of a text, sentence by sentence."""
        np = self._np
        sentences: list[bytes] = []
        left = LONGEST * int(self._voice.sample_rate)
        for text in breaths(self._voice.split_sentences(order.text)):
            if cancelled():
                return None
            try:
                spoken = self._voice(text, order.speed, seed=0)
            except Exception as error:  # its rules of reading stumble over some texts, such as 400 digits
                raise EngineRefused("invalid", f"the voice cannot pronounce {text[:40]!r}…") from error
            if (left := left - spoken.size) < 0:
                raise EngineRefused(
                    "invalid", f"the speech for this text is longer than {LONGEST // 60} minutes"
                )
            sentences.append((np.clip(spoken, -1.0, 1.0) * 32767).astype("<i2").tobytes())
        samples = b"".join(sentences)
        if not samples:
            raise EngineRefused("invalid", "this text contains nothing that an English voice can speak")
        rate = int(self._voice.sample_rate)
        return Spoken(order.id, encoded(samples, rate, order.output), rate)

    def cancel(self) -> None:
        """Nothing to interrupt: a sentence takes a fraction of a second."""

    def close(self) -> None:
        """Forget the voice."""
        self._voice = None


def breaths(sentences: Sequence[str]) -> Iterator[str]:
    """The sentences, those that are too long cut between words, or within a word that is itself too long."""
    for sentence in sentences:
        prose = sum(char.islower() or char.isspace() for char in sentence)
        longest = _LONGEST if 2 * prose >= len(sentence) else _SPELLED
        if len(sentence) <= longest:
            yield sentence
        else:
            yield from textwrap.wrap(sentence, longest, break_on_hyphens=False)
