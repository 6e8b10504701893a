"""Replaces the features of a request that its target lacks by features that the target has.

    JSON schema, JSON mode   one more tool, whose arguments are the answer; a call of a tool is forced. If no
                             call can be forced: an instruction, which the model may ignore (a loss of
                             quality); a code fence around the answer is removed. If the client itself forces
                             a call, the answer has no form (a loss)
    free-text tools          functions with one string parameter
    a protocol's own tools   functions with the same arguments, if the client runs the tools; tools that a
                             message of the history adds are offered from the beginning
    namespaces               functions whose names hold the namespace; its description becomes system text
    tool names               legal names, which depend only on the request's tools, the tools called in its
                             history, and the target's rule for names (`naming`)
    forced calls             the call as structured output (`prompted.choice`); if the target has no
                             structured output either, the target's encoder decides
    tools                    if the model's `tool_mode` says so: system text, and calls in the text of the
                             answer (`prompted`)
    separate reasoning       if the model writes its reasoning into its text, the reasoning is found there
                             (`prompted.thoughts`)
    streams with tools       if the model has none: the whole answer, which the client gets as a stream

Calls in the history change like the tools of the request, because the model must find in the history the
names of the tools that it is offered. The module `restore` undoes in the response what the client must not
see (`Undo`). Pure; the code names no dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

import msgspec

from dragoman import ir
from dragoman.dialects.dialect import Feature
from dragoman.dialects.facts import Facts, TagMode
from dragoman.dialects.loss import Report
from dragoman.dialects.naming import (
    Names,
    Tools,
    described,
    legal_name,
    named,
    renamed,
    renamed_choice,
    renamed_tools,
    ways_back,
)
from dragoman.dialects.prompted.choice import chosen, is_choice
from dragoman.dialects.prompted.notation import NOTATIONS
from dragoman.dialects.prompted.reading import CallReader
from dragoman.dialects.prompted.request import as_text, has_tools, told
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.restore import INPUT, Named, Restorer, Undo

replace = msgspec.structs.replace


class Able(Protocol):
    """The abilities of a target: the `Abilities` of a dialect, or of an upstream that speaks no dialect."""

    @property
    def features(self) -> frozenset[Feature]:
        """The features that the target itself has. A missing one is emulated as far as possible, except
        "single_call", whose loss the encoder reports. "schema" and "forced_tool" are emulated also if the
        model (`Facts`) or the vendor (`Quirks`) lacks them.
        """

    @property
    def tool_name(self) -> str:
        """The regular expression that a tool's whole name must match."""

    @property
    def formats_alone(self) -> bool:
        """Whether the target refuses a request with both tools and a form of the answer (a schema or JSON).
        For such a request, the form is emulated.
        """


class Emulation(msgspec.Struct, frozen=True):
    """A request that the target can serve. undo: the emulations that must be undone in the response; None =
    there are none.
    """

    request: ir.Request
    undo: Undo | None = None

    @property
    def divides(self) -> bool:
        """Whether one text of the response may become several blocks, because calls or reasoning are read out
        of the text.
        """
        undo = self.undo
        return undo is not None and (undo.reader is not None or undo.thoughts is not None)

    def restorer(self, report: Report) -> Restorer | None:
        """Return a new restorer for one response; None = nothing has to be undone. report: gets the losses of
        the response.
        """
        return None if self.undo is None else Restorer(self.undo, report)


