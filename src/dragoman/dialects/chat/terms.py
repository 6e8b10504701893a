"""Words that all protocols of the chat family share."""

from __future__ import annotations

from typing import Any, Final

import msgspec

SCHEMA_BESIDE: Final = ("schema", "value")
"""Where vendors have a schema beside the type of `response_format`: llama.cpp, Together and Fireworks; TGI,
whose clients (`huggingface_hub`) rewrite OpenAI's form to it.
"""
AUDIO_TYPES: Final[dict[str, str]] = {"wav": "audio/wav", "mp3": "audio/mpeg"}
AUDIO_FORMATS: Final[dict[str, str]] = {mime: name for name, mime in AUDIO_TYPES.items()} | {
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mp3": "mp3",
}


def text_of(value: Any) -> str:
    """A JSON value as the text that a model reads: strings as they are, the rest as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
