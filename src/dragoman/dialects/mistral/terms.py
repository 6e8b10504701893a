"""Tables between Mistral's values and the IR's; functions for leftovers; Mistral's form of call ids."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from dragoman.dialects.chat import stops
from dragoman.dialects.chat.narrower import Narrower
from dragoman.dialects.leftovers import Leftovers

NAME: Final = "mistral"
_own: Final = Leftovers(NAME)
leftovers: Final = _own.of
restore: Final = _own.restore
narrower: Final = Narrower("the Mistral API", restore)
"""Encodes functions, calls and the heads of messages as all protocols do that come from chat but have fewer
members."""
PATH: Final = "/chat/completions"

MAX_TEMPERATURE: Final = 1.5
LEAST_TOP_P: Final = 0.01
"""The lowest `top_p` that was tried and accepted. The specification allows 0, the API refuses it with 422.
https://github.com/mnfst/modelparams.dev/pull/234
"""

STOP_WORDS: Final = {
    **stops.STOP_WORDS,
    "context": "model_length",
    "filter": "error",
    "broken": "error",
    "error": "error",
}
"""IR reason -> the finish reason for the client. For the reasons in `STOPS_LOST` it is less precise."""
STOPS_LOST: Final[dict[str, str]] = {
    "sequence": "a stop sequence is reported as `stop`, without the sequence",
    "filter": "a filtered response is reported as `error`",
    "pause": "a pause is reported as `stop`: send the conversation again to continue",
    "compaction": "a compaction is reported as `stop`",
    "broken": "malformed output is reported as `error`",
    "other": "an unknown finish reason is reported as `stop`",
}

TIERS: Final[dict[str, str]] = {"auto": "auto", "standard_only": "default"}
TIER_WORDS: Final[dict[str, str]] = {
    "auto": "auto",
    "default": "standard_only",
    "priority": "auto",
    "fast": "auto",
}
"""IR tier -> the request's `service_tier`. No word demands priority: "auto" uses priority if the account may
use it."""
ANSWER_TIERS: Final[dict[str, str]] = {"standard": "default"}
ANSWER_TIER_WORDS: Final[dict[str, str]] = {"default": "standard"}

_CALL_ID: Final = re.compile(r"[A-Za-z0-9]{9}")
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def call_id(stated: str) -> str:
    """Return a call id of nine letters and digits, made from the stated id. An id that already has this form
    is returned unchanged.

    The same stated id always gives the same result, so a call and its result match in every request. The API
    refuses ids of another form with 400 (code 3280): https://docs.mistral.ai/api
    """
    if _CALL_ID.fullmatch(stated) is not None:
        return stated
    number = int.from_bytes(sha256(stated.encode()).digest()[:8], "big")
    letters: list[str] = []
    for _ in range(9):
        number, digit = divmod(number, 62)
        letters.append(_DIGITS[digit])
    return "".join(letters)
