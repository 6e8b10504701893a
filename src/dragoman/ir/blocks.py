"""The blocks that messages and answers are made of.

Values only: frozen, ordered, at least as rich as the richest dialect, nobody's wire format. Text is
text, arguments are the exact text that the model wrote, opaque payloads stay opaque. A key that no
field here names rides in `extra`, in place, under the name of the dialect that it came from. Leftovers of a
wire object that has no struct of its own ride on the nearest one, under a dotted key (`function.examples`).

`form`, wherever it occurs, marks which of several spellings the value's own dialect used, so that the same
dialect gets it back. It never changes the meaning: every other reader ignores it. None is the spelling that
the dialect's specification recommends.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

Extra: TypeAlias = dict[str, dict[str, Any]] | None
"""Leftover keys by dialect: {"openai_chat": {"key": value}}, kept on the struct of their wire object."""


class Value(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The root of every IR value: frozen, compared by content, outside the garbage collector.

    Members of a union carry a tag where they are serialised, so that what is kept can be read again.
    """


class Sealed(Value, frozen=True):
    """An opaque payload (signature, thought signature, encrypted reasoning) that must return unchanged.

    origin: who can read it, as the dialect's name, or "provider/family" once the gateway knows the
    account; data: the payload exactly as received.
    """

    origin: str
    data: str


class Item(Value, frozen=True):
    """The output item of an item-based dialect (Responses) that a block belongs to."""

    id: str | None = None
    status: str | None = None
    phase: str | None = None
    extra: Extra = None


class CacheMark(Value, frozen=True):
    """A prompt-cache breakpoint after the value that carries it.

    ttl: as written ("5m", "1h"), None = the provider's default.
    """

    ttl: str | None = None
    extra: Extra = None
    form: str | None = None


class Citation(Value, frozen=True):
    """A source for a span of text.

    kind: "url", "document", "page", "block", "search_result" or a dialect's own word.
    start, end: characters of this block's text, None where the whole block is the span.
    source: the place inside the document, as the dialect states it.
    """

    kind: str = "url"
    url: str | None = None
    title: str | None = None
    quote: str | None = None
    start: int | None = None
    end: int | None = None
    source: dict[str, Any] | None = None
    extra: Extra = None
    form: str | None = None


class Logprob(Value, frozen=True):
    """One token's log probability; `bytes` are its UTF-8 bytes as integers, `top` the alternatives."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top: tuple[Logprob, ...] | None = None
    id: int | None = None
    extra: Extra = None


class Text(Value, frozen=True, tag_field="block", tag=True):
    """Plain text. `citations` and `logprobs` belong to exactly this text."""

    text: str
    citations: tuple[Citation, ...] = ()
    logprobs: tuple[Logprob, ...] | None = None
    sealed: Sealed | None = None
    item: Item | None = None
    cache: CacheMark | None = None
    extra: Extra = None
    form: str | None = None


class Refusal(Value, frozen=True, tag_field="block", tag=True):
    """The model's own words of refusal (OpenAI's `refusal` part)."""

    text: str
    logprobs: tuple[Logprob, ...] | None = None
    item: Item | None = None
    extra: Extra = None


class Thinking(Value, frozen=True, tag_field="block", tag=True):
    """Reasoning. Meaningful even when every text is empty: the seal may be all there is.

    text: raw reasoning; summary: summary parts; redacted: the text was withheld by the provider and
    `sealed` holds all of it.
    """

    text: str = ""
    summary: tuple[str, ...] = ()
    sealed: Sealed | None = None
    redacted: bool = False
    item: Item | None = None
    cache: CacheMark | None = None
    extra: Extra = None
    form: str | None = None


class ToolCall(Value, frozen=True, tag_field="block", tag=True):
    """The model asks for a tool.

    id: as stated, None where the upstream gave none. arguments: the exact text, normally a JSON
    object; may be empty or invalid JSON; for kind "custom" it is the plain input.
    kind: "function", "custom" (free text), "builtin" (a provider's own tool), "legacy" (`function_call`).
    by: who executes it. For "provider" the result follows in the same answer.
    namespace: the group of tools that the name is one of (`Namespace`), or the provider's MCP server.
    """

    id: str | None
    name: str
    arguments: str = ""
    kind: Literal["function", "custom", "builtin", "legacy"] = "function"
    by: Literal["client", "provider", "gateway"] = "client"
    namespace: str | None = None
    sealed: Sealed | None = None
    item: Item | None = None
    cache: CacheMark | None = None
    extra: Extra = None
    form: str | None = None


class ToolResult(Value, frozen=True, tag_field="block", tag=True):
    """What a tool gave back; links to its call by `id`, or by `name` and order where ids are absent.

    error: None where the dialect cannot say. kind: the call's kind, or for a provider's tool the
    dialect's word for the result ("web_search_tool_result").
    """

    id: str | None
    content: tuple[Block, ...] = ()
    name: str | None = None
    error: bool | None = None
    kind: str = "function"
    by: Literal["client", "provider", "gateway"] = "client"
    item: Item | None = None
    cache: CacheMark | None = None
    extra: Extra = None
    form: str | None = None
    sealed: Sealed | None = None


class Media(Value, frozen=True, tag_field="block", tag=True):
    """An image, a sound, a video or a document, by exactly one of data, url, file, text or blocks.

    mime: media type, None where unstated. data: base64 as received. file: a provider's file id.
    text, blocks: a document given as text or as content. detail: OpenAI's image detail.
    id: the id of audio output that can be referred to later; transcript: its words; expires: Unix seconds.
    citable: the document's citations are asked for (None = unstated).
    """

    kind: Literal["image", "audio", "video", "document"]
    mime: str | None = None
    data: str | None = None
    url: str | None = None
    file: str | None = None
    text: str | None = None
    blocks: tuple[Block, ...] | None = None
    name: str | None = None
    detail: str | None = None
    id: str | None = None
    transcript: str | None = None
    expires: int | None = None
    context: str | None = None
    citable: bool | None = None
    sealed: Sealed | None = None
    item: Item | None = None
    cache: CacheMark | None = None
    extra: Extra = None
    form: str | None = None


class Json(Value, frozen=True, tag_field="block", tag=True):
    """A structured value inside a tool result (Gemini, Bedrock)."""

    value: Any
    extra: Extra = None


class Native(Value, frozen=True, tag_field="block", tag=True):
    """A whole wire object that only its own dialect knows. The last resort: it is a loss anywhere else.

    kind: the object's own type word; value: the object as decoded. stands_for: what it comes to in the
    field's words, for models that are asked in another dialect; None = nothing.
    """

    dialect: str
    kind: str
    value: Any
    sealed: Sealed | None = None
    item: Item | None = None
    cache: CacheMark | None = None
    stands_for: Block | None = None


Block: TypeAlias = Text | Refusal | Thinking | ToolCall | ToolResult | Media | Json | Native
