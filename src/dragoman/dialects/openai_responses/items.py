"""Decodes the items of `input` and `output` to blocks, and encodes blocks as items.

Each part of a message is one block, and the blocks of a message share an `ir.Item`. Any other item is one
block. Items of OpenAI's own tools become Native and keep all their members, except generated pictures, which
become Media. Items of an unknown type or form become Native, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.arguments import arguments_text
from dragoman.dialects.counterparts import no_form
from dragoman.dialects.leftovers import lose_about
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses import builtins
from dragoman.dialects.openai_responses.draft import Draft
from dragoman.dialects.openai_responses.parts import decode_parts, encode_part
from dragoman.dialects.openai_responses.terms import NAME, leftovers
from dragoman.dialects.seals import is_withheld, read_seal, tag_seal
from dragoman.dialects.typed import OF_ANOTHER_SHAPE, Typed
from dragoman.errors import WireError
from dragoman.wire.json import UNDECODABLE

_Wire = dict[str, Any]

_HEAD: Final = frozenset({"type", "id", "status", "phase"})
TYPED_HEAD: Final = Typed(NAME, id=str, status=str, phase=str)
_WORD: Final = (str, type(None))
_MESSAGE: Final = _HEAD | {"role", "content"}
_CALL: Final = _HEAD | {"call_id", "name", "arguments", "namespace"}
_CUSTOM: Final = _HEAD | {"call_id", "name", "input", "namespace"}
_OUTPUT: Final = _HEAD | {"call_id", "output"}
_REASONING: Final = _HEAD | {"summary", "content", "encrypted_content"}
_PICTURE: Final = _HEAD | {"result"}
_ROLES: Final[frozenset[str]] = frozenset({"user", "assistant", "system", "developer"})
_CLIENT_SIDE: Final = frozenset(
    {
        *("item_reference", "mcp_approval_response", "computer_call_output", "local_shell_call_output"),
        *("shell_call_output", "apply_patch_call_output"),
    }
)

# --- Decoding ----------------------------------------------------------------------------------


def decode_item(value: Any, where: str = "item") -> tuple[ir.Role, tuple[ir.Block, ...]]:
    """Return (the role of an item, its blocks). An item of an unknown type or form becomes one Native, with
    all its members. A message has the role that it states ("assistant" if this is none of the four roles), an
    output of a call has "user", and most other items have "assistant".

    Raises WireError if the item is not an object (at the path `where`), or if a part of a message or of a
    call's output is not an object.
    """
    if type(value) is not dict:
        raise WireError("must be an object", where, "invalid_type")
    kind = value.get("type")
    if kind is None and "role" in value:
        kind = "message"
    try:
        if kind == "message":
            role, blocks = _read_message(value, where)
            if all(map(ir.is_sound, blocks)):
                return role, blocks
        elif (
            type(kind) is str
            and (read := _READ.get(kind)) is not None
            and ir.is_sound(block := read(value, where))
        ):
            return "user" if read is _read_output else "assistant", (block,)
    except OF_ANOTHER_SHAPE:  # a known type in an unknown shape
        pass
    plain = builtins.stands_for(value)
    role = "user" if isinstance(plain, ir.ToolResult) else _role(value, kind)
    head = _head(value, frozenset(value))
    if plain is not None and (extra := leftovers(value, _STOOD_FOR)) is not None:
        plain = msgspec.structs.replace(plain, item=ir.Item(extra=extra))
    return role, (ir.Native(NAME, str(kind), value, item=head, stands_for=plain),)


_STOOD_FOR: Final = frozenset(
    {
        *("type", "id", "status", "phase", "call_id", "execution", "role"),
        *("action", "arguments", "operation", "output", "tools"),
    }
)
"""The members of an item that do not become leftovers of the block that stands for it."""


def _role(value: _Wire, kind: Any) -> ir.Role:
    role = value.get("role")
    if type(role) is str and role in _ROLES:
        return role  # type: ignore[return-value]
    return "user" if kind is None or str(kind) in _CLIENT_SIDE else "assistant"


def _head(value: _Wire, known: frozenset[str]) -> ir.Item | None:
    """Return the id, status, phase and leftovers of an item. Leftovers are its members that are not in
    `known`, and its id, status and phase if they are not strings. None = the item has none of these.
    """
    extra = leftovers(value, known)
    get = value.get
    if any(type(get(member)) not in _WORD for member in ("id", "status", "phase")):
        value, odd = TYPED_HEAD.sort(value)
        extra, get = ir.merge(extra, odd), value.get
    if extra is None and get("id") is None and get("status") is None and get("phase") is None:
        return None
    return ir.Item(get("id"), get("status"), get("phase"), extra)


def _read_message(value: _Wire, where: str) -> tuple[ir.Role, tuple[ir.Block, ...]]:
    role, content = _role(value, "message"), value["content"]
    item = _head(value, _MESSAGE)
    if type(content) is str:
        return role, (ir.Text(content, item=item),)
    if not content:
        raise ValueError("content")
    return role, decode_parts(content, f"{where}.content", said=role == "assistant", item=item)


def _read_call(value: _Wire, _where: str) -> ir.Block:
    custom = value["type"] == "custom_tool_call"
    return ir.ToolCall(
        value.get("call_id"),
        value["name"],
        value["input"] if custom else arguments_text(value["arguments"]),
        "custom" if custom else "function",
        namespace=value.get("namespace"),
        item=_head(value, _CUSTOM if custom else _CALL),
    )


def _read_output(value: _Wire, where: str) -> ir.Block:
    output = value["output"]
    text = type(output) is str
    return ir.ToolResult(
        value.get("call_id"),
        (ir.Text(output),) if text else decode_parts(output, f"{where}.output"),
        kind="custom" if value["type"] == "custom_tool_call_output" else "function",
        item=_head(value, _OUTPUT),
        form=None if text else "parts",
    )


def _read_reasoning(value: _Wire, _where: str) -> ir.Block:
    summary, content = value.get("summary") or (), value.get("content") or ()
    kept: dict[str, Any] = {}
    if any(part.keys() != {"type", "text"} or part["type"] != "summary_text" for part in summary):
        kept["summary"] = summary
    if len(content) > 1 or any(
        part.keys() != {"type", "text"} or part["type"] != "reasoning_text" for part in content
    ):
        kept["content"] = content
    sealed = value.get("encrypted_content")
    return ir.Thinking(
        "".join(part.get("text") or "" for part in content),
        tuple(part.get("text") or "" for part in summary),
        None if sealed is None else read_seal(sealed, NAME),
        redacted=sealed is not None and is_withheld(sealed),
        item=_head(value, _REASONING),
        extra={NAME: kept} if kept else None,
    )


def _read_picture(value: _Wire, _where: str) -> ir.Block:
    if type(result := value["result"]) is not str:
        raise TypeError("result")
    mime = f"image/{value.get('output_format') or 'png'}"
    return ir.Media("image", mime, result, item=_head(value, _PICTURE))


_READ: Final[dict[str, Callable[[_Wire, str], ir.Block]]] = {
    "function_call": _read_call,
    "custom_tool_call": _read_call,
    "function_call_output": _read_output,
    "custom_tool_call_output": _read_output,
    "reasoning": _read_reasoning,
    "image_generation_call": _read_picture,
}

# --- Encoding ----------------------------------------------------------------------------------


def encode_items(
    blocks: Sequence[ir.Block | None],
    draft: Draft,
    where: str = "blocks",
    role: ir.Role = "assistant",
    *,
    parts: bool = False,
) -> list[_Wire]:
    """Encode blocks as items, in order; None is skipped. Adjacent parts with equal `ir.Item`s, or without
    one, become one message. A block that cannot be written is left out and reported as lost. Raises WireError
    for a medium of a request that no part can hold. where: the IR path of the list of blocks. role: the role
    of the messages. parts: True = every block is a part of a message; False = only those for which `is_part`
    is true.
    """
    items: list[_Wire] = []
    open_message: _Wire | None = None
    its_item: ir.Item | None = None
    for index, block in enumerate(blocks):
        if block is None:
            continue
        place = f"{where}[{index}]"
        if not parts and not is_part(block, role):
            open_message = None
            if (item := encode_item(block, draft, place)) is not None:
                items.append(item)
            continue
        part = encode_part(block, draft, place, said=role == "assistant")
        if part is None:
            continue
        item_of = item_of_block(block)
        if open_message is None or item_of != its_item:
            open_message, its_item = encode_head(item_of, draft, place, role), item_of
            items.append(open_message)
        open_message["content"].append(part)
    return items


def is_part(block: ir.Block, role: ir.Role = "assistant") -> bool:
    """Whether a block is written as a part of a message of this role; otherwise it is an item of its own.
    True for a text, a refusal, JSON, a Native that is a content part of this dialect (`_PARTS`), and any
    medium except an image in an assistant message. False for all other blocks.
    """
    if isinstance(block, ir.Media):
        return role != "assistant" or block.kind != "image"
    if isinstance(block, ir.Native):
        return block.dialect == NAME and block.kind in _PARTS
    return isinstance(block, ir.Text | ir.Refusal | ir.Json)


_PARTS: Final = frozenset({"input_text", "output_text", "refusal", "text", "input_image", "input_file"}) | {
    *("input_audio", "input_video", "output_audio", "reasoning_text", "summary_text", "computer_screenshot"),
}


def item_of_block(block: ir.Block) -> ir.Item | None:
    """Return the block's `ir.Item`; None if it has none."""
    return None if isinstance(block, ir.Json) else block.item


