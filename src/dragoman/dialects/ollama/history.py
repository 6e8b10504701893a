"""The history of a request, both directions.

A `tool` message is a user's Message with one ToolResult. Content is one text; pictures stand beside it. Any
order of roles is taken. Message.form keeps a role that was not written in lower case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.documents import document_text
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.history import answered
from dragoman.dialects.counterparts import no_form
from dragoman.dialects.linking import linked
from dragoman.dialects.ollama import pictures
from dragoman.dialects.ollama.saying import (
    SENT,
    Saying,
    decode_images,
    decode_saying,
    lose_mark,
    shed,
    words,
)
from dragoman.dialects.ollama.terms import leftovers, restore
from dragoman.dialects.turns import turns
from dragoman.dialects.waiting import Waiting
from dragoman.errors import WireError

ROLES: Final = ("system", "user", "assistant", "tool")
_PLAIN_ROLES: Final[dict[str, ir.Role]] = {"system": "system", "user": "user"}
_PLAIN: Final = frozenset({"role", "content", "images"})
_ASSISTANT: Final = _PLAIN | {"thinking", "tool_calls"}
_TOOL: Final = _PLAIN | {"tool_name", "tool_call_id"}


# --- Decoding ----------------------------------------------------------------------------------


def decode_messages(messages: Sequence[Any]) -> tuple[ir.Message, ...]:
    """The whole history, one Message for each of the wire's."""
    return linked([_message(message, f"messages[{index}]") for index, message in enumerate(messages)])


def _message(message: Any, where: str) -> ir.Message:
    if type(message) is not dict:
        raise WireError("must be an object", where, "invalid_type")
    role = str(message.get("role")).lower()
    if role == "assistant":
        told = [
            part
            for block in decode_saying(message)
            for part in (pictures.read(block.text) if type(block) is ir.Text else (block,))
        ]
        return ir.Message("assistant", tuple(told), extra=leftovers(message, _ASSISTANT))
    said: list[ir.Block] = [ir.Text(content)] if (content := message.get("content")) else []
    said.extend(decode_images(message))
    if role == "tool":
        result = ir.ToolResult(
            message.get("tool_call_id") or None, tuple(said), message.get("tool_name") or None
        )
        return ir.Message("user", (result,), extra=leftovers(message, _TOOL))
    if role in _PLAIN_ROLES:
        return ir.Message(_PLAIN_ROLES[role], tuple(said), extra=leftovers(message, _PLAIN))
    raise WireError(f"unknown role {role!r}", f"{where}.role", "invalid_value")


# --- Encoding ----------------------------------------------------------------------------------


def encode_messages(request: ir.Request, draft: Draft) -> list[dict[str, Any]]:
    """The whole history."""
    writer = _History(draft)
    if request.system:
        writer.say("system", [(block, f"system[{index}]") for index, block in enumerate(request.system)])
    if draft.own:
        writer.write_own(request.messages)
    else:
        writer.write(request.messages)
    return writer.out


