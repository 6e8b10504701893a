"""Documented deviations of vendors from a dialect, as data.

The default of every field is "as the specification says". A field exists because some vendor needs
it; the vendor's row in `providers/catalog.py` sets it with the page and the date it was read. Each
codec applies its quirks at one point. If a quirk needs behaviour, the behaviour is a named function
in the dialect, chosen by the quirk's value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final, Literal, TypeAlias, get_args

from dragoman.dialects.replay import is_strange
from dragoman.ir.blocks import Value

Wider: TypeAlias = Literal[
    "stop",
    "tools",
    "response_format",
    "reasoning_effort",
    "logprobs",
    "image_url",
    "tool_choice",
    "strict",
    "max_output_tokens",
    "temperature",
    "budget_tokens",
    "options",
    "max_tokens",
    "call_ids",
]
"""What a server may take that the author of its protocol refuses.

stop: any number of stop sequences. tools: an empty list of tools. response_format: forms of answers with
other names. reasoning_effort: other words. logprobs: a number. image_url: an address that is a string.
tool_choice: a choice that leaves out its `type`. strict: schemas that are to be enforced and do not keep
OpenAI's rules for that. max_output_tokens: fewer than 16. temperature: up to 2 in Anthropic's protocol.
budget_tokens: any budget for thinking in Anthropic's protocol. options: Ollama's in any range. max_tokens: a
number below 1, for as many as there is room for. call_ids: calls and results without ids.
"""
EVERYTHING: Final[frozenset[Wider]] = frozenset(get_args(Wider))
USUALLY_WIDER: Final[frozenset[Wider]] = EVERYTHING - {"max_tokens", "call_ids"}
"""What servers take that speak another's protocol, as far as anybody knows: they judge for themselves."""


