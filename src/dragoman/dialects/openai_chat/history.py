"""Decodes and encodes the messages of a request.

A `tool` or `function` message becomes a user Message with one ToolResult (kind "legacy" for `function`).
Message.form is "parts" if the content was a list, otherwise None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.history import read_content, read_history, result_text, short_id
from dragoman.dialects.chat.terms import text_of
from dragoman.dialects.openai.terms import NAME, leftovers
from dragoman.dialects.openai_chat.answer import decode_answer
from dragoman.dialects.openai_chat.marks import finish
from dragoman.dialects.openai_chat.parts import decode_parts, encode_part
from dragoman.dialects.openai_chat.saying import DETAILS, TAGS, Saying, is_part
from dragoman.dialects.openai_chat.terms import ROLES
from dragoman.dialects.repair import repaired
from dragoman.dialects.repair.rules import Rules, Why
from dragoman.dialects.repair.turn import Piece, Turn
from dragoman.errors import WireError

_PLAIN_ROLES: Final = frozenset({"user", "system", "developer"})
_ALIKE: Final = frozenset({"user", "system"})
"""Roles that are written unchanged for every vendor."""
_PLAIN: Final = frozenset({"role", "content", "name"})
_TOOL: Final = frozenset({"role", "content", "tool_call_id", "name"})


def decode_messages(messages: Sequence[Any]) -> tuple[ir.Message, ...]:
    """Return the decoded messages of a request, one IR message for each wire message. A message whose role
    only one vendor has gets the role that `ROLES` states for it, and keeps its own role as a leftover. Raises
    WireError for an unknown role, and for a content or a call of unknown form.
    """
    return read_history(messages, _PLAIN_ROLES, _message)


def _message(message: dict[str, Any], role: Any, where: str) -> ir.Message:
    content, name = message.get("content"), message.get("name")
    form = "parts" if type(content) is list else None
    if role in _PLAIN_ROLES:
        blocks = read_content(content, where, decode_parts)
        return ir.Message(role, blocks, name, form, extra=leftovers(message, _PLAIN))
    if role == "assistant":
        said, extra = decode_answer(message, where, history=True)
        return ir.Message("assistant", tuple(said), name, form, extra=extra)
    if role in {"tool", "function"}:
        blocks = read_content(content, where, decode_parts)
        kind: Any = "legacy" if role == "function" else "function"
        result = ir.ToolResult(message.get("tool_call_id"), blocks, name, kind=kind)
        return ir.Message("user", (result,), form=form, extra=leftovers(message, _TOOL))
    if (usual := ROLES.get(role)) is not None:
        read = _message(message, usual, where)
        return msgspec.structs.replace(read, extra=ir.merge(read.extra, {NAME: {"role": role}}))
    raise WireError(f"unknown role {role!r}", f"{where}.role", "invalid_value")


def _moves(block: ir.Media, _: ir.Message) -> bool:
    """Whether a medium in an assistant message moves to a user message. Used for clients of other dialects,
    at a vendor that rejects `images` in an assistant message. Audio with an id stays, because this protocol
    can refer to such audio; all other media move.
    """
    return block.kind != "audio" or block.id is None


def _moves_own(block: ir.Media, message: ir.Message) -> bool:
    """Whether a medium in an assistant message moves to a user message. Used for clients of this dialect, at
    a vendor that rejects `images` in an assistant message. Media in a list of content parts, and audio with
    an id stay; all other media move, also the entries of `images`.
    """
    return _is_shown(block) or _moves_unshown(block, message)


def _moves_unshown(block: ir.Media, message: ir.Message) -> bool:
    """Whether a medium in an assistant message moves to a user message. Used for clients of this dialect, at
    a vendor that accepts `images` in an assistant message. Entries of `images`, media in a list of content
    parts, and audio with an id stay; all other media move.
    """
    return message.form != "parts" and not _is_shown(block) and _moves(block, message)


def _is_shown(block: ir.Media) -> bool:
    return block.form in {"images", "images+index"}


_SHOWING_RULES: Final = Rules(
    dialect=NAME,
    order="messages",
    fit=short_id,
    mint="call_{index}_{position}",
    ids="shared",
    absent="(no result)",
    added=Why("messages[{at}]", "the provider rejects a tool call without a result"),
    moved=Why(
        "messages[{at}].content[{part}]", "this protocol accepts media only in a user message: moved there"
    ),
    takes_out=lambda _: True,
)
"""The repair of another dialect's history, for vendors that accept images in assistant messages."""
_RULES: Final = msgspec.structs.replace(_SHOWING_RULES, moves=_moves)
_OWN_RULES: Final = Rules(
    dialect=NAME, order="messages", patient=True, orphans="any", moves=_moves_own, moved=_RULES.moved
)
_OWN_SHOWING_RULES: Final = msgspec.structs.replace(_OWN_RULES, moves=_moves_unshown)


