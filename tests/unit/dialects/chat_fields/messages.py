"""What a request asks: instructions, and a user's message by the kinds of its parts."""

from __future__ import annotations

import re
from typing import Any

from tests.unit.dialects.chat_fields.row import (
    HELLO,
    Outcome,
    Row,
    emulated,
    lost,
    mistake,
    refused,
    row,
    to,
)

PNG = "iVBORw0KGgo="
WAV = "UklGRiQAAABXQVZF"
PDF = "JVBERi0xLjQK"
TEXT = "VGhlIHNreS4="
"""Base64 of "The sky."."""
BREAK = {"mode": "explicit"}

READ = to({"candidates[0].blocks[0].text": ...}, "counts as what is said")


def text(words: str = "The sky.", **members: Any) -> dict[str, Any]:
    """A part of text."""
    return {"type": "text", "text": words, **members}


def conversation(*messages: dict[str, Any]) -> dict[str, Any]:
    """These messages as a request's."""
    return {"messages": list(messages)}


def _user(*parts: dict[str, Any]) -> dict[str, Any]:
    return conversation({"role": "user", "content": [text("Look."), *parts]})


LOOK = _user()

# --- Roles --------------------------------------------------------------------------------------


def _leading(role: str) -> Row:
    """Instructions in front."""
    said = {"role": role, "content": "Be brief."}
    return row(
        f"messages[{role}].content",
        conversation(said, HELLO),
        to({"system": [text("Be brief.")]}),
        to({"systemInstruction": {"parts": [{"text": "Be brief."}]}}),
        to({"messages": [{"role": "system", "content": "Be brief."}, HELLO]}),
        to({"turns": ..., "turns[0].role": "system", "turns[0].text": "Be brief."}),
        READ,
        label="in front",
    )


def _midway(role: str) -> Row:
    """Instructions in the middle, for a model of which it is not known that it takes them."""
    answer = {"role": "assistant", "content": "Cold."}
    again = {"role": "user", "content": "And now?"}
    tagged = "<system>\nBe brief.\n</system>"
    return row(
        f"messages[{role}].content",
        conversation(HELLO, answer, {"role": role, "content": "Be brief."}, again),
        emulated(
            "as tagged text of the user",
            {"messages[2].content": [text(tagged), text("And now?")]},
        ),
        emulated(
            "as tagged text of the user",
            {"contents[2].parts": [{"text": tagged}, {"text": "And now?"}]},
        ),
        emulated(
            "as tagged text of the user",
            {"messages": [HELLO, answer, {"role": "user", "content": tagged}, again]},
        ),
        to({"turns": ..., "turns[2].role": "system", "turns[2].text": "Be brief."}),
        READ,
        given=conversation(HELLO, answer, again),
        label="in the middle",
    )


