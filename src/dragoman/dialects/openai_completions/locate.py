"""Finds the JSON path in a client's request for a path in the IR."""

from __future__ import annotations

from typing import Final

_MEMBERS: Final = {
    "max_output": "max_tokens",
    "messages[0].blocks[1]": "suffix",
    "sampling.top_logprobs": "logprobs",
    "stream_usage": "stream_options.include_usage",
}


def locate(where: str) -> str:
    """Return the JSON path for an IR path (`where`), such as `$.logit_bias` for `sampling.logit_bias`. The
    second block of the first message is `$.suffix`; any other path of or inside a message becomes `$.prompt`.
    A path that this module does not translate gets `$.` in front.
    """
    if (member := _MEMBERS.get(where)) is not None:
        return "$." + member
    if where.startswith("messages"):
        return "$.prompt"
    return "$." + where.removeprefix("sampling.")
