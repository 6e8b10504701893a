"""What is asked through every face, before each puts it into its own words."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from tests.e2e.media import png, wav

Fields = dict[str, Any]

HELLO = "Hello!"
AGAIN = "And again?"
WHERE: Fields = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
NAMES = ("get_weather", "get_time")
PARIS = ("call_1", "get_weather", '{"city":"Paris"}')
ROME = ("call_2", "get_time", '{"city":"Rome"}')
RESULTS = {"call_1": "sunny", "call_2": "noon"}
QUESTION = "Weather in Paris, time in Rome?"
CALLING = "Call get_weather and get_time."
SPOKEN = bytes(range(0, 240, 2)) * 4
PICTURE = png((255, 0, 0), (0, 0, 255))
PNG_64 = b64encode(PICTURE).decode()
SOUND = wav(SPOKEN)
WAV_64 = b64encode(SOUND).decode()
DATA_URL = f"data:image/png;base64,{PNG_64}"
SCHEMA: Fields = {
    "type": "object",
    # Few names, because a small model may write one without end.
    "properties": {"name": {"type": "string", "enum": ["Paris", "Rome"]}, "people": {"type": "integer"}},
    "required": ["name", "people"],
    "additionalProperties": False,
}
BUDGET = 4096
"""Tokens of thinking that come nearest to the effort "high"."""
LOOKING = "What is this?"
HALTED = "One END two."
