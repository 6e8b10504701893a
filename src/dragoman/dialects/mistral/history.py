"""Decodes and encodes the messages of a request.

A `tool` message is a user's Message with one ToolResult. Message.form is "parts" for content that is a list,
None for a string or absent content; "prefix" and "parts+prefix" mark an assistant message that the model
continues.

Mistral requires an order of messages (error 3230): after the results of tools only the assistant may speak;
system text may not follow the assistant or come last; an assistant message may come last only as a prefix.
https://docs.mistral.ai/api and the validator of https://github.com/mistralai/mistral-common
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.history import TurnWriter, read_content, read_history, result_text
from dragoman.dialects.chat.terms import text_of
from dragoman.dialects.mistral.parts import decode_parts, encode_media, encode_part
from dragoman.dialects.mistral.saying import Saying, decode_saying
from dragoman.dialects.mistral.terms import NAME, call_id, leftovers, narrower, restore
from dragoman.dialects.repair import repaired
from dragoman.dialects.repair.kept import only_texts
from dragoman.dialects.repair.rules import Rules, Why
from dragoman.dialects.repair.turn import Piece, tagged
from dragoman.errors import WireError

_PLAIN_ROLES: Final = frozenset({"user", "system"})
_PLAIN: Final = frozenset({"role", "content"})
_ASSISTANT: Final = frozenset({"role", "content", "tool_calls", "prefix"})
_TOOL: Final = frozenset({"role", "content", "tool_call_id", "name"})


def decode_messages(messages: Sequence[Any]) -> tuple[ir.Message, ...]:
    """Decode the messages of a request, one ir.Message for each wire message. Raises WireError for an unknown
    role, and for a content or a call of unknown form.
    """
    return read_history(messages, _PLAIN_ROLES, _message)


def _message(message: dict[str, Any], role: Any, where: str) -> ir.Message:
    form = "parts" if type(message.get("content")) is list else None
    if role in _PLAIN_ROLES:
        blocks = read_content(message.get("content"), where, decode_parts)
        return ir.Message(role, blocks, form=form, extra=leftovers(message, _PLAIN))
    if role == "assistant":
        said = decode_saying(message, where, history=True)
        if message.get("prefix") is True:
            form = "parts+prefix" if form else "prefix"
        return ir.Message("assistant", tuple(said), form=form, extra=leftovers(message, _ASSISTANT))
    if role == "tool":
        content = read_content(message.get("content"), where, decode_parts)
        result = ir.ToolResult(message.get("tool_call_id"), content, message.get("name"))
        return ir.Message("user", (result,), form=form, extra=leftovers(message, _TOOL))
    raise WireError(f"unknown role {role!r}", f"{where}.role", "invalid_value")


def encode_messages(request: ir.Request, draft: Draft) -> list[dict[str, Any]]:
    """Return the messages of a request in Mistral's form. The history of another dialect's client is repaired
    first, so that it obeys Mistral's order of messages.

    Raises WireError for blocks that cannot be sent in any form, such as a video and, in a history of another
    dialect, a tool result without its call.
    """
    if draft.own:
        own = _OwnHistory(draft)
        if request.system:
            own.say("system", request.system, "system")
        own.write(request.messages)
        return own.out
    if (texts := only_texts(request)) is not None:
        return [{"role": role, "content": text} for role, text in texts]
    writer = _History(draft)
    for turn in repaired(request, _RULES if draft.facts.media_results else _RULES_WITHOUT_MEDIA):
        writer.write_turn(turn)
    writer.go_on()
    return writer.out


class _OwnHistory:
    """Encodes the messages of a client of this dialect, in the form in which the client wrote them, and
    appends them to `out`.
    """

    __slots__ = ("draft", "out")

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.out: list[dict[str, Any]] = []

    def write(self, messages: Sequence[ir.Message]) -> None:
        for index, message in enumerate(messages):
            self._message(message, f"messages[{index}]")

    def _message(self, message: ir.Message, where: str) -> None:
        form = message.form or ""
        first = message.blocks[0] if message.blocks else None
        if message.role == "assistant":
            saying = Saying(self.draft, lambda stated, _: stated, parts=form.startswith("parts"))
            out = saying.write(message.blocks, where)
            if form.endswith("prefix"):
                out["prefix"] = True
            self.out.append(out)
        elif isinstance(first, ir.ToolResult):
            self._result(first, form, where)
        else:
            self.say(message.role, message.blocks, where + ".blocks", parts=form == "parts")
        restore(self.out[-1], message.extra, self.draft.report, where)

    def say(self, role: str, blocks: tuple[ir.Block, ...], where: str, *, parts: bool | None = None) -> None:
        """Append a message of this role to `out`. where: the IR path of the list `blocks`.

        parts: True = the content is always a list of chunks. False or None = the content is a string if the
        message has only one block, a text; null if the blocks give no chunk (in a request of another
        dialect's client: ""); otherwise a list.
        """
        lone = blocks[0] if len(blocks) == 1 else None
        if type(lone) is ir.Text and not parts:
            if lone.cache is not None or lone.extra is not None or lone.citations:
                encode_part(lone, self.draft, f"{where}[0]")  # reports what a string cannot hold
            self.out.append({"role": role, "content": lone.text})
            return
        chunks: list[dict[str, Any]] = []
        for index, block in enumerate(blocks):
            chunks.extend(encode_part(block, self.draft, f"{where}[{index}]"))
        self.out.append(
            {"role": role, "content": chunks if chunks or parts else None if self.draft.own else ""}
        )

    def _result(self, block: ir.ToolResult, form: str, where: str) -> None:
        place = where + ".blocks[0].content"
        self.say("tool", block.content, place, parts=form == "parts")
        for member, value in (("tool_call_id", block.id), ("name", block.name)):
            if value is not None:
                self.out[-1][member] = value


def _says(block: ir.Block) -> bool:
    """Whether a block of a system or assistant message counts as content when the history is repaired.
    Thinking does not: it is sent only beside content or a call.
    """
    if isinstance(block, ir.Text | ir.Refusal):
        return block.text != ""
    if isinstance(block, ir.Media):
        return bool(block.data or block.url or block.transcript)
    if isinstance(block, ir.ToolCall):
        return block.by == "client"
    return isinstance(block, ir.Json) or (isinstance(block, ir.Native) and block.dialect == NAME)


_RULES: Final = Rules(
    dialect=NAME,
    order="messages",
    says=_says,
    fit=call_id,
    mint="call_{index}_{position}",
    ids="shared",
    absent="(no result)",
    added=Why("messages[{at}]", "the Mistral API rejects a tool call without a result"),
    moves=lambda block, _: block.data is not None or block.url is not None,
    moved=Why("messages[{at}]", "the Mistral API accepts media only in a user message: moved there"),
    bridge=Why("messages[{at}]", "the Mistral API requires an assistant message after a tool message"),
    tagged=Why(
        "messages[{at}]", "a system message is not allowed here: it is sent as tagged text in a user message"
    ),
    opened=Why("messages[0]", "the Mistral API requires a user message"),
    asked=Why(
        "messages[{at}].role",
        "the Mistral API requires a user message: the last system message is sent as one",
    ),
)
_RULES_WITHOUT_MEDIA: Final = msgspec.structs.replace(_RULES, takes_out=lambda _: True)
"""The rules for models that are not known to accept media in tool results: these media move to a user
message."""


class _History(TurnWriter, _OwnHistory):
    """Encodes the messages of a client of another dialect, after their repair, and appends them to `out`."""

    __slots__ = ()
    narrower, saying = narrower, Saying

    def _plain(self, piece: Piece, role: str) -> None:
        if piece.index < 0 or (piece.message is not None and piece.message.role != "user"):
            self._system(piece, role)
        else:
            self._content(piece.placed())

    def go_on(self) -> None:
        """If the last message in `out` is the assistant's, mark it as a `prefix`, so that the model continues
        it.
        """
        last = self.out[-1]
        if last["role"] == "assistant":
            last["prefix"] = True
            reason = "the Mistral API accepts an assistant message at the end only as a prefix"
            self.draft.report.add(f"messages[{len(self.out) - 1}].prefix", reason)

    def _system(self, piece: Piece, role: str) -> None:
        """Append a message of system text; an empty one is left out, unless it is the top-level system text.
        role: the role of the turn; "user" means that a repair has turned the text into the user's, any other
        role is written as "system".
        """
        report, where = self.draft.report, f"messages[{piece.index}]"
        prefix = where + ".blocks" if piece.index >= 0 else "system"
        self.say("user" if role == "user" else "system", tuple(piece.blocks), prefix)
        content = self.out[-1]["content"]
        if not content and piece.message is not None:
            self.out.pop()
            report.change(where, "messages", "the empty message is left out")
        elif piece.tagged and isinstance(content, str):
            self.out[-1]["content"] = tagged(content)
        elif piece.tagged:
            for chunk in content:
                if "text" in chunk:
                    chunk["text"] = tagged(chunk["text"])
        else:
            narrower.tell_role(piece, self.draft, len(self.out) - 1)

    def _content(self, blocks: list[tuple[ir.Block, str]]) -> None:
        """Append a user message. blocks: its blocks, each with its IR path."""
        chunks = [chunk for block, place in blocks for chunk in encode_part(block, self.draft, place)]
        lone = chunks[0] if len(chunks) == 1 and len(blocks) == 1 else None
        text = "" if not chunks else lone["text"] if lone is not None and lone["type"] == "text" else None
        self.out.append({"role": "user", "content": chunks if text is None else text})

    def _answer(self, piece: Piece) -> None:
        block, where = piece.blocks[0], piece.place(0)
        assert isinstance(block, ir.ToolResult)
        out: dict[str, Any] = {"role": "tool", "tool_call_id": block.id}
        if block.name is not None:
            out["name"] = block.name
        out["content"] = self._result_content(block, where)
        narrower.lose_mark(block.cache, self.draft, where)
        restore({}, block.extra, self.draft.report, where)
        self.out.append(out)

    def _result_content(self, block: ir.ToolResult, where: str) -> Any:
        """Return the content of a tool result's message: a text, or a list of chunks if it has media. where:
        the result's IR path.
        """
        draft = self.draft
        texts: list[str] = []
        media: list[dict[str, Any]] = []
        for index, content in enumerate(block.content):
            place = f"{where}.content[{index}]"
            if isinstance(content, ir.Media):
                media.extend(encode_media(content, draft, place))
            elif isinstance(content, ir.Json):
                texts.append(text_of(content.value))
            else:
                texts.extend(chunk["text"] for chunk in encode_part(content, draft, place) if "text" in chunk)
        text = result_text(texts, block, draft, where)
        if not media:
            return text
        return [{"type": "text", "text": text}, *media] if text else media
