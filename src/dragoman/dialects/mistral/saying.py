"""Decodes and encodes the assistant's message, in responses and in the history of requests.

Content is written as a string if it is only one plain text, unless the client wrote it as a list, and as a
list of chunks otherwise. Empty content is "" in a response, and is left out in a request, except where a
client of this dialect wrote a list or an empty text. In responses that are decoded, adjacent texts are mostly
joined (`_joined`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.saying import Saying as Collected
from dragoman.dialects.chat.saying import lose_unsaid, separated
from dragoman.dialects.mistral.calls import decode_call
from dragoman.dialects.mistral.parts import decode_parts, encode_part
from dragoman.dialects.mistral.terms import NAME, narrower
from dragoman.errors import WireError


def decode_saying(message: Mapping[str, Any], where: str, *, history: bool = False) -> list[ir.Block]:
    """Return the blocks of an assistant message: first the content, then the calls. Raises WireError for a
    content or a call of an unknown form. `tool_calls` that are not a list are ignored.

    where: the message's path, for errors. history: True = the message is part of a request. Then a content
    that is "" becomes an empty Text block, and adjacent texts are not joined.
    """
    blocks: list[ir.Block] = []
    content = message.get("content")
    if type(content) is str:
        if content or history:
            blocks.append(ir.Text(content))
    elif type(content) is list:
        blocks = decode_parts(content, where + ".content")
        if not history:
            blocks = _joined(blocks)
    elif content is not None:
        raise WireError("expected a string or an array", where + ".content", "invalid_type")
    if (calls := message.get("tool_calls")) and type(calls) is list:
        blocks.extend([decode_call(call, position) for position, call in enumerate(calls)])
    return blocks


def _joined(blocks: list[ir.Block]) -> list[ir.Block]:
    """Return the blocks with adjacent texts joined, and without texts that have neither characters, citations
    nor leftovers. A text is not joined if it has leftovers or follows a text that has leftovers or citations.
    """
    out: list[ir.Block] = []
    for block in blocks:
        last = out[-1] if out else None
        if isinstance(block, ir.Text) and block.extra is None:
            if not (block.text or block.citations):
                continue
            if isinstance(last, ir.Text) and last.extra is None and not last.citations:
                out[-1] = ir.Text(last.text + block.text, block.citations)
                continue
        out.append(block)
    return out


class Saying(Collected):
    """Collects blocks and writes one assistant message of Mistral's chat.

    parts: True = the content is always a list. mint: returns the id to write for a call, from the id that the
    call has (None = it has none) and the call's position. If it returns None, no id is written.
    """

    __slots__ = ("calls", "chunks", "mint", "parts")

    def __init__(
        self, draft: Draft, mint: Callable[[str | None, int], str | None], *, parts: bool = False
    ) -> None:
        super().__init__(draft)
        self.mint = mint
        self.parts = parts
        self.chunks: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []

    def write(self, blocks: Sequence[ir.Block], where: str) -> dict[str, Any]:
        """Add these blocks, and return the finished message. where: the IR path of the message or candidate
        that holds the blocks.
        """
        self.add(blocks, where)
        return self.done()

    def done(self) -> dict[str, Any]:
        """Return the message as a wire object. To be called once, after all blocks were added."""
        wire: dict[str, Any] = {"role": "assistant"}
        if not (self.draft.own or self.draft.answer):
            self.chunks = self._sendable()
        content = self.chunks if self.parts else bare(self.chunks)
        if content or self.parts or self.draft.answer or (self.draft.own and self.chunks):
            wire["content"] = content
        if self.calls:
            wire["tool_calls"] = self.calls
        return wire

    def _sendable(self) -> list[dict[str, Any]]:
        """Return those of `chunks` that are sent, for an assistant message in another dialect's history.
        Beside reasoning, empty texts are left out; a message of nothing but reasoning is not sent ([]).
        """
        thoughts = [chunk for chunk in self.chunks if chunk.get("type") == "thinking"]
        if not thoughts:
            return self.chunks
        chunks = [chunk for chunk in self.chunks if not (_plain(chunk) and chunk["text"] == "")]
        return chunks if self.calls or len(chunks) > len(thoughts) else []

    def _text(self, block: ir.Text | ir.Refusal | ir.Json, where: str) -> None:
        for chunk in encode_part(block, self.draft, where):
            last = self.chunks[-1] if self.chunks else None
            if self.parts or not (_plain(chunk) and _plain(last)) or last is None:
                self.chunks.append(chunk)
            elif self.spaced and not self.draft.own:
                last["text"] += separated(last["text"], chunk["text"])
            else:
                last["text"] += chunk["text"]
        if isinstance(block, ir.Json) or block.text:
            self.spaced = False

    def _thinking(self, block: ir.Thinking, where: str) -> None:
        self.spaced = True
        if self.draft.own:
            self.chunks.extend(encode_part(block, self.draft, where))
        elif not self.draft.answer and not self._replays(block):
            self.draft.report.lose(where, "reasoning of another provider is not sent back", "quality")
        elif block.redacted or not (block.text or block.summary):
            self.draft.report.lose(where, "the reasoning has no text to show", "hint")
        else:
            self.chunks.extend(encode_part(block, self.draft, where))

    def _replays(self, block: ir.Thinking) -> bool:
        """Whether reasoning in the history of another dialect's request may be sent to Mistral: it has no
        seal, and the model is not known to be unable to reason. A model that reasons accepts such reasoning
        as a thinking chunk: recorded (ruby_llm-146271004b32), and vercel/ai#17930.
        """
        return block.sealed is None and self.draft.facts.reasoning is not False

    def _call(self, block: ir.ToolCall, where: str) -> None:
        self.spaced = True
        if block.by != "client":
            lose_unsaid(block, self.draft, where)
            return
        stated = self.mint(block.id, len(self.calls))
        call = narrower.encode_call(block, stated, self.draft, where)
        if self.draft.answer:
            call.setdefault("index", len(self.calls))
        self.calls.append(call)

    def _media(self, block: ir.Media, where: str) -> None:
        self.spaced = True
        if self.draft.own:
            self.chunks.extend(encode_part(block, self.draft, where))
        elif block.kind == "audio" and not self.draft.answer:
            self._spoken(block, where)
        else:
            self.chunks.extend(shown_media(block, self.draft, where))

    def _spoken(self, block: ir.Media, where: str) -> None:
        """Add another dialect's audio as its transcript. Audio without a transcript is reported as lost.
        where: the block's IR path.
        """
        if block.transcript is None:
            self.draft.report.lose(where, "audio of another provider cannot be used with the Mistral API")
            return
        self.chunks.append({"type": "text", "text": block.transcript})
        self.draft.report.change(where, "messages[].content[].text", "the audio is sent as its transcript")

    def _other(self, block: ir.ToolResult | ir.Native, where: str) -> None:
        self.spaced = True
        if isinstance(block, ir.Native) and block.dialect == NAME:
            self.chunks.append(block.value)
        else:
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


def shown_media(block: ir.Media, draft: Draft, where: str) -> list[dict[str, Any]]:
    """Return the chunks for a medium of the assistant. An image with data or a URL is written as an image.
    Any other medium is reported as lost, and its transcript, if it has one, is written as text. where: the
    block's IR path.
    """
    if block.kind == "image" and (block.data is not None or block.url is not None):
        return encode_part(block, draft, where)
    lose_unsaid(block, draft, where)
    return [{"type": "text", "text": block.transcript}] if block.transcript else []


def bare(chunks: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Return the content of a message with these chunks: a string if there is no chunk or only one plain
    text; otherwise the list.
    """
    if not chunks:
        return ""
    return chunks[0]["text"] if len(chunks) == 1 and _plain(chunks[0]) else chunks


def _plain(chunk: dict[str, Any] | None) -> bool:
    return chunk is not None and chunk.keys() == {"type", "text"}
