"""Names and values that the chat family shares: members, words of tool choices, audio formats; and JSON as
text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

SCHEMA_BESIDE: Final = ("schema", "value")
"""Members of `response_format` that hold the schema at some vendors: `schema` at llama.cpp, Together and
Fireworks; `value` at TGI (TGI's client `huggingface_hub` converts OpenAI's form to this form)."""
CHOICES: Final[Mapping[Any, Literal["auto", "none", "any"]]] = {
    "auto": "auto",
    "none": "none",
    "any": "any",
    "required": "any",
}
"""Word of `tool_choice` -> `ToolChoice.mode`."""
AUDIO_TYPES: Final[dict[str, str]] = {"wav": "audio/wav", "mp3": "audio/mpeg"}
AUDIO_FORMATS: Final[dict[str, str]] = {mime: name for name, mime in AUDIO_TYPES.items()} | {
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mp3": "mp3",
}


def text_of(value: Any) -> str:
    """Return a decoded JSON value as text for a model: a string unchanged, any other value as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
