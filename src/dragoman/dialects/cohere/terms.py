"""The words and limits of Cohere's chat protocol, the tables between its finish reasons and those of the IR,
and the dialect's functions for leftovers.
"""

from __future__ import annotations

from typing import Final

from dragoman import ir
from dragoman.dialects.chat.narrower import Narrower
from dragoman.dialects.leftovers import Leftovers

NAME: Final = "cohere"
_own: Final = Leftovers(NAME)
leftovers: Final = _own.of
restore: Final = _own.restore
narrower: Final = Narrower("the Cohere API", restore)
"""Writes calls, functions and the heads of messages for this protocol, which has fewer members than chat."""
PATH: Final = "/chat"

LEAST_P: Final = 0.01
MOST_P: Final = 0.99
MOST_K: Final = 500
MOST_PENALTY: Final = 1.0
MOST_STOPS: Final = 5
"""Limits of sampling: https://docs.cohere.com/reference/chat, read 2026-11 in the texts of the client
`cohere` 7.3.1. Penalties are from 0 to 1, `p` from 0.01 to 0.99, `k` from 0 to 500; there are at most five
stop sequences.
"""

STOPS: Final[dict[str, ir.Stop]] = {
    "COMPLETE": ir.Stop("end"),
    "STOP_SEQUENCE": ir.Stop("sequence"),
    "MAX_TOKENS": ir.Stop("length"),
    "TOOL_CALL": ir.Stop("tool"),
    "ERROR_TOXIC": ir.Stop("filter"),
    "ERROR_LIMIT": ir.Stop("context"),
}
"""Finish reason of Cohere -> stop of the IR. The last two come from older models. The finish reasons in
`FAILURES` are decoded as errors instead.
"""
FAILURES: Final[dict[str, ir.Fault]] = {
    "ERROR": ir.Fault("upstream", "The provider could not complete the response.", blame="upstream"),
    "TIMEOUT": ir.Fault(
        "timeout", "The provider took longer for the response than it allows.", blame="upstream"
    ),
}
"""Finish reason -> fault, for the finish reasons that mean a failure: the generation failed, or exceeded the
allowed time (https://docs.cohere.com/reference/chat, read 2026-11). The content before such a finish reason
is not a complete answer.
"""
STOP_WORDS: Final[dict[str, str]] = {
    "end": "COMPLETE",
    "tool": "TOOL_CALL",
    "length": "MAX_TOKENS",
    "context": "MAX_TOKENS",
    "sequence": "STOP_SEQUENCE",
    "filter": "ERROR_TOXIC",
    "pause": "COMPLETE",
    "compaction": "COMPLETE",
    "broken": "COMPLETE",
    "error": "COMPLETE",
    "other": "COMPLETE",
}
"""Stop reason of the IR -> Cohere's finish reason. For the reasons in `STOPS_LOST`, the finish reason is less
precise.
"""
STOPS_LOST: Final[dict[str, str]] = {
    "context": "a full context window is reported as `MAX_TOKENS`",
    "pause": "a pause is reported as `COMPLETE`: send the conversation again to continue",
    "compaction": "a compaction is reported as `COMPLETE`",
    "broken": "malformed output is reported as `COMPLETE`",
    "error": "an error of the model is reported as `COMPLETE`",
    "other": "an unknown finish reason is reported as `COMPLETE`",
}
PLAN: Final = "tool_plan"
"""The member `tool_plan` of a message, and the `ir.Text.form` of its text."""
