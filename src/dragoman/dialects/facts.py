"""Facts about one model that decide how a request for this model must be written.

None means "unknown", except in the fields `apis`, `tool_apis`, `tool_mode` and `reasoning_text`. For an
unknown fact, an encoder writes what the dialect's newest models accept, or leaves the decision to the
provider. The facts of a model come from three sources: the configuration, the list of models that the
provider publishes, and the table in `providers/models.py`. For each field, the first of them that states it
counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from dragoman.ir.blocks import Value

ToolMode = Literal["xml", "hermes", "json"]
"""The notation in which a model writes tool calls in its text. xml: declared XML tags. hermes: JSON between
`<tool_call>` tags. json: JSON in a code block."""


TagMode = Literal["tags", "open"]
"""How reasoning is marked in a text. tags: it stands between `<think>` and `</think>`. open: it ends with
`</think>`, and there is no opening tag, because the chat template has put that tag into the prompt."""
ReasoningText = Literal["apart", "tags", "open"]
"""Where an answer has its reasoning. apart: in separate members. tags, open: at the beginning of the text
(`TagMode`)."""


class Facts(Value, frozen=True):
    """Facts about one model; "it" is always the model.

    context, max_output: the size of its context window, and of its longest output, in tokens. tools,
    reasoning: whether it can call tools and think. images, audio, documents: whether it accepts them as
    input; a model that does not accept audio counts as one that does not answer with audio, either.
    structured: whether its output can follow a JSON schema; if this is False, such output is emulated
    (`emulate`), or a schema is refused if the model has no tools, either.
    forced_tool: whether tool_choice may force a call. sampling: whether it accepts temperature, top_p and
    top_k. sampling_pair: whether it accepts temperature and top_p together. prefill: whether the last message
    may be the assistant's. mid_system: whether system messages may stand between other messages. thinking:
    the thinking modes that its API accepts ("enabled" with a budget, "adaptive", "disabled", "level").
    thinking_budget: the smallest and the largest budget for thinking, in tokens. thinks: whether it thinks by
    default. efforts: the effort words that it accepts. signed_calls: whether it refuses a call in the current
    turn without the call's signature. bound_thinking: whether it refuses earlier thinking if anything before
    that thinking has changed. mixed_tools: whether the provider's own tools may be combined with functions.
    media_results: whether a tool's result may contain media. apis: the only protocols in which the provider
    offers it; None = all protocols of the provider. tool_apis: those of them in which it may think while it
    has functions to call; None = in all of them. draws: whether it answers with images without a tool.
    max_tokens: whether the chat API accepts `max_tokens`, the older name of `max_completion_tokens`.
    tool_mode: the notation for tools and calls if tools are described in the prompt and calls are written in
    text (`prompted.notation`); None = tools and calls have their own members of the protocol. reasoning_text:
    where its answers have their reasoning; None = as the vendor's quirk says. chat: whether it can chat at
    all; a model for speech cannot. streams_tools: whether it streams answers to requests with tools; if not,
    the whole answer is asked for.
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
        """Return these facts, with the value from `others` for each field that is None."""
        if self == UNKNOWN:
            return others
        if others == UNKNOWN:
            return self
        known = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(others, **known)

    @property
    def prompts_tools(self) -> bool:
        """Whether the gateway describes tools in the prompt, and reads calls out of the text of the
        answer.
        """
        return self.tool_mode is not None

    @property
    def calls(self) -> bool | None:
        """Whether the model can be used with tools, through the protocol or through the prompt; None =
        unknown.
        """
        return True if self.prompts_tools else self.tools

    @property
    def restricts(self) -> bool:
        """Whether at least one of these facts is False: chat, tools (in any form), images, audio, documents,
        structured output, images in answers. Then some requests may be refused before they are sent.
        """
        lacking = (
            self.chat,
            self.calls,
            self.images,
            self.audio,
            self.documents,
            self.structured,
            self.draws,
        )
        return False in lacking

    def takes(self, body: Mapping[str, Any]) -> bool:
        """Whether the model accepts this body. Only temperature, top_p, top_k, `tool_choice` and `max_tokens`
        are checked, and only against facts that are False. For a model that accepts no sampling members, the
        value 1 of temperature, top_p and top_k is accepted, because 1 is the default. A model that does not
        accept temperature and top_p together refuses a body that states both, even as 1.
        """
        if self.sampling is False and any(body.get(member) not in _USUAL for member in SAMPLING):
            return False
        if self.sampling_pair is False and None not in (body.get("temperature"), body.get("top_p")):
            return False
        if self.forced_tool is False and _forces(body.get("tool_choice")):
            return False
        return self.max_tokens is not False or body.get("max_tokens") is None


def _forces(choice: Any) -> bool:
    """Whether a `tool_choice` forces a call. choice: a value in the form of OpenAI's or Anthropic's
    protocols, None if there is none. It forces a call unless it is None, "auto" or "none", or an object that
    states "auto", "none" or nothing as its `type` or, for allowed tools, as its mode.
    """
    if isinstance(choice, dict):
        kind = choice.get("type")
        if kind == "allowed_tools":
            choice = choice.get("allowed_tools", choice)
            kind = choice.get("mode") if isinstance(choice, dict) else None
    else:
        kind = choice
    return kind not in {None, "auto", "none"}


SAMPLING: Final = ("temperature", "top_p", "top_k")
"""The members of a body that `Facts.sampling` is about, by the names that they have in most protocols."""
EITHER: Final = "the model accepts either temperature or top_p"
"""The reason for a loss of top_p if `Facts.sampling_pair` is False."""
NO_LIMIT: Final = "-1 means no limit, which is the default: left out"
"""The reason for a change of a `top_k` below 0, where a protocol accepts none."""
_USUAL: Final = (None, 1)
UNKNOWN = Facts()
Capability = Literal["tools", "images", "audio", "documents", "structured", "reasoning"]
