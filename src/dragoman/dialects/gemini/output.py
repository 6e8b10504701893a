"""Decodes and encodes the output settings in `generationConfig`: structured output, modalities and voices.

https://ai.google.dev/gemini-api/docs/structured-output,
https://ai.google.dev/gemini-api/docs/speech-generation
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.gemini.enums import MODALITIES, in_words
from dragoman.dialects.gemini.openapi import UPPER, read_openapi, write_openapi
from dragoman.dialects.gemini.schema import ADAPTED, clean_schema
from dragoman.dialects.gemini.terms import NAME, restore, spelled
from dragoman.dialects.loss import Report
from dragoman.dialects.request import MADE, Target, states
from dragoman.dialects.schema import describe

KEYS: Final = frozenset(
    {"responseMimeType", "responseJsonSchema", "responseSchema", "responseModalities", "speechConfig"}
)
"""The members of `generationConfig` that become `ir.Output`."""
JSON: Final = "application/json"
_JSON_SCHEMA: Final = "json schema"
VOICES: Final = frozenset(
    {
        *("Zephyr", "Puck", "Charon", "Kore", "Fenrir", "Leda", "Orus", "Aoede", "Callirrhoe", "Autonoe"),
        *("Enceladus", "Iapetus", "Umbriel", "Algieba", "Despina", "Erinome", "Algenib", "Rasalgethi"),
        *("Laomedeia", "Achernar", "Alnilam", "Schedar", "Gacrux", "Pulcherrima", "Achird"),
        *("Zubenelgenubi", "Vindemiatrix", "Sadachbia", "Sadaltager", "Sulafat"),
    }
)
VOICE: Final = "Kore"
"""The voice that replaces a voice which Google does not have."""


def decode_output(config: dict[str, Any]) -> ir.Output | None:
    """Decode the format, the modalities and the voice in a `generationConfig`; None = it states none of them.
    What the IR cannot express becomes leftovers. config: with keys in camelCase.
    """
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    mime = config.get("responseMimeType")
    schema, openapi = config.get("responseJsonSchema"), config.get("responseSchema")
    if mime not in {None, JSON} or (schema is not None and openapi is not None):
        # an enum as plain text, or a type that the API will refuse
        extra = {
            key: value
            for key, value in config.items()
            if key in KEYS and key.startswith(("responseM", "responseS"))
        }
        extra = {key: kept for key, kept in extra.items() if key != "responseModalities"}
        if schema is not None:
            extra["responseJsonSchema"] = schema
    elif schema is not None:
        form = None if mime else _JSON_SCHEMA
        fields = {"kind": "schema", "schema": schema, "strict": True, "form": form}
    elif openapi is not None:
        read, form = read_openapi(openapi)
        written = form if mime else f"{form} bare"
        fields = {"kind": "schema", "schema": read, "strict": True, "form": written}
    elif mime == JSON:
        fields["kind"] = "json"
    if (modalities := config.get("responseModalities")) is not None:
        fields["modalities"] = tuple(str(in_words(one, MODALITIES)).lower() for one in modalities)
    if (speech := config.get("speechConfig")) is not None:
        voice = _voice(speech)
        if voice is None:
            extra["speechConfig"] = speech
        else:
            fields["audio"] = {"voice": voice, "format": "pcm16"}
    if not fields and not extra:
        return None
    return ir.Output(**fields, extra={NAME: extra} if extra else None)


def _voice(speech: Any) -> str | None:
    """Return the name of the voice in a `speechConfig` (`speech`); None = it is no object, has no such
    name, or states something beside this name.
    """
    for key in ("voiceConfig", "prebuiltVoiceConfig", "voiceName"):
        speech = spelled(speech) if isinstance(speech, dict) else {}
        if speech.keys() != {key}:
            return None
        speech = speech[key]
    return speech if isinstance(speech, str) else None


def encode_output(request: ir.Request, target: Target, body: dict[str, Any], config: dict[str, Any]) -> None:
    """Write the answer's format, modalities and voice into `config` (`generationConfig`). Losses and changes
    are reported to `target.report`. For a request without `output`, nothing is written.

    If the model is known to refuse a format together with functions, and the request has both, a text in the
    body's `systemInstruction` asks for the format instead, unless a client of this dialect stated the format.
    """
    output = request.output
    if output is None:
        return
    own = request.dialect == NAME
    if output.kind != "text":
        if own and output.form != MADE:
            _own_form(output, config)
        elif target.facts.mixed_tools is False and ir.Function in map(type, request.tools or ()):
            _ask(output, target, body)
        else:
            _form(output, target, config)
    if output.modalities is not None:
        stated = states(request, NAME, "output.modalities")
        config["responseModalities"] = _modalities(output, target, own=stated)
    if output.audio is not None:
        _speech(output.audio, target, config, own=states(request, NAME, "output.audio"))
    if output.verbosity is not None:
        target.report.lose("output.verbosity", "the Gemini API has no verbosity", "quality")
    restore(config, output.extra, target.report, "output")


def _own_form(output: ir.Output, config: dict[str, Any]) -> None:
    form = output.form or ""
    if not form.endswith("bare") and form != _JSON_SCHEMA:
        config["responseMimeType"] = JSON
    if output.schema is None:
        return
    if form.startswith(UPPER):
        config["responseSchema"] = write_openapi(output.schema, form.removesuffix(" bare"))
    else:
        config["responseJsonSchema"] = output.schema


def _form(output: ir.Output, target: Target, config: dict[str, Any]) -> None:
    report = target.report
    config["responseMimeType"] = JSON
    if output.kind != "schema" or output.schema is None:
        return
    schema = dict(clean_schema(output.schema, report, "output.schema"))
    describe(schema, output, "generationConfig.responseJsonSchema", report)
    if schema != output.schema:
        report.change("output.schema", "generationConfig.responseJsonSchema", ADAPTED)
    config["responseJsonSchema"] = schema


def _ask(output: ir.Output, target: Target, body: dict[str, Any]) -> None:
    """Add a text to the body's `systemInstruction` that asks for the format, and report this. For a model
    that refuses a format in `generationConfig` together with functions.
    """
    words = "Unless you call a function, answer with JSON alone, without Markdown."
    if output.schema is not None:
        words += f" It must fit this JSON Schema:\n{msgspec.json.encode(output.schema).decode()}"
    body.setdefault("systemInstruction", {"parts": []})["parts"].append({"text": words})
    target.report.change("output", "systemInstruction.parts[]", "the prompt asks for the output format")
    target.report.lose("output", "with functions, the model may not follow the output format", "quality")


def _modalities(output: ir.Output, target: Target, *, own: bool) -> list[str]:
    words = [word.upper() for word in output.modalities or ()]
    if not own and "AUDIO" in words and "TEXT" in words:
        place = "generationConfig.responseModalities"
        target.report.change("output.modalities", place, "the Gemini API returns audio without text")
        return ["AUDIO"]
    return words


def _speech(audio: dict[str, Any], target: Target, config: dict[str, Any], *, own: bool) -> None:
    voice = audio.get("voice")
    if isinstance(voice, str):
        name = voice if own else known_voice(voice, target.report, "output.audio.voice")
        config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}}
    elif voice is not None:
        target.report.lose("output.audio.voice", "the Gemini API has no custom voices", "quality")
    if not own:
        said = "the Gemini API returns audio as PCM at 24 kHz"
        target.report.change("output.audio", "generationConfig.speechConfig", said)


def known_voice(voice: str, report: Report, where: str) -> str:
    """Return the name of one of Google's voices: `voice`, with the first letter as a capital and all other
    letters small ("KORE" becomes "Kore"). If Google has no such voice, the result is `VOICE`, and a loss is
    reported at the IR path `where`.
    """
    if voice in VOICES:
        return voice
    if (name := voice.capitalize()) not in VOICES:
        name = VOICE
        report.lose(where, f"the Gemini API has no voice {voice}: {name} is used", "quality")
    return name
