"""Decodes and encodes the assistant's message, in responses and in the history of requests.

A message has one text, one thinking text, a list of media and a list of calls; it does not state their order.
The list of media has the name `images`, but may contain audio, too: the first bytes of an entry decide. The
arguments of a call are a JSON object.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from dragoman import ir
from dragoman.dialects.arguments import arguments_text, parse_arguments
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.saying import Saying as Collected
from dragoman.dialects.chat.saying import lose_unsaid, separated
from dragoman.dialects.chat.terms import text_of
from dragoman.dialects.leftovers import lose_about
from dragoman.dialects.ollama.pictures import markdown
from dragoman.dialects.ollama.terms import NAME, leftovers, narrower, restore
from dragoman.dialects.restore import INPUT
from dragoman.dialects.typed import Typed, an_object, required
from dragoman.errors import WireError
from dragoman.wire.sniff import media_type

_CALL: Final = frozenset({"id", "type", "function"})
_CALLED: Final = frozenset({"name", "arguments"})
_INDEXED: Final = _CALLED | {"index"}
_TYPED: Final = Typed(NAME, id=str)
_SNIFFED: Final = 64
"""How many characters of base64 are decoded to find the type of a file; a multiple of four."""
SENT: Final = frozenset({"image", "audio"})
"""The kinds of media that are sent in `images`. Audio is among them, because the server finds the type from
the bytes."""


def decode_saying(message: dict[str, Any]) -> list[ir.Block]:
    """Return the blocks of an assistant message, in this order: thinking, text, media, calls. A member that
    is missing, null or empty gives no block. Raises WireError for a `content` that is not text, an image that
    is not a string, and a call of unknown form (`decode_call`). The type of `thinking` is not checked.
    """
    blocks: list[ir.Block] = []
    if thinking := message.get("thinking"):
        blocks.append(ir.Thinking(thinking))
    if message.get("content"):
        blocks.append(ir.Text(required(message, "content", str, "message")))
    blocks.extend(decode_images(message))
    if calls := message.get("tool_calls"):
        blocks.extend([decode_call(call, position) for position, call in enumerate(calls)])
    return blocks


def decode_images(message: Mapping[str, Any]) -> list[ir.Block]:
    """Return the media in `images`, in order: audio if the first bytes show a known audio format, otherwise
    images. [] = the message has none. Raises WireError if an entry is not a string.
    """
    images = message.get("images") or ()
    for data in images:
        if type(data) is not str:
            raise WireError("expected a string", "message.images[]", "invalid_type")
    return [_medium(data) for data in images]


def _medium(data: str) -> ir.Media:
    try:
        mime = media_type(base64.b64decode(data[:_SNIFFED]))
    except (binascii.Error, ValueError):
        mime = None
    if mime is not None and mime.startswith("audio/"):
        return ir.Media("audio", mime, data)
    return ir.Media("image", mime, data)


def decode_call(call: Any, position: int) -> ir.ToolCall:
    """Decode an entry of `tool_calls`. position: its position in the list; a `function.index` that equals it
    is dropped. Missing arguments become "{}", a missing name becomes "". Raises WireError if the entry is not
    an object, if it has no `function` object, or if the name is neither text nor null.
    """
    call, odd = _TYPED.sort(an_object(call, "message.tool_calls[]"))
    where = "message.tool_calls[].function"
    function = an_object(call.get("function"), where)
    known = _INDEXED if function.get("index") in (None, position) else _CALLED
    extra = ir.merge(ir.merge(leftovers(call, _CALL), leftovers(function, known, "function")), odd)
    name = function.get("name")
    if type(name) is not str:
        name = "" if name is None else required(function, "name", str, where)
    arguments = function.get("arguments")
    text = "{}" if arguments is None else arguments_text(arguments)
    return ir.ToolCall(call.get("id") or None, name, text, extra=extra)


class Saying(Collected):
    """Collects blocks, and writes them as one assistant message of Ollama's chat.

    mint: called with (the id that a call states or None, the call's position), returns the id to write; None
    = no id is written. first: how many calls of the response were written in earlier messages; positions are
    counted from there.
    """

    __slots__ = ("calls", "first", "images", "mint", "text", "thinking")

    def __init__(self, draft: Draft, mint: Callable[[str | None, int], str | None], first: int = 0) -> None:
        super().__init__(draft)
        self.mint = mint
        self.first = first
        self.thinking = ""
        self.text = ""
        self.images: list[str] = []
        self.calls: list[dict[str, Any]] = []

    def done(self) -> dict[str, Any]:
        """Return the message as a wire object, with all blocks that were added."""
        wire: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.thinking:
            wire["thinking"] = self.thinking
        if self.images:
            wire["images"] = self.images
        if self.calls:
            wire["tool_calls"] = self.calls
        return wire

    def _text(self, block: ir.Text | ir.Refusal | ir.Json, where: str) -> None:
        text = words(block, self.draft, where)
        self.text += separated(self.text, text) if self.spaced else text
        if text:
            self.spaced = False

    def _thinking(self, block: ir.Thinking, where: str) -> None:
        self.spaced = True
        text = thoughts(block, self.draft, where)
        self.thinking += separated(self.thinking, text)

    def _call(self, block: ir.ToolCall, where: str) -> None:
        self.spaced = True
        if block.by != "client":
            lose_unsaid(block, self.draft, where)
            return
        position = self.first + len(self.calls)
        self.calls.append(encode_call(block, self.mint(block.id, position), position, self.draft, where))

    def _media(self, block: ir.Media, where: str) -> None:
        if self.draft.own and block.form is not None:
            self.text += markdown(block, own=True) or ""
            return
        self.spaced = True
        if self.draft.own and block.data is not None:
            self.images.append(block.data)
        else:
            self._shown(block, where)

    def _shown(self, block: ir.Media, where: str) -> None:
        """Add a medium of the assistant to the text. An image in a response is written as Markdown, if it has
        data or a URL. Any other medium, and each medium in a request, is reported as lost, and only its
        transcript, if it has one, is added. where: the block's IR path.
        """
        shed(block, self.draft, where)
        shows = self.draft.answer and block.kind == "image"
        if shows and (told := markdown(block, own=self.draft.own)) is not None:
            self.text += separated(self.text, told)
            self.draft.report.change(where, "message.content", "the image is written as Markdown")
            lose_about(block, self.draft.report, where)
            return
        lose_unsaid(block, self.draft, where)
        if block.transcript:
            self.text += separated(self.text, block.transcript)

    def _other(self, block: ir.ToolResult | ir.Native, where: str) -> None:
        self.spaced = True
        lose_unsaid(block, self.draft, where)

    _say: ClassVar = {
        ir.Text: _text,
        ir.Refusal: _text,
        ir.Json: _text,
        ir.Thinking: _thinking,
        ir.ToolCall: _call,
        ir.Media: _media,
        ir.ToolResult: _other,
        ir.Native: _other,
    }


def words(block: ir.Text | ir.Refusal | ir.Json, draft: Draft, where: str) -> str:
    """Return the text of a block; the text of a Json block is JSON. What the text cannot hold, such as
    citations, is reported. where: the block's IR path.
    """
    if isinstance(block, ir.Json):
        text = text_of(block.value)
    else:
        text = block.text
        if isinstance(block, ir.Refusal):
            draft.report.change(where, "message.content", "the refusal is written as text")
    shed(block, draft, where)
    if not draft.own and draft.answer is False and getattr(block, "logprobs", None):
        draft.report.lose(
            where + ".logprobs", "the Ollama API does not accept earlier log probabilities", "hint"
        )
    for index in range(len(getattr(block, "citations", ()))):
        lose_source(draft, f"{where}.citations[{index}]")
    return text


def thoughts(block: ir.Thinking, draft: Draft, where: str) -> str:
    """Return the text of a thinking block or, if it has none, the parts of its summary, with a blank line
    between them; "" = it has neither, which is reported as a loss for a block of another dialect. What else
    the block has (`shed`) is reported, too. where: the block's IR path.
    """
    shed(block, draft, where)
    text = block.text or "\n\n".join(block.summary)
    if not text and not draft.own:
        draft.report.lose(where, "the reasoning has no text to show", "hint")
    return text


def lose_source(draft: Draft, where: str) -> None:
    """Report a citation as lost. where: the citation's IR path."""
    draft.report.lose(where, "the Ollama API has no sources of a text", "quality")


def shed(block: Any, draft: Draft, where: str) -> None:
    """Report a block's seal, cache mark and leftovers of other dialects as not written: this dialect has no
    members for them. where: the block's IR path.
    """
    if getattr(block, "sealed", None) is not None:
        draft.leave_seal(where)
    narrower.lose_mark(getattr(block, "cache", None), draft, where)
    restore({}, block.extra, draft.report, where)


def encode_call(
    block: ir.ToolCall, stated: str | None, position: int, draft: Draft, where: str
) -> dict[str, Any]:
    """Encode the call as an entry of `tool_calls`. stated: the id to write; None = the entry has no id.
    position: the call's position in the response, written as `function.index`; in a request it is not
    written. where: the call's IR path.

    Arguments that are not a JSON object become the object `{"input": text}`, and so does the text of a
    free-text call (kind "custom") in a response. A free-text call in a request raises WireError; normally
    `emulate` has replaced such a call before.
    """
    out: dict[str, Any] = {} if stated is None else {"id": stated}
    out["function"] = {"index": position} if draft.answer else {}
    out["function"] |= {"name": block.name, "arguments": _arguments(block, draft, where)}
    if block.sealed is not None:
        draft.leave_seal(where)
    narrower.lose_mark(block.cache, draft, where)
    restore(out, block.extra, draft.report, where)
    return out


def _arguments(block: ir.ToolCall, draft: Draft, where: str) -> Any:
    if block.kind == "custom":
        if not draft.answer:
            raise WireError("the Ollama API has no calls of free-text tools", where, "unsupported_value")
    elif (arguments := parse_arguments(block.arguments)) is not None:
        return arguments
    to = f"message.tool_calls[].function.arguments.{INPUT}"
    draft.report.change(where, to, "the Ollama API requires arguments to be an object")
    return {INPUT: block.arguments}