def encode_head(item: ir.Item | None, draft: Draft, where: str, role: ir.Role = "assistant") -> _Wire:
    """Return a new message item with its role, an empty `content`, and the id, status, phase and leftovers of
    `item`. What `item` lacks, or None in its place, gets the usual values, if `draft` asks for them
    (`Draft.item`): a new id, the status "completed". where: the IR path of the message's first block, for the
    report.
    """
    head = draft.item("message", "msg", item, where)
    return {**head, "role": role, "content": []}


def encode_item(block: ir.Block, draft: Draft, where: str) -> _Wire | None:
    """Encode a block that is not a part of a message as an item of its own; None = there is no item for it,
    which is reported as a loss. Raises WireError for a tool result of a request with a medium that no part
    can hold. where: the block's IR path.
    """
    write = _WRITE.get(type(block))
    if write is None:
        draft.report.lose(where, "the Responses API has no item for this", "meaning")
        return None
    return write(block, draft, where)


def _write_call(block: ir.ToolCall, draft: Draft, where: str) -> _Wire | None:
    if block.kind == "builtin" and block.by == "client" and (found := builtins.called(block)) is not None:
        kind, prefix, members = found
        out = draft.item(kind, prefix, block.item, where)
        out["call_id"] = block.id if block.id is not None else out.get("id") or block.name
        return draft.finish({**out, **members}, block.cache, block.extra, where)
    if block.by == "provider" or (block.kind == "builtin" and block.by != "client"):
        return _write_provided(block, draft, where)
    custom = block.kind == "custom"
    kind, prefix = ("custom_tool_call", "ctc") if custom else ("function_call", "fc")
    out = draft.item(kind, prefix, block.item, where)
    out["call_id"] = block.id if block.id is not None else out.get("id") or block.name
    out["name"] = block.name
    if custom:
        out["input"] = block.arguments
    else:
        out["arguments"] = block.arguments if block.arguments or draft.own else "{}"
    if block.namespace is not None:
        out["namespace"] = block.namespace
    if block.sealed is not None:
        draft.leave_seal(where)
    return draft.finish(out, block.cache, block.extra, where)