class Quirks(Value, frozen=True):
    """How one vendor deviates. The group comments say which dialect reads the field."""

    widens: frozenset[Wider] = USUALLY_WIDER
    """What is taken that the protocol's author refuses; the author's own servers take nothing of it. Here
    alone the default is not the specification: whoever speaks another's protocol is known to take more."""
    # --- OpenAI chat: the request ---------------------------------------------------------------
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """The field that bounds the answer. Most compatible vendors know only the older `max_tokens`."""
    developer_role: bool = True
    """Whether the role `developer` is accepted; otherwise it is written as `system`."""
    stream_options: bool = True
    """Whether `stream_options` is accepted. Without it usage in streams is whatever the vendor sends."""
    refuses: frozenset[str] = frozenset()
    """Request fields that the vendor answers with an error (`logit_bias`, `n`, `metadata`, …): they are
    left out, with a loss."""
    functions: bool = True
    """Whether `functions` and `function_call`, the words of before tools, are taken; otherwise they go as
    tools, and the calls come back in the client's words. Few servers beside OpenAI's know them."""
    call_signatures: bool = True
    """Whether a call may bring back the signature that Gemini put on it (`extra_content`). It stays behind
    where nothing of Google's is served; whoever passes requests on may well lead to Gemini."""
    required_word: Literal["required", "any"] = "required"
    """The word of `tool_choice` for "at least one call"."""
    json_schema: bool = True
    """Whether `response_format` may be `json_schema`; otherwise a schema is emulated."""
    reasoning_request: Literal["reasoning_effort", "reasoning", "thinking", "enable_thinking", "none"] = (
        "reasoning_effort"
    )
    """How reasoning is asked for: OpenAI's word, OpenRouter's object, DeepSeek's, DashScope's, or not."""
    reasoning_field: Literal["reasoning_content", "reasoning", "none"] = "none"
    """The member of an assistant message that holds reasoning text when it is sent back."""
    reasoning_replay: Literal["never", "tool_turns", "always"] = "never"
    """Which assistant messages of the history must carry their reasoning text."""
    null_members: bool = True
    """Whether members with the value null are accepted inside messages."""
    media_urls: bool = True
    """Whether media may be named by URL; otherwise the gateway fetches them and sends their bytes."""
    answer_images: bool = False
    """Whether the pictures of an assistant's message may be sent back. The specifications have none there:
    elsewhere they move to a user's message. Anthropic's protocol reads it, too."""
    assistant_names: bool = True
    """Whether `name` on user and assistant messages is accepted."""
    cache_marks: Literal["prompt_cache_breakpoint", "cache_control", "none"] = "none"
    """How a cache mark of another dialect is written on a content part. OpenAI's newest models alone take
    `prompt_cache_breakpoint`, so that nothing is written unless the vendor's row says so."""
    extensions: frozenset[str] = frozenset()
    """Request fields beyond the specification that the vendor takes: `top_k`, `min_p`, `repetition_penalty`.
    Others get a loss for them, unless the client wrote them in this dialect."""
    ranking: Literal["jina", "cohere", "voyage"] = "jina"
    """Whose words requests for rankings have, see `openai_chat.rerank`."""
    pictures: Literal["openai", "xai", "openrouter"] = "openai"
    """Whose words requests for pictures have, see `openai_chat.pictures`."""
    # --- Counting tokens ------------------------------------------------------------------------
    counts: bool = False
    """Whether the vendor has the protocol's endpoint that counts the tokens of a prompt. Only the protocols'
    own authors are known to."""
    # --- OpenAI chat: the response --------------------------------------------------------------
    reasoning_tokens: Literal["inside", "outside"] = "inside"
    """Whether `completion_tokens` includes the reasoning tokens."""
    # --- OpenAI Responses -----------------------------------------------------------------------
    strange_items: bool = True
    """Whether items may be sent back as other servers made them, see `replay`."""
    # --- Anthropic ------------------------------------------------------------------------------
    signatures: bool = True
    """Whether thinking signatures are real and must be replayed (compatible servers send none or fakes)."""
    server_tools: bool = True
    """Whether the provider's own tools and betas are understood."""
    # --- Gemini ---------------------------------------------------------------------------------
    call_ids: bool = True
    """Whether calls and their results carry ids. Vertex AI refuses them: results belong to calls by order."""
    server_call_parts: bool = True
    """Whether the provider's own calls may be asked for as parts, which functions beside them need
    (`includeServerSideToolInvocations`)."""

    def relays(self, body: Mapping[str, Any]) -> bool:
        """Whether a body in the vendor's own dialect may pass as it is: no quirk would rewrite it.

        The fields in `_BY_KEY` matter only to bodies that hold their key; any other one needs the codec.
        """
        if self._rewrites_history(body):
            return False
        if not self.functions and not _FUNCTIONS.isdisjoint(body):
            return False
        if not self.strange_items and _has_strange_items(body):
            return False
        if self is STANDARD or self is AUTHOR:
            return True
        if _need_codec(self) != _NEEDS_NONE:
            return False
        if not self.refuses.isdisjoint(body):
            return False
        if _by_key(self) == _BY_NONE:
            return True
        return not any(
            key in body and getattr(self, field) != getattr(STANDARD, field) for field, key in _BY_KEY.items()
        )

    def _rewrites_history(self, body: Mapping[str, Any]) -> bool:
        """Whether a message holds what this vendor does not take: pictures of an earlier answer, of chat's
        or of Anthropic's, calls of before tools, signatures on calls.

        Asked of every relayed attempt: one look at each message, and at the parts of an assistant's.
        """
        messages = body.get("messages")
        if type(messages) is not list:
            return False
        for message in messages:
            if type(message) is not dict:
                continue
            role = message.get("role")
            if role == "assistant":
                if self._rewrites_answer(message):
                    return True
            elif role == "function" and not self.functions:
                return True
        return False

    def _rewrites_answer(self, message: Mapping[str, Any]) -> bool:
        if not self.answer_images and ("images" in message or _has(message.get("content"), _is_image)):
            return True
        if not self.functions and "function_call" in message:
            return True
        return not self.call_signatures and _has(message.get("tool_calls"), _is_signed)


STANDARD = Quirks()
AUTHOR = Quirks(widens=frozenset())
"""Of the servers of a protocol's own author."""

_BY_KEY = {
    "max_tokens_field": "max_completion_tokens",
    "required_word": "tool_choice",
    "json_schema": "response_format",
    "reasoning_request": "reasoning_effort",
}
_FOREIGN = (
    "cache_marks",
    "counts",
    "extensions",
    "pictures",
    "ranking",
    "widens",
)  # they concern only what another dialect says, or no chat
_LOOKED_FOR = (
    "answer_images",
    "call_signatures",
    "functions",
    "refuses",
    "strange_items",
)  # they concern only bodies that hold what they are about
_need_codec = attrgetter(
    *(field for field in Quirks.__struct_fields__ if field not in {*_BY_KEY, *_FOREIGN, *_LOOKED_FOR})
)
_by_key = attrgetter(*_BY_KEY)
_NEEDS_NONE = _need_codec(STANDARD)
_BY_NONE = _by_key(STANDARD)
_FUNCTIONS = frozenset({"functions", "function_call"})


def _has(members: Any, tells: Callable[[dict[str, Any]], bool]) -> bool:
    """Whether something is a list with an object in it of which this tells true."""
    if type(members) is not list:
        return False
    return any(tells(member) for member in members if type(member) is dict)


def _is_image(part: dict[str, Any]) -> bool:
    return part.get("type") == "image"


def _is_signed(call: dict[str, Any]) -> bool:
    return "extra_content" in call


def _has_strange_items(body: Mapping[str, Any]) -> bool:
    items = body.get("input")
    return type(items) is list and any(map(is_strange, items))
