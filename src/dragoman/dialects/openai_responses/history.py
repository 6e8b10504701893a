"""Decodes and encodes `input` and `instructions`. One input item is one message of the IR. For a client of
this dialect each such message is in general encoded as one item again; an item that the vendor refuses is
left out. A history of another dialect is repaired first, and one of its messages may become several items.

`Message.form` may have several words: "text" = the item's content is a string; "bare" = the item states a
role but no type; "parts" = the item has a part of an unknown type, or is an assistant message with an image.

The API requires an output for every call of a function or custom tool, and a call for every output:
`repaired` ensures this for histories of other dialects.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.openai_responses import builtins
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
from dragoman.dialects.openai_responses.terms import NAME, restore
from dragoman.dialects.openai_responses.tools import decode_tools
from dragoman.dialects.repair import repaired
from dragoman.dialects.repair.messages import CHUNKED
from dragoman.dialects.repair.rules import CUT_OFF, Rules, Why
from dragoman.dialects.repair.turn import Piece, Role
from dragoman.dialects.replay import has_strange_id, is_open_thought
from dragoman.errors import WireError

_Wire = dict[str, Any]

_OUTPUTS: Final = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}

# --- Decoding ----------------------------------------------------------------------------------


def decode_input(value: Any, forms: dict[str, str]) -> tuple[ir.Message, ...]:
    """Return the messages in the value of `input`: a list of items, a string, or None (no input). A list
    gives one message for each item, a string one message of the user. For a string and for None, `forms` gets
    the key "input", with the value "text" or "none". Raises WireError for any other value, and for an item or
    a part that is not an object.
    """
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
        not is_part(block, role) and getattr(block, "value", None) is not item for block in blocks
    ):
        words.append("parts")  # an image of an assistant, or a part of an unknown type
    tools = decode_tools(tools_of(item)) if kind in TELLING else ()
    return ir.Message(role, blocks, form=" ".join(words) or None, tools=tools)


# --- Encoding ----------------------------------------------------------------------------------


def encode_history(body: _Wire, request: ir.Request, draft: Draft) -> None:
    """Write `instructions` and `input` into the body, and report losses and changes. For a client of this
    dialect, `input` is a string if the client wrote a string, and is missing if the client wrote none, unless
    messages were added since. Raises WireError for a medium that no part can hold.
    """
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
        body["input"] = _Foreign(draft, chunked=request.dialect in CHUNKED).write(request)
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
    """Return the (IR path of the message, item) pairs in a form that OpenAI accepts. Reasoning without
    encrypted content is left out, which is reported as a loss. Ids that OpenAI would refuse are removed, also
    from the argument's items, which is reported as a change: strange ones (`has_strange_id`), and those of
    the model's messages and calls after left-out reasoning (openai/openai-dotnet#1050).
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
    """Return the text of an assistant message whose only part is a text: the part has no annotations and no
    members other than `type`, `text` and `annotations`. None for any other parts.

    Such a message is written with a string as its content, because strict servers require an id beside parts.
    """
    if len(parts) != 1 or parts[0].keys() != {"type", "text", "annotations"} or parts[0]["annotations"]:
        return None
    text: str = parts[0]["text"]
    return text


def _moves(block: ir.Media, _: ir.Message) -> bool:
    """Whether a medium in an assistant message moves to a user message. Images and documents move if they
    have data, a URL or a file id. Audio and video never move.
    """
    return block.kind not in {"audio", "video"} and bool(block.data or block.url or block.file)


def _needs(call: ir.ToolCall) -> bool:
    """Whether the request must have an output for this call. False only for a call that is written as an item
    of a tool that this protocol defines: its kind is "builtin", and `builtins.called` returns an item.
    """
    return call.kind != "builtin" or builtins.called(call) is None


_RULES: Final = Rules(
    dialect=NAME,
    order="items",
    mint="call_{minted}",
    ids="shared",
    absent=CUT_OFF,
    added=Why("input", "a tool result is added, because the tool call had none"),
    needs=_needs,
    orphans="words",
    orphaned=Why("input", "the tool result has no tool call: it is sent as a user message"),
    moves=_moves,
    moved=Why("input", "media of an assistant message are moved to a user message"),
    transcribed=Why("input", "the audio is sent as its transcript"),
)


class _Foreign:
    """Writes the history of another dialect as input items. chunked: True = adjacent assistant messages are
    chunks of one answer, and are written as one message.
    """

    def __init__(self, draft: Draft, *, chunked: bool) -> None:
        self.draft = draft
        self.chunked = chunked
        self.report = draft.report
        self.items: list[_Wire] = []
        self._goes_on = False  # the next part of the turn belongs to the last item, a message

    def write(self, request: ir.Request) -> list[_Wire]:
        for turn in repaired(request, _RULES):
            self._goes_on = False
            for piece in turn.pieces:
                self._piece(piece, turn.role)
            turn.tell(self.report)
        for item in self.items:
            if item.get("role") == "assistant" and (text := _plain(item["content"])) is not None:
                item["content"] = text
        return self.items

    def _piece(self, piece: Piece, role: Role) -> None:
        message, where = piece.message, f"messages[{piece.index}]"
        if message is not None and message.name is not None:
            self.report.lose(where + ".name", "the Responses API has no author names", "hint")
        if message is not None and message.cache is not None:
            self.report.lose(
                where + ".cache",
                "the cache breakpoint is not allowed on a message, only on its parts",
                "hint",
            )
        if message is not None and message.extra is not None:
            restore({}, message.extra, self.report, where)
        for at, block in enumerate(piece.blocks):
            self._block(block, role, piece.place(at))

    def _block(self, block: ir.Block, role: Role, where: str) -> None:
        assert role != "tool"
        if isinstance(block, ir.Media) and role == "assistant":
            self.report.lose(where, f"an assistant message cannot contain this {block.kind}", "meaning")
            return
        if not is_part(block, role):
            if (item := encode_item(block, self.draft, where)) is not None:
                self.items.append(item)
                self._goes_on = False
            return
        part = encode_part(block, self.draft, where, said=role == "assistant")
        if part is None or (role == "assistant" and _plain([part]) == ""):  # empty text means no text
            return
        if self._goes_on:
            self.items[-1]["content"].append(part)
            return
        self._goes_on = True
        said_last = bool(self.items) and self.items[-1].get("role") == "assistant"
        if self.chunked and role == "assistant" and said_last:
            self._continue(part)
        else:
            self.items.append({**encode_head(None, self.draft, where, role), "content": [part]})

    def _continue(self, part: _Wire) -> None:
        """Add a part to the last item, which is an assistant message. If both this part and the message's
        last part are plain text, the two texts become one.
        """
        content = self.items[-1]["content"]
        before, more = _plain(content[-1:]), _plain([part])
        if before is not None and more is not None:
            content[-1]["text"] = before + more
        else:
            content.append(part)