def _write_provided(block: ir.ToolCall, draft: Draft, where: str) -> _Wire | None:
    """Return the item for a call of a provider's own tool, from another dialect. Only a web search in an
    answer has an item, which is reported as a change. For any other call None is returned and a loss is
    reported. where: the call's IR path.
    """
    if not draft.answer:
        draft.report.lose(where, "calls of another provider's tool cannot be sent back", "meaning")
        return None
    try:
        asked = msgspec.json.decode(block.arguments or "{}")
    except UNDECODABLE:
        asked = {}
    if block.name == "web_search":
        query = asked.get("query") if isinstance(asked, dict) else None
        out = draft.item("web_search_call", "ws", block.item, where)
        out["action"] = {"type": "search", "query": query if isinstance(query, str) else ""}
        draft.report.change(where, "output", "a search by the provider is written as web_search_call")
        return out
    draft.report.lose(where, f"the Responses API has no item for a call of {block.name}", "quality")
    return None


def _write_result(block: ir.ToolResult, draft: Draft, where: str) -> _Wire | None:
    if block.by == "provider":
        draft.report.lose(where, "results of the provider's tool are not returned", "quality")
        return None
    kind = "custom_tool_call_output" if block.kind == "custom" else "function_call_output"
    out = draft.item(kind, "fco", block.item, where)
    out["call_id"] = block.id if block.id is not None else block.name or ""
    out["output"] = _encode_output(block, draft, where)
    if block.error:
        draft.report.change(
            where + ".error", "input", "the error is written into the text of the tool result"
        )
        out["output"] = _failed(out["output"])
    if block.sealed is not None:
        draft.leave_seal(where)
    return draft.finish(out, block.cache, block.extra, where)


