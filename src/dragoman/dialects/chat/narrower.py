"""Encodes functions, calls and the heads of messages for protocols that descend from chat but have fewer
members (Mistral's, Ollama's and Cohere's), and reports what these protocols cannot express.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.loss import Report
from dragoman.dialects.repair.turn import Piece
from dragoman.dialects.restore import INPUT
from dragoman.errors import WireError

Restore = Callable[[dict[str, Any], ir.Extra, Report, str], None]
"""`Leftovers.restore` of a dialect."""


class Narrower:
    """Encodes for one such protocol, which has no cache breakpoints, no author names and no free-text tools.
    api: the protocol's name in reports and errors, such as "the Mistral API". restore: `Leftovers.restore` of
    its dialect.
    """

    __slots__ = ("_restore", "api")

    def __init__(self, api: str, restore: Restore) -> None:
        self.api = api
        self._restore = restore

    def lose_mark(self, mark: ir.CacheMark | None, draft: Draft, where: str) -> None:
        """Report a cache mark as lost. mark: None = there is none, so nothing is reported. where: the IR path
        of the value that has the mark.
        """
        if mark is not None:
            draft.report.lose(where + ".cache", f"{self.api} has no cache breakpoints", "hint")

    def lose_head(self, message: ir.Message, draft: Draft, where: str) -> None:
        """Report as lost the author's name, the cache mark and the leftovers of a message that came in
        another dialect. where: the message's IR path.
        """
        if message.name is not None:
            draft.report.lose(where + ".name", f"{self.api} has no author names", "hint")
        self.lose_mark(message.cache, draft, where)
        self._restore({}, message.extra, draft.report, where)

    def tell_role(self, piece: Piece, draft: Draft, at: int) -> None:
        """If the piece is a developer's message, report that its role is written as `system`; else do
        nothing. at: the index of the written message.
        """
        if piece.message is not None and piece.message.role == "developer":
            place, to = f"messages[{piece.index}].role", f"messages[{at}].role"
            draft.report.change(place, to, f"{self.api} uses the role `system`")

    def encode_function(
        self, tool: ir.Function, draft: Draft, where: str, more: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the function as an entry of `tools`; its cache mark is reported as lost. A function of
        another dialect without a schema gets that of an object without properties. more: further members to
        write into `function`. where: the tool's IR path. Raises WireError for a free-text tool.
        """
        if tool.kind == "custom":
            raise WireError(f"{self.api} has no free-text tools", where, "unsupported_value")
        inner: dict[str, Any] = {"name": tool.name}
        if tool.description is not None:
            inner["description"] = tool.description
        if tool.parameters is not None:
            inner["parameters"] = tool.parameters
        elif not draft.own:
            inner["parameters"] = {"type": "object", "properties": {}}
        if more is not None:
            inner |= more
        self.lose_mark(tool.cache, draft, where)
        out = {"type": "function", "function": inner}
        self._restore(out, tool.extra, draft.report, where)
        return out

    def encode_call(self, block: ir.ToolCall, stated: str | None, draft: Draft, where: str) -> dict[str, Any]:
        """Return the call as an entry of `tool_calls`, with the arguments as text. Its seal and cache mark
        are not written, but reported. stated: the id to write; None = the entry has no id. where: the call's
        IR path.

        In a response, a free-text call (kind "custom") gets its text as an argument: `{"input": text}`. In a
        request, such a call raises WireError.
        """
        arguments = block.arguments if draft.own or block.arguments else "{}"
        if block.kind == "custom":
            if not draft.answer:
                raise WireError(f"{self.api} has no calls of free-text tools", where, "unsupported_value")
            arguments = msgspec.json.encode({INPUT: block.arguments}).decode()
            draft.report.change(
                where, f"function.arguments.{INPUT}", f"{self.api} requires arguments to be an object"
            )
        out: dict[str, Any] = {} if stated is None else {"id": stated}
        out["type"] = "function"
        out["function"] = {"name": block.name, "arguments": arguments}
        if block.sealed is not None:
            draft.leave_seal(where)
        self.lose_mark(block.cache, draft, where)
        self._restore(out, block.extra, draft.report, where)
        return out