def emulate(request: ir.Request, target: Able, facts: Facts, quirks: Quirks, report: Report) -> Emulation:
    """Return the request with replacements for features that the target's protocol, the model or the vendor
    lacks, and the description of how to undo them in the response.

    target: the features of the target's protocol. facts: of the model. quirks: of the vendor. report: gets
    changes, and a loss if a replacement guarantees less than the feature, or drops a setting.
    """
    request = _with_named_choice(_with_json_mode(request, report), report)
    plain: list[Named] = []
    notation = NOTATIONS.get(facts.tool_mode or "")
    if "builtins" not in target.features or notation is not None:
        request, plain = _with_plain_tools(request, report)
    by_schema = _is_chosen_by_schema(request, target, facts, quirks)
    textual = by_schema or notation is not None
    tools = Tools(request)
    grouped = "namespaces" in target.features and not textual
    names = tools.names(target.tool_name, grouped=grouped) if tools else {}
    custom: frozenset[Named] = frozenset()
    if tools.free and (textual or "custom_tools" not in target.features):
        custom = frozenset(names[named] for named in tools.free)
        request = _with_functions(request, report)
    if back := ways_back(names):
        request = _with_names(request, tools, names, report, grouped=grouped)
    reader: Callable[[], CallReader] | None = None
    single = request.parallel is False
    if by_schema:
        if notation is not None:
            request = as_text(request, notation)
        keeps = notation is None and _says_forced(target, quirks)
        request, reader = chosen(request, report, notation, keeps=keeps)
        undo = Undo(
            custom=custom,
            names=back,
            builtin=_at(names, plain),
            reader=reader,
            thoughts=tagged(facts, quirks),
            single=single and reader is not None,
        )
        return Emulation(_streamable(request, facts, report), undo)
    if notation is not None:
        worded = told(request, notation, report)
        request, reader = worded.request, worded.reader
    output = request.output
    answer = member = None
    instructed = False
    barred = target.formats_alone and bool(request.tools)
    says = output is not None and _says(output, target, facts, quirks, barred=barred)
    if output is not None and (reader is not None or not says):
        if _calls_forced(request.tool_choice):
            request = replace(request, output=_text(output))
            report.lose("output", "a tool call is forced, so there is no text to format", "hint")
        elif output.kind == "text":
            pass
        elif _can_force(request, target, facts, quirks):
            taken = {name for _, name in names.values()}
            answer = legal_name(output.name or "answer", target.tool_name, taken)
            request, member = _with_answer_tool(request, output, answer, target, report)
        else:
            # A model that writes its calls as text must be free to write text.
            free = reader is not None or target.formats_alone
            modes = frozenset[Feature]() if free else target.features
            request, instructed = _with_instruction(request, output, modes, report), True
    thoughts = tagged(facts, quirks)
    single = single and reader is not None
    undo = Undo(answer, member, custom, back, instructed, _at(names, plain), reader, thoughts, single)
    return Emulation(_streamable(request, facts, report), None if undo == Undo() else undo)


def _streamable(request: ir.Request, facts: Facts, report: Report) -> ir.Request:
    """Return the request. If it asks for a stream, offers tools or has calls or results in its history, and
    the model is known to refuse this combination (`Facts.streams_tools` is False), the request asks for a
    whole answer instead, and a change is reported.
    """
    if not request.stream or facts.streams_tools is not False or not has_tools(request):
        return request
    report.change("stream", "", "the model does not stream with tools: the whole answer is asked for")
    return replace(request, stream=False, stream_usage=None)


def tagged(facts: Facts, quirks: Quirks) -> TagMode | None:
    """Return the tags by which the model separates its reasoning from the text of its answer (`TagMode`), as
    the facts state them or, without a fact, the quirks. None = they state that the text has no reasoning
    ("apart"); this is what the quirks state by default.
    """
    stated = facts.reasoning_text or quirks.reasoning_text
    return None if stated == "apart" else stated


def _at(names: Names, plain: Sequence[Named]) -> frozenset[Named]:
    """Return the names that these tools have at the target. names: the name of each tool -> its name at the
    target. plain: the tools, by the client's names.
    """
    return frozenset(names[named] for named in plain)


def _with_json_mode(request: ir.Request, report: Report) -> ir.Request:
    """Return the request with the JSON mode in place of an output of the kind "schema" that has no schema, as
    chat's `json_schema` may. The change is reported; a name or description of the missing schema is reported
    as lost. Returned unchanged: any other request, and a request for a target of the client's own protocol.
    """
    output = request.output
    stated = output is not None and (output.kind != "schema" or output.schema is not None)
    if output is None or stated or request.dialect == report.dialect:
        return request
    report.change("output.kind", "", "without a schema, any JSON fits: it is requested as the JSON mode")
    for field in ("name", "description"):
        if getattr(output, field) is not None:
            report.lose(f"output.{field}", "the request has no schema that it describes", "hint")
    plain = replace(output, kind="json", name=None, description=None, strict=None)
    return replace(request, output=plain)


def _with_named_choice(request: ir.Request, report: Report) -> ir.Request:
    """Return the request with a choice by name in place of one that forces a call of the provider's own tool
    by its kind, as the Responses API's `{"type": "web_search"}`. The first offered tool of this kind gets the
    kind as its name, too. The change is reported. Returned unchanged: a request without such a choice, a
    request that does not offer the chosen tool, and a request for a target of the client's own protocol.
    """
    choice = request.tool_choice
    kind = None if choice is None else choice.provided
    if kind is None or request.dialect == report.dialect:
        return request
    tools = list(request.tools or ())
    for index, tool in enumerate(tools):
        if isinstance(tool, ir.ProviderTool) and tool.kind == kind:
            tools[index] = replace(tool, name=kind)  # in the Responses API it has none
            report.change("tool_choice", "tool_choice", "the provider's tool is chosen by its name")
            return replace(request, tools=tuple(tools), tool_choice=ir.ToolChoice("tool", (kind,)))
    return request


