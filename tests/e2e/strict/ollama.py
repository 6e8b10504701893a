"""What an Ollama server refuses of POST /api/chat, or would drop without a word.

https://docs.ollama.com/api/chat; ollama/ollama fb307609: api/types.go, server/routes.go.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from dragoman.testing.provider import Seen
from tests.e2e.strict.media import base64_of
from tests.e2e.strict.typed import Refused, demand


class _Closed(msgspec.Struct, forbid_unknown_fields=True):
    """An object with no member but these. The real one reads over others, so that they would be lost."""


class _Called(_Closed):
    name: str
    arguments: dict[str, Any]
    index: int = 0


class _Call(_Closed):
    function: _Called
    id: str = ""


class _Message(_Closed):
    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    thinking: str = ""
    images: list[str] = []
    tool_calls: list[_Call] = []
    tool_name: str = ""
    tool_call_id: str = ""


class _Function(_Closed):
    name: str
    description: str = ""
    parameters: dict[str, Any] = {}


class _Tool(_Closed):
    type: Literal["function"]
    function: _Function


class _Options(_Closed):
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float | None = None
    seed: int | None = None
    stop: list[str] | None = None
    num_predict: int | None = None
    num_ctx: int | None = None
    num_keep: int | None = None
    repeat_last_n: int | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


class _Request(_Closed):
    model: str
    messages: list[_Message]
    stream: bool | None = None
    format: Literal["json", ""] | dict[str, Any] | None = None
    tools: list[_Tool] = []
    options: _Options | None = None
    think: bool | Literal["low", "medium", "high", "max"] | None = None
    keep_alive: str | float | None = None
    truncate: bool | None = None
    shift: bool | None = None
    logprobs: bool = False
    top_logprobs: int = 0


def judge(seen: Seen) -> None:
    """Raises Refused."""
    demand(seen.path == "/api/chat", "404 page not found", status=404)
    try:
        body = msgspec.convert(seen.body, _Request)
    except msgspec.ValidationError as error:
        said, _, path = str(error).partition(" - at `$.")
        raise Refused(said, path.rstrip("`")) from None
    demand(body.model, "model is required")
    demand(0 <= body.top_logprobs <= 20, "top_logprobs must be between 0 and 20", "top_logprobs")
    for index, message in enumerate(body.messages):
        for place, image in enumerate(message.images):
            base64_of(image, f"messages[{index}].images[{place}]")
        demand(
            message.role == "tool" or not message.tool_name, "a name without a result", f"messages[{index}]"
        )
