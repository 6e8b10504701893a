"""Removes values that only compatible servers accept, so that the rest of a request can be checked.

DeepSeek accepts temperatures up to 2 (https://api-docs.deepseek.com/guides/anthropic_api), and servers that
do not count thinking accept any thinking budget.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from dragoman.dialects.quirks import Wider
from dragoman.dialects.request import WireRequest

_Body = dict[str, Any]
_HOTTEST: Final = 2


def widened(wire: WireRequest, widens: frozenset[Wider]) -> WireRequest:
    """Return a copy of the request for `check`, without the values that some servers accept although `check`
    refuses them.

    If `widens` has "temperature", a temperature of 0 to 2 is removed. If it has "budget_tokens" and
    `thinking` states an integer `budget_tokens`, that budget becomes null and the type of the thinking
    becomes "adaptive".
    """
    body = dict(wire.body)
    if "temperature" in widens:
        _temperature(body)
    if "budget_tokens" in widens:
        _budget(body)
    return replace(wire, body=body)


def _temperature(body: _Body) -> None:
    stated = body.get("temperature")
    if isinstance(stated, int | float) and type(stated) is not bool and 0 <= stated <= _HOTTEST:
        del body["temperature"]


def _budget(body: _Body) -> None:
    thinking = body.get("thinking")
    if type(thinking) is dict and type(thinking.get("budget_tokens")) is int:
        body["thinking"] = {**thinking, "type": "adaptive", "budget_tokens": None}
