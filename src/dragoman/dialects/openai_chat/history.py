"""The history of a request, both directions.

A `tool` or `function` message is a user's Message with one ToolResult (kind "legacy" for `function`).
Message.form is "parts" where the content was a list, None where it was a string or absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.history import answered, read_content, read_history, short_id
from dragoman.dialects.chat.terms import text_of
from dragoman.dialects.openai.terms import leftovers
from dragoman.dialects.openai_chat.answer import decode_answer
from dragoman.dialects.openai_chat.marks import finish
from dragoman.dialects.openai_chat.parts import decode_parts, encode_media, encode_part
from dragoman.dialects.openai_chat.saying import Saying
from dragoman.dialects.turns import turns
from dragoman.dialects.waiting import Waiting
from dragoman.errors import WireError

_PLAIN_ROLES: Final = frozenset({"user", "system", "developer"})
_ALIKE: Final = frozenset({"user", "system"})
"""Roles that every vendor knows under this name."""
_PLAIN: Final = frozenset({"role", "content", "name"})
_TOOL: Final = frozenset({"role", "content", "tool_call_id", "name"})


# --- Decoding ----------------------------------------------------------------------------------


def decode_messages(messages: Sequence[Any]) -> tuple[ir.Message, ...]:
    """The whole history, one Message for each of the wire's."""
    return read_history(messages, _PLAIN_ROLES, _message)


def _message(message: dict[str, Any], role: Any, where: str) -> ir.Message:
    if role in _PLAIN_ROLES:
        blocks = _content(message.get("content"), where)
        form = "parts" if type(message.get("content")) is list else None
        return ir.Message(role, blocks, message.get("name"), form, extra=leftovers(message, _PLAIN))
    if role == "assistant":
        said, extra = decode_answer(message, where, history=True)
        form = "parts" if type(message.get("content")) is list else None
        return ir.Message("assistant", tuple(said), message.get("name"), form, extra=extra)
    if role in {"tool", "function"}:
        return _result(message, role, where)
    raise WireError(f"unknown role {role!r}", f"{where}.role", "invalid_value")


def _content(content: Any, where: str) -> tuple[ir.Block, ...]:
    return read_content(content, where, decode_parts)


def _result(message: dict[str, Any], role: str, where: str) -> ir.Message:
    content = message.get("content")
    result = ir.ToolResult(
        message.get("tool_call_id"),
        _content(content, where),
        message.get("name"),
        kind="legacy" if role == "function" else "function",
    )
    form = "parts" if type(content) is list else None
    return ir.Message("user", (result,), form=form, extra=leftovers(message, _TOOL))


# --- Encoding ----------------------------------------------------------------------------------


def encode_messages(request: ir.Request, draft: Draft) -> list[dict[str, Any]]:
    """The whole history in this dialect's order."""
    writer = _History(draft)
    if request.system:
        writer.system(request.system)
    out = writer.out
    if draft.own:
        for index, message in enumerate(request.messages):
            writer.turn((message,), index)
    else:
        for index, turn in turns(request.messages, chunked=draft.chunked):
            writer.turn(turn, index)
    writer.settle()
    if out and out[-1]["role"] == "assistant" and not (draft.own or draft.facts.prefill):
        last = f"messages[{len(request.messages) - 1}]"
        draft.report.lose(
            last,
            "the provider does not support assistant prefill: it answers "
            "this message instead of continuing it",
            "quality",
        )
    return out


def _is_lost(out: Mapping[str, Any], blocks: Sequence[ir.Block]) -> bool:
    """Whether nothing of a message could be written, which says nothing and is refused by some vendors."""
    if out.get("content") or out.keys() - {"role", "content"} or not blocks:
        return False
    return not any(isinstance(block, ir.Text) for block in blocks)


def _plain_text(message: ir.Message) -> str | None:
    """The text of a message that is a role and a text, as most are."""
    if len(message.blocks) != 1 or message.role not in _ALIKE:
        return None
    block = message.blocks[0]
    if type(block) is not ir.Text or message.form is not None:
        return None
    if block.cache is not None or block.extra is not None or message.name is not None:
        return None
    return block.text if message.cache is None and message.extra is None else None


