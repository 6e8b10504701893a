"""A chat request. Its messages stay in the order in which the client sent them."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter
from typing import Any, Final, Literal, TypeAlias

from dragoman.ir.blocks import Block, CacheMark, Extra, Media, Text, ToolResult, Value

Role: TypeAlias = Literal["user", "assistant", "system", "developer"]


class Message(Value, frozen=True):
    """One message. The result of a tool is a ToolResult block in a message with the role `user`. Neighbouring
    messages may have the same role; an encoder merges them if its dialect requires it.

    name: the author's name, in dialects that have one. form: how the client wrote the message, if the dialect
    has several ways ("tool", "function"). cache: a mark of the client, None = none. tools: tools that the
    model may use from this message on, in addition to those of the request; `blocks` contains the same tools
    as the client wrote them.
    """

    role: Role
    blocks: tuple[Block, ...]
    name: str | None = None
    form: str | None = None
    cache: CacheMark | None = None
    extra: Extra = None
    tools: tuple[Tool, ...] = ()


class Namespace(Value, frozen=True):
    """A named group of the client's tools. If neighbouring tools of a request have equal namespaces, the
    client wrote them as one group.
    """

    name: str
    description: str | None = None
    extra: Extra = None


class Function(Value, frozen=True, tag_field="tool", tag=True):
    """A tool that the client executes. parameters: a JSON Schema object. strict: whether calls must obey
    `parameters` exactly. kind: "function" = the model writes JSON as `parameters` describes, "custom" = it
    writes free text with the grammar `format`. form: which of the dialect's ways to write a tool the client
    used. namespace: the tool's group; tools in different groups may have the same name. A field that is None
    was not stated.
    """

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    kind: Literal["function", "custom"] = "function"
    format: dict[str, Any] | None = None
    cache: CacheMark | None = None
    extra: Extra = None
    form: str | None = None
    namespace: Namespace | None = None


class ProviderTool(Value, frozen=True, tag_field="tool", tag=True):
    """A tool that a protocol itself defines. Usually the provider executes it; some (a shell) are executed by
    the client.

    kind: the common name of what the tool does ("web_search", "web_fetch", "code_execution", "mcp", …); the
    encoder of another dialect offers that dialect's own tool of this kind, if there is one. name: the name in
    calls of the tool. value: the tool as its dialect wrote it. options: the settings in `value`, in words
    common to all dialects. For "web_search" these are max_uses, allowed_domains, blocked_domains,
    context_size (low, medium, high), live (False: only indexed pages) and location ({city, region, country,
    timezone}); options that were not stated are missing. function: for a tool that the client executes, an
    equivalent function for upstreams that do not have the tool; None = there is none. extra: the settings in
    `value` that `options` does not have, for the encoders of other dialects, which report them as lost.
    """

    dialect: str
    kind: str
    value: Any
    name: str | None = None
    cache: CacheMark | None = None
    options: dict[str, Any] | None = None
    function: Function | None = None
    extra: Extra = None


Tool: TypeAlias = Function | ProviderTool


class ToolChoice(Value, frozen=True):
    """Which tools the model may or must call. mode: "auto" (the model decides), "none" (no tool), "any" (at
    least one), "tool" (the tool in `names`), "native" (a choice that only the dialect itself has; it is in
    `native`). names: with the mode "tool" the tool that must be called; with "auto" or "any" the tools that
    may be called, empty = all. kind: the kind of these tools. namespaces: for each of `names` the tool's
    group, None = not stated; empty = no group is stated. provided: with the mode "native" the kind
    (`ProviderTool.kind`) of the provider's tool that must be called; None = the choice means anything else.
    """

    mode: Literal["auto", "none", "any", "tool", "native"]
    names: tuple[str, ...] = ()
    kind: Literal["function", "custom"] = "function"
    native: Any = None
    form: str | None = None
    extra: Extra = None
    namespaces: tuple[str | None, ...] = ()
    provided: str | None = None


class Output(Value, frozen=True):
    """The form that the client wants the answer to have. kind: "text", "json" (JSON without a schema; for
    most protocols this is a JSON object) or "schema" (JSON that the JSON Schema in `schema` allows; `name`
    and `description` are the client's words for this schema). strict: whether the answer must obey the schema
    exactly. modalities: any of "text", "audio", "image". audio: OpenAI's {voice, format}. verbosity: low,
    medium, high. A field that is None was not stated.
    """

    kind: Literal["text", "json", "schema"] = "text"
    schema: dict[str, Any] | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None
    modalities: tuple[str, ...] | None = None
    audio: dict[str, Any] | None = None
    verbosity: str | None = None
    form: str | None = None
    extra: Extra = None


class Reasoning(Value, frozen=True):
    """How much the model should think. mode: "on", "off", "adaptive" or a dialect's own word. effort: none,
    minimal, low, medium, high, xhigh, max. budget: the most tokens of thinking. summary: auto, concise,
    detailed. visible: whether the answer should show the thinking. A field that is None was not stated. form:
    "made" (`MADE` in dialects/request.py) = the gateway, not the client, has stated these settings.
    """

    mode: str | None = None
    effort: str | None = None
    budget: int | None = None
    summary: str | None = None
    visible: bool | None = None
    extra: Extra = None
    form: str | None = None


class Sampling(Value, frozen=True):
    """How the model samples tokens. stop: texts at which the answer ends. n: how many candidates. logprobs:
    whether the answer has log probabilities. top_logprobs: how many of the likeliest tokens it lists at each
    position. logit_bias: {token id: the value that is added to the token's logit}. None = not stated.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    stop: tuple[str, ...] | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: dict[str, float] | None = None


class Caching(Value, frozen=True):
    """Prompt-cache settings for the whole request. key: the provider sends requests with the same key to the
    same cache. mode, ttl, retention: in the dialect's words. mark: a cache mark for the request as a whole;
    the provider chooses how much of the prompt it caches. A field that is None was not stated.
    """

    key: str | None = None
    mode: str | None = None
    ttl: str | None = None
    retention: str | None = None
    mark: CacheMark | None = None
    extra: Extra = None


class Request(Value, frozen=True):
    """One chat request.

    dialect: the protocol in which the client wrote the request. system: the request's top-level system field,
    and texts that the gateway adds to it; system and developer messages stay in `messages`. parallel: whether
    one answer may call several tools. max_output: the most tokens of the answer, thinking included. user: the
    end user's id. safety_identifier: a hashed id of the end user, in OpenAI's APIs. tier: the service tier.
    store: whether the provider stores the answer. prediction: text that the answer will probably repeat.
    moderation: OpenAI's {model, policy}, a check of question and answer by another model.
    truncation: "auto" drops the oldest messages of a prompt that is longer than the window; "disabled"
    refuses such a prompt. previous: the id of the stored response that the request continues. conversation:
    the stored conversation that it continues, as the client wrote it. background: whether the answer is made
    after the reply to this request. stream_usage: whether the client asked for token counts in the stream. A
    field that is None was not stated.
    """

    dialect: str
    model: str | None
    messages: tuple[Message, ...] = ()
    system: tuple[Block, ...] = ()
    tools: tuple[Tool, ...] | None = None
    tool_choice: ToolChoice | None = None
    parallel: bool | None = None
    sampling: Sampling = Sampling()
    max_output: int | None = None
    output: Output | None = None
    reasoning: Reasoning | None = None
    cache: Caching | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, Any] | None = None
    tier: str | None = None
    store: bool | None = None
    prediction: tuple[Block, ...] | None = None
    moderation: dict[str, Any] | None = None
    previous: str | None = None
    conversation: Any = None
    background: bool | None = None
    truncation: str | None = None
    stream: bool = False
    stream_usage: bool | None = None
    forms: dict[str, str] | None = None
    """By field, which of several forms the client used: {"max_output": "max_tokens"}; None = the usual
    forms.
    """
    extra: Extra = None


def only_text(request: Request) -> bool:
    """Whether `Request.tools` is empty or None, `output` is None, and all blocks of `system` and of the
    messages are Text blocks. Other fields are not checked.
    """
    if request.tools or request.output is not None:
        return False
    blocks = chain(request.system, chain.from_iterable(map(_blocks, request.messages)))
    return _TEXT.issuperset(map(type, blocks))


def kinds(request: Request) -> set[type[Block]]:
    """Return the types of all blocks of `system` and of the messages, and of the blocks in them: the content
    of tool results, and the blocks of documents.
    """
    found: set[type[Block]] = set()
    blocks = [*request.system, *chain.from_iterable(map(_blocks, request.messages))]
    while blocks:
        level = set(map(type, blocks))
        inner: list[tuple[Block, ...]] = []
        if ToolResult in level:
            inner += [block.content for block in blocks if type(block) is ToolResult]
        if Media in level:
            inner += [block.blocks for block in blocks if type(block) is Media and block.blocks]
        found |= level
        blocks = [*chain.from_iterable(inner)]
    return found


_blocks = attrgetter("blocks")
_TEXT: Final = frozenset({Text})
