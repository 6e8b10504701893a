"""Input and output items of the Responses API in stored form: the JSON of the client or provider, and an id.

Members that clients may leave out are filled in only when an item is shown to a client (`displayed`).
https://platform.openai.com/docs/api-reference/responses/create#responses-create-input. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from dragoman.state.store import Item
from dragoman.wire.json import encode

_PREFIXES: Final[Mapping[str, str]] = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "compaction": "cmp",
    "web_search_call": "ws",
    "file_search_call": "fs",
    "computer_call": "cu",
    "code_interpreter_call": "ci",
    "image_generation_call": "ig",
    "mcp_call": "mcp",
}
"""The prefix of an item's id, by the item's type, as in OpenAI's API."""

Wire = dict[str, Any]

decode: Final = msgspec.json.Decoder().decode


def items_of(given: Any) -> list[Wire]:
    """Return the items of a request's `input`. given: the value of `input`: for a list, return a copy of it;
    for a text, one user message with this text; for None, [].
    """
    if given is None:
        return []
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    return list(given)


def kind(item: Mapping[str, Any]) -> str:
    """Return an item's type. For an item without `type`: "message" if it has a role, else
    "item_reference".
    """
    stated = item.get("type")
    if isinstance(stated, str):
        return stated
    return "message" if "role" in item else "item_reference"


def displayed(item: Item) -> dict[str, Any]:
    """Return a stored item in the form in which clients read it. The members that clients may leave out are
    filled in: the type, the id, the status (of the types in `_WITH_STATUS`), and a message's content as a
    list of complete parts.
    """
    body: Wire = decode(item.body)
    sort = kind(body)
    whole = {**body, "type": sort, "id": item.id}
    if sort == "message":
        whole["content"] = _parts(body)
    if sort in _WITH_STATUS and not body.get("status"):
        whole["status"] = "completed"
    return whole


_WITH_STATUS: Final = frozenset(
    {
        *("message", "function_call", "function_call_output", "computer_call", "computer_call_output"),
        *("tool_search_call", "tool_search_output", "local_shell_call", "shell_call", "shell_call_output"),
        *("apply_patch_call", "apply_patch_call_output", "web_search_call", "file_search_call"),
        *("image_generation_call", "code_interpreter_call"),
    }
)
"""The types of items that the API always shows with a status."""
_PARTS: Final[Mapping[Any, Wire]] = {
    "output_text": {"annotations": [], "logprobs": []},
    "input_image": {"detail": "auto"},
}
"""The members of a content part that clients may leave out, with their defaults, by the part's type."""


def _parts(message: Mapping[str, Any]) -> list[Any]:
    """Return a message's content as a list of complete parts. A message without a role is the model's: the
    messages of clients are checked to have one. What a provider has sent in place of parts stays as it is.
    """
    content = message.get("content")
    if isinstance(content, str):
        kind = "output_text" if message.get("role", "assistant") == "assistant" else "input_text"
        content = [{"type": kind, "text": content}]
    return [_complete(part) for part in content] if isinstance(content, list) else []


def _complete(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    stated = part.get("type")
    return {**(_PARTS.get(stated, {}) if isinstance(stated, str) else {}), **part}


class _Named(msgspec.Struct, omit_defaults=True):
    """The members of an item that decide its id in the store: its own `id` or, if it has none, the type and
    the role, which decide the prefix of a new id. An id that is empty or not a text counts as none.
    """

    id: Any = None
    type: Any = None
    role: Any = None


_decode_named: Final = msgspec.json.Decoder(_Named).decode


def kept(items: Iterable[Wire | msgspec.Raw], mint: Callable[[], str]) -> tuple[Item, ...]:
    """Return items in stored form: the id, and the JSON that the client sent or read. An item without an id
    gets a new id (`msg_…` for a message), which is not written into its JSON. mint: returns the random part
    of a new id.
    """
    made = []
    for item in items:
        if isinstance(item, msgspec.Raw):
            body, named = bytes(item), msgspec.to_builtins(_decode_named(item))
        else:
            body, named = encode(item), item
        stated = named.get("id")
        if not (isinstance(stated, str) and stated):
            stated = f"{_PREFIXES.get(kind(named), 'item')}_{mint()}"
        made.append(Item(stated, body))
    return tuple(made)


def wanted(items: Sequence[Wire]) -> list[str]:
    """Return the ids of the stored items that are needed to complete these items of a request, in order: the
    ids of references, and of reasoning items whose encrypted content the client has left out. An id that
    several items have is returned several times.
    """
    return [
        item["id"]
        for item in items
        if isinstance(item.get("id"), str)
        and (
            kind(item) == "item_reference"
            or (item.get("type") == "reasoning" and not item.get("encrypted_content"))
        )
    ]


_CALLS: Final = frozenset({"function_call", "custom_tool_call"})
_OUTPUTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})
_HIDING: Final = frozenset({"compaction", "compaction_summary", "tool_search_call", "tool_search_output"})


def unanswerable(items: Sequence[Wire]) -> tuple[int, str] | None:
    """Return (index, call id) of the first output of a function or custom tool that has no earlier call with
    its call id; None = every such output has a call.

    A compaction or a tool search hides earlier calls, so the first such item and all items after it are not
    checked.
    """
    calls: set[Any] = set()
    for place, item in enumerate(items):
        sort = item.get("type")
        if sort in _CALLS:
            calls.add(item.get("call_id"))
        elif sort in _HIDING:
            return None
        elif sort in _OUTPUTS and item.get("call_id") not in calls:
            return place, str(item.get("call_id"))
    return None
