"""The names of the dialect, tables between its values and those of the IR, and the families of models.

Names and enumerations: the service model `bedrock-runtime/2023-09-30` of botocore 1.44.5, which is
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, read in 2026-11.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

from dragoman.dialects.leftovers import Leftovers
from dragoman.ir import Stop

NAME: Final = "bedrock"
API: Final = "the Converse API"
_own: Final = Leftovers(NAME)
leftovers: Final = _own.of
restore: Final = _own.restore
PATH: Final = "/model/{model}/converse"
STREAM_PATH: Final = "/model/{model}/converse-stream"
COUNT_PATH: Final = "/model/{model}/count-tokens"

STOPS: Final[dict[str, Stop]] = {
    "end_turn": Stop("end"),
    "tool_use": Stop("tool"),
    "max_tokens": Stop("length"),
    "stop_sequence": Stop("sequence"),
    "content_filtered": Stop("filter"),
    "malformed_model_output": Stop("broken"),
    "model_context_window_exceeded": Stop("context"),
}
STOP_WORDS: Final[dict[str, str]] = {stop.reason: word for word, stop in STOPS.items()}
"""Stop reason of the IR -> `stopReason`. There is no `stopReason` for "pause", "compaction", "error" and
"other".
"""
STOPS["guardrail_intervened"] = Stop("filter", "guardrail_intervened")
STOPS["malformed_tool_use"] = Stop("broken", "malformed_tool_use")

TIERS: Final = {"default": "default", "priority": "priority", "flex": "flex", "reserved": "reserved"}
TIER_WORDS: Final = {**TIERS, "fast": "priority"}
"""Service tier of the IR -> `serviceTier.type`. "auto" is not in it, because it leaves the choice to the
provider.
"""

IMAGES: Final = {one: f"image/{one}" for one in ("png", "jpeg", "gif", "webp")}
DOCUMENTS: Final = {
    "pdf": "application/pdf",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "html": "text/html",
    "txt": "text/plain",
    "md": "text/markdown",
}
VIDEOS: Final = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "flv": "video/x-flv",
    "mpeg": "video/mpeg",
    "wmv": "video/x-ms-wmv",
    "three_gp": "video/3gpp",
}
SOUNDS: Final = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "mp4": "audio/mp4",
    "webm": "audio/webm",
    "mka": "audio/x-matroska",
    "pcm": "audio/pcm",
}
FORMATS: Final = {"image": IMAGES, "document": DOCUMENTS, "video": VIDEOS, "audio": SOUNDS}
"""Kind of media -> {the word for `format`: media type}."""
OTHER_TYPES: Final = {
    "image/jpg": "jpeg",
    "audio/x-wav": "wav",
    "audio/mp3": "mp3",
    "audio/x-flac": "flac",
    "audio/m4a": "m4a",
    "audio/x-m4a": "m4a",
    "audio/vnd.wave": "wav",
    "video/mpg": "mpg",
    "text/x-markdown": "md",
    "application/x-pdf": "pdf",
    "application/json": "txt",
}
"""Other media types -> `format`. Documents of another dialect with any further `text/…` type get the format
`txt`.
"""

Family: TypeAlias = Literal["claude", "nova", "gpt_oss", "qwen", "other"]
"""A family of models, which decides what is written into `additionalModelRequestFields`. "other" = a model of
none of the other families, or an unknown one.
"""
_FAMILIES: Final[tuple[tuple[re.Pattern[str], Family], ...]] = (
    (re.compile(r"\banthropic\.|claude"), "claude"),
    (re.compile(r"\bamazon\.nova"), "nova"),
    (re.compile(r"\bopenai\.gpt-oss"), "gpt_oss"),
    (re.compile(r"\bqwen\."), "qwen"),
)
CACHING: Final[frozenset[Family]] = frozenset({"claude", "nova"})
"""The families for whose models cache points are written; for a model without caching the API answers 400.
https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html, read in 2026-11.
"""


def family_of(model: str | None) -> Family:
    """Return the family of a model. model: its id, the id of its inference profile, or its ARN; None =
    unknown. "other" = the model is unknown, or its name shows none of the families in `_FAMILIES`: a model
    of Meta, for example, or the ARN of an application inference profile.
    """
    return next((family for pattern, family in _FAMILIES if pattern.search(model or "")), "other")
