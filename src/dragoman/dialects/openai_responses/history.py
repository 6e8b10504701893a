"""`input` and `instructions`: one input item is one message of the IR, both directions.

`Message.form` says how a message item was written, in words: "text" with its content as a string, "bare"
without its type, "parts" with a part of an unknown kind, which is no item of its own. Another dialect's
history keeps none of this protocol's rules: calls get ids, every call gets an output and every output has a
call, or the API would refuse the request.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.openai_responses.builtins import TELLING, tools_of
from dragoman.dialects.openai_responses.draft import Draft
from dragoman.dialects.openai_responses.items import (
    decode_item,
    encode_head,
    encode_item,
    encode_items,
    is_part,
)
from dragoman.dialects.openai_responses.parts import encode_part
from dragoman.dialects.openai_responses.terms import restore
from dragoman.dialects.openai_responses.tools import decode_tools
from dragoman.dialects.replay import has_strange_id, is_open_thought
from dragoman.dialects.turns import CHUNKED
from dragoman.dialects.waiting import Waiting
from dragoman.errors import WireError

_Wire = dict[str, Any]

CUT_OFF: Final = "The call was never answered: it was cancelled or its result was lost."

_OUTPUTS: Final = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}

# --- Decoding ----------------------------------------------------------------------------------


def decode_input(value: Any, forms: dict[str, str]) -> tuple[ir.Message, ...]:
    """The member `input`: a text of the user's, or items. Raises WireError for anything else."""
    if value is None:
        forms["input"] = "none"
        return ()
    if type(value) is str:
        forms["input"] = "text"
        return (ir.Message("user", (ir.Text(value),)),)
    if type(value) is not list:
        raise WireError("must be a string or an array", "input", "invalid_type")
    return tuple([_message(item, f"input[{index}]") for index, item in enumerate(value)])


def _message(item: Any, where: str) -> ir.Message:
    role, blocks = decode_item(item, where)
    kind = item.get("type")
    words = []
    if kind is None and "role" in item:
        words.append("bare")
    if kind in {None, "message"} and type(item.get("content")) is str:
        words.append("text")
    if kind in {None, "message"} and any(
        isinstance(block, ir.Native) and block.value is not item and not is_part(block) for block in blocks
    ):
        words.append("parts")
    tools = decode_tools(tools_of(item)) if kind in TELLING else ()
    return ir.Message(role, blocks, form=" ".join(words) or None, tools=tools)


# --- Encoding ----------------------------------------------------------------------------------


def encode_history(body: _Wire, request: ir.Request, draft: Draft) -> None:
    """Write `instructions` and `input`. Raises WireError for a medium that no part can hold."""
    if request.system:
        body["instructions"] = _instructions(request.system, draft)
    forms = (request.forms or {}) if draft.own else {}
    messages = request.messages
    if forms.get("input") == "text" and len(messages) == 1 and len(messages[0].blocks) == 1:
        block = messages[0].blocks[0]
        if isinstance(block, ir.Text) and messages[0].role == "user":
            body["input"] = block.text
            return
    if not draft.own:
        body["input"] = _Foreign(draft, chunked=request.dialect in CHUNKED).write(messages)
        return
    placed: list[tuple[str, _Wire]] = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        placed += [(where, item) for item in _own(message, draft, where)]
    if not draft.quirks.strange_items:
        placed = _familiar(placed, draft)
    items = [item for _, item in placed]
    if items or forms.get("input") != "none":
        body["input"] = items


def _familiar(placed: list[tuple[str, _Wire]], draft: Draft) -> list[tuple[str, _Wire]]:
    """Items, each with its message, as a server takes them that knows only its own.

    By the id of what was said or called OpenAI knows that a thought came before it, and it refuses the one
    without the other (openai/openai-dotnet#1050): where a thought is gone, so are these ids.
    """
    left: list[tuple[str, _Wire]] = []
    parted = False
    for where, item in placed:
        if is_open_thought(item):
            draft.report.lose(where, "reasoning without encrypted content cannot be sent back", "quality")
            parted = True
            continue
        if has_strange_id(item) or (parted and _is_output(item)):
            del item["id"]
            draft.report.change(where, "", "its id would be rejected")
        left.append((where, item))
    return left


def _is_output(item: _Wire) -> bool:
    return "id" in item and (item.get("role") == "assistant" or item.get("type") in _OUTPUTS)


def _instructions(system: tuple[ir.Block, ...], draft: Draft) -> str:
    """A top-level system field as the one string that this protocol has."""
    texts: list[str] = []
    for index, block in enumerate(system):
        where = f"system[{index}]"
        if not isinstance(block, ir.Text):
            draft.report.lose(where, "`instructions` accepts only text", "meaning")
            continue
        texts.append(block.text)
        if block.cache is not None:
            draft.report.lose(where + ".cache", "`instructions` has no cache breakpoints", "hint")
        if block.extra is not None:
            restore({}, block.extra, draft.report, where)
        if block.citations:
            draft.report.lose(where + ".citations", "`instructions` has no citations", "hint")
        if block.sealed is not None:
            draft.report.lose(
                where + ".sealed", "encrypted reasoning can only be read by its own provider", "quality"
            )
    if len(texts) > 1:
        draft.report.change("system", "instructions", "the texts are joined")
    return "\n\n".join(texts)


def _own(message: ir.Message, draft: Draft, where: str) -> list[_Wire]:
    words = () if message.form is None else message.form.split()
    items = encode_items(message.blocks, draft, f"{where}.blocks", message.role, parts="parts" in words)
    if words and len(items) == 1 and items[0].get("type") == "message":
        item = items[0]
        lone = message.blocks[0]
        if "text" in words and len(message.blocks) == 1 and isinstance(lone, ir.Text):
            item["content"] = lone.text
        if "bare" in words:
            del item["type"]
    return items