def encode_messages(request: ir.Request, draft: Draft) -> list[dict[str, Any]]:
    """Return the wire messages of a request. The history is first repaired for this protocol. Raises
    WireError for a medium that no content part can hold and, in a history of another dialect, for audio
    samples whose base64 cannot be decoded and for a tool result without its call.

    If a history of another dialect ends with an assistant message, a loss is reported, because the model will
    answer this message instead of continuing it. No loss is reported if `Facts.prefill` is true.
    """
    writer = _History(draft)
    if draft.own:
        rules = _OWN_SHOWING_RULES if draft.quirks.answer_images else _OWN_RULES
    else:
        rules = _SHOWING_RULES if draft.quirks.answer_images else _RULES
    for turn in repaired(request, rules):
        writer.write(turn)
    out = writer.out
    if out and out[-1]["role"] == "assistant" and not (draft.own or draft.facts.prefill):
        draft.report.lose(
            f"messages[{len(request.messages) - 1}]",
            "the provider does not support assistant prefill: it answers "
            "this message instead of continuing it",
            "quality",
        )
    return out


def _is_lost(out: Mapping[str, Any], blocks: Sequence[ir.Block]) -> bool:
    """Whether none of a message's blocks could be written, so that the message is not sent: some vendors
    reject an empty message. False for a message without blocks, and for one with a text block, even an empty
    text.

    out: the written message. blocks: the message's blocks.
    """
    if out.get("content") or out.keys() - {"role", "content"} or not blocks:
        return False
    return not any(isinstance(block, ir.Text) for block in blocks)


def _plain_text(message: ir.Message) -> str | None:
    """Return the text of a `user` or `system` message that has only a text: no other block, and no cache
    mark, leftovers, seal, name or list of parts. None for any other message.
    """
    if len(message.blocks) != 1 or message.role not in _ALIKE:
        return None
    block = message.blocks[0]
    if type(block) is not ir.Text or message.form is not None:
        return None
    if block.cache is not None or block.extra is not None or message.name is not None:
        return None
    if block.sealed is not None:
        return None
    return block.text if message.cache is None and message.extra is None else None


