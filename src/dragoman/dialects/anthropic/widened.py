"""Removes values that only compatible servers accept, so that the rest of a request can be checked.

DeepSeek accepts temperatures up to 2 (https://api-docs.deepseek.com/guides/anthropic_api). Servers that do
not count thinking accept any thinking budget, and thinking without one
(https://api-docs.deepseek.com/guides/thinking_mode). vLLM and llama.cpp accept empty texts.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from dragoman.dialects.quirks import Wider
from dragoman.dialects.request import WireRequest

_Body = dict[str, Any]
_HOTTEST: Final = 2
_WORD: Final = "-"
"""Stands for an empty text."""


def widened(wire: WireRequest, widens: frozenset[Wider]) -> WireRequest:
    """Return a copy of the request for `check`, without the values that some servers accept although `check`
    refuses them. The request itself is not changed. "temperature" in `widens` removes a temperature of 0 to
    2; "budget_tokens" makes a thinking with an integer budget, or none, adaptive without a budget; "content"
    puts "-" in place of empty contents of messages and empty texts of their blocks.
    """
    body = dict(wire.body)
    if "temperature" in widens:
        _temperature(body)
    if "budget_tokens" in widens:
        _budget(body)
    if "content" in widens:
        _texts(body)
    return replace(wire, body=body)


def _temperature(body: _Body) -> None:
    stated = body.get("temperature")
    if isinstance(stated, int | float) and type(stated) is not bool and 0 <= stated <= _HOTTEST:
        del body["temperature"]


def _budget(body: _Body) -> None:
    thinking = body.get("thinking")
    if type(thinking) is not dict or type(thinking.get("type")) is not str:
        return
    budget = thinking.get("budget_tokens")
    if budget is None or type(budget) is int:
        body["thinking"] = {**thinking, "type": "adaptive", "budget_tokens": None}


def _texts(body: _Body) -> None:
    messages = body.get("messages")
    if type(messages) is list:
        body["messages"] = [
            {**message, "content": _filled(message.get("content"))} if type(message) is dict else message
            for message in messages
        ]


def _filled(content: Any) -> Any:
    """Return the content of a message with a word in place of an empty string or list, of null, and of each
    empty `text` of its blocks. Any other content is returned unchanged.
    """
    if content is None or content in ("", []):
        return _WORD
    if type(content) is not list:
        return content
    return [
        {**block, "text": _WORD} if type(block) is dict and block.get("text") == "" else block
        for block in content
    ]