# Forced calls -------------------------------------------------------------------------------------


def _says_forced(target: Able, quirks: Quirks) -> bool:
    """Whether the protocol and the vendor's server both obey a tool choice that forces a call."""
    return "forced_tool" in target.features and quirks.forced_calls


def _forces(target: Able, facts: Facts, quirks: Quirks) -> bool:
    """Whether a call can be forced: the protocol and the server obey such a tool choice, the model is not
    known to refuse it, and tools are not described in the prompt.
    """
    return _says_forced(target, quirks) and facts.forced_tool is not False and not facts.prompts_tools


def can_force(target: Able, quirks: Quirks) -> bool:
    """Whether the vendor's server can be made to call a tool in this protocol: by a tool choice, or by a
    schema for its output (`prompted.choice`). What the model can do is not looked at.
    """
    return _says_forced(target, quirks) or ("schema" in target.features and quirks.json_schema)


_SCHEMA: Final = ir.Output("schema")


def _is_chosen_by_schema(request: ir.Request, target: Able, facts: Facts, quirks: Quirks) -> bool:
    """Whether the call that the request forces is requested by a schema for the output: the request forces a
    call of a function that it offers, a tool choice cannot force the call (`_forces`), and the protocol, the
    vendor and the model have structured output.
    """
    if not is_choice(request) or _forces(target, facts, quirks):
        return False
    return _says(_SCHEMA, target, facts, quirks, barred=False)  # the tools become the schema


# The form of the answer ---------------------------------------------------------------------------


def _says(output: ir.Output, target: Able, facts: Facts, quirks: Quirks, *, barred: bool) -> bool:
    """Whether the target itself can make an answer follow this form; for a schema, the vendor and the model
    must be able to, too. barred: True = the target can enforce no form except text, because the request has
    tools (`Able.formats_alone`).
    """
    if barred and output.kind != "text":
        return False
    if output.kind == "text":
        return True
    vendors = "vendors_schema" in target.features and quirks.completion_format
    if output.kind == "schema":
        held = vendors or "schema" in target.features
        return held and facts.structured is not False and quirks.json_schema
    return vendors or "json" in target.features


def _calls_forced(choice: ir.ToolChoice | None) -> bool:
    return choice is not None and choice.mode in {"any", "tool"}


def _can_force(request: ir.Request, target: Able, facts: Facts, quirks: Quirks) -> bool:
    choice = request.tool_choice
    if facts.tools is False or not _forces(target, facts, quirks):
        return False
    if choice is not None and choice.mode == "native":
        return False
    return "forced_thinking" in target.features or not _thinks(request.reasoning)


def _thinks(reasoning: ir.Reasoning | None) -> bool:
    if reasoning is None or reasoning.mode == "off" or reasoning.effort == "none" or reasoning.budget == 0:
        return False
    return reasoning.mode is not None or reasoning.effort is not None or reasoning.budget is not None


def _text(output: ir.Output) -> ir.Output | None:
    """Return the output settings with the kind "text", and without the schema and the settings that describe
    it (`name`, `description`, `strict`, `form`); None = no setting remains.
    """
    plain = replace(output, kind="text", schema=None, name=None, description=None, strict=None, form=None)
    return None if plain == ir.Output() else plain


_VALUE: Final = "value"
_ANY: Final[dict[str, Any]] = {"type": "object", "additionalProperties": True}
_ANSWER: Final = "Call this to give your final answer: the arguments are the answer itself."
_ANY_OBJECT: Final = (
    "Call this to give your final answer: the arguments are the JSON object that was asked for."
)