class _History:
    """Encodes the turns of a repaired history as wire messages, and appends them to `out`."""

    __slots__ = ("draft", "out")

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.out: list[dict[str, Any]] = []

    def write(self, turn: Turn) -> None:
        """Encode one turn as a message and append it to `out`. A message of a user, the system or the
        assistant is not appended if all its content is lost. The repairs of the turn are reported.
        """
        piece, at = turn.pieces[0], len(self.out)
        message = piece.message
        if message is not None and message.blocks is piece.blocks and len(turn.pieces) == 1:
            text = _plain_text(message)
            if text is not None:
                self.out.append({"role": message.role, "content": text})
                return
        if turn.role == "assistant":
            self._assistant(turn)
        elif turn.role == "tool":
            self._result(piece)
        else:
            self._plain(piece, turn.role)
        if turn.notes:
            turn.tell(self.draft.report, at)

    def _plain(self, piece: Piece, role: str) -> None:
        draft, message, blocks = self.draft, piece.message, piece.blocks
        where = f"messages[{piece.index}]"
        if role == "developer" and not draft.quirks.developer_role:
            role = "system"
            draft.report.change(
                where + ".role", where + ".role", "the provider supports only the role `system`"
            )
        parts = message.form == "parts" if draft.own and message is not None else len(blocks) > 1
        if draft.own and message is None and role == "user":  # moved media have no form of their own
            blocks = [msgspec.structs.replace(block, form=None) for block in blocks]
        out: dict[str, Any] = {"role": role}
        if blocks or parts or not draft.own:
            out["content"] = self._content(blocks, piece.place, parts=parts)
        if not _is_lost(out, blocks):
            if message is not None:
                self._mark(out, message, where)
            self.out.append(out)

    def _content(
        self, blocks: Sequence[ir.Block], place: Callable[[int], str], *, parts: bool
    ) -> str | list[dict[str, Any]]:
        if not parts and len(blocks) == 1:
            block = blocks[0]
            if type(block) is ir.Text and (block.cache is None or self.draft.quirks.cache_marks == "none"):
                if block.sealed is not None:
                    self.draft.leave_seal(place(0))
                finish(self.draft, {}, block.cache, block.extra, place(0))  # a string cannot hold them
                return block.text
        if not (parts or blocks):
            return ""
        written = (encode_part(block, self.draft, place(index)) for index, block in enumerate(blocks))
        return [part for part in written if part is not None] or ("" if blocks else [])

    def _mark(self, out: dict[str, Any], message: ir.Message, where: str) -> None:
        if message.name is not None:
            if self.draft.quirks.assistant_names:
                out["name"] = message.name
            else:
                self.draft.report.lose(where + ".name", "the provider does not accept `name`", "hint")
        finish(self.draft, out, message.cache, message.extra, where)

    def _assistant(self, turn: Turn) -> None:
        draft, last = self.draft, turn.pieces[-1].message
        where = f"messages[{turn.pieces[0].index}]"
        parts = draft.own and last is not None and (last.form == "parts" or any(map(is_part, last.blocks)))
        saying = Saying(draft, lambda _: None, history=True, parts=parts)
        for piece in turn.pieces:
            saying.add_piece(piece)
        out = saying.done()
        self._replay(out, where)
        for piece in turn.pieces:
            if piece.message is not None:
                self._mark(out, piece.message, f"messages[{piece.index}]")
        said = [piece.message.blocks for piece in turn.pieces if piece.message]
        if not _is_lost(out, [block for blocks in said for block in blocks]):
            self.out.append(out)

    def _replay(self, out: dict[str, Any], where: str) -> None:
        """Change the reasoning in the assistant message `out` as the vendor's `Quirks.reasoning_replay`
        requires, and report it: a message with tool calls may get an empty reasoning, a message without tool
        calls may lose its reasoning. where: the message's IR path.
        """
        quirks = self.draft.quirks
        if quirks.reasoning_replay == "never" or quirks.reasoning_field in {"none", TAGS, DETAILS}:
            return
        if "tool_calls" in out:
            if quirks.reasoning_field not in out:
                self.draft.report.add(
                    f"messages[{len(self.out)}].{quirks.reasoning_field}",
                    "the provider rejects tool calls without their reasoning",
                )
                out[quirks.reasoning_field] = ""
            return
        unwanted = quirks.reasoning_replay == "tool_turns" and not self.draft.own
        if unwanted and out.pop(quirks.reasoning_field, None) is not None:
            self.draft.report.lose(
                where, "the provider accepts reasoning only together with tool calls", "hint"
            )

    def _result(self, piece: Piece) -> None:
        draft, block, where = self.draft, piece.blocks[0], piece.place(0)
        assert isinstance(block, ir.ToolResult)
        beside = piece.message.extra if piece.message is not None else None
        out: dict[str, Any]
        if draft.own:
            parts = piece.message is not None and piece.message.form == "parts"
            out = self._own_result(block, where, parts=parts)
        else:
            text = self._result_text(block, where)
            out = {"role": "tool", "tool_call_id": block.id, "content": text}
            if block.cache is not None and draft.quirks.cache_marks != "none":
                out["content"] = [finish(draft, {"type": "text", "text": text}, block.cache, None, where)]
            elif block.cache is not None:
                finish(draft, {}, block.cache, None, where)
        finish(draft, out, None, beside, f"messages[{piece.index}]")
        finish(draft, out, None, block.extra, where)
        self.out.append(out)

    def _own_result(self, block: ir.ToolResult, where: str, *, parts: bool) -> dict[str, Any]:
        out: dict[str, Any] = {"role": "function" if block.kind == "legacy" else "tool"}
        if block.id is not None:
            out["tool_call_id"] = block.id
        if block.name is not None:
            out["name"] = block.name
        if block.content or parts:
            out["content"] = self._content(block.content, (where + ".content[{}]").format, parts=parts)
        return out

    def _result_text(self, block: ir.ToolResult, where: str) -> str:
        texts: list[str] = []
        for index, content in enumerate(block.content):
            place = f"{where}.content[{index}]"
            if isinstance(content, ir.Text):
                texts.append(content.text)
                finish(self.draft, {}, content.cache, content.extra, place)
            elif isinstance(content, ir.Json):
                texts.append(text_of(content.value))
            else:
                kind = content.kind if isinstance(content, ir.Native) else type(content).__name__
                self.draft.report.lose(
                    place, f"a tool result of this protocol contains only text, not {kind}"
                )
        return result_text(texts, block, self.draft, where)
