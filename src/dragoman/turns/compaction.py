"""Compaction: replaces a long conversation by the user's latest messages and a summary, for every provider.

The requested model writes the summary. The client gets it as `encrypted_content` of a `compaction` item, as
in OpenAI's API. When the client sends this item back, the provider gets the summary as a message.
https://platform.openai.com/docs/api-reference/responses/compact
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

from dragoman.turns.items import Wire, decode, kind
from dragoman.wire.json import encode

TAG: Final = b"dgmc1."
"""The beginning of `encrypted_content` in compaction items of the gateway."""
_MOST_KEPT: Final = 80_000
"""The most bytes of the user's messages that stay in the conversation beside the summary."""

ASK: Final = (
    "Summarize the conversation so far for whoever continues it without having seen it: the goals, every "
    "decision and fact that still matters (names, numbers, paths, code), what was tried and how it ended, "
    "what is still to be done. Write plain text, in the language of the conversation, and nothing else."
)
_HEADING: Final = "Summary of the conversation until here:\n\n"


def asking(items: Sequence[Any]) -> list[Any]:
    """Return the input that asks a model for a summary: these items, and a user message with the
    instruction.
    """
    return [*items, {"type": "message", "role": "user", "content": [{"type": "input_text", "text": ASK}]}]


def compacted(summary: str, id_: str) -> Wire:
    """Return the compaction item for the client, with this id. The summary is in `encrypted_content`; it is
    encoded (base64) but not encrypted.
    """
    sealed = (TAG + base64.urlsafe_b64encode(encode({"summary": summary}))).decode()
    return {"type": "compaction", "id": id_, "encrypted_content": sealed, "created_by": "dragoman"}


def opened(item: Wire) -> Wire | None:
    """Return the summary in a compaction item of the gateway, as a user message; None for any other item, and
    for an item whose content cannot be decoded.
    """
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
    """Return the latest user messages among these items, oldest first: as many as together have at most
    `_MOST_KEPT` bytes as JSON. [] if there are none, or the latest one is larger.
    """
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
