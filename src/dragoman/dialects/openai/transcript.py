"""Decodes and encodes transcripts as OpenAI and its compatible vendors return them: six response formats, and
events.

Specification: https://platform.openai.com/docs/api-reference/audio/json-object and the pages after it.
Times and speakers are never invented: if the requested format needs them and the provider has not returned
them, the request fails, except for an empty text. Stream events have times only for `diarized_json`; for
other formats with times, a loss is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

import msgspec

from dragoman import ir
from dragoman.dialects.openai import heard
from dragoman.dialects.openai.terms import leftovers, restore
from dragoman.dialects.operation import OperationReply, Payload
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import encode
from dragoman.wire.subtitles import Cue, cues_of, to_srt, to_vtt

OUTPUTS: Final = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
TIMED: Final = frozenset({"srt", "vtt", "verbose_json", "diarized_json"})
"""Formats with timestamps."""
WRITTEN: Final = frozenset({"text", "srt", "vtt"})
"""Formats that are not JSON."""
_UNTOLD: Final = {
    "seek": 0,
    "tokens": [],
    "temperature": 0.0,
    "avg_logprob": 0.0,
    "compression_ratio": 0.0,
    "no_speech_prob": 0.0,
}
"""Defaults for segment members that the specification requires, but few providers return."""


# --- Decoding ----------------------------------------------------------------------------------


class _Segment(msgspec.Struct):
    text: str
    start: float
    end: float


class _Word(msgspec.Struct):
    word: str
    start: float
    end: float


class _Answer(msgspec.Struct):
    text: str
    language: str | None = None
    duration: float | None = None
    segments: list[dict[str, Any]] | None = None
    words: list[_Word] | None = None
    model: str | None = None


_ANSWER: Final = frozenset({*_Answer.__struct_fields__, "task", "usage"})
_SEGMENT: Final = frozenset({*_Segment.__struct_fields__, "speaker"})


def decode_response(answered: Payload, request: ir.TranscriptionRequest) -> ir.TranscriptionResponse:
    """Decode a whole response in any format. A response that is not JSON (`is_json`), or that is a JSON
    string, is a text. The text is read as subtitles if the client asked for `srt` or `vtt`; otherwise it is
    the transcript, without one line break at its end. Raises RequestFailed for an error with status 200,
    WireError for a web page and any other invalid body.
    """
    if is_page(answered):
        raise WireError("expected a transcript, not a page")
    if not is_json(answered):
        return _of_text(_text(answered.data), request.output)
    body = heard.object_of(answered.data)
    if isinstance(body, str):
        return _of_text(body, request.output)
    try:
        answer = msgspec.convert(body, _Answer)
        segments = None if answer.segments is None else tuple(map(_segment, answer.segments))
    except msgspec.ValidationError as error:
        raise WireError(str(error)) from error
    return ir.TranscriptionResponse(
        answer.text,
        answer.language,
        answer.duration,
        segments,
        None if answer.words is None else tuple(ir.Word(x.word, x.start, x.end) for x in answer.words),
        answer.model,
        heard.decode_usage(body.get("usage")),
        leftovers(body, _ANSWER),
    )


def is_json(answered: Payload) -> bool:
    """Whether a response is JSON: its media type is `application/json` or ends in `+json`. Without a media
    type, or with `application/octet-stream`, the response is JSON if it begins with `{`.
    """
    if answered.kind in {"", "application/octet-stream"}:
        return answered.data.lstrip().startswith(b"{")
    return heard.is_json(answered.kind)


def is_page(answered: Payload) -> bool:
    """Whether a response is a web page: its media type is HTML and it begins with `<`. The media type alone
    does not show it, because some servers state this type for any text.
    """
    return answered.kind.startswith("text/html") and answered.data.lstrip().startswith(b"<")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise WireError("it is not UTF-8") from error


def _of_text(text: str, output: str | None) -> ir.TranscriptionResponse:
    if output not in {"srt", "vtt"}:
        return ir.TranscriptionResponse(text.removesuffix("\n"))
    segments = tuple(ir.Segment(cue.text, cue.start, cue.end) for cue in cues_of(text))
    return ir.TranscriptionResponse(" ".join(one.text for one in segments), segments=segments)


def _segment(wire: dict[str, Any]) -> ir.Segment:
    segment = msgspec.convert(wire, _Segment)
    speaker, detail = wire.get("speaker"), {key: wire[key] for key in wire if key not in _SEGMENT}
    return ir.Segment(
        segment.text, segment.start, segment.end, None if speaker is None else str(speaker), detail or None
    )


# --- Encoding ----------------------------------------------------------------------------------

Reply = OperationReply[ir.TranscriptionRequest]


def encode_response(response: ir.TranscriptionResponse, reply: Reply) -> Payload:
    """Return the response in the requested format ("json" if none was requested). Losses go to
    `reply.report`. Raises RequestFailed if the format needs times that the provider did not return, unless
    the text is empty, and for a segment of `diarized_json` without a speaker.
    """
    return _WRITERS[reply.request.output or "json"](response, reply)


def _json(response: ir.TranscriptionResponse, reply: Reply) -> Payload:
    body: dict[str, Any] = {"text": response.text}
    restore(body, response.extra, reply.report, "")
    return _priced(body, response)


def _priced(body: dict[str, Any], response: ir.TranscriptionResponse) -> Payload:
    if (usage := heard.encode_usage(response.usage, response.duration)) is not None:
        body["usage"] = usage
    return Payload(encode(body))


def _plain(response: ir.TranscriptionResponse, _: Reply) -> Payload:
    return Payload(response.text.encode() + b"\n", _TEXT)


def _subtitles(response: ir.TranscriptionResponse, reply: Reply) -> Payload:
    write = to_srt if reply.request.output == "srt" else to_vtt
    cues = [Cue(one.start, one.end, one.text) for one in _segments(response, reply)]
    return Payload(write(cues).encode(), _TEXT)


def _segments(response: ir.TranscriptionResponse, reply: Reply) -> Sequence[ir.Segment]:
    """Return the segments with their times. If the provider returned no segments, each word becomes a
    segment. If it returned neither, the result is () for an empty text, and RequestFailed is raised for any
    other text.
    """
    if response.segments is not None:
        return response.segments
    if response.words is not None:
        return [ir.Segment(word.text, word.start, word.end) for word in response.words]
    if response.text:
        _refuse("This model's provider returns no timestamps", reply)
    return ()


def _verbose(response: ir.TranscriptionResponse, reply: Reply) -> Payload:
    request = reply.request
    body: dict[str, Any] = {
        "task": "translate" if request.translate else "transcribe",
        "language": _language(response, reply),
        "duration": _duration(response, reply),
        "text": response.text,
    }
    if "word" in request.timestamps:
        if response.words is None and response.text:
            _refuse("This model's provider returns no word timestamps", reply)
        body["words"] = [
            {"word": word.text, "start": word.start, "end": word.end} for word in response.words or ()
        ]
    if "segment" in request.timestamps or not request.timestamps:
        segments = _segments(response, reply)
        if any("tokens" not in (one.detail or {}) for one in segments):
            reason = (
                "this provider returns no tokens and probabilities of segments; they are "
                "written as empty and 0"
            )
            reply.report.lose("segments", reason, "hint")
        body["segments"] = [_full(one, index) for index, one in enumerate(segments)]
    restore(body, response.extra, reply.report, "")
    usage = response.usage
    if usage is not None and usage.input is not None and heard.SECONDS not in (usage.detail or {}):
        response = msgspec.structs.replace(response, usage=None)  # this format reports seconds
    return _priced(body, response)


def _full(one: ir.Segment, index: int) -> dict[str, Any]:
    stated = _UNTOLD | (one.detail or {})
    first = {
        "id": stated.pop("id", index),
        "seek": stated.pop("seek"),
        "start": one.start,
        "end": one.end,
        "text": one.text,
    }
    return first | stated | ({} if one.speaker is None else {"speaker": one.speaker})


def _language(response: ir.TranscriptionResponse, reply: Reply) -> str:
    """Return the language of the text. A translation is always English. "" = the provider did not state the
    language; this is reported as a loss.
    """
    if reply.request.translate:
        return "english"
    if response.language is None:
        reply.report.lose("language", "this provider does not return the language", "hint")
    return response.language or ""


def _duration(response: ir.TranscriptionResponse, reply: Reply) -> float:
    """Return the length of the audio in seconds. If the provider did not state it, it is the latest end of a
    segment or word (0 if there are none), and a loss is reported.
    """
    if response.duration is not None:
        return response.duration
    ends = [one.end for one in response.segments or ()] + [word.end for word in response.words or ()]
    reply.report.lose(
        "duration", "this provider does not return the duration; the end of the last word is used", "hint"
    )
    return max(ends, default=0.0)


def _diarized(response: ir.TranscriptionResponse, reply: Reply) -> Payload:
    body: dict[str, Any] = {
        "text": response.text,
        "task": "transcribe",
        "duration": _duration(response, reply),
        "segments": [_spoken(one, index, reply) for index, one in enumerate(_segments(response, reply))],
    }
    restore(body, response.extra, reply.report, "")
    return _priced(body, response)


def _spoken(one: ir.Segment, index: int, reply: Reply) -> dict[str, Any]:
    """Return a segment of `diarized_json`. Raises RequestFailed if the provider stated no speaker. index: the
    segment's number; a segment without an id gets the id `seg_INDEX`.
    """
    if one.speaker is None:
        _refuse("This model's provider does not distinguish speakers", reply)
    return {
        "type": "transcript.text.segment",
        "text": one.text,
        "speaker": one.speaker,
        "start": one.start,
        "end": one.end,
        "id": (one.detail or {}).get("id", f"seg_{index}"),
    }


def _refuse(why: str, reply: Reply) -> NoReturn:
    message = f"{why}, so the format {reply.request.output} is not available."
    raise RequestFailed(
        ir.Fault("untranslatable", message, code="untranslatable", param="response_format", blame="upstream")
    )


_TEXT: Final = "text/plain; charset=utf-8"
_WRITERS: Final[dict[str, Callable[[ir.TranscriptionResponse, Reply], Payload]]] = {
    "json": _json,
    "text": _plain,
    "srt": _subtitles,
    "vtt": _subtitles,
    "verbose_json": _verbose,
    "diarized_json": _diarized,
}


class TranscriptEvents:
    """Encodes a transcript as SSE events: text, or for `diarized_json` segments with their speakers. At the
    end come an event with the whole text and the token counts (none if they are unknown), and `[DONE]`.
    """

    kind: Final = "text/event-stream; charset=utf-8"

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._diarized = reply.request.output == "diarized_json"
        self._segments = 0

    def feed(self, piece: ir.TranscriptDelta | ir.Segment) -> bytes:
        """Return the event for one piece; b"" if the requested format has none for it: `diarized_json` has
        events only for segments, all other formats only for text. Raises RequestFailed for a segment of
        `diarized_json` without a speaker.
        """
        if isinstance(piece, ir.TranscriptDelta):
            return b"" if self._diarized else heard.event("transcript.text.delta", delta=piece.text)
        if not self._diarized:
            return b""
        self._segments += 1
        return heard.event(**_spoken_event(piece, self._segments - 1, self._reply))

    def close(self, response: ir.TranscriptionResponse) -> bytes:
        done: dict[str, Any] = {"text": response.text}
        usage = heard.encode_usage(response.usage, None)
        if usage is not None and usage["type"] == "tokens":
            done["usage"] = usage
        return heard.event("transcript.text.done", **done) + heard.DONE


def encoder(_: ir.TranscriptionResponse, reply: Reply) -> TranscriptEvents | None:
    """Return the encoder for a client that asked for a stream; None = the client did not ask for a stream.
    Times that the events cannot state are reported as lost.
    """
    if not reply.request.stream:
        return None
    _lose_times(reply)
    return TranscriptEvents(reply)


def _lose_times(reply: Reply) -> None:
    output = reply.request.output
    if output in TIMED and output != "diarized_json":
        reply.report.lose(
            "response_format", f"stream events contain text without timestamps, not {output}", "quality"
        )


def encode_stream(response: ir.TranscriptionResponse, reply: Reply) -> bytes:
    """Return a whole response as SSE events. Only the events for `diarized_json` state times. For other
    formats that have times, a loss is reported. For `diarized_json`, raises RequestFailed if the response
    lacks times, unless its text is empty, and for a segment without a speaker.
    """
    _lose_times(reply)
    events = TranscriptEvents(reply)
    if reply.request.output == "diarized_json":
        pieces: Sequence[ir.TranscriptDelta | ir.Segment] = _segments(response, reply)
    else:
        pieces = [ir.TranscriptDelta(response.text)] if response.text else []
    return b"".join([*map(events.feed, pieces), events.close(response)])


def _spoken_event(one: ir.Segment, index: int, reply: Reply) -> dict[str, Any]:
    members = _spoken(one, index, reply)
    return {"kind": members.pop("type"), **members}
