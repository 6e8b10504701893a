"""Finds the number of the output item to which an event of a stream belongs, for events that do not state it.

OpenAI states `output_index` in every such event. llama.cpp's server never does, and relays of other servers
leave out whole events: https://github.com/ggml-org/llama.cpp/issues/20607.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman.dialects.bounds import MOST_OPEN, refuse_more

_Value = dict[str, Any]

ADDED: Final = "response.output_item.added"
DONE: Final = "response.output_item.done"
_OWNERS: Final = {
    "response.content_part.added": "message",
    "response.output_text.delta": "message",
    "response.output_text.annotation.added": "message",
    "response.refusal.delta": "message",
    "response.function_call_arguments.delta": "function_call",
    "response.custom_tool_call_input.delta": "custom_tool_call",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
}
"""Type of an event -> the type of the item to which it belongs."""


class Places:
    """Numbers the items of one stream. Numbers that the stream states are kept."""

    def __init__(self) -> None:
        self._next = 0
        self._by_id: dict[str, int] = {}
        self._open: dict[str, int] = {}  # by type, the item that began last and has not ended

    def find(self, kind: str, value: _Value) -> None:
        """Put `output_index` into an event that belongs to an item and does not state it. kind: the event's
        type. value: the event, which is changed. The number is that of the open item with the event's id,
        else (unless the event begins an item) that of the open item of the fitting type, else the next one.
        An item is open until its `response.output_item.done`. Raises WireError if too many items are open
        (`MOST_OPEN`).
        """
        item = value.get("item") if kind in (ADDED, DONE) else None
        if type(item) is dict:
            type_, id_ = item.get("type"), item.get("id")
        elif (type_ := _OWNERS.get(kind)) is not None:
            id_ = value.get("item_id")
        else:
            return
        number = value.get("output_index")
        if type(number) is not int:
            number = value["output_index"] = self._found(kind, type_, id_)
        self._note(kind, number, type_, id_)

    def _found(self, kind: str, type_: Any, id_: Any) -> int:
        known = self._by_id.get(id_) if type(id_) is str else None
        if known is None and kind != ADDED and type(type_) is str:
            known = self._open.get(type_)
        return self._next if known is None else known

    def _note(self, kind: str, number: int, type_: Any, id_: Any) -> None:
        self._next = max(self._next, number + 1)
        if kind == DONE:
            if type(id_) is str:
                self._by_id.pop(id_, None)
            if self._open.get(str(type_)) == number:
                del self._open[str(type_)]
            return
        if type(id_) is str:
            refuse_more(len(self._by_id), MOST_OPEN, "open items")
            self._by_id[id_] = number
        if type(type_) is str:
            refuse_more(len(self._open), MOST_OPEN, "open items")
            self._open[type_] = number
