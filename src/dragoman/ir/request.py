"""A chat request. Message boundaries, roles and order stay as the client sent them."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter
from typing import Any, Final, Literal, TypeAlias

from dragoman.ir.blocks import Block, CacheMark, Extra, Text, Value

Role: TypeAlias = Literal["user", "assistant", "system", "developer"]


class Message(Value, frozen=True):
    """One message. A tool's result is a `user` message with a ToolResult block.

    Neighbouring messages may have the same role; an encoder merges them if its dialect requires it. name: the
    author's name where the dialect has one. form: how the dialect wrote the message where it has several ways
    ("tool", "function"). tools: the tools that this message adds to the request's, as IR values; the blocks
    hold the same tools as the dialect wrote them.
    """

    role: Role
    blocks: tuple[Block, ...]
    name: str | None = None
    form: str | None = None
    cache: CacheMark | None = None
    extra: Extra = None
    tools: tuple[Tool, ...] = ()


class Namespace(Value, frozen=True):
    """A named group of client tools. Neighbouring tools with equal namespaces were written as one group."""

    name: str
    description: str | None = None
    extra: Extra = None


class Function(Value, frozen=True, tag_field="tool", tag=True):
    """A tool that the client executes. parameters: a JSON Schema object. kind: "function" = the input has the
    form `parameters`, "custom" = it is free text with the grammar `format`. form: how the dialect wrote the
    schema. namespace: the tool's group; two tools of the same name may belong to two groups. None everywhere
    = unstated.
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
    """A tool that the dialect defines. Mostly the provider executes it; some (a shell), the client.

    kind: the common name of what the tool does ("web_search", "web_fetch", "code_execution", "mcp", …);
    another dialect then offers its own tool of that kind. name: the name in calls of the tool. value: the
    tool as its dialect wrote it. options: the settings in `value`, in words common to all dialects; for
    "web_search" these are max_uses, allowed_domains, blocked_domains, context_size (low, medium, high), live
    (False: only indexed pages) and location ({city, region, country, timezone}), each only where stated.
    function: for a tool that the client executes, an equal function for upstreams that do not have the tool.
    """

    dialect: str
    kind: str
    value: Any
    name: str | None = None
    cache: CacheMark | None = None
    options: dict[str, Any] | None = None
    function: Function | None = None


Tool: TypeAlias = Function | ProviderTool


class ToolChoice(Value, frozen=True):
    """Which tools the model may or must call. mode: "auto", "none", "any" (at least one), "tool" (the named
    one), "native" (only `native` states it). names: the tool that must be called, or with mode auto or any
    the tools that may be called; empty = all. kind: of the named tools. namespaces: the tool group of each of
    `names`, None = unstated; empty = none is stated.
    """

    mode: Literal["auto", "none", "any", "tool", "native"]
    names: tuple[str, ...] = ()
    kind: Literal["function", "custom"] = "function"
    native: Any = None
    form: str | None = None
    extra: Extra = None
    namespaces: tuple[str | None, ...] = ()


class Output(Value, frozen=True):
    """The form of the answer. kind: "text", "json" (any JSON value) or "schema" (as `schema` says, whose
    `name` and `description` the client gave). modalities: ("text", "audio", "image"). audio: OpenAI's {voice,
    format}. verbosity: low, medium, high. None everywhere = unstated.
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
    minimal, low, medium, high, xhigh, max. budget: tokens. summary: auto, concise, detailed. visible: whether
    the answer should show the thinking. None everywhere = unstated.
    """

    mode: str | None = None
    effort: str | None = None
    budget: int | None = None
    summary: str | None = None
    visible: bool | None = None
    extra: Extra = None


class Sampling(Value, frozen=True):
    """How the model samples tokens. None = unstated; no default is filled in here."""

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
    """Prompt-cache settings for the whole request. key: requests with the same key are sent to the same
    cache. mode, ttl, retention: in the dialect's words. mark: a breakpoint that the provider places itself.
    """

    key: str | None = None
    mode: str | None = None
    ttl: str | None = None
    retention: str | None = None
    mark: CacheMark | None = None
    extra: Extra = None


class Request(Value, frozen=True):
    """One chat request.

    dialect: the dialect of the decoded request. system: its top-level system field and what the gateway adds;
    system and developer messages stay in `messages`. parallel: whether one answer may call several tools.
    max_output: tokens, with thinking. user: the end user's id; safety_identifier: the hashed id that replaces
    it. tier: of the service. store: whether the answer is kept. prediction: text that it likely repeats,
    stated for speed. moderation: OpenAI's {model, policy}, a check of question and answer by another model.
    truncation: "auto" drops the oldest messages of a prompt that is longer than the window; "disabled"
    refuses the prompt. previous, conversation: the stored response (its id) or conversation (as the client
    wrote it) that is continued. stream_usage: whether the client asked for usage in the stream.
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
    """By field, which of several forms the client used: {"max_output": "max_tokens"}; None = the usual."""
    extra: Extra = None


def only_text(request: Request) -> bool:
    """Whether a request has no tools, no settings of the output, and no blocks but texts, as the questions of
    people: nothing in it has to be fetched, renamed or emulated.
    """
    if request.tools or request.output is not None:
        return False
    blocks = chain(request.system, chain.from_iterable(map(_blocks, request.messages)))
    return _TEXT.issuperset(map(type, blocks))


_blocks = attrgetter("blocks")
_TEXT: Final = frozenset({Text})
