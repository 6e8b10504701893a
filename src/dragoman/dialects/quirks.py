"""Documented deviations of vendors from a dialect, as data.

In general, the default of each field is what the specification says. A vendor's row in `providers/vendors/`
sets the fields in which the vendor deviates, with the page of its documentation and the month in which it was
read. A configuration may set the fields of its providers, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import Any, Final, Literal, TypeAlias, get_args

from dragoman.dialects.facts import ReasoningText
from dragoman.dialects.replay import is_strange
from dragoman.ir.blocks import Value

Wider: TypeAlias = Literal[
    "roles",
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
    "audio_url",
    "call_types",
    "content",
    "metadata",
    "names",
    "schemas",
    "stream_options",
    "verbosity",
]
"""Names of values in requests that some servers accept although the author of their protocol refuses them.

roles: roles of messages that only one vendor has (MiniMax's `user_system`).
stop: any number of stop sequences. tools: an empty list of tools. response_format: response formats with
other names. reasoning_effort: other values, also numbers and booleans, and other values of `summary`.
logprobs: a number, and `logit_bias` as a list or with `false` as a bias. image_url: a URL that is a string,
and any `detail`. tool_choice: an object without `type`. strict: strict schemas that do not keep OpenAI's
rules for them. max_output_tokens: fewer than 16. temperature: up to 2 in Anthropic's protocol. budget_tokens:
any thinking budget in Anthropic's protocol, or none. options: Ollama's options in any range. max_tokens: a
number below 1, which means as many tokens as fit. call_ids: tool calls and tool results without ids.
audio_url: sound as a URL or a data URL. call_types: tool calls of vendors' own types. content: messages whose
content is null, absent or an empty list, also empty texts in Anthropic's protocol, and reasoning without
`summary`. metadata: any values. names: names of tools and schemas with any characters and of any length, also
one name for several tools. schemas: schemas that are no JSON Schemas. stream_options: without `stream`.
verbosity: other values.
"""
EVERYTHING: Final[frozenset[Wider]] = frozenset(get_args(Wider))
USUALLY_WIDER: Final[frozenset[Wider]] = EVERYTHING - {
    *("max_tokens", "call_ids", "names", "schemas", "roles"),
}
"""The values that a server is assumed to accept, if it is not the protocol author's own and its row does not
set `widens`."""


class Quirks(Value, frozen=True, dict=True, gc=True):
    """How one vendor deviates from its dialect. The comments between the fields say for which dialect, or for
    which part of an API, the fields below them count.
    """

    widens: frozenset[Wider] = USUALLY_WIDER
    """The values that the provider accepts although the protocol's author refuses them; empty for the
    author's servers. The default is not the specification: compatible servers usually accept more."""
    # --- OpenAI chat: the request ---------------------------------------------------------------
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """The field that limits the output tokens. Most compatible providers know only the older `max_tokens`."""
    developer_role: bool = True
    """Whether the role `developer` is accepted; otherwise it is written as `system`."""
    stream_options: bool = True
    """Whether `stream_options` is accepted. If not, a stream has the usage that the provider sends anyway."""
    refuses: frozenset[str] = frozenset()
    """Request fields that the provider rejects with an error (`logit_bias`, `n`, `metadata`, …), also in the
    Responses API, and fields with the reasoning of assistant messages (`reasoning_content`). They are left
    out, usually with a reported loss. `stream_options` and an `n` of 1 are left out without a report; an `n`
    above 1 is an error."""
    stop_list: bool = False
    """Whether `stop` must be a list; a single text is then sent as a list of one."""
    functions: bool = True
    """Whether the deprecated `functions` and `function_call` are accepted. If not, they are sent as tools,
    and the tool calls are returned in the client's form. Few servers except OpenAI's know them."""
    call_signatures: bool = True
    """Whether a tool call may carry the signature that Gemini put on it (`extra_content`). It is left out
    for providers that serve no Gemini models."""
    required_word: Literal["required", "any"] = "required"
    """The value of `tool_choice` for "at least one tool call"."""
    forced_calls: bool = True
    """Whether `tool_choice` can force a tool call; if not, the call is requested as structured output."""
    json_schema: bool = True
    """Whether `response_format` may be `json_schema`; if not, the gateway emulates it."""
    json_object: bool = True
    """Whether `response_format` may be `json_object`; if not, a schema that every object fits is sent."""
    reasoning_request: Literal["reasoning_effort", "reasoning", "thinking", "enable_thinking", "none"] = (
        "reasoning_effort"
    )
    """The field that requests reasoning: OpenAI's, OpenRouter's, DeepSeek's, DashScope's, or none."""
    reasoning_field: Literal["reasoning_content", "reasoning", "reasoning_details", "tags", "none"] = "none"
    """The field of an assistant message that holds its reasoning text when it is sent back.
    `reasoning_details`: OpenRouter's list, with signatures, as it came; other reasoning is sent as
    `reasoning`. `tags`: the reasoning stands at the beginning of the content, between `<think>` and
    `</think>`."""
    reasoning_replay: Literal["never", "tool_turns", "always"] = "never"
    """Which earlier assistant messages must include their reasoning text."""
    null_members: bool = True
    """Whether fields with the value null are accepted inside messages."""
    media_urls: bool = True
    """Whether media may be sent as a URL; if not, the gateway fetches the file and sends its bytes."""
    answer_images: bool = False
    """Whether images in an assistant message may be sent back. The specifications do not allow it: the images
    are then moved to a user message. Applies to Anthropic's protocol, too."""
    assistant_names: bool = True
    """Whether `name` on user and assistant messages is accepted."""
    cache_marks: Literal["prompt_cache_breakpoint", "cache_control", "none"] = "none"
    """The field of a content part that marks a prompt cache breakpoint. Only OpenAI's newest models accept
    `prompt_cache_breakpoint`, so none is sent by default."""
    extensions: frozenset[str] = frozenset()
    """Request fields beyond the specification that the provider accepts: `top_k`, `min_p`,
    `repetition_penalty`. Otherwise they are reported as lost, unless the client uses this protocol."""
    ranking: Literal["jina", "cohere", "voyage"] = "jina"
    """Whose request format is used for reranking."""
    pictures: Literal["openai", "xai", "openrouter"] = "openai"
    """Whose request format is used for image generation."""
    # --- Headers --------------------------------------------------------------------------------
    idempotency_keys: bool = False
    """Whether the provider honours the header `Idempotency-Key`, so that a client's key is passed on to it.
    The default is not the specification: no protocol has the header, and few providers have it."""
    # --- Realtime sessions ----------------------------------------------------------------------
    transcribes_unnamed: bool = False
    """Whether a session that only transcribes is refused if its URL names a model: its settings name the
    model. "You must not provide a model parameter for transcription sessions": openai/openai-python#2652;
    Azure: openai/openai-node#1974."""
    # --- Counting tokens ------------------------------------------------------------------------
    counts: bool = False
    """Whether the provider has the protocol's endpoint for counting the tokens of a prompt. The default is
    not the specification: usually only the protocol's author has it."""
    # --- OpenAI chat: the response --------------------------------------------------------------
    reasoning_tokens: Literal["inside", "outside"] = "inside"
    """Whether `completion_tokens` includes the reasoning tokens, if the total does not show it."""
    # --- Any protocol: the response -------------------------------------------------------------
    reasoning_text: ReasoningText = "apart"
    """Where the models write their reasoning. `apart`: in a field of its own. `tags`: at the beginning of the
    text, between `<think>` and `</think>`. `open`: the same, but without the opening tag."""
    # --- OpenAI Completions ---------------------------------------------------------------------
    completion_format: bool = False
    """Whether the Completions API accepts chat's `response_format`, so that answers can be held to a schema
    and tool calls can be forced by it."""
    # --- OpenAI Responses -----------------------------------------------------------------------
    strange_items: bool = True
    """Whether output items of other servers may be sent back unchanged."""
    numbered_events: bool = True
    """Whether the events of a stream state the number of their output item. Official clients need it, so a
    stream without it is written anew for them."""
    # --- Anthropic ------------------------------------------------------------------------------
    signatures: bool = True
    """Whether the server verifies the signatures of thinking, so that thinking without one cannot be sent
    back. Servers of other vendors' models send none, or fakes."""
    odd_call_ids: bool = True
    """Whether ids of tool calls may have characters besides letters, digits, `_` and `-`, as Kimi's have.
    Otherwise they are rewritten."""
    server_tools: bool = True
    """Whether Anthropic's server tools and beta features are supported."""
    betas: frozenset[str] = frozenset()
    """The names of beta features that are supported although `server_tools` is false. Others are left out and
    reported as lost."""
    body_version: Literal["none", "bedrock-2023-05-31", "vertex-2023-10-16"] = "none"
    """The value of `anthropic_version` in the body, at a cloud that hosts Claude: there the path names the
    model, and the body the betas. none: the body has no such member, as at Anthropic itself."""
    stream_member: bool = True
    """Whether the body has the member `stream`; otherwise the path says whether the response streams."""
    # --- Gemini ---------------------------------------------------------------------------------
    call_ids: bool = True
    """Whether tool calls and results carry ids. False = the server matches results to calls by order."""
    vertex_operations: bool = False
    """Whether tokens are counted and embeddings are made in Vertex AI's way: a request to count is the prompt
    itself, and most models of embeddings are asked by `:predict`."""
    server_call_parts: bool = True
    """Whether calls of the provider's own tools may be requested as parts
    (`includeServerSideToolInvocations`), which is required to combine these tools with functions."""

    def knows_beta(self, beta: str) -> bool:
        """Whether the vendor's server accepts this one of Anthropic's beta features: every beta if
        `server_tools` is true, otherwise those in `betas`.
        """
        return self.server_tools or beta in self.betas

    def relays(self, body: Mapping[str, Any]) -> bool:
        """Whether the body of a chat request can be relayed to this vendor: no quirk requires that the codec
        decodes and rewrites the body. body: in the vendor's dialect.

        Some quirks require that for every body, others only for a body that has the member or the content
        with which the quirk deals.
        """
        if self._rewrites_all or not self._rewritten.isdisjoint(body) or self._rewrites_history(body):
            return False
        if not self.media_urls and _has_media_urls(body):
            return False
        if not self.numbered_events and body.get("stream") is True:
            return False
        return self.strange_items or not _has_strange_items(body)

    @cached_property
    def _rewrites_all(self) -> bool:
        if self.reasoning_replay == "always":
            return True
        return bool(_need_codec(self) != _need_codec(STANDARD))

    @cached_property
    def _odd_reasoning(self) -> frozenset[str]:
        """Which of the members in `_REASONING` the codec must rename or leave out, in a message of the
        assistant.
        """
        refused = _REASONING & self.refuses
        if self.reasoning_field == "none":
            return refused
        own = {self.reasoning_field, *(("reasoning",) if self.reasoning_field == "reasoning_details" else ())}
        return refused | _REASONING - own

    @cached_property
    def _rewritten(self) -> frozenset[str]:
        """The names of top-level members that the codec must rewrite or leave out, so that a body with one of
        them is not relayed.
        """
        odd = {
            key
            for field, keys in _BY_KEY.items()
            if getattr(self, field) != getattr(STANDARD, field)
            for key in keys
            if key != getattr(self, field)  # the vendor's own member
        }
        if self.reasoning_replay == "tool_turns":
            odd.add("tools")
        return self.refuses | odd | (frozenset() if self.functions else _FUNCTIONS)

    def _rewrites_history(self, body: Mapping[str, Any]) -> bool:
        """Whether `messages` contains something that the codec must rewrite for this vendor. Only messages of
        the assistant and results in OpenAI's older form (role `function`) are looked at, because this method
        runs for every attempt that may be relayed. body: a chat request.
        """
        messages = body.get("messages")
        if type(messages) is not list or not _may_have(messages, _ANSWERING):
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
        if self.reasoning_replay == "tool_turns" and "tool_calls" in message:
            return True
        if self._odd_reasoning and not self._odd_reasoning.isdisjoint(message):
            return True
        if not self.odd_call_ids and _has(message.get("content"), _has_odd_id):
            return True
        return not self.call_signatures and _has(message.get("tool_calls"), _is_signed)


STANDARD = Quirks()
"""No deviations, and the usual wider values: the default of `Dialect.quirks`."""
AUTHOR = Quirks(widens=frozenset())
"""The quirks of the servers of a protocol's own author."""

_BY_KEY = {
    "max_tokens_field": ("max_completion_tokens",),
    "required_word": ("tool_choice",),
    "forced_calls": ("tool_choice",),
    "json_schema": ("response_format", "output_config", "output_format", "text"),
    "json_object": ("response_format",),
    "stop_list": ("stop",),
    "reasoning_request": ("reasoning_effort", "thinking", "enable_thinking", "thinking_budget"),
}
"""Field of `Quirks` -> the only members of a body with which the quirk deals."""
# Fields that concern only requests of other dialects, or other operations than chat.
_FOREIGN = (
    *(
        "cache_marks",
        "completion_format",
        "counts",
        "extensions",
        "idempotency_keys",
        "pictures",
        "ranking",
        "transcribes_unnamed",
        "widens",
    ),
    *("server_call_parts", "signatures", "vertex_operations"),
)
# Fields that concern only bodies with certain content, which `relays` looks for.
_LOOKED_FOR = (
    *("answer_images", "call_signatures", "functions", "media_urls", "numbered_events", "odd_call_ids"),
    *("reasoning_field", "reasoning_replay", "refuses", "strange_items"),
)
_need_codec = attrgetter(
    *(field for field in Quirks.__struct_fields__ if field not in {*_BY_KEY, *_FOREIGN, *_LOOKED_FOR})
)
_REASONING = frozenset({"reasoning", "reasoning_content", "reasoning_details"})
_FUNCTIONS = frozenset({"functions", "function_call"})
plain_id: Final = re.compile(r"[A-Za-z0-9_-]+").fullmatch
"""Matches the ids of tool calls that Anthropic's API accepts."""
_ANSWERING = frozenset({"assistant", "function"})
_role = itemgetter("role")


def _may_have(messages: list[Any], roles: frozenset[str]) -> bool:
    """Whether a message may have one of these roles. False = no message has one. True = a message has one, or
    this is unknown because a message has an odd form.
    """
    try:
        return not roles.isdisjoint(map(_role, messages))
    except (KeyError, TypeError):  # one has no role, or is no object
        return True


def _has(members: Any, tells: Callable[[dict[str, Any]], bool]) -> bool:
    if type(members) is not list:
        return False
    return any(tells(member) for member in members if type(member) is dict)


def _is_image(part: dict[str, Any]) -> bool:
    return part.get("type") == "image"


def _has_odd_id(part: dict[str, Any]) -> bool:
    return part.get("type") == "tool_use" and type(id_ := part.get("id")) is str and not plain_id(id_)


def _is_signed(call: dict[str, Any]) -> bool:
    return "extra_content" in call


def _has_media_urls(body: Mapping[str, Any]) -> bool:
    """Whether a part of a message (in `messages` or `input`), or of a tool's result, names media by a URL: in
    `file_url`, in a `source` of the type "url", or in `image_url`. A data URL in `image_url` does not count.
    """
    messages = body.get("messages", body.get("input"))
    if type(messages) is not list:
        return False
    return any(_is_linked(part) for message in messages for part in _parts(message))


def _parts(message: Any) -> Iterator[Any]:
    """Yield the parts of a message: the elements of its lists `content` and `output`, and the parts of each
    of these elements, at any depth. message: any JSON value; a value that is not an object yields nothing.
    """
    for name in ("content", "output"):
        parts = message.get(name) if type(message) is dict else None
        for part in parts if type(parts) is list else ():
            yield part
            yield from _parts(part)


def _is_linked(part: Any) -> bool:
    if type(part) is not dict:
        return False
    if type(source := part.get("source")) is dict and source.get("type") == "url":
        return True
    image = part.get("image_url")
    url = image.get("url") if type(image) is dict else image
    return "file_url" in part or (type(url) is str and not url.startswith("data:"))


def _has_strange_items(body: Mapping[str, Any]) -> bool:
    items = body.get("input")
    return type(items) is list and any(map(is_strange, items))