def _parts(role: str) -> Row:
    """Instructions in parts, with a cache mark on the first."""
    path = "messages[0].content[0].prompt_cache_breakpoint"
    marked = text("Be brief.", prompt_cache_breakpoint=BREAK)
    return row(
        f"messages[{role}].content[text].text",
        conversation({"role": role, "content": [marked, text("Be kind.")]}, HELLO),
        to({"system": [text("Be brief.", cache_control={"type": "ephemeral"}), text("Be kind.")]}),
        lost(
            "hint",
            path,
            writes={"systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]}},
        ),
        lost(
            "hint",
            path,
            writes={
                "messages": [{"role": "system", "content": [text("Be brief."), text("Be kind.")]}, HELLO]
            },
        ),
        lost("hint", path, writes={"turns": ..., "turns[0].text": "Be brief.\nBe kind."}),
        READ,
        label="parts, with `prompt_cache_breakpoint`",
    )


def _name(role: str) -> Row:
    """An author's name."""
    message = {"role": role, "content": "Be brief."}
    rest = () if role == "user" else (HELLO,)
    gone = lost("hint", "messages[0].name")
    return row(
        f"messages[{role}].name",
        conversation({**message, "name": "ann"}, *rest),
        gone,
        gone,
        gone,
        gone,
        READ,
        given=conversation(message, *rest),
    )


ROLES = (
    *(maker(role) for maker in (_leading, _midway, _parts) for role in ("system", "developer")),
    *(_name(role) for role in ("system", "developer", "user")),
    mistake("messages", {"messages": []}, "empty", "empty_array", "messages"),
    mistake("messages", {"messages": "Hi"}, "no list", "invalid_type", "messages"),
    mistake(
        "messages",
        conversation({"role": "wizard", "content": "Hi"}),
        "a role that nobody knows",
        "invalid_value",
        "messages[0].role",
    ),
    mistake(
        "messages[user].content",
        conversation({"role": "user"}),
        "missing",
        "missing_required_parameter",
        "messages[0].content",
    ),
)

# --- Parts of the user's messages ---------------------------------------------------------------

_PART = "messages[0].content[1]"
_UNREADABLE = refused("unsupported_modality", _PART)


def _part(
    field: str,
    part: dict[str, Any],
    anthropic: dict[str, Any] | Outcome,
    gemini: dict[str, Any] | Outcome,
    mistral: dict[str, Any] | Outcome,
    local: Outcome = _UNREADABLE,
    label: str = "",
) -> Row:
    """A part after a text; where an outcome is a dict, it is the part that is written."""
    return row(
        field,
        _user(part),
        to(_claude(anthropic)) if isinstance(anthropic, dict) else anthropic,
        to(_gemini(gemini)) if isinstance(gemini, dict) else gemini,
        to(_mistral(mistral)) if isinstance(mistral, dict) else mistral,
        local,
        READ,
        given=LOOK,
        label=label,
    )


def _claude(part: dict[str, Any]) -> dict[str, Any]:
    return {"messages[0].content": [text("Look."), part]}


def _gemini(part: dict[str, Any]) -> dict[str, Any]:
    return {"contents[0].parts": [{"text": "Look."}, part]}


def _mistral(part: dict[str, Any]) -> dict[str, Any]:
    return {"messages[0].content": [text("Look."), part]}


def _image(url: str = f"data:image/png;base64,{PNG}", **members: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **members}}


def _file(**members: Any) -> dict[str, Any]:
    return {"type": "file", "file": members}


IMAGE = _image()
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
INLINE = {"inlineData": {"mimeType": "image/png", "data": PNG}}
_DOCUMENT = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}
_PDF_URL = f"data:application/pdf;base64,{PDF}"
_IMAGES = "messages[user].content[image_url]"
_SOUND = "messages[user].content[input_audio]"
_FILE = "messages[user].content[file]"
_VIDEO = "messages[user].content[video_url].video_url.url"


def _marked(kind: str, part: dict[str, Any], anthropic: Any, gemini: Any, mistral: Any) -> Row:
    """A part with a cache mark."""
    path = f"{_PART}.prompt_cache_breakpoint"
    return _part(
        f"messages[user].content[{kind}].prompt_cache_breakpoint",
        {**part, "prompt_cache_breakpoint": BREAK},
        anthropic
        if isinstance(anthropic, Outcome)
        else {**anthropic, "cache_control": {"type": "ephemeral"}},
        lost("hint", path, writes=_gemini(gemini)),
        lost("hint", path, writes=_mistral(mistral)),
        lost("hint", path, writes={"turns": ...}) if kind == "text" else _UNREADABLE,
    )


def _detail(word: str, gemini: str | None, anthropic: Outcome) -> Row:
    level = {"mediaResolution": {"level": f"MEDIA_RESOLUTION_{gemini}"}} if gemini else {}
    image = _image(detail=word)
    return _part(
        f"{_IMAGES}.image_url.detail", image, anthropic, {**INLINE, **level}, image, label=f"`{word}`"
    )


_ROUGH = lost("hint", f"{_PART}.image_url.detail", writes=_claude(PICTURE))