class _History:
    """Messages while they are being written.

    open: the ids of the calls that no result answers yet. moved: media that stand in a user's message here.
    """

    __slots__ = ("draft", "moved", "names", "open", "out")

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.out: list[dict[str, Any]] = []
        self.open: Waiting[str] = Waiting()
        self.names: dict[str, str] = {}  # of the functions that were called, by the call's id
        self.moved: list[tuple[ir.Block, str]] = []

    def write_own(self, messages: Sequence[ir.Message]) -> None:
        """The messages of a client that speaks this dialect: it gets its own back."""
        for index, message in enumerate(messages):
            where = f"messages[{index}]"
            first = message.blocks[0] if message.blocks else None
            if message.role == "assistant":
                saying = Saying(self.draft, lambda stated, _: stated)
                saying.add(message.blocks, where)
                self.out.append(saying.done())
            elif isinstance(first, ir.ToolResult):
                self._own_result(first, f"{where}.blocks[0]")
            else:
                self.say(message.role, _placed(message, where))
            if message.extra is not None:
                restore(self.out[-1], message.extra, self.draft.report, where)

    def _own_result(self, block: ir.ToolResult, where: str) -> None:
        self.say("tool", [(inner, f"{where}.content[{i}]") for i, inner in enumerate(block.content)])
        for member, value in (("tool_name", block.name), ("tool_call_id", block.id)):
            if value is not None:
                self.out[-1][member] = value

    def write(self, messages: Sequence[ir.Message]) -> None:
        """The messages of another dialect's client."""
        for index, turn in turns(messages, chunked=self.draft.chunked):
            where, message = f"messages[{index}]", turn[0]
            if message.role == "assistant":
                self._assistant(turn, index)
            elif message.role == "user":
                self._user(message, where)
            else:
                self._settle()
                if message.role == "developer":
                    to = f"messages[{len(self.out)}].role"
                    self.draft.report.change(where + ".role", to, "the Ollama API uses the role `system`")
                self.say("system", _placed(message, where))
            for offset, one in enumerate(turn):
                self._lose_head(one, f"messages[{index + offset}]")
        self._settle()
        if self.out and all(message["role"] == "system" for message in self.out):
            self.out[-1]["role"] = "user"
            where = f"messages[{len(messages) - 1}]" if messages else "system"
            reason = "the request has no user message: the last system message is sent as one"
            self.draft.report.change(where, f"messages[{len(self.out) - 1}].role", reason)

    def _lose_head(self, message: ir.Message, where: str) -> None:
        """Report what a message is beside its content."""
        report = self.draft.report
        if message.name is not None:
            report.lose(where + ".name", "the Ollama API has no author names", "hint")
        lose_mark(message.cache, self.draft, where)
        if message.extra is not None:
            restore({}, message.extra, report, where)

    def _assistant(self, turn: Sequence[ir.Message], index: int) -> None:
        self._settle()
        saying = Saying(self.draft, lambda stated, at: stated if stated is not None else f"call_{index}_{at}")
        for offset, message in enumerate(turn):
            saying.add(message.blocks, f"messages[{index + offset}]")
        self.moved.extend(saying.moved)
        for call in saying.calls:
            name = self.names[call["id"]] = call["function"]["name"]
            self.open.add(call["id"], call["id"], name)
        self.out.append(saying.done())

    def _user(self, message: ir.Message, where: str) -> None:
        rest: list[tuple[ir.Block, str]] = []
        results = 0
        for block, place in _placed(message, where):
            if isinstance(block, ir.ToolResult):
                self._answer(block, place)
                results += 1
            else:
                rest.append((block, place))
        if rest or not results:
            self._settle()
            self.say("user", rest)

    def _answer(self, block: ir.ToolResult, where: str) -> None:
        draft = self.draft
        call_id = answered(self.open, block, str, draft.report, where, needed=False)
        out: dict[str, Any] = {"role": "tool", "content": self._result(block, where)}
        name = block.name or self.names.get(call_id)
        if name is not None:
            out["tool_name"] = name
        out["tool_call_id"] = call_id
        shed(block, draft, where)
        self.out.append(out)

    def _result(self, block: ir.ToolResult, where: str) -> str:
        """A result as text; its media move into a user's message."""
        draft = self.draft
        texts: list[str] = []
        for index, content in enumerate(block.content):
            place = f"{where}.content[{index}]"
            if isinstance(content, ir.Media) and content.kind in SENT:
                self.moved.append((content, place))
                texts.append(f"(The {content.kind} follows in the next message.)")
            elif isinstance(content, ir.Media):
                texts.append(_document(content, draft, place))
            elif isinstance(content, ir.Text | ir.Json | ir.Refusal):
                texts.append(words(content, draft, place))
            else:
                draft.report.lose(place, f"a tool result cannot contain a {type(content).__name__}")
        text = "\n".join(texts)
        if block.error:
            draft.report.change(
                where + ".error", where, "the error is written into the text of the tool result"
            )
            text = f"Error: {text}" if text else "Error"
        return text

    def say(self, role: str, blocks: Sequence[tuple[ir.Block, str]]) -> None:
        """A message that is a text with pictures beside it, each block with its place."""
        draft = self.draft
        texts: list[str] = []
        images: list[str] = []
        for block, place in blocks:
            if isinstance(block, ir.Text | ir.Json | ir.Refusal):
                if images and not draft.own:
                    draft.report.change(
                        place,
                        "messages[].content",
                        "the Ollama API has images next to the text, not inside it",
                    )
                texts.append(words(block, draft, place))
            elif isinstance(block, ir.Media) and block.kind in SENT:
                images.append(_data(block, draft, place))
            elif isinstance(block, ir.Media):
                texts.append(_document(block, draft, place))
            elif isinstance(block, ir.Native):
                draft.report.lose(place, no_form(block.dialect, block.kind))
            else:
                draft.report.lose(place, f"this message cannot contain a {type(block).__name__} block")
        out: dict[str, Any] = {"role": role, "content": "\n".join(texts)}
        if images:
            out["images"] = images
        self.out.append(out)

    def _settle(self) -> None:
        """Write what must stand before the next message that is no result."""
        for _, place in self.moved:
            to = f"messages[{len(self.out)}].images"
            self.draft.report.change(
                place, to, "the Ollama API accepts media only in a user message: moved there"
            )
        if self.moved:
            moved, self.moved = self.moved, []
            self.say("user", moved)


def _placed(message: ir.Message, where: str) -> list[tuple[ir.Block, str]]:
    return [(block, f"{where}.blocks[{index}]") for index, block in enumerate(message.blocks)]


def _data(block: ir.Media, draft: Draft, where: str) -> str:
    """A picture or a sound as base64. Raises WireError for one that is only named."""
    if block.data is None:
        what = "an address" if block.url is not None else "a file id"
        raise WireError(
            f"the Ollama API does not accept {what}: send the data itself", where, "unsupported_value"
        )
    if block.detail is not None and block.detail != "auto":
        draft.report.lose(where + ".detail", "the Ollama API has no image detail", "quality")
    if block.kind == "audio" and not draft.own:
        draft.report.change(where, "messages[].images", "the Ollama API accepts audio only in `images`")
    _lose_title(block, draft, where)
    return block.data


def _document(block: ir.Media, draft: Draft, where: str) -> str:
    """A document as text. Raises WireError for what is none: an answer without it would be another answer."""
    if block.text is None and block.blocks is None:
        raise WireError(f"the Ollama API does not accept {block.kind}", where, "unsupported_modality")
    text = document_text(block, draft, where)
    _lose_title(block, draft, where)
    return text


def reads(_: ir.Media) -> bool:
    """Whether the server reads a medium that is named by an address: none is."""
    return False


def _lose_title(block: ir.Media, draft: Draft, where: str) -> None:
    """Name what is said of a medium and has no place here."""
    for field in ("context", "citable", "transcript") if block.kind == "document" else ("name", "transcript"):
        if getattr(block, field):
            draft.report.lose(f"{where}.{field}", f"media in the Ollama API have no `{field}`", "hint")
    shed(block, draft, where)
