"""Decodes and encodes transcription requests, as OpenAI and its compatible vendors use them: POST
/audio/transcriptions, and /audio/translations, whose response is an English text.

Specification: https://platform.openai.com/docs/api-reference/audio/createTranscription. Requests are forms:
all values except the audio file are texts or lists of texts. Responses have six formats. Some vendors accept
a URL of the audio, in `url` (Groq) or in `file` (Together).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.forms import edited, file_field, files, refuse_files, text_fields
from dragoman.dialects.openai import heard
from dragoman.dialects.openai.operation import model_of
from dragoman.dialects.openai.terms import NAME, leftovers, restore
from dragoman.dialects.openai.transcript import (
    OUTPUTS,
    WRITTEN,
    decode_response,
    encode_response,
    encode_stream,
    encoder,
    is_json,
    is_page,
)
from dragoman.dialects.operation import ClientSide, OperationCodec, Outgoing, Payload, ProviderSide
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.rules import Rule, a_string, check_members, missing, number, one_of, wrong_type
from dragoman.errors import WireError
from dragoman.wire.json import decode_head, encode_head
from dragoman.wire.multipart import Field

PATH: Final = "/audio/transcriptions"
TRANSLATIONS: Final = "/audio/translations"
MAPS: Final = frozenset(
    {
        *("model", "file", "url", "language", "prompt", "response_format", "temperature"),
        *("timestamp_granularities", "stream"),
    }
)
_ADDRESS: Final = ("https://", "http://")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TRUE: Final = frozenset({"true", "1"})
_FALSE: Final = frozenset({"false", "0"})


# --- Requests ----------------------------------------------------------------------------------


def _temperature(value: Any, path: str) -> None:
    a_string(value, path)
    if _DECIMAL.fullmatch(value) is None:
        wrong_type(path, "a decimal", value)
    number(0, 1)(float(value), path)


def _boolean(value: Any, path: str) -> None:
    a_string(value, path)
    if value.lower() not in _TRUE | _FALSE:
        wrong_type(path, "a boolean", value)


def _granularities(value: Any, path: str) -> None:
    for index, item in enumerate(value if isinstance(value, list) else [value]):
        one_of("word", "segment")(item, f"{path}[{index}]")


def _url(value: Any, path: str) -> None:
    a_string(value, path)
    if not value.startswith(_ADDRESS):
        raise WireError(f"Invalid '{path}': expected an http(s) URL.", path, "invalid_value")


_RULES: Final[dict[str, Rule]] = {
    "model": a_string,
    "url": _url,
    "language": a_string,
    "prompt": a_string,
    "response_format": one_of(*OUTPUTS),
    "temperature": _temperature,
    "timestamp_granularities": _granularities,
    "stream": _boolean,
}


def check(request: WireRequest) -> None:
    """Raise WireError for the first mistake that is found, with the name of the form's field; for an entry of
    a list also with its index ("timestamp_granularities[0]"). Audio is required: exactly one file in `file`,
    or one URL in `url` or `file`. Fields of unknown names are accepted.
    """
    _check_file(request)
    check_members(request.body, _RULES)


def _check_file(request: WireRequest) -> None:
    found, written = list(files(request.fields, "file")), request.body.get("file")
    refuse_files(request.fields, MAPS - {"file"})
    if len(found) + (written is not None) > 1:
        raise WireError("Invalid 'file': expected one file.", "file", "invalid_value")
    if written is not None and not (isinstance(written, str) and written.startswith(_ADDRESS)):
        wrong_type("file", "a file", written)
    if found and not found[0].data:
        raise WireError("Invalid 'file': the audio file is empty.", "file", "invalid_value")
    address = request.body.get("url")
    if not found and written is None and address is None:
        missing("file")
    if (found or written is not None) and address is not None:
        raise WireError("Invalid 'url': expected either 'url' or 'file', not both.", "url", "invalid_value")


def streams(wire: WireRequest) -> bool:
    """Whether the client requests a stream: `stream` is "true", in capital or small letters, or "1"."""
    return str(wire.body.get("stream", "")).lower() in _TRUE


def decode_request(wire: WireRequest) -> ir.TranscriptionRequest:
    """Return the decoded request. wire: a request that `check` has accepted."""
    body = wire.body
    address = body.get("url") or body.get("file")
    temperature, granularities = body.get("temperature"), body.get("timestamp_granularities", [])
    return ir.TranscriptionRequest(
        NAME,
        model_of(wire),
        next(files(wire.fields, "file"), None) or ir.File(url=address),
        translate=wire.path == TRANSLATIONS,
        language=body.get("language"),
        prompt=body.get("prompt"),
        output=body.get("response_format"),
        temperature=None if temperature is None else float(temperature),
        timestamps=tuple(granularities) if isinstance(granularities, list) else (granularities,),
        stream=streams(wire),
        extra=leftovers(body, MAPS),
    )


def encode_request(request: ir.TranscriptionRequest, target: Target) -> WireRequest:
    """Return the request in this dialect: a form for the path `PATH`, or `TRANSLATIONS` for a translation.
    Audio that is given by a URL is written as `url`. Leftovers of other dialects are reported to
    `target.report` as lost.
    """
    body: dict[str, Any] = {"model": target.model if target.model is not None else request.model}
    stated = (
        ("url", request.audio.url),
        ("language", request.language),
        ("prompt", request.prompt),
        ("response_format", request.output),
        ("temperature", request.temperature),
        ("timestamp_granularities", list(request.timestamps) or None),
        ("stream", request.stream or None),
    )
    body.update((key, value) for key, value in stated if value is not None)
    restore(body, request.extra, target.report, "")
    path = TRANSLATIONS if request.translate else PATH
    return WireRequest("transcription", body, path=path, fields=form_of(body, request.audio))


def form_of(body: Mapping[str, Any], audio: ir.File) -> tuple[Field, ...]:
    """Return the form fields for the members of `body`, and after them a field with the audio file. If
    `audio` has a URL, there is no field with a file.
    """
    recording = () if audio.url is not None else (file_field("file", audio, "audio"),)
    return (*text_fields(body), *recording)


def locate(request: ir.TranscriptionRequest, where: str) -> str:
    """Return the path of a form field in the client's request ("$.response_format"), for the IR path `where`.
    For the translation into English, which only the URL's path asks for, it is "$.model". For audio that is
    given by a URL it is "$.url"; `_locate_in` knows whether the client wrote the URL in `file`.
    """
    if where == "audio":
        return "$.file" if request.audio.url is None else "$.url"
    return "$." + _PLACES.get(where, where)


def _locate_in(wire: WireRequest, request: ir.TranscriptionRequest, where: str) -> str:
    return "$.file" if where == "audio" and "url" not in wire.body else locate(request, where)


_PLACES: Final = {
    "output": "response_format",
    "timestamps": "timestamp_granularities",
    "translate": "model",  # the path states it, but another model could support it
}


class TranscriptionRelay:
    """Relays transcription forms, and responses in any format, between client and server of this dialect."""

    def request(self, wire: WireRequest, head: dict[str, Any], edits: Mapping[str, Any]) -> Outgoing:
        return Outgoing(wire.path or PATH, edited(wire.fields, edits))

    def response(
        self, wire: WireRequest, answer: Payload, model: str | None
    ) -> tuple[Payload, ir.Usage | None] | None:
        """Return (the response for the client, its usage). The usage is None if the response states none,
        or if the client asked for `text`, `srt` or `vtt`. Returns None in place of both if the response
        must be translated: it is a web page, or it does not have the form of the requested format (JSON
        or a text). A JSON string counts as a text if JSON was requested, but as JSON if a text was
        requested.

        model: the name that replaces the model's name in a JSON response that has one; None = the name
        stays. If the client asked for a format in JSON, raises RequestFailed for an error with status
        200, WireError for invalid JSON, for an object without a `text`, and for any other JSON value that
        is not a string.
        """
        written = wire.body.get("response_format") in WRITTEN
        if is_json(answer) is written or is_page(answer):
            return None
        if written:
            return answer, None
        body = heard.object_of(answer.data)
        if isinstance(body, str):
            return None
        if not isinstance(body.get("text"), str):
            raise WireError("expected a text", "text")
        if model is not None and "model" in body:
            answer = Payload(encode_head({**decode_head(answer.data), "model": model}), answer.kind)
        return answer, heard.usage_of(body)

    def seen(self, frame: bytes) -> ir.Usage | None:
        return heard.seen(frame)


TRANSCRIPTION: Final = OperationCodec(
    relay=TranscriptionRelay(),
    client=ClientSide(
        check=check,
        model=model_of,
        decode=decode_request,
        encode=encode_response,
        locate=locate,
        locate_in=_locate_in,
        members=MAPS,
        streams=streams,
        encode_stream=encode_stream,
        encoder=encoder,
    ),
    provider=ProviderSide(paths=(PATH, TRANSLATIONS), encode=encode_request, decode=decode_response),
    ends=("transcript.text.done", "transcription.done"),
)
