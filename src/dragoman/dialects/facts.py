"""What is known about one model that decides how a request for it must be written.

None means "unknown", except in `apis`. For an unknown fact, an encoder writes what the dialect's newest
models accept, or leaves the decision to the provider. The table of facts is `providers/models.py`; the
configuration overrides it for single models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from dragoman.ir.blocks import Value

ToolMode = Literal["xml", "hermes", "json"]
"""A notation of calls in text: declared XML tags, JSON between `<tool_call>` tags, JSON in a code block."""


TagMode = Literal["tags", "open"]
"""How reasoning is marked in a text: between `<think>` and `</think>`; or by `</think>` alone, because the
chat template has put the opening tag into the prompt."""
ReasoningText = Literal["apart", "tags", "open"]
"""Where reasoning stands: "apart" = in members of its own; else at the beginning of the text (`TagMode`)."""


class Facts(Value, frozen=True):
    """Facts about one model.

    context, max_output: the size of its context window, and its longest output, in tokens. tools, images,
    audio, documents, structured, reasoning: whether it supports them; images, audio and documents as input,
    structured = output by a JSON schema, which must be emulated if this is False. forced_tool: whether
    tool_choice may force a call. sampling: whether it accepts temperature, top_p and top_k. sampling_pair:
    whether it accepts temperature and top_p together. prefill: whether the last message may be the
    assistant's. mid_system: whether system messages may be inside the history.
    thinking: the modes that its API accepts ("enabled" with a budget, "adaptive", "disabled", "level").
    efforts: the effort words that it accepts. signed_calls: whether it refuses a call in the current turn
    without its signature. mixed_tools: whether the provider's own tools may be combined with functions.
    media_results: whether a tool's result may contain media. thinking_budget: the smallest and the largest
    budget, in tokens. thinks: whether it thinks by default. bound_thinking: whether it refuses earlier
    thinking if anything before that has changed. apis: the only protocols in which the provider offers it,
    None = in all that the provider has. tool_apis: those of them in which it may think while it has functions
    to call. draws: whether it answers with pictures without a tool. max_tokens: whether the chat API accepts
    `max_tokens`, the older name of `max_completion_tokens`. tool_mode: how the model is told of tools, and
    writes its calls: in text (`prompted.notation`); None = by the protocol's own means.
    reasoning_text: where its reasoning stands in answers, None = as the vendor's quirk says. chat: whether it
    can chat at all; a model of speech cannot. streams_tools: whether it streams answers to requests with
    tools; if not, the whole answer is asked for.
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
    sampling_pair: bool | None = None
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
    tool_mode: ToolMode | None = None
    reasoning_text: ReasoningText | None = None
    chat: bool | None = None
    streams_tools: bool | None = None

    def over(self, others: Facts) -> Facts:
        """These facts, and those of `others` for what is unknown here."""
        if self == UNKNOWN:
            return others
        if others == UNKNOWN:
            return self
        known = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(others, **known)

    @property
    def prompts_tools(self) -> bool:
        """Whether tools are described in the prompt, and calls written in text."""
        return self.tool_mode is not None

    @property
    def calls(self) -> bool | None:
        """Whether the model can be used with tools, in whatever way; None = unknown."""
        return True if self.prompts_tools else self.tools

    @property
    def restricts(self) -> bool:
        """Whether at least one of chat, tools, images, audio, documents and structured is False, so that some
        requests are refused.
        """
        return False in (self.chat, self.calls, self.images, self.audio, self.documents, self.structured)

    def takes(self, body: Mapping[str, Any]) -> bool:
        """Whether the model accepts this body, as far as temperature, top_p, top_k, `tool_choice` and
        `max_tokens` decide.

        Each of the first three is accepted by every model with the value 1, because 1 is the default.
        """
        if self.sampling is False and any(body.get(member) not in _USUAL for member in SAMPLING):
            return False
        if self.sampling_pair is False and None not in (body.get("temperature"), body.get("top_p")):
            return False
        if self.forced_tool is False and _forces(body.get("tool_choice")):
            return False
        return self.max_tokens is not False or body.get("max_tokens") is None


def _forces(choice: Any) -> bool:
    """Whether a `tool_choice` forces a call, in the form of OpenAI's or Anthropic's protocols."""
    if isinstance(choice, dict):
        kind = choice.get("type")
        if kind == "allowed_tools":
            choice = choice.get("allowed_tools", choice)
            kind = choice.get("mode") if isinstance(choice, dict) else None
    else:
        kind = choice
    return kind not in {None, "auto", "none"}


SAMPLING: Final = ("temperature", "top_p", "top_k")
"""The members of a body that `Facts.sampling` is about, by the names that most protocols have for them."""
EITHER: Final = "the model accepts either temperature or top_p"
"""The reason for a loss of top_p if `Facts.sampling_pair` is False."""
_USUAL: Final = (None, 1)
UNKNOWN = Facts()
Capability = Literal["tools", "images", "audio", "documents", "structured", "reasoning"]