def _with_answer_tool(
    request: ir.Request, output: ir.Output, name: str, target: Able, report: Report
) -> tuple[ir.Request, str | None]:
    """Return (the request with the tool `name` added, the tool's argument that holds the answer). None as the
    second value = all arguments together are the answer.

    A call is forced. If the client offers no tools or forbids calls, the call must be of the tool `name`, and
    parallel calls are forbidden if the target can forbid them. Otherwise the call may be of any tool that the
    client permits, or of the tool `name`. report: gets the change.
    """
    schema, member = _as_object(output.schema) if output.kind == "schema" else (_ANY, None)
    guide = _ANSWER if output.kind == "schema" else _ANY_OBJECT
    description = f"{output.description}\n{guide}" if output.description else guide
    tools, choice, parallel = request.tools or (), request.tool_choice, request.parallel
    extra = None if choice is None else choice.extra
    if tools and (choice is None or choice.mode != "none"):
        names = (*choice.names, name) if choice is not None and choice.names else ()
        forced = ir.ToolChoice("any", names, extra=extra)
    else:
        forced = ir.ToolChoice("tool", (name,), extra=extra)
        if "single_call" in target.features:  # else the client would be told the loss of what it never said
            parallel = False
    report.change("output", f"tools[{len(tools)}]", f"structured output is requested by the tool {name!r}")
    return replace(
        request,
        tools=(*tools, ir.Function(name, description, schema)),
        tool_choice=forced,
        parallel=parallel,
        output=_text(output),
    ), member


def _as_object(schema: Mapping[str, Any] | None) -> tuple[dict[str, Any], str | None]:
    """Return (a schema for a tool's arguments, the argument that holds the answer). The arguments of a tool
    must be an object. None as the second value = the answer is an object, so all arguments together are the
    answer. schema: the answer's schema; None or {} = any object.
    """
    schema = dict(schema or _ANY)
    if schema.get("type") == "object":
        return schema, None
    if "type" not in schema and "properties" in schema:
        return {"type": "object", **schema}, None
    inner = _rebased(schema, f"#/properties/{_VALUE}")
    return {"type": "object", "properties": {_VALUE: inner}, "required": [_VALUE]}, _VALUE


def _rebased(node: Any, root: str) -> Any:
    """Return a copy of a schema that moves to the path `root` inside another schema. In the copy, the values
    of `$ref` that are `#` or begin with `#/` begin with `root` instead of `#`. A reference by an anchor
    (`#node`) stays, because the anchor moves, too. node: the schema, or a part of it.
    """
    if isinstance(node, dict):
        return {
            key: root + value[1:]
            if key == "$ref" and isinstance(value, str) and (value == "#" or value.startswith("#/"))
            else _rebased(value, root)
            for key, value in node.items()
        }
    return [_rebased(item, root) for item in node] if isinstance(node, list) else node


_ONLY_JSON: Final = "Answer with one JSON value and nothing else: no other words, no code fence."


def _with_instruction(
    request: ir.Request, output: ir.Output, features: frozenset[Feature], report: Report
) -> ir.Request:
    """Return the request with system text that tells the model to answer in JSON, and to follow the output's
    schema if it has one. Report a loss, because a model may ignore this.

    features: the target's features; empty = the target must not be asked for a form. If "json" is one of
    these, and the output has the kind "schema", the JSON mode is requested, too. Otherwise the request asks
    for plain text (`_text`).
    """
    words = _ONLY_JSON
    if output.schema is not None:
        words += (
            f"\nIt must be valid against this JSON Schema:\n{msgspec.json.encode(output.schema).decode()}"
        )
    report.lose("output", "the output format is only described to the model, not enforced", "quality")
    left = _text(output)
    if output.kind == "schema" and "json" in features:
        left = replace(left or ir.Output(), kind="json")
    # Not a message of its own: the indices of messages must stay those of the client.
    return replace(request, system=(*request.system, ir.Text(words)), output=left)


# Tools that a protocol defines ---------------------------------------------------------------------


def _with_plain_tools(request: ir.Request, report: Report) -> tuple[ir.Request, list[Named]]:
    """Return (the request with functions in place of a protocol's own tools that the client runs, the
    namespace and name of each of these functions). A tool is not replaced if the request has a function of
    the same namespace and name.

    If a tool was replaced, or the history has an `ir.Native`, the history changes in the same way, and
    functions that a message of the history adds are offered from the beginning. report: gets a change for
    each replaced or added tool.
    """
    offered, messages = list(request.tools or ()), request.messages
    plain: list[Named] = []
    own = {named(tool) for tool in offered if isinstance(tool, ir.Function)}
    for index, tool in enumerate(offered):
        function = tool.function if isinstance(tool, ir.ProviderTool) else None
        if function is not None and named(function) not in own:  # else its calls could not be told apart
            offered[index] = function
            plain.append(named(function))
            where = f"tools[{index}]"
            report.change(where, where, f"the client's tool {function.name} is sent as a function")
    if plain or any(type(block) is ir.Native for message in messages for block in message.blocks):
        _offer_known(messages, offered, report)
        messages = _mapped(messages, _plainly)
    else:
        return request, plain
    return replace(request, tools=tuple(offered) if offered else request.tools, messages=messages), plain


