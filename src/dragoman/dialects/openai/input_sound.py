"""Measures the sound that a client sends in a realtime session, in milliseconds.

The formats are those of `types.realtime.RealtimeAudioFormats` of the client openai 3.54.0 (16-bit samples at
24,000 Hz, or G.711 at 8,000 Hz), of the beta version (`input_audio_format`), and those with other rates of
Azure (`input_audio_sampling_rate`) and xAI (`audio/pcm` with 8,000 to 48,000 Hz); recorded sessions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_PCM: Final = re.compile(r"(?:audio/)?(?:pcm|pcm16|l16)(?:_(\d{4,5})hz)?", re.IGNORECASE)
"""Matches formats of 16-bit samples. The group is the rate in Hz, if the format's name states it."""
_USUAL_RATE: Final = 24_000
_RATES: Final = range(8_000, 48_001)
"""The rates in Hz that a client may state. Another one counts as the nearest of them."""
_SLOWEST: Final = 8.0
"""Bytes of one millisecond in G.711, and in any other format: the fewest of all known formats, so that sound
in an unknown one seems rather too long than too short.
"""
_USUAL: Final = 48.0
"""Bytes of one millisecond in the format of sessions that state none: 24,000 samples of 16 bits a second."""
_OVERHEAD: Final = 1_000
"""The most characters of an event beside its sound. If there are more, they may be sound too: the member may
stand in the event twice.
"""


class InputSound:
    """Measures the sound that the client of one session sends. The format is the one that the provider has
    stated last; if it has stated none, the one of the client's settings. After the client has stated another
    one, the slower of both counts until the provider states it, so that sound does not seem too short.
    """

    def __init__(self) -> None:
        self._stated: float | None = None
        """Bytes of a millisecond in the format that the provider states; None = it has stated none."""
        self._rate = _USUAL
        """The bytes of a millisecond that count."""

    def said(self, settings: Any) -> None:
        """Note the format in settings that the client sends, if they have one."""
        if (said := bytes_of(settings)) is not None:
            self._rate = said if self._stated is None else min(said, self._stated)

    def heard(self, settings: Any) -> None:
        """Note the format in settings that the provider states, if they have one."""
        if (stated := bytes_of(settings)) is not None:
            self._rate = self._stated = stated

    def milliseconds(self, sound: bytes, event: int) -> float:
        """Return the length of the sound in one event. sound: the JSON value with the sound in base64. event:
        the characters of the whole event.
        """
        if sound[:1] != b'"':
            return 0.0
        size = len(sound) - 2
        if b"\\" in sound:
            size -= sound.count(b"\\/")  # the most usual escape; others are left, and seem to be sound
        return max(size, event - _OVERHEAD) * 3 / 4 / self._rate


def bytes_of(settings: Any) -> float | None:
    """Return the bytes of one millisecond in the format that a session's `settings` state for the client's
    sound; None = they state none.
    """
    if not isinstance(settings, Mapping):
        return None
    audio = settings.get("audio")
    given = audio.get("input") if isinstance(audio, Mapping) else None
    form: Any = given.get("format") if isinstance(given, Mapping) else None
    rate: Any = None
    if isinstance(form, Mapping):
        form, rate = form.get("type"), form.get("rate")
    if not isinstance(form, str):
        form, rate = settings.get("input_audio_format"), settings.get("input_audio_sampling_rate")
    if not isinstance(form, str) or form == "not specified":
        return None
    if (found := _PCM.fullmatch(form)) is None:
        return _SLOWEST
    if found[1] is not None:
        rate = int(found[1])
    hertz = rate if isinstance(rate, int) and not isinstance(rate, bool) else _USUAL_RATE
    return 2 * min(max(hertz, _RATES[0]), _RATES[-1]) / 1000