PARTS = (
    _part(
        "messages[user].content[text].text",
        text(),
        text(),
        {"text": "The sky."},
        text(),
        to({"turns": ..., "turns[0].text": "Look.\nThe sky."}),
    ),
    _marked("text", text(), text(), {"text": "The sky."}, text()),
    _part(
        "messages[user].content[text].cache_control",
        text(cache_control={"type": "ephemeral"}),
        text(cache_control={"type": "ephemeral"}),
        lost("hint", f"{_PART}.cache_control", writes=_gemini({"text": "The sky."})),
        lost("hint", f"{_PART}.cache_control", writes=_mistral(text())),
        lost("hint", f"{_PART}.cache_control", writes={"turns": ...}),
    ),
    _part(f"{_IMAGES}.image_url.url", _image(), PICTURE, INLINE, _image(), label="a data URL"),
    _part(
        f"{_IMAGES}.image_url.url",
        _image("https://x.test/a.png"),
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
        to({"contents[0].parts": ..., "contents[0].parts[1].fileData.fileUri": "https://x.test/a.png"}),
        _image("https://x.test/a.png"),
        label="an address",
    ),
    _detail("auto", None, to(_claude(PICTURE))),
    _detail("low", "LOW", _ROUGH),
    _detail("high", "HIGH", _ROUGH),
    _marked("image_url", _image(), PICTURE, INLINE, _image()),
    _part(
        f"{_SOUND}.input_audio",
        {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}},
        _UNREADABLE,
        {"inlineData": {"mimeType": "audio/wav", "data": WAV}},
        {"type": "input_audio", "input_audio": WAV},
        label="`wav`",
    ),
    _part(
        f"{_SOUND}.input_audio",
        {"type": "input_audio", "input_audio": {"data": WAV, "format": "mp3"}},
        _UNREADABLE,
        {"inlineData": {"mimeType": re.compile("audio/(mp3|mpeg)"), "data": WAV}},
        {"type": "input_audio", "input_audio": WAV},
        label="`mp3`",
    ),
    _marked(
        "input_audio",
        {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}},
        _UNREADABLE,
        {"inlineData": {"mimeType": "audio/wav", "data": WAV}},
        {"type": "input_audio", "input_audio": WAV},
    ),
    _part(
        f"{_FILE}.file.file_data",
        _file(file_data=_PDF_URL),
        _DOCUMENT,
        {"inlineData": {"mimeType": "application/pdf", "data": PDF}},
        {"type": "document_url", "document_url": _PDF_URL},
        label="a document",
    ),
    _part(
        f"{_FILE}.file.filename",
        _file(file_data=_PDF_URL, filename="a.pdf"),
        {**_DOCUMENT, "title": "a.pdf"},
        lost(
            "hint",
            f"{_PART}.file.filename",
            writes=_gemini({"inlineData": {"mimeType": "application/pdf", "data": PDF}}),
        ),
        {"type": "document_url", "document_url": _PDF_URL, "document_name": "a.pdf"},
    ),
    _part(
        f"{_FILE}.file.file_data",
        _file(file_data=f"data:text/plain;base64,{TEXT}"),
        emulated(
            "as text",
            _claude(
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "The sky."},
                }
            ),
        ),
        {"inlineData": {"mimeType": "text/plain", "data": TEXT}},
        {"type": "document_url", "document_url": f"data:text/plain;base64,{TEXT}"},
        label="a text",
    ),
    _part(
        f"{_FILE}.file.file_id",
        _file(file_id="file-1"),
        refused("unsupported_value", _PART),
        refused("unsupported_value", _PART),
        refused("unsupported_value", _PART),
    ),
    _marked(
        "file",
        _file(file_data=_PDF_URL),
        _DOCUMENT,
        {"inlineData": {"mimeType": "application/pdf", "data": PDF}},
        {"type": "document_url", "document_url": _PDF_URL},
    ),
    _part(
        _VIDEO,
        {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{WAV}"}},
        _UNREADABLE,
        {"inlineData": {"mimeType": "video/mp4", "data": WAV}},
        _UNREADABLE,
    ),
    mistake(
        f"{_IMAGES}.image_url",
        _user({"type": "image_url"}),
        "missing",
        "missing_required_parameter",
        f"{_PART}.image_url",
    ),
    mistake(
        f"{_IMAGES}.image_url.detail",
        _user(_image(detail="sharp")),
        "no such word",
        "invalid_value",
        f"{_PART}.image_url.detail",
    ),
    mistake(f"{_FILE}.file", _user(_file()), "empty", "missing_required_parameter", f"{_PART}.file.file_id"),
)
