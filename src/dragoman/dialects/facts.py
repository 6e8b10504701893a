"""What is known of one model, as far as it changes how a request must be written.

None always means "not known": encoders then write what the dialect's newest models accept, or leave
the provider to judge. The table of facts is `providers/models.py`; operators override it per model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from dragoman.ir.blocks import Value


class Facts(Value, frozen=True):
    """Facts about one model.

    context, max_output: tokens. tools, images, audio, documents, structured, reasoning: whether it
    can. structured False means that a JSON schema must be emulated. forced_tool: whether tool_choice may
    force a call. sampling: whether temperature, top_p and top_k are accepted. prefill: whether the last
    message may be the assistant's. mid_system: system messages inside the history. thinking: the modes
    that the API accepts ("enabled" with a budget, "adaptive", "disabled", "level"). efforts: the effort words
    that it accepts. signed_calls: whether a call of the running turn is refused without its signature.
    mixed_tools: whether the provider's own tools may stand beside functions. media_results: whether a tool's
    result may hold media. thinking_budget: the smallest and the largest budget, in tokens. thinks: whether it
    thinks when nothing is said of it. bound_thinking: whether earlier thoughts are refused where anything
    before them has changed. apis: the names of the only protocols that it can be asked in, None = all that
    its provider speaks; tool_apis: those of them in which it may think while it has functions to call. draws:
    whether it answers with pictures by itself, so that it needs no tool for them. max_tokens: whether the
    chat API takes its older word for the longest answer, which is `max_completion_tokens` by now.
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
        """Whether some request may have to be refused for this model."""
        return False in (self.tools, self.images, self.audio, self.documents, self.structured)

    def takes(self, body: Mapping[str, Any]) -> bool:
        """Whether the model takes every member of a body in its API's own words. Where sampling is refused,
        1 is not: every model does that anyway.
        """
        if self.sampling is False and any(body.get(member) not in _USUAL for member in SAMPLING):
            return False
        return self.max_tokens is not False or body.get("max_tokens") is None


SAMPLING: Final = ("temperature", "top_p", "top_k")
"""The members, alike in most protocols, that `Facts.sampling` is about."""
_USUAL: Final = (None, 1)
UNKNOWN = Facts()
Capability = Literal["tools", "images", "audio", "documents", "structured", "reasoning"]
