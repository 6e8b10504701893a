"""The history of a request, both directions.

A `tool` message is a user's Message with one ToolResult. Message.form is "parts" where the content was a
list, None where it was a string or absent; "prefix" and "parts+prefix" mark an assistant's message that the
answer is to go on with.

Mistral's order (error 3230): after results of tools nobody but the assistant may speak, system text neither
follows the assistant nor comes last, and the assistant speaks last only to have its words continued.
https://docs.mistral.ai/api and the validator of https://github.com/mistralai/mistral-common
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.history import answered, read_content, read_history
from dragoman.dialects.chat.terms import text_of
from dragoman.dialects.mistral.parts import decode_parts, encode_media, encode_part, lose_mark
from dragoman.dialects.mistral.saying import Saying, decode_saying
from dragoman.dialects.mistral.terms import call_id, leftovers, restore
from dragoman.dialects.turns import turns
from dragoman.dialects.waiting import Waiting
from dragoman.errors import WireError

_PLAIN_ROLES: Final = frozenset({"user", "system"})
_PLAIN: Final = frozenset({"role", "content"})
_ASSISTANT: Final = frozenset({"role", "content", "tool_calls", "prefix"})
_TOOL: Final = frozenset({"role", "content", "tool_call_id", "name"})
_BRIDGE: Final = "OK"
"""What the assistant is made to say between a tool's result and a user who interrupts it. Clients write the
same; an empty message is refused by some models."""
_BEGIN: Final = "Please begin."


# --- Decoding ----------------------------------------------------------------------------------


def decode_messages(messages: Sequence[Any]) -> tuple[ir.Message, ...]:
    """The whole history, one Message for each of the wire's."""
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


# --- Encoding ----------------------------------------------------------------------------------


def encode_messages(request: ir.Request, draft: Draft) -> list[dict[str, Any]]:
    """The whole history in this dialect's order."""
    writer = _OwnHistory(draft) if draft.own else _History(draft)
    if request.system:
        writer.say("system", request.system, "system")
    writer.write(request.messages)
    return writer.out


class _OwnHistory:
    """The messages of a client that speaks this dialect: it gets its own back."""

    __slots__ = ("draft", "out")

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.out: list[dict[str, Any]] = []

    def write(self, messages: Sequence[ir.Message]) -> None:
        """The whole history."""
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
        if message.extra is not None:
            restore(self.out[-1], message.extra, self.draft.report, where)

    def say(self, role: str, blocks: tuple[ir.Block, ...], where: str, *, parts: bool | None = None) -> None:
        """A message that is its content. parts: whether the content is a list, None = where it must be."""
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


