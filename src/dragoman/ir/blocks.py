"""The blocks that messages and answers consist of.

A protocol's JSON object can have a key for which no struct here has a field. The value of such a key is in
`extra`, under the name of its dialect (the protocol). If the JSON object has no struct here, its unknown key
is in the `extra` of the nearest struct around it, under a dotted name (`function.examples`).

A dialect may have several spellings of the same thing. `form`, on each struct of a chat request or answer
that has it, names the spelling that was used. An encoder of the same dialect writes that spelling again; all
others ignore `form`, because it never changes the meaning. None = the spelling that the dialect's
specification recommends. ("made" is no spelling: the gateway, not the client, stated the value.)
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

Extra: TypeAlias = dict[str, dict[str, Any]] | None
"""The JSON keys for which no field exists, by dialect: {"openai_chat": {"key": value}}; None = there are
none.
"""


def merge(first: Extra, second: Extra) -> Extra:
    """Return two extras (`{dialect: {key: value}}`, or None for no keys) merged into one. If both have the
    same key of the same dialect, the value in `second` is used. Neither is changed; if one of them is empty,
    the other itself is returned.
    """
    if not second:
        return first
    if not first:
        return second
    merged = dict(first)
    for dialect, keys in second.items():
        merged[dialect] = {**merged.get(dialect, {}), **keys}
    return merged


class Value(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The base class of every IR value: frozen, compared by content, not tracked by the garbage collector,
    and serialised without fields that have their default values.
    """


class Sealed(Value, frozen=True):
    """A seal: an opaque payload (a signature or encrypted reasoning) that only the provider that made it can
    read. A later request must return it to this provider exactly as it was received. origin: the dialect in
    which the seal was received. data: the payload.
    """

    origin: str
    data: str


class Item(Value, frozen=True):
    """The output item of OpenAI's Responses API that contains a block. id, status, phase: as the API states
    them, None = not stated.
    """

    id: str | None = None
    status: str | None = None
    phase: str | None = None
    extra: Extra = None


class CacheMark(Value, frozen=True):
    """A mark by which the client asks the provider to cache the prompt, up to and including the value with
    this mark. ttl: how long the cached prompt lasts, as written ("5m", "1h"); None = the provider's default.
    """

    ttl: str | None = None
    extra: Extra = None
    form: str | None = None


class Citation(Value, frozen=True):
    """The source of a span of a Text block. kind: "url", "document", "page", "block", "search_result" or a
    dialect's own word. quote: the words of the source that are cited. start, end: where the span begins and
    ends in the text of the block, in characters from 0 (`end` is the place after its last character); None =
    the span is the whole text. source: the place inside the cited document, in the dialect's own structure.
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
    """The log probability (natural logarithm) of one token. bytes: the token's UTF-8 bytes as integers. top:
    the most likely tokens at the same position. id: the token's number in the model's vocabulary. A field
    that is None was not stated.
    """

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top: tuple[Logprob, ...] | None = None
    id: int | None = None
    extra: Extra = None


class Text(Value, frozen=True, tag_field="block", tag=True):
    """Plain text, with its citations and log probabilities (None = not stated). sealed: a seal that the
    provider attached to the text, None = none. item: the output item that contained the text, None = none.
    cache: a mark of the client, None = none.
    """

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
    """The reasoning of the model. text: the raw reasoning. summary: the parts of its summary. sealed: a
    signature of the reasoning, or the encrypted reasoning. redacted: True = the provider withheld the text,
    and `sealed` is the whole content. An encoder must not drop a block because it has no text: `sealed` may
    be its only content.
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

    id: the provider's id of the call, None = it has none. arguments: the text that the model wrote; if the
    provider sent a decoded object, its JSON. The text is normally a JSON object, but it may be empty or
    invalid JSON; for the kind "custom" it is plain text. kind: "function", "custom" (free text), "builtin" (a
    provider's own tool), "legacy" (`function_call`). by: who executes the tool; if the provider does, the
    same answer usually contains the result. namespace: the name of the tool's group (`Namespace`) or of the
    provider's MCP server, None = neither.
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
    """The result of a tool call. id: the id of the call; None = the result belongs to the first call of the
    tool `name` that has no result yet. error: whether the tool failed, None = not stated. kind: the kind of
    the call (`ToolCall.kind`); for a provider's tool, the dialect's word for the result
    ("web_search_tool_result"). by: who executed the tool.
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
    """An image, sound, video or document. At most one of data, url, file, text and blocks has the content;
    none has, for example, if the block only refers by `id` to earlier audio.

    mime: the media type. data: base64 as received. file: the id of a file at the provider. text, blocks: a
    document as text or as content blocks. name: the file's name. detail: OpenAI's image detail. id: the id of
    audio in an answer, by which later messages may refer to this audio. transcript: the words that are spoken
    in the audio. expires: when `id` expires, in Unix seconds. context: what the client says about the
    document or its origin. citable: whether the client asks for citations of the document. A field that is
    None was not stated.
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
    """A JSON value in the result of a tool. Gemini's tool results are JSON values, and so are Anthropic's
    results of tools that the provider executes.
    """

    value: Any
    extra: Extra = None


class Native(Value, frozen=True, tag_field="block", tag=True):
    """An object of one protocol that no other block can represent, as it was received. dialect: the protocol.
    kind: the protocol's name for this type of object. value: the decoded object. stands_for: a block with
    nearly the same meaning, which the encoders of other dialects write instead; None = they report a loss, or
    the request is refused.
    """

    dialect: str
    kind: str
    value: Any
    sealed: Sealed | None = None
    item: Item | None = None
    cache: CacheMark | None = None
    stands_for: Block | None = None


Block: TypeAlias = Text | Refusal | Thinking | ToolCall | ToolResult | Media | Json | Native
