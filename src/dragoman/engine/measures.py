"""Measures how much a request asks for, in the units that providers bill: pictures, characters, sound,
searches. This is for operations other than chat.

Some models bill the same work by tokens instead. So a measure includes every unit that may be billed, and the
prices decide which units count (`Rates.bill` leaves out units without a price). Sources of the numbers of
tokens: https://platform.openai.com/docs/guides/image-generation#cost-and-latency (pictures),
https://platform.openai.com/docs/guides/realtime-costs (sound: one token for 100 ms that are heard, one for 50
ms that are spoken), https://ai.google.dev/gemini-api/docs/tokens (sound: 32 tokens a second),
https://docs.cohere.com/docs/how-does-cohere-pricing-work (a search has up to 100 documents of 500 tokens).
Read 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from dragoman import ir
from dragoman.errors import WireError
from dragoman.ir.units import INPUT, OUTPUT, TOKENS, picture
from dragoman.providers.rates import Rates
from dragoman.tokens import LARGE_PICTURE
from dragoman.wire.wav import unpacked

MEASURED: Final = frozenset({"image", "speech", "transcription", "rerank"})
"""The operations whose requests can be measured."""
_TOKENS: Final = frozenset(TOKENS)
_TELLING: Final = frozenset({"output_image", "output_audio", "input_audio"})
"""A model with a price for one of these units, and for no other measured unit, bills its work by tokens."""
_SQUARE: Final = {"low": 272, "medium": 1056}
_LARGER: Final = {"low": 408, "medium": 1584}
_FINE_SQUARE: Final = 4160
_FINE: Final = 6240
"""The tokens of a generated picture that is not square, if its quality is "high", not stated or not known."""
_FAITHFUL: Final = 6240
"""The tokens that `input_fidelity: high` adds for each picture to edit."""
_PARTIAL: Final = 100
"""The tokens of each unfinished picture that is sent in a stream."""
_UNITS_OF_TEXT: Final = 2
"""Characters. Nearly no text has more than one token for this many characters."""
_CHUNK: Final = 500 * 2
"""Characters. A document of at most this length, together with the query, counts as one document of a search.
A longer document counts as several.
"""
_SEARCHED: Final = 100
_MINUTE: Final = 60.0
"""The assumed length, in seconds, of a recording that is not in the request, because the request has only its
URL.
"""


class _Usual(NamedTuple):
    """Assumptions about sound. spoken: how many characters of text are spoken in a second. bytes: the size of
    one second of a compressed recording. heard: the tokens of one second of a recording. said: the tokens of
    one second of generated speech. written: the tokens of the transcript of one second.
    """

    spoken: float
    bytes: int
    heard: int
    said: int
    written: int


_PROBABLE: Final = _Usual(15.0, 16_000, 10, 20, 3)
"""The values for most speech, and for recordings of 128 kbit/s."""
_MOST: Final = _Usual(10.0, 4_000, 32, 25, 6)
"""The values that give the most tokens: slow speech, recordings of 32 kbit/s (as telephones make them), and
the vendor that counts the most tokens for a second.
"""


def measures(request: Any, *, most: bool) -> dict[str, int]:
    """Return the amounts that a request asks for, as {name of a unit in `ir.units`: amount}. {} for speech of
    an empty text, and for operations other than images, speech, transcription and reranking. request: in the
    IR. most: for sound, True = upper bounds, as far as the request tells; False = probable amounts. It makes
    no difference for pictures and searches.
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


def extended(request: Any, bodies: Iterable[Mapping[str, Any]]) -> Any:
    """Return a request for pictures as it may become when members of `bodies` are added to the body for its
    provider: with the largest number of pictures that may result (at most 10,000), and with the first quality
    and size in `bodies` where the request states none. A request of another operation is returned as it is.
    bodies: what the configuration adds for a deployment, and what the request has for one provider only.
    """
    if not isinstance(request, ir.ImageRequest):
        return request
    count, most, quality, size = request.count or 1, request.count or 1, request.quality, request.size
    for body in bodies:
        for place in _CANDIDATES:
            if isinstance(config := body.get(place), dict):
                for name in ("candidateCount", "candidate_count"):
                    most = max(most, count * _count(config.get(name)))  # each picture is a request of its own
        most = max(most, _count(body.get("n")))
        quality, size = quality or _word(body.get("quality")), size or _word(body.get("size"))
    return msgspec.structs.replace(request, count=min(most, _MOST_PICTURES), quality=quality, size=size)


_CANDIDATES: Final = ("generationConfig", "generation_config")
"""The members of a body of Gemini's that may contain the number of answers."""
_MOST_PICTURES: Final = 10_000
"""The most pictures that are reserved for one request, whatever it states."""


def _count(stated: Any) -> int:
    return stated if type(stated) is int else 0


def _word(stated: Any) -> str | None:
    return stated if isinstance(stated, str) else None


def billable(units: Mapping[str, int], rates: Rates | None) -> dict[str, int]:
    """Return those of the amounts from `measures` by which a model bills; {} = none. rates: the model's
    prices; None = unknown.

    The first of these rules that finds any amounts counts: 1. the amounts in units other than tokens that
    have a price; 2. the amounts in tokens that have a price, if tokens of sound or of generated pictures are
    among them; 3. the first amount that is neither in tokens nor in searches. Searches without a price are
    left out, because such models read tokens of text, which `spent.used` estimates.
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
    """Return (the tokens of input, the tokens of output) among these amounts, which are given by unit.
    Amounts in other units are ignored.
    """
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
    return _heard(_seconds(request.audio.data, usual) if len(request.audio.data) else _MINUTE, usual)


def heard(seconds: float, *, most: bool) -> dict[str, int]:
    """Return the amounts, by unit, that a transcript of so many seconds of sound may use. most: True = upper
    bounds; False = probable amounts.
    """
    return _heard(seconds, _MOST if most else _PROBABLE)


def _heard(seconds: float, usual: _Usual) -> dict[str, int]:
    return {
        "input_audio_ms": round(1000 * seconds),
        "input_audio": round(usual.heard * seconds) + 1,
        "output": round(usual.written * seconds) + 1,
    }


def _seconds(data: bytes | memoryview, usual: _Usual) -> float:
    """Return the length of a recording in seconds: exact for a WAV file with 16-bit samples, otherwise
    estimated from its size.
    """
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