class _History(_OwnHistory):
    """The messages of another dialect's client, brought into Mistral's order.

    Results come as one message each right after the calls, every call gets one, media in them move into a
    user's message, and the assistant has a word where a user interrupts it.
    """

    __slots__ = ("moved", "open", "place")

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self.open: Waiting[str] = Waiting()  # the ids of the calls that no result answers yet
        self.moved: list[tuple[ir.Media, str]] = []
        self.place = "system"  # of the last system text

    def write(self, messages: Sequence[ir.Message]) -> None:
        """The whole history."""
        for index, turn in turns(messages, chunked=self.draft.chunked):
            where, role = f"messages[{index}]", turn[0].role
            if role == "assistant":
                self._assistant(turn, index)
            elif role == "user":
                self._user(turn[0], where)
            else:
                self._system(turn[0], where)
            for offset, message in enumerate(turn):
                self._lose_head(message, f"messages[{index + offset}]")
        self._finish()

    def _lose_head(self, message: ir.Message, where: str) -> None:
        """Report what a message is beside its content."""
        report = self.draft.report
        if message.name is not None:
            report.lose(where + ".name", "the Mistral API has no author names", "hint")
        lose_mark(message.cache, self.draft, where)
        if message.extra is not None:
            restore({}, message.extra, report, where)

    def _finish(self) -> None:
        """The history has ended: an assistant that spoke last is to go on, and somebody must have asked."""
        self._settle()
        if not self.out:
            self.out.append({"role": "user", "content": _BEGIN})
            self.draft.report.add("messages[0]", "the Mistral API requires a user message")
        elif all(message["role"] == "system" for message in self.out):
            self.out[-1]["role"] = "user"
            reason = "the Mistral API requires a user message: the last system message is sent as one"
            self.draft.report.change(self.place, f"messages[{len(self.out) - 1}].role", reason)
        elif self.out[-1]["role"] == "system":
            self._tag()
        last = self.out[-1]
        if last["role"] == "assistant":
            last["prefix"] = True
            reason = "the Mistral API accepts an assistant message at the end only as a prefix"
            self.draft.report.add(f"messages[{len(self.out) - 1}].prefix", reason)

    # One role each -------------------------------------------------------------------------------

    def _system(self, message: ir.Message, where: str) -> None:
        report = self.draft.report
        self.say("system", message.blocks, where + ".blocks")
        said = self.out.pop()
        if not said["content"]:
            report.change(where, "messages", "the empty message is left out")
            return
        self._settle(bridge=True)
        after_assistant = bool(self.out) and self.out[-1]["role"] == "assistant"
        self.out.append(said)
        self.place = where
        if after_assistant or not _is_text(said["content"]):
            self._tag()
        elif message.role == "developer":
            to = f"messages[{len(self.out) - 1}].role"
            report.change(where + ".role", to, "the Mistral API uses the role `system`")

    def _assistant(self, turn: Sequence[ir.Message], index: int) -> None:
        self._settle()
        saying = Saying(
            self.draft,
            lambda stated, position: call_id(stated if stated is not None else f"call_{index}_{position}"),
        )
        for offset, message in enumerate(turn):
            saying.add(message.blocks, f"messages[{index + offset}]")
        out = saying.done()
        self.moved.extend(saying.moved)
        for call in saying.calls:
            if not self.open.has(call["id"]):  # one result answers all calls that share an id
                self.open.add(call["id"], call["id"], call["function"]["name"])
        if len(out) > 1:
            self.out.append(out)
        else:
            reason = "the Mistral API rejects an empty assistant message"
            self.draft.report.change(f"messages[{index}]", "messages", reason)

    def _user(self, message: ir.Message, where: str) -> None:
        rest: list[tuple[ir.Block, str]] = []
        results = 0
        for position, block in enumerate(message.blocks):
            place = f"{where}.blocks[{position}]"
            if isinstance(block, ir.ToolResult):
                self._answer(block, place)
                results += 1
            else:
                rest.append((block, place))
        if rest or not results:
            self._settle(bridge=True)
            self._content(rest)

    def _content(self, blocks: list[tuple[ir.Block, str]]) -> None:
        """A user's message of these blocks, each with its place."""
        chunks = [chunk for block, place in blocks for chunk in encode_part(block, self.draft, place)]
        lone = chunks[0] if len(chunks) == 1 and len(blocks) == 1 else None
        text = "" if not chunks else lone["text"] if lone is not None and lone["type"] == "text" else None
        self.out.append({"role": "user", "content": chunks if text is None else text})

    def _answer(self, block: ir.ToolResult, where: str) -> None:
        out: dict[str, Any] = {
            "role": "tool",
            "tool_call_id": answered(self.open, block, call_id, self.draft.report, where),
        }
        if block.name is not None:
            out["name"] = block.name
        out["content"] = self._result_content(block, where)
        lose_mark(block.cache, self.draft, where)
        if block.extra is not None:
            restore({}, block.extra, self.draft.report, where)
        self.out.append(out)

    def _result_content(self, block: ir.ToolResult, where: str) -> Any:
        """A result as text; its media as chunks where the model takes them, in a user's message otherwise."""
        draft = self.draft
        texts: list[str] = []
        media: list[dict[str, Any]] = []
        for index, content in enumerate(block.content):
            place = f"{where}.content[{index}]"
            if isinstance(content, ir.Media) and draft.facts.media_results:
                media.extend(encode_media(content, draft, place))
            elif isinstance(content, ir.Media):
                self.moved.append((content, place))
                texts.append(f"(The {content.kind} follows in the next message.)")
            elif isinstance(content, ir.Json):
                texts.append(text_of(content.value))
            else:
                texts.extend(chunk["text"] for chunk in encode_part(content, draft, place) if "text" in chunk)
        text = "\n".join(texts)
        if block.error:
            draft.report.change(
                where + ".error", where, "the error is written into the text of the tool result"
            )
            text = f"Error: {text}" if text else "Error"
        if not media:
            return text
        return [{"type": "text", "text": text}, *media] if text else media

    # Order ---------------------------------------------------------------------------------------

    def _tag(self) -> None:
        """Give the system message that was written last to the user: none may stand there, or hold media."""
        out = self.out[-1]
        content = out["content"]
        if isinstance(content, str):
            out["content"] = f"<system>\n{content}\n</system>"
        else:
            for chunk in content:
                if "text" in chunk:
                    chunk["text"] = f"<system>\n{chunk['text']}\n</system>"
        out["role"] = "user"
        reason = "a system message is not allowed here: it is sent as tagged text in a user message"
        self.draft.report.change(self.place, f"messages[{len(self.out) - 1}]", reason)

    def _settle(self, *, bridge: bool = False) -> None:
        """Write what must stand before the next message that is no result. bridge: it is no assistant's."""
        report = self.draft.report
        for stated in self.open:
            report.add(f"messages[{len(self.out)}]", "the Mistral API rejects a tool call without a result")
            self.out.append({"role": "tool", "tool_call_id": stated, "content": "(no result)"})
        self.open.clear()
        if (bridge or self.moved) and self.out and self.out[-1]["role"] == "tool":
            report.add(
                f"messages[{len(self.out)}]",
                "the Mistral API requires an assistant message after a tool message",
            )
            self.out.append({"role": "assistant", "content": _BRIDGE})
        if self.moved:
            to = f"messages[{len(self.out)}]"
            for _, place in self.moved:
                report.change(place, to, "the Mistral API accepts media only in a user message: moved there")
            moved: list[tuple[ir.Block, str]] = list(self.moved)
            self.moved = []
            self._content(moved)


def _is_text(content: str | list[dict[str, Any]]) -> bool:
    """Whether content is words alone, as a system message's must be."""
    return isinstance(content, str) or all(chunk["type"] == "text" for chunk in content)
