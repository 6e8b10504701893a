"""The blocks that messages and answers consist of.

A wire key for which no field exists is kept in `extra`, under the name of its dialect. If the wire object
with the unknown key has no struct of its own, the key is kept on the nearest struct under a dotted name
(`function.examples`).

`form`, on every struct of chat that has it, names the spelling that the dialect used of several. The same
dialect's encoder writes that spelling again; everybody else ignores it, because it never changes the meaning.
None = the spelling that the dialect's specification recommends.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

Extra: TypeAlias = dict[str, dict[str, Any]] | None
"""Wire keys for which no field exists, by dialect: {"openai_chat": {"key": value}}; None = there are none."""


class Value(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The base class of every IR value: frozen, compared by content, not tracked by the garbage collector,
    and serialised without the fields that have their default values.
    """


class Sealed(Value, frozen=True):
    """An opaque payload (signature, thought signature, encrypted reasoning) that must be sent back exactly as
    it was received. origin: the dialect that it came in; only the provider that made it can read it.
    """

    origin: str
    data: str


class Item(Value, frozen=True):
    """The output item of an item-based dialect (Responses) that a block belongs to. None = not stated."""

    id: str | None = None
    status: str | None = None
    phase: str | None = None
    extra: Extra = None


class CacheMark(Value, frozen=True):
    """A prompt-cache breakpoint after the value that carries it. ttl: how long the cached prompt lasts, as
    written ("5m", "1h"); None = the provider's default.
    """

    ttl: str | None = None
    extra: Extra = None
    form: str | None = None


class Citation(Value, frozen=True):
    """The source of a span of a Text block. kind: "url", "document", "page", "block", "search_result" or a
    dialect's own word. start, end: character offsets of the span in the text of that block, None = the span
    is the whole text. source: the place inside the cited document, in the dialect's own structure.
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
    """One token's log probability. bytes: the token's UTF-8 bytes as integers. top: the most likely tokens at
    its position. id: the token's number in the model's vocabulary. None = not stated.
    """

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top: tuple[Logprob, ...] | None = None
    id: int | None = None
    extra: Extra = None


class Text(Value, frozen=True, tag_field="block", tag=True):
    """Plain text, with the citations and the log probabilities of this text."""

    text: str
    citations: tuple[Citation, ...] = ()
    logprobs: tuple[Logprob, ...] | None = None
    sealed: Sealed | None = None
    item: Item | None = None
    cache: CacheMark | None = None
    extra: Extra = None
    form: str | None = None


class Refusal(Value, frozen=True, tag_field="block", tag=True):
    """The text in which the model refuses to answer (OpenAI's `refusal` part)."""

    text: str
    logprobs: tuple[Logprob, ...] | None = None
    item: Item | None = None
    extra: Extra = None


class Thinking(Value, frozen=True, tag_field="block", tag=True):
    """Reasoning. An encoder must not drop a block without text, because `sealed` may be its only content.
    text: the raw reasoning. summary: the parts of its summary. redacted: True = the provider withheld the
    text, and `sealed` is the whole content.
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
    """A call of a tool by the model.

    id: as stated, None = not stated. arguments: the exact text that the model wrote, normally a JSON object;
    it may be empty or invalid JSON; for kind "custom" it is plain text. kind: "function", "custom" (free
    text), "builtin" (a provider's own tool), "legacy" (`function_call`). by: who executes the tool; the
    result of the provider's tool is in the same answer. namespace: the name of the tool's group
    (`Namespace`), or of the provider's MCP server; None = neither.
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
    """The result of a tool call. id: the id of the call; None = the result belongs to the next call of the
    tool `name` that has none yet. error: whether the tool failed, None = not stated. kind: the call's kind;
    for a provider's tool the dialect's word for the result ("web_search_tool_result"). by: who executed the
    tool.
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
    """An image, sound, video or document. At most one of data, url, file, text and blocks holds its content;
    none if only `id` refers to it.

    mime: media type. data: base64 as received. file: a provider's file id. text, blocks: a document given as
    text or as content blocks. name: the file's. detail: OpenAI's image detail. id: by which later messages
    may refer to audio output. transcript: the spoken words of the audio. expires: when `id` expires, in Unix
    seconds. context: what the client says about the document, or where it comes from. citable: whether the
    client asks for citations of the document. None everywhere = unstated.
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
    """A JSON value in a tool result: Gemini's responses, Anthropic's results of tools run by the provider."""

    value: Any
    extra: Extra = None


class Native(Value, frozen=True, tag_field="block", tag=True):
    """A whole wire object that only its own dialect knows. kind: its own type name. value: the object as
    decoded. stands_for: a block of nearly the same meaning, which other dialects write; None = they lose the
    object.
    """

    dialect: str
    kind: str
    value: Any
    sealed: Sealed | None = None
    item: Item | None = None
    cache: CacheMark | None = None
    stands_for: Block | None = None


Block: TypeAlias = Text | Refusal | Thinking | ToolCall | ToolResult | Media | Json | Native
