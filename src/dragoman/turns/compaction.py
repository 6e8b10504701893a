"""Compaction: a long conversation becomes its latest words of the user and a summary, for every provider.

The summary is written by the model that is asked. It travels in a `compaction` item as `encrypted_content`,
as the API's own does, and becomes a message again when it is sent back: so what one provider has compacted
another can go on with. https://platform.openai.com/docs/api-reference/responses/compact
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

from dragoman.turns.items import Wire, decode, kind
from dragoman.wire.json import encode

TAG: Final = b"dgmc1."
"""What the content of a compaction of ours begins with."""
_MOST_KEPT: Final = 80_000
"""Characters of the user's own words that are kept beside the summary, from the latest back."""

ASK: Final = (
    "Summarize the conversation so far for whoever continues it without having seen it: the goals, every "
    "decision and fact that still matters (names, numbers, paths, code), what was tried and how it ended, "
    "what is still to be done. Write plain text, in the language of the conversation, and nothing else."
)
_HEADING: Final = "Summary of the conversation until here:\n\n"


def asking(items: Sequence[Any]) -> list[Any]:
    """The input by which a model is asked for the summary of some items."""
    return [*items, {"type": "message", "role": "user", "content": [{"type": "input_text", "text": ASK}]}]


def compacted(summary: str, id_: str) -> Wire:
    """The item that stands for a summary."""
    sealed = (TAG + base64.urlsafe_b64encode(encode({"summary": summary}))).decode()
    return {"type": "compaction", "id": id_, "encrypted_content": sealed, "created_by": "dragoman"}


def opened(item: Wire) -> Wire | None:
    """The message that a compaction of ours stands for; None for every other item."""
    content = item.get("encrypted_content")
    if kind(item) not in {"compaction", "compaction_summary"} or not isinstance(content, str):
        return None
    if not content.startswith(TAG.decode()):
        return None
    try:
        summary = decode(base64.urlsafe_b64decode(content[len(TAG) :]))["summary"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None
    part = {"type": "input_text", "text": _HEADING + str(summary)}
    return {"type": "message", "role": "user", "content": [part]}


def remembered(items: Sequence[Wire]) -> list[Wire]:
    """The messages of the user that stay as they are, oldest first."""
    kept: list[Wire] = []
    room = _MOST_KEPT
    for item in reversed(items):
        if kind(item) != "message" or item.get("role") != "user":
            continue
        room -= len(encode(item))
        if room < 0:
            break
        kept.append(item)
    return kept[::-1]
