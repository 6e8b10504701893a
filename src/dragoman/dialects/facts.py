"""Known facts of one model that change how a request must be written.

None always means "unknown": encoders then write what the dialect's newest models accept, or the provider
decides. The table of facts is `providers/models.py`; operators override it per model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from dragoman.ir.blocks import Value


class Facts(Value, frozen=True):
    """Facts about one model.

    context, max_output: tokens. tools, images, audio, documents, structured, reasoning: whether it supports
    them. structured False means that a JSON schema must be emulated. forced_tool: whether tool_choice may
    force a call. sampling: whether temperature, top_p and top_k are accepted. prefill: whether the last
    message may be the assistant's. mid_system: whether system messages may be inside the history. thinking:
    the modes that the API accepts ("enabled" with a budget, "adaptive", "disabled", "level"). efforts: the
    effort words that it accepts. signed_calls: whether a call in the current turn is refused without its
    signature. mixed_tools: whether the provider's own tools may be combined with functions. media_results:
    whether a tool's result may contain media. thinking_budget: the smallest and the largest budget, in
    tokens. thinks: whether it thinks by default. bound_thinking: whether earlier thinking is refused if
    anything before it has changed. apis: the only protocols through which it is available, None = all of its
    provider's; tool_apis: those in which it may think while it has functions to call. draws: whether it
    answers with pictures without a tool. max_tokens: whether the chat API accepts `max_tokens`, the older
    name of `max_completion_tokens`.
    """

    context: int | None = None
    max_output: int | None = None
    tools: bool | None = None
    images: bool | None = None
    audio: bool | None = None
    documents: bool | None = None
    structured: bool | None = None
    reasoning: bool | None = None
    forced_tool: bool | None = None
    sampling: bool | None = None
    prefill: bool | None = None
    mid_system: bool | None = None
    thinking: tuple[str, ...] | None = None
    efforts: tuple[str, ...] | None = None
    signed_calls: bool | None = None
    mixed_tools: bool | None = None
    media_results: bool | None = None
    thinking_budget: tuple[int, int] | None = None
    thinks: bool | None = None
    bound_thinking: bool | None = None
    apis: tuple[str, ...] | None = None
    tool_apis: tuple[str, ...] | None = None
    draws: bool | None = None
    max_tokens: bool | None = None

    @property
    def restricts(self) -> bool:
        """Whether these facts can make a request fail."""
        return False in (self.tools, self.images, self.audio, self.documents, self.structured)

    def takes(self, body: Mapping[str, Any]) -> bool:
        """Whether the model accepts every member of a body in its API's own words.

        Sampling members with the value 1 are accepted by every model, because 1 is the default.
        """
        if self.sampling is False and any(body.get(member) not in _USUAL for member in SAMPLING):
            return False
        return self.max_tokens is not False or body.get("max_tokens") is None


SAMPLING: Final = ("temperature", "top_p", "top_k")
"""The members that `Facts.sampling` is about; most protocols use these names."""
_USUAL: Final = (None, 1)
UNKNOWN = Facts()
Capability = Literal["tools", "images", "audio", "documents", "structured", "reasoning"]
