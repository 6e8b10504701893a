"""How much a request beside chat asks for, in the units that providers bill: pictures, characters, sound,
searches.

Some models bill the same work by tokens. So the amounts are in all units that may count, and the prices
decide (`Rates.bill` leaves out what has no price). Sources of the tokens:
https://platform.openai.com/docs/guides/image-generation#cost-and-latency (pictures),
https://platform.openai.com/docs/guides/realtime-costs (sound: one token for 100 ms that are heard, one for
50 ms that are spoken), https://ai.google.dev/gemini-api/docs/tokens (32 a second),
https://docs.cohere.com/docs/how-does-cohere-pricing-work (a search has up to 100 documents of 500 tokens).
Read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from dragoman import ir
from dragoman.errors import WireError
from dragoman.ir.units import INPUT, OUTPUT, TOKENS, picture
from dragoman.providers.rates import Rates
from dragoman.tokens import LARGE_PICTURE
from dragoman.wire.wav import unpacked

MEASURED: Final = frozenset({"image", "speech", "transcription", "rerank"})
"""The operations that have measures."""
_TOKENS: Final = frozenset(TOKENS)
_TELLING: Final = frozenset({"output_image", "output_audio", "input_audio"})
"""The units whose price shows that a model bills its work by tokens."""
_SQUARE: Final = {"low": 272, "medium": 1056}
_LARGER: Final = {"low": 408, "medium": 1584}
_FINE_SQUARE: Final = 4160
_FINE: Final = 6240
"""The tokens of a picture that is made, of high quality or of one that is not stated."""
_FAITHFUL: Final = 6240
"""The tokens that an edited picture adds with `input_fidelity: high`."""
_PARTIAL: Final = 100
"""The tokens of each unfinished picture in a stream."""
_UNITS_OF_TEXT: Final = 2
"""Nearly no text has more than one token for so many characters."""
_CHUNK: Final = 500 * 2
"""The bytes of a document, with the query, that are at most one of a search's documents."""
_SEARCHED: Final = 100
_MINUTE: Final = 60.0
"""Seconds of a recording that only its address names."""


class _Usual(NamedTuple):
    """How long sound is, and how many tokens it has. spoken: characters of text for a second of speech.
    bytes: of a compressed recording, for a second. heard, said: tokens for a second of a recording, and of
    speech that is made. written: tokens of a transcript for a second.
    """

    spoken: float
    bytes: int
    heard: int
    said: int
    written: int


_PROBABLE: Final = _Usual(15.0, 16_000, 10, 20, 3)
"""As most speech is: recordings of 128 kbit/s."""
_MOST: Final = _Usual(10.0, 4_000, 32, 25, 6)
"""Slow speech; recordings of 32 kbit/s, as telephones make them; the vendor that counts the most tokens."""


def measures(request: Any, *, most: bool) -> dict[str, int]:
    """The amounts that a request asks for, by unit; empty for other operations. most: True = the most that
    they may be, as far as the request tells; False = what they probably are.
    """
    usual = _MOST if most else _PROBABLE
    if isinstance(request, ir.ImageRequest):
        return _pictures(request)
    if isinstance(request, ir.SpeechRequest):
        return _speech(request, usual)
    if isinstance(request, ir.TranscriptionRequest):
        return _recording(request, usual)
    if isinstance(request, ir.RerankRequest):
        return _searches(request)
    return {}


def billable(units: Mapping[str, int], rates: Rates | None) -> dict[str, int]:
    """Of the amounts that `measures` returns, those by which this model bills: the measure that has a price;
    or else the tokens, if those of its sound or pictures have one. If nothing has a price, the first measure,
    except searches: models without a price of searches read tokens, which are estimated elsewhere
    (`spent.used`).
    """
    measured = {unit: amount for unit, amount in units.items() if unit not in _TOKENS}
    if rates is not None:
        if priced := {unit: amount for unit, amount in measured.items() if rates.prices(unit)}:
            return priced
        tokens = {unit: amount for unit, amount in units.items() if unit in _TOKENS and rates.prices(unit)}
        if not _TELLING.isdisjoint(tokens):
            return tokens
    measured.pop("search_units", None)
    return dict(list(measured.items())[:1])


def tokens_of(units: Mapping[str, int]) -> tuple[int, int]:
    """The tokens of input and of output among these amounts."""
    taken = sum(amount for unit, amount in units.items() if unit in INPUT)
    return taken, sum(amount for unit, amount in units.items() if unit in OUTPUT)


def _pictures(request: ir.ImageRequest) -> dict[str, int]:
    count = request.count or 1
    width, _, height = (request.size or "").partition("x")
    square = bool(width) and width == height
    usual = (_SQUARE if square else _LARGER).get(request.quality or "", _FINE_SQUARE if square else _FINE)
    made = count * (usual + _PARTIAL * (request.partials or 0))
    units = {picture(request.quality, request.size): count, "output_image": made}
    if request.images:
        each = LARGE_PICTURE + (_FAITHFUL if request.fidelity == "high" else 0)
        units["input_image"] = each * len(request.images)
    if request.prompt:
        units["input"] = -(-len(request.prompt) // _UNITS_OF_TEXT)
    return units


def _speech(request: ir.SpeechRequest, usual: _Usual) -> dict[str, int]:
    if not (characters := len(request.text)):
        return {}
    seconds = characters / usual.spoken / min(max(request.speed or 1.0, 0.25), 4.0)
    words = request.text + (request.instructions or "")
    return {
        "characters": characters,
        "output_audio_ms": round(1000 * seconds),
        "output_audio": round(usual.said * seconds) + 1,
        "input": -(-len(words) // _UNITS_OF_TEXT),
    }


def _recording(request: ir.TranscriptionRequest, usual: _Usual) -> dict[str, int]:
    seconds = _seconds(request.audio.data, usual) if len(request.audio.data) else _MINUTE
    return {
        "input_audio_ms": round(1000 * seconds),
        "input_audio": round(usual.heard * seconds) + 1,
        "output": round(usual.written * seconds) + 1,
    }


def _seconds(data: bytes | memoryview, usual: _Usual) -> float:
    """How long a recording is: exactly if it is an uncompressed WAV file, otherwise by its size."""
    try:
        samples, pcm = unpacked(memoryview(data))
    except WireError:
        return len(data) / usual.bytes
    return len(samples) / max(1, 2 * pcm.rate * pcm.channels)


def _searches(request: ir.RerankRequest) -> dict[str, int]:
    query, chunks = len(request.query), 0
    for document in request.documents:
        size = len(document if isinstance(document, str) else str(document))
        chunks += max(1, -(-(size + query) // _CHUNK))
    return {"search_units": max(1, -(-chunks // _SEARCHED))}