def _plain(parts: list[_Wire]) -> str | None:
    """The words of a message of the model's, where they are all that it holds: as a string. Its parts are
    specified together with the id of an answer, which servers that go by the types insist on.
    """
    if len(parts) != 1 or parts[0].keys() != {"type", "text", "annotations"} or parts[0]["annotations"]:
        return None
    text: str = parts[0]["text"]
    return text


class _Foreign:
    """Writes another dialect's history. Keeps the calls that wait for a result.

    chunked: what the model said in one go may be spread over several messages.
    """

    def __init__(self, draft: Draft, *, chunked: bool) -> None:
        self.draft = draft
        self.chunked = chunked
        self.report = draft.report
        self.items: list[_Wire] = []
        self.minted = 0
        self.waiting: Waiting[str] = Waiting()  # the ids of the calls that no output answers yet
        self._from = ""  # the message of the history that parts of the last item came from

    def write(self, messages: tuple[ir.Message, ...]) -> list[_Wire]:
        """The items of a whole history."""
        for index, message in enumerate(messages):
            self._message(message, f"messages[{index}]")
        for item in self.items:
            if item.get("role") == "assistant" and (text := _plain(item["content"])) is not None:
                item["content"] = text
        return self._answered()

    def _message(self, message: ir.Message, where: str) -> None:
        role = message.role
        if message.name is not None:
            self.report.lose(where + ".name", "the Responses API has no author names", "hint")
        if message.cache is not None:
            self.report.lose(
                where + ".cache",
                "the cache breakpoint is not allowed on a message, only on its parts",
                "hint",
            )
        if message.extra is not None:
            restore({}, message.extra, self.report, where)
        shown: list[tuple[ir.Media, str]] = []
        for index, block in enumerate(message.blocks):
            place = f"{where}.blocks[{index}]"
            if isinstance(block, ir.Media) and role == "assistant":
                if block.transcript:
                    self.report.change(place, "input", "the audio is sent as its transcript")
                    self._block(ir.Text(block.transcript), role, place)
                else:
                    shown.append((block, place))
            else:
                self._block(block, role, place)
        if shown:
            self._show(shown)

    def _block(self, block: ir.Block, role: ir.Role, where: str) -> None:
        if isinstance(block, ir.ToolCall) and block.by != "provider":
            block = self._called(block)
        elif isinstance(block, ir.ToolResult) and block.by != "provider":
            identity = self.waiting.take(block.id, block.name)
            if identity is None:
                self._orphan(block, where)
                return
            block = msgspec.structs.replace(block, id=identity)
        if not is_part(block, role):
            if (item := encode_item(block, self.draft, where)) is not None:
                self._add(item, "")
            return
        part = encode_part(block, self.draft, where, said=role == "assistant")
        if part is None or (role == "assistant" and _plain([part]) == ""):  # some clients' word for none
            return
        message = where.rpartition(".")[0]
        if self._from != message:
            if self.chunked and role == "assistant" and self._said_last():
                self._from = message
                self._go_on(part)
                return
            self._add(encode_head(None, self.draft, where, role), message)
        self.items[-1]["content"].append(part)

    def _said_last(self) -> bool:
        """Whether the last item is words of the assistant's."""
        return bool(self.items) and self.items[-1].get("role") == "assistant"

    def _go_on(self, part: _Wire) -> None:
        """Add the next chunk of what the assistant said last."""
        content = self.items[-1]["content"]
        before, more = _plain(content[-1:]), _plain([part])
        if before is not None and more is not None:
            content[-1]["text"] = before + more
        else:
            content.append(part)

    def _add(self, item: _Wire, message: str) -> None:
        self.items.append(item)
        self._from = message

    def _called(self, call: ir.ToolCall) -> ir.ToolCall:
        identity = call.id
        if identity is None:
            self.minted += 1
            identity = f"call_{self.minted}"
        if not self.waiting.has(identity):  # one output answers all calls that share an id
            self.waiting.add(identity, identity, call.name)
        return msgspec.structs.replace(call, id=identity)

    def _orphan(self, block: ir.ToolResult, where: str) -> None:
        """A result of no call in the history, which the API refuses: the user tells of it."""
        parts = [
            part
            for index, inner in enumerate(block.content)
            if (part := encode_part(inner, self.draft, f"{where}.content[{index}]")) is not None
        ]
        self.report.change(where, "input", "the tool result has no tool call: it is sent as a user message")
        if parts:
            self._add({"type": "message", "role": "user", "content": parts}, "")

    def _show(self, shown: list[tuple[ir.Media, str]]) -> None:
        """What an assistant showed: this protocol takes media from users alone."""
        parts = []
        for block, where in shown:
            if block.kind in {"audio", "video"} or not (block.data or block.url or block.file):
                self.report.lose(where, f"an assistant message cannot contain this {block.kind}", "meaning")
            elif (part := encode_part(block, self.draft, where)) is not None:
                self.report.change(
                    where, "input", "media of an assistant message are moved to a user message"
                )
                parts.append(part)
        if parts:
            self._add({"type": "message", "role": "user", "content": parts}, "")

    def _answered(self) -> list[_Wire]:
        """The items, every call with an output."""
        if not self.waiting:
            return self.items
        unanswered = set(self.waiting)
        answered: list[_Wire] = []
        for item in self.items:
            answered.append(item)
            kind = item["type"]
            if kind in _OUTPUTS and item["call_id"] in unanswered:
                output = {"type": _OUTPUTS[kind], "call_id": item["call_id"], "output": CUT_OFF}
                answered.append(output)
                self.report.add("input", "a tool result is added, because the tool call had none")
        return answered