class _History:
    """The messages as they are written, and what must still follow: results that calls wait for, media.

    A client that speaks this dialect gets its own messages back. Of the others, results come as one
    message each right after the calls, every call gets one, and media in them move into a user's message.
    """

    __slots__ = ("draft", "moved", "open", "out")

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.out: list[dict[str, Any]] = []
        self.open: Waiting[str] = Waiting()  # the ids of the calls that no result answers yet
        self.moved: list[tuple[ir.Media, str]] = []

    def system(self, blocks: tuple[ir.Block, ...]) -> None:
        """A top-level system field, as the first message."""
        content = self._content(blocks, "system", parts=len(blocks) > 1)
        self.out.append({"role": "system", "content": content})

    def turn(self, turn: Sequence[ir.Message], index: int) -> None:
        """One message of the history, or several that are one turn of the assistant. index: of the first."""
        message = turn[0]
        text = _plain_text(message) if len(turn) == 1 else None
        if text is not None and not (self.open or self.moved):
            self.out.append({"role": message.role, "content": text})
            return
        where = f"messages[{index}]"
        if message.role == "assistant":
            self._assistant(turn, index)
        elif message.role == "user":
            self._user(message, where)
        else:
            self.settle()
            role: str = message.role
            if role == "developer" and not self.draft.quirks.developer_role:
                role = "system"
                self.draft.report.change(
                    where + ".role", where + ".role", "the provider supports only the role `system`"
                )
            self._plain(message, role, message.blocks, where)

    def settle(self) -> None:
        """Write what must stand before the next message that is no result."""
        if self.open and not self.draft.own:
            for call_id in self.open:
                self.draft.report.add(
                    f"messages[{len(self.out)}]", "the provider rejects a tool call without a result"
                )
                self.out.append({"role": "tool", "tool_call_id": call_id, "content": "(no result)"})
        self.open.clear()
        if self.moved:
            parts: list[dict[str, Any]] = []
            for media, where in self.moved:
                to = f"messages[{len(self.out)}].content[{len(parts)}]"
                parts.append(encode_media(media, self.draft, where))
                self.draft.report.change(
                    where, to, "this protocol accepts media only in a user message: moved there"
                )
            self.out.append({"role": "user", "content": parts})
            self.moved = []

    # One role each -------------------------------------------------------------------------------

    def _plain(self, message: ir.Message, role: str, blocks: tuple[ir.Block, ...], where: str) -> None:
        parts = message.form == "parts" if self.draft.own else len(blocks) > 1
        out: dict[str, Any] = {"role": role}
        if blocks or parts or not self.draft.own:
            out["content"] = self._content(blocks, where + ".blocks", parts=parts)
        if not _is_lost(out, blocks):
            self._finish(out, message, where)

    def _content(
        self, blocks: tuple[ir.Block, ...], where: str, *, parts: bool
    ) -> str | list[dict[str, Any]]:
        if not parts and len(blocks) == 1:
            block = blocks[0]
            if type(block) is ir.Text and (block.cache is None or self.draft.quirks.cache_marks == "none"):
                self._lone_text(block, where)
                return block.text
        if not (parts or blocks):
            return ""
        written = (encode_part(block, self.draft, f"{where}[{index}]") for index, block in enumerate(blocks))
        return [part for part in written if part is not None] or ("" if blocks else [])

    def _lone_text(self, block: ir.Text, where: str) -> None:
        """Report what a string cannot hold."""
        if block.cache is not None or block.extra is not None:
            finish(self.draft, {}, block.cache, block.extra, where + "[0]")

    def _finish(self, out: dict[str, Any], message: ir.Message, where: str) -> None:
        self._mark(out, message, where)
        self.out.append(out)

    def _mark(self, out: dict[str, Any], message: ir.Message, where: str) -> None:
        """Write what a message is beside its content."""
        if message.name is not None:
            if self.draft.quirks.assistant_names:
                out["name"] = message.name
            else:
                self.draft.report.lose(where + ".name", "the provider does not accept `name`", "hint")
        if message.cache is not None or message.extra is not None:
            finish(self.draft, out, message.cache, message.extra, where)

    def _assistant(self, turn: Sequence[ir.Message], index: int) -> None:
        self.settle()
        draft = self.draft
        saying = Saying(
            draft,
            (lambda _: None) if draft.own else (lambda position: f"call_{index}_{position}"),
            history=True,
            parts=draft.own and turn[0].form == "parts",
        )
        where = f"messages[{index}]"
        if len(turn) == 1:
            out = saying.write(turn[0].blocks, where)
        else:
            for offset, message in enumerate(turn):
                saying.add(message.blocks, f"messages[{index + offset}]")
            out = saying.done()
        for call in saying.calls:
            if not draft.own:
                call["id"] = short_id(call["id"])
            call_id = call.get("id", "")
            if not self.open.has(call_id):  # one result answers all calls that share an id
                self.open.add(call_id, call_id, call[call["type"]]["name"])
        self.moved.extend(saying.moved)
        self._replay(out, where)
        for offset, message in enumerate(turn):
            self._mark(out, message, f"messages[{index + offset}]")
        if not _is_lost(out, [block for message in turn for block in message.blocks]):
            self.out.append(out)

    def _replay(self, out: dict[str, Any], where: str) -> None:
        """A vendor that wants its reasoning back refuses a call without it; an empty one is accepted."""
        quirks = self.draft.quirks
        if quirks.reasoning_replay == "never" or quirks.reasoning_field == "none":
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

    def _user(self, message: ir.Message, where: str) -> None:
        rest: list[ir.Block] = []
        results = 0
        for position, block in enumerate(message.blocks):
            if isinstance(block, ir.ToolResult):
                self._result(message, block, f"{where}.blocks[{position}]")
                results += 1
            else:
                rest.append(block)
        if rest or not results:
            self.settle()
            self._plain(message, "user", tuple(rest), where)

    def _result(self, message: ir.Message, block: ir.ToolResult, where: str) -> None:
        out: dict[str, Any]
        if self.draft.own:
            out = self._own_result(message, block, where)
        else:
            out = {
                "role": "tool",
                "tool_call_id": answered(self.open, block, short_id, self.draft.report, where),
            }
            out["content"] = text = self._result_text(block, where)
            if block.cache is not None and self.draft.quirks.cache_marks != "none":
                out["content"] = [
                    finish(self.draft, {"type": "text", "text": text}, block.cache, None, where)
                ]
            elif block.cache is not None:
                finish(self.draft, {}, block.cache, None, where)
        if message.extra is not None or block.extra is not None:
            finish(self.draft, out, None, ir.merge(message.extra, block.extra), where)
        self.out.append(out)

    def _own_result(self, message: ir.Message, block: ir.ToolResult, where: str) -> dict[str, Any]:
        out: dict[str, Any] = {"role": "function" if block.kind == "legacy" else "tool"}
        if block.id is not None:
            out["tool_call_id"] = block.id
        if block.name is not None:
            out["name"] = block.name
        if block.content or message.form == "parts":
            out["content"] = self._content(block.content, where + ".content", parts=message.form == "parts")
        return out

    def _result_text(self, block: ir.ToolResult, where: str) -> str:
        """A result as text; its media follow in a user's message."""
        texts: list[str] = []
        for index, content in enumerate(block.content):
            place = f"{where}.content[{index}]"
            if isinstance(content, ir.Media):
                self.moved.append((content, place))
                texts.append(f"(The {content.kind} follows in the next message.)")
            elif isinstance(content, ir.Text):
                texts.append(content.text)
                if content.cache is not None or content.extra is not None:
                    finish(self.draft, {}, content.cache, content.extra, place)
            elif isinstance(content, ir.Json):
                texts.append(text_of(content.value))
            else:
                kind = content.kind if isinstance(content, ir.Native) else type(content).__name__
                self.draft.report.lose(
                    place, f"a tool result of this protocol contains only text, not {kind}"
                )
        text = "\n".join(texts)
        if block.error:
            self.draft.report.change(
                where + ".error", where, "the error is written into the text of the tool result"
            )
            text = f"Error: {text}" if text else "Error"
        return text
