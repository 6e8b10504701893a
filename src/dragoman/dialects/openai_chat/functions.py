"""Converts OpenAI's older functions to tools, for servers that support only tools.

`functions`, `function_call` and messages of the role `function` have no ids, so ids are made here: the result
of a call is the next result with the name of its function. The encoder of responses writes the tool calls of
the answer as `function_call` again for these clients (`response.legacy`).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report

_FORM: Final = "function_call"
_WHY: Final = "the provider supports only `tools`"
replace = msgspec.structs.replace


def as_tools(request: ir.Request, report: Report) -> ir.Request:
    """Return the request with tools in place of OpenAI's older functions: in the list of tools, in the tool
    choice and in the history. Each change is reported to `report`.

    If the list of tools comes from `functions`, `parallel` becomes False, because such clients read only one
    call of an answer.
    """
    fields: dict[str, Any] = {}
    forms = dict(request.forms or {})
    if forms.pop("tools", None) == "functions":
        fields |= {"forms": forms, "parallel": False}
        report.change("tools", "tools", _WHY)
    choice = request.tool_choice
    if choice is not None and choice.form == _FORM:
        fields["tool_choice"] = replace(choice, form=None)
        report.change("tool_choice", "tool_choice", _WHY)
    history = _History(report)
    messages = tuple([history.converted(message, index) for index, message in enumerate(request.messages)])
    if history.changed:
        fields["messages"] = messages
    return replace(request, **fields) if fields else request


class _History:
    """Converts the calls (`function_call`) and results (role `function`) in a history to tool calls and tool
    results. changed: True = a message was converted. _open: function name -> the ids of its calls that have
    no result yet.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._open: dict[str | None, list[str]] = {}
        self.changed = False

    def converted(self, message: ir.Message, index: int) -> ir.Message:
        """Return the message, with tool calls and tool results in place of function calls and function
        results. A message without these is returned unchanged; for any other message, `changed` becomes True.
        index: the message's position.
        """
        if not any(getattr(block, "kind", None) == "legacy" for block in message.blocks):
            return message
        self.changed = True
        where = f"messages[{index}]"
        self._report.change(where, where, _WHY)
        blocks = [self._tool(block, f"call_{index}_{place}") for place, block in enumerate(message.blocks)]
        return replace(message, blocks=tuple(blocks))

    def _tool(self, block: ir.Block, call_id: str) -> ir.Block:
        if isinstance(block, ir.ToolCall) and block.kind == "legacy":
            self._open.setdefault(block.name, []).append(call_id)
            return replace(block, id=call_id, kind="function")
        if isinstance(block, ir.ToolResult) and block.kind == "legacy":
            waiting = self._open.get(block.name)
            return replace(block, id=waiting.pop(0) if waiting else call_id, kind="function", name=None)
        return block