def _failed(output: Any) -> Any:
    if isinstance(output, str):
        return f"Error: {output}" if output else "Error"
    return [{"type": "input_text", "text": "Error:"}, *output]


def _encode_output(block: ir.ToolResult, draft: Draft, where: str) -> Any:
    content = block.content
    lone = content[0] if len(content) == 1 else None
    if not content and not draft.own:
        return ""
    plain = isinstance(lone, ir.Text) and lone.cache is None and lone.extra is None and not lone.citations
    if plain and isinstance(lone, ir.Text) and not (draft.own and block.form == "parts"):
        if lone.sealed is not None:
            draft.leave_seal(f"{where}.content[0]")
        return lone.text
    parts = (encode_part(inner, draft, f"{where}.content[{index}]") for index, inner in enumerate(content))
    return [part for part in parts if part is not None]


def _write_thinking(block: ir.Thinking, draft: Draft, where: str) -> _Wire | None:
    sealed = block.sealed
    foreign = sealed is not None and sealed.origin != NAME
    if not draft.answer and (foreign or (sealed is None and not draft.own)):
        draft.report.lose(where, "reasoning of another provider is not sent back", "quality")
        return None
    if draft.summarised and block.text:
        block = msgspec.structs.replace(block, text="", summary=(block.text, *block.summary))
    out = draft.item("reasoning", "rs", block.item, where, status=False)
    summary = block.summary
    if sealed is not None and not draft.answer and not draft.own and block.text:
        summary = (*summary, block.text)  # OpenAI's reasoning from a client whose protocol has only one text
    out["summary"] = [{"type": "summary_text", "text": text} for text in summary]
    if block.text and summary is block.summary:
        out["content"] = [{"type": "reasoning_text", "text": block.text}]
    if sealed is not None:
        out["encrypted_content"] = tag_seal(sealed, withheld=block.redacted) if foreign else sealed.data
    return draft.finish(out, block.cache, block.extra, where)


def _write_picture(block: ir.Media, draft: Draft, where: str) -> _Wire | None:
    if block.data is None:
        draft.report.lose(where, "a generated image can only be returned as data", "meaning")
        return None
    lose_about(block, draft.report, where)
    out = draft.item("image_generation_call", "ig", block.item, where)
    out["result"] = block.data
    form = (block.mime or "image/png").removeprefix("image/")
    if form != "png" or not draft.own:
        out.setdefault("output_format", form)
    if block.sealed is not None:
        draft.leave_seal(where)
    return draft.finish(out, block.cache, block.extra, where)


def _write_native(block: ir.Native, draft: Draft, where: str) -> _Wire | None:
    if block.dialect == NAME:
        return dict(block.value)
    draft.report.lose(where, no_form(block.dialect, block.kind), "meaning")
    return None


def native(block: ir.Block) -> ir.Native:
    """Return the block that a later request repeats for a call or a result of the provider's own tools. In
    this dialect such a block is usually a Native, which is returned itself. Any other block is encoded as an
    item, and the item becomes a Native.
    """
    if isinstance(block, ir.Native):
        return block
    (item,) = encode_items((block,), Draft(Report(NAME), own=True))
    return ir.Native(NAME, item["type"], item)


_WRITE: Final[dict[type, Callable[[Any, Draft, str], _Wire | None]]] = {
    ir.ToolCall: _write_call,
    ir.ToolResult: _write_result,
    ir.Thinking: _write_thinking,
    ir.Media: _write_picture,
    ir.Native: _write_native,
}
