"""Writes the tools, the calls and the results of a request as text, for a model without tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from dragoman import ir
from dragoman.dialects.leftovers import lose_members
from dragoman.dialects.loss import Report
from dragoman.dialects.prompted.notation import Notation, described, parameters
from dragoman.dialects.prompted.reading import CallReader

replace = msgspec.structs.replace


class Told(msgspec.Struct, frozen=True):
    """A request with its functions, and the calls and results in its history, as text. reader: makes a reader
    for each text of the answer; None = no function may be called, so the texts contain no calls.
    """

    request: ir.Request
    reader: Callable[[], CallReader] | None


def told(request: ir.Request, notation: Notation, report: Report) -> Told:
    """Return the request without its functions, and the function that makes readers of its answers. A text at
    the end of `system` describes the functions that may be called, and the calls and results in the history
    are text. The provider's own tools stay; a tool choice that forbids them, or names tools, becomes "none".

    notation: how calls and results are written. report: gets changes for what is now text, and losses for
    what text does not guarantee (such as a forced call).
    """
    request = as_text(request, notation)
    allowed = offered(request, report)
    choice, single = request.tool_choice, request.parallel is False
    request = without_tools(request, report)
    if request.tools and choice is not None and choice.mode != "none" and not choice.names:
        request = replace(request, tool_choice=None)  # the choice does not forbid the provider's tools
    if not allowed:
        return Told(request, None)
    report.change(
        "tools", "system", "the tools are described to the model in words, and it calls them in text"
    )
    words = ["You can call these tools:", *map(described, allowed), notation.guide]
    if single:
        words.append("Call at most one tool in an answer.")
        report.change("parallel", "system", "the model is told to call at most one tool")
    if choice is not None and choice.mode in {"any", "tool"}:
        words.append("Answer by calling one of these tools. Do not answer in plain text.")
        report.lose("tool_choice", "the model may respond without the tool call", "quality")
    else:
        words.append("Call a tool only if you need it. Results come in the next message: do not invent them.")
    # Not a message of its own: the indices of messages must stay those of the client.
    request = replace(request, system=(*request.system, ir.Text("\n".join(words))))
    return Told(request, notation.reader({tool.name: parameters(tool) for tool in allowed}, single=single))


def has_tools(request: ir.Request) -> bool:
    """Whether the request offers tools of any kind, or its history has calls or results of the client's
    tools.
    """
    return bool(request.tools) or any(_is_traffic(b) for message in request.messages for b in message.blocks)


def offered(request: ir.Request, report: Report) -> Sequence[ir.Function]:
    """Return the functions of the request that the tool choice allows, without the provider's own tools. If
    it does not allow all of them, a change is reported.
    """
    choice = request.tool_choice
    functions = [tool for tool in request.tools or () if isinstance(tool, ir.Function)]
    if choice is None:
        return functions
    if choice.mode == "none":
        if functions:
            report.change("tool_choice", "tools", "no tools are offered, so that none is called")
        return ()
    if not choice.names:
        return functions
    if any(tool.name not in choice.names for tool in functions):
        report.change("tool_choice", "tools", "only the allowed tools are offered")
    return [tool for tool in functions if tool.name in choice.names]


def without_tools(request: ir.Request, report: Report) -> ir.Request:
    """Return a copy of the request without its functions and without `parallel`. The provider's tools stay,
    with the tool choice "none" if there was a tool choice. report: gets a loss for each setting of a function
    that text cannot express (`strict`, `cache`, leftovers), and for each leftover of the tool choice.
    """
    for index, tool in enumerate(request.tools or ()):
        if not isinstance(tool, ir.Function):
            continue
        where = f"tools[{index}]"
        if tool.strict:
            report.lose(f"{where}.strict", "the schema of the call is not enforced", "quality")
        if tool.cache is not None:
            report.lose(f"{where}.cache", "the tools are part of the system text", "hint")
        for dialect, members in (tool.extra or {}).items():
            lose_members(members, report, where, dialect)
    kept = tuple(tool for tool in request.tools or () if not isinstance(tool, ir.Function))
    choice = request.tool_choice
    for dialect, members in (choice.extra or {} if choice is not None else {}).items():
        lose_members(members, report, "tool_choice", dialect)
    none = ir.ToolChoice("none") if kept and choice is not None else None
    return replace(request, tools=kept or None, tool_choice=none, parallel=None)


# The history --------------------------------------------------------------------------------------


def as_text(request: ir.Request, notation: Notation) -> ir.Request:
    """Return the request with text in its history, in place of calls and results of the client's tools; media
    in a result stay, after its text. A request without such calls and results is returned itself. notation:
    how calls and results are written.
    """
    names: dict[str, str] = {}
    messages = tuple([_message(message, notation, names) for message in request.messages])
    same = all(new is old for new, old in zip(messages, request.messages, strict=True))
    return request if same else replace(request, messages=messages)


def _message(message: ir.Message, notation: Notation, names: dict[str, str]) -> ir.Message:
    """Return the message with text in place of calls and results of the client's tools. names: call id ->
    tool name, for the calls so far; this function adds the message's calls.
    """
    if not any(_is_traffic(block) for block in message.blocks):
        return message
    blocks: list[ir.Block] = []
    for block in message.blocks:
        if not _is_traffic(block):
            blocks.append(block)
        elif isinstance(block, ir.ToolCall):
            if block.id is not None:
                names[block.id] = block.name
            _say(notation.call(block.name, block.arguments), blocks)
        elif isinstance(block, ir.ToolResult):
            text, media = _content(block)
            name = block.name or names.get(block.id or "", "tool")
            _say(notation.result(name, text, block.error is True), blocks)
            blocks += media
    return replace(message, blocks=tuple(blocks), form=None)


def _is_traffic(block: ir.Block) -> bool:
    return isinstance(block, ir.ToolCall | ir.ToolResult) and block.by == "client"


_BETWEEN: Final = "\n\n"


def _say(text: str, blocks: list[ir.Block]) -> None:
    """Append a text to `blocks`. If the last block is plain text, the text is appended to this block, after a
    blank line, because small servers accept only one text.
    """
    last = blocks[-1] if blocks else None
    if isinstance(last, ir.Text) and last == ir.Text(last.text):
        blocks[-1] = ir.Text(f"{last.text}{_BETWEEN}{text}")
    else:
        blocks.append(ir.Text(text))


def _content(result: ir.ToolResult) -> tuple[str, list[ir.Block]]:
    """Return (the text of a result, its other blocks). The text is that of its texts and JSON values, joined
    by line breaks.
    """
    texts: list[str] = []
    others: list[ir.Block] = []
    for block in result.content:
        if isinstance(block, ir.Text):
            texts.append(block.text)
        elif isinstance(block, ir.Json):
            texts.append(msgspec.json.encode(block.value).decode())
        else:
            others.append(block)
    return "\n".join(texts), others