def _offer_known(messages: Sequence[ir.Message], offered: list[ir.Tool], report: Report) -> None:
    """Append to `offered` the functions that messages of the history add, and report a change for each. A
    function is left out if `offered` already has one of the same namespace and name.
    """
    known = {named(tool) for tool in offered if isinstance(tool, ir.Function)}
    for index, message in enumerate(messages):
        for tool in message.tools:
            if isinstance(tool, ir.Function) and named(tool) not in known:
                known.add(named(tool))
                where, to = f"messages[{index}]", f"tools[{len(offered)}]"
                report.change(where, to, "tools that are added here are available from the beginning")
                offered.append(tool)


def _plainly(block: ir.Block) -> ir.Block:
    if isinstance(block, ir.Native) and block.stands_for is not None:
        block = block.stands_for
    if isinstance(block, ir.ToolCall) and block.kind == "builtin" and block.by == "client":
        return replace(block, kind="function")
    return block


# Tools with free text -----------------------------------------------------------------------------


def _with_functions(request: ir.Request, report: Report) -> ir.Request:
    tools, choice = request.tools, request.tool_choice
    if tools is not None:
        tools = tuple(_function(tool, index, report) for index, tool in enumerate(tools))
    if choice is not None and choice.kind == "custom":
        choice = replace(choice, kind="function")
    messages = _mapped(request.messages, _as_function_traffic)
    return replace(request, tools=tools, tool_choice=choice, messages=messages)


def _function(tool: ir.Tool, index: int, report: Report) -> ir.Tool:
    if not isinstance(tool, ir.Function) or tool.kind != "custom":
        return tool
    where = f"tools[{index}]"
    report.change(
        where, where, f"the free-text tool is sent as a function with the string parameter {INPUT!r}"
    )
    about: dict[str, Any] = {"type": "string", "description": "The whole input of the tool, as plain text."}
    if tool.format is not None and tool.format.get("type") != "text":
        grammar = msgspec.json.encode(tool.format).decode()
        about["description"] += f" It must follow this grammar: {grammar}"
        report.lose(
            f"{where}.format",
            "the grammar of the input is only described to the model, not enforced",
            "quality",
        )
    parameters = {
        "type": "object",
        "properties": {INPUT: about},
        "required": [INPUT],
        "additionalProperties": False,
    }
    return replace(tool, kind="function", parameters=parameters, format=None)


def _as_function_traffic(block: ir.Block) -> ir.Block:
    if isinstance(block, ir.ToolCall) and block.kind == "custom":
        arguments = msgspec.json.encode({INPUT: block.arguments}).decode()
        return replace(block, kind="function", arguments=arguments)
    if isinstance(block, ir.ToolResult) and block.kind == "custom":
        return replace(block, kind="function")
    return block


# Names --------------------------------------------------------------------------------------------


def _with_names(
    request: ir.Request, tools: Tools, names: Names, report: Report, *, grouped: bool
) -> ir.Request:
    """Return the request with tool names that the target accepts, in the tools, the tool choice and the
    history.

    names: the name of each tool -> its name at the target. grouped: True = the target has namespaces; False =
    the descriptions of namespaces are added to the system text. report: gets a change for each new name of an
    offered tool and for each description, and a loss for each leftover member of a namespace.
    """
    offered, choice = request.tools, request.tool_choice
    if not grouped and (about := described(offered or (), report)) is not None:
        # Not a message of its own, as in `_with_instruction`.
        request = replace(request, system=(*request.system, ir.Text(about)))
    if choice is not None and choice.names:
        choice = renamed_choice(choice, tools, names)
    return replace(
        request,
        tools=None if offered is None else renamed_tools(offered, names, report),
        tool_choice=choice,
        messages=_mapped(request.messages, partial(renamed, names=names)),
    )


def _mapped(messages: Sequence[ir.Message], change: Callable[[ir.Block], ir.Block]) -> tuple[ir.Message, ...]:
    changed = []
    for message in messages:
        blocks = tuple(change(block) for block in message.blocks)
        same = all(new is old for new, old in zip(blocks, message.blocks, strict=True))
        changed.append(message if same else replace(message, blocks=blocks))
    return tuple(changed)
