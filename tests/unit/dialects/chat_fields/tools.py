"""Tools, the choice among them, and what the provider is to look up."""

from __future__ import annotations

from typing import Any

from tests.unit.dialects.chat_fields.row import (
    NOTHING,
    SAME,
    Outcome,
    Row,
    emulated,
    lost,
    mistake,
    nothing,
    row,
    to,
)

PLACE: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
EMPTY: dict[str, Any] = {"type": "object", "properties": {}}


def function(name: str = "get_weather", /, **members: Any) -> dict[str, Any]:
    """A function as a tool."""
    return {"type": "function", "function": {"name": name, "parameters": PLACE, **members}}


def custom(**members: Any) -> dict[str, Any]:
    """A tool with free text."""
    return {"type": "custom", "custom": {"name": "get_weather", **members}}


GIVEN = {"tools": [function(), function("get_time")]}
_CALLS = to({"candidates[0].blocks[0].name": "get_weather"}, "calls it")
_TALKS = to({"candidates[0].blocks[0].text": ...}, "calls nothing")
_HELD = to(
    {"forced": True, "grammar": ..., "stop": [], "draw.repetition": 1.0, "chosen": []},
    "held to it by a grammar",
)
_HELD_TO_ONE = to({**_HELD.writes, "tools": ...}, _HELD.note)
HINT, QUALITY, MEANING = lost("hint"), lost("quality"), lost("meaning")


def _local(*names: str) -> dict[str, Any]:
    return {"tools": ..., "chosen": ..., **{f"tools[{i}].name": name for i, name in enumerate(names)}}


def _declared(**members: Any) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{"name": "get_weather", **members}]}]}


# --- Definitions --------------------------------------------------------------------------------

_DESCRIBED = {"type": "string", "description": '{pattern: "^[A-Z]"}'}


def _free_text(says: dict[str, Any], field: str, label: str, *losses: str) -> Row:
    """A tool with free text: a function with one string everywhere but at OpenAI."""
    severities: dict[str, Any] = dict.fromkeys(losses, "quality")
    note = "as a function with one string"
    return row(
        field,
        says,
        emulated(note, {"tools": ..., "tools[0].input_schema.required": ["input"]}, severities),
        emulated(
            note,
            {"tools": ..., "tools[0].functionDeclarations[0].parametersJsonSchema.required": ["input"]},
            severities,
        ),
        emulated(note, {"tools": ..., "tools[0].function.parameters.required": ["input"]}, severities),
        emulated(note, {**_local("get_weather"), "tools[0].parameters.required": ["input"]}, severities),
        _CALLS,
        label=label,
    )


DEFINITIONS = (
    row(
        "tools[function].function.name",
        {"tools": [{"type": "function", "function": {"name": "get_weather"}}]},
        to({"tools": [{"name": "get_weather", "input_schema": EMPTY}]}),
        to(_declared()),
        to({"tools": [{"type": "function", "function": {"name": "get_weather", "parameters": EMPTY}}]}),
        to(_local("get_weather")),
        _CALLS,
        label="alone",
    ),
    row(
        "tools[function].function.parameters",
        {"tools": [function()]},
        to({"tools": [{"name": "get_weather", "input_schema": PLACE}]}),
        to(_declared(parametersJsonSchema=PLACE)),
        SAME,
        to({**_local("get_weather"), "tools[0].parameters": PLACE}),
        _CALLS,
    ),
    row(
        "tools[function].function.description",
        {"tools": [function(description="Tells the weather.")]},
        to({"tools": [{"name": "get_weather", "description": "Tells the weather.", "input_schema": PLACE}]}),
        to(_declared(description="Tells the weather.", parametersJsonSchema=PLACE)),
        SAME,
        to({**_local("get_weather"), "tools[0].description": "Tells the weather."}),
        _CALLS,
    ),
    row(
        "tools[function].function.strict",
        {"tools": [function(strict=True)]},
        to({"tools": [{"name": "get_weather", "input_schema": PLACE, "strict": True}]}),
        emulated(
            "every call is validated",
            {
                **_declared(parametersJsonSchema=PLACE),
                "toolConfig.functionCallingConfig": {"mode": "VALIDATED"},
            },
        ),
        SAME,
        lost("quality", "tools[0].function.strict", writes=_local("get_weather")),
        _CALLS,
        label="true",
    ),
    row(
        "tools[function].function.strict",
        {"tools": [function(strict=False)]},
        to({"tools": [{"name": "get_weather", "input_schema": PLACE, "strict": False}]}),
        to(_declared(parametersJsonSchema=PLACE)),
        SAME,
        to(_local("get_weather")),
        _CALLS,
        label="false",
    ),
    row(
        "tools[function].function.parameters",
        {
            "tools": [
                function(
                    parameters={**PLACE, "properties": {"city": {"type": "string", "pattern": "^[A-Z]"}}}
                )
            ]
        },
        to({"tools": ..., "tools[0].input_schema.properties.city.pattern": "^[A-Z]"}),
        lost(
            "quality",
            "tools[0].function.parameters.properties.city.pattern",
            note="told to the model",
            writes=_declared(parametersJsonSchema={**PLACE, "properties": {"city": _DESCRIBED}}),
        ),
        SAME,
        to(_local("get_weather")),
        _CALLS,
        label="a keyword that some refuse (`pattern`)",
    ),
    _free_text({"tools": [custom()]}, "tools[custom].custom.name", "alone"),
    _free_text({"tools": [custom(description="Tells the weather.")]}, "tools[custom].custom.description", ""),
    _free_text({"tools": [custom(format={"type": "text"})]}, "tools[custom].custom.format", "`text`"),
    *(
        _free_text(
            {"tools": [custom(format={"type": "grammar", "grammar": {"syntax": syntax, "definition": "x"}})]},
            "tools[custom].custom.format[grammar].grammar",
            f"`{syntax}`",
            "tools[0].custom.format",
        )
        for syntax in ("lark", "regex")
    ),
    row(
        "tools[function].cache_control",
        {"tools": [{**function(), "cache_control": {"type": "ephemeral"}}]},
        to(
            {
                "tools": [
                    {"name": "get_weather", "input_schema": PLACE, "cache_control": {"type": "ephemeral"}}
                ]
            }
        ),
        lost("hint", "tools[0].cache_control", writes=_declared(parametersJsonSchema=PLACE)),
        lost("hint", "tools[0].cache_control", writes={"tools": [function()]}),
        lost("hint", "tools[0].cache_control", writes=_local("get_weather")),
        _CALLS,
    ),
    row(
        "functions.name",
        {"functions": [{"name": "get_weather", "description": "Tells the weather.", "parameters": PLACE}]},
        to({"tools": [{"name": "get_weather", "description": "Tells the weather.", "input_schema": PLACE}]}),
        to(_declared(description="Tells the weather.", parametersJsonSchema=PLACE)),
        to({"tools": [function(description="Tells the weather.")]}),
        to(_local("get_weather")),
        _CALLS,
    ),
    mistake(
        "tools[function].function.name",
        {"tools": [function("no spaces")]},
        "no legal name",
        "invalid_value",
        "tools[0].function.name",
    ),
    mistake(
        "tools[function].function",
        {"tools": [{"type": "function"}]},
        "missing",
        "missing_required_parameter",
        "tools[0].function",
    ),
    mistake(
        "tools[function].function.parameters",
        {"tools": [function(parameters={"type": "string"})]},
        "no object's schema",
        "invalid_function_parameters",
        "tools[0].function.parameters",
    ),
)

# --- Choice -------------------------------------------------------------------------------------


def _mode(mode: str, *names: str) -> dict[str, Any]:
    allowed = {"allowedFunctionNames": list(names)} if names else {}
    return {"toolConfig": {"functionCallingConfig": {"mode": mode, **allowed}}}


def _subset(mode: str) -> dict[str, Any]:
    tools = [{"type": "function", "function": {"name": "get_weather"}}]
    return {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}}


_ONLY = {"tools": [{"name": "get_weather", "input_schema": PLACE}]}
_ONE = {"type": "function", "function": {"name": "get_weather"}}


def _choice(
    field: str,
    says: dict[str, Any],
    label: str,
    anthropic: Outcome,
    gemini: Outcome,
    mistral: Outcome,
    local: Outcome,
) -> Row:
    simulate = _TALKS if label == "`none`" else _CALLS
    return row(field, says, anthropic, gemini, mistral, local, simulate, given=GIVEN, label=label)


CHOICE = (
    _choice(
        "tool_choice",
        {"tool_choice": "auto"},
        "`auto`",
        to({"tool_choice": {"type": "auto"}}),
        to(_mode("AUTO")),
        SAME,
        nothing("it is so anyway"),
    ),
    _choice(
        "tool_choice",
        {"tool_choice": "none"},
        "`none`",
        to({"tool_choice": {"type": "none"}}),
        to(_mode("NONE")),
        SAME,
        to({"tools": [], "chosen": []}, "the tools are not shown"),
    ),
    _choice(
        "tool_choice",
        {"tool_choice": "required"},
        "`required`",
        to({"tool_choice": {"type": "any"}}),
        to(_mode("ANY")),
        to({"tool_choice": "any"}),
        _HELD,
    ),
    _choice(
        "tool_choice[function].function.name",
        {"tool_choice": _ONE},
        "",
        to({"tool_choice": {"type": "tool", "name": "get_weather"}}),
        to(_mode("ANY", "get_weather")),
        SAME,
        _HELD_TO_ONE,
    ),
    row(
        "tool_choice[custom].custom.name",
        {"tool_choice": {"type": "custom", "custom": {"name": "get_weather"}}},
        to({"tool_choice": {"type": "tool", "name": "get_weather"}}),
        to(_mode("ANY", "get_weather")),
        to({"tool_choice": _ONE}),
        _HELD,
        _CALLS,
        given={"tools": [custom()]},
    ),
    _choice(
        "tool_choice[allowed_tools].allowed_tools",
        _subset("auto"),
        "`auto`",
        emulated("the others are not sent", {**_ONLY, "tool_choice": {"type": "auto"}}),
        to(_mode("VALIDATED", "get_weather")),
        emulated("the others are not sent", {"tools": [function()], "tool_choice": "auto"}),
        to(_local("get_weather"), "the others are not shown"),
    ),
    _choice(
        "tool_choice[allowed_tools].allowed_tools",
        _subset("required"),
        "`required`",
        emulated("the others are not sent", {**_ONLY, "tool_choice": {"type": "any"}}),
        to(_mode("ANY", "get_weather")),
        emulated("the others are not sent", {"tools": [function()], "tool_choice": "any"}),
        _HELD_TO_ONE,
    ),
    *(
        row(
            "function_call",
            {"function_call": choice},
            to({"tool_choice": anthropic}),
            to(gemini),
            to({"tool_choice": mistral}),
            local,
            _TALKS if choice == "none" else _CALLS,
            given={"functions": [{"name": "get_weather", "parameters": PLACE}]},
            label=label,
        )
        for choice, label, anthropic, gemini, mistral, local in (
            ("auto", "`auto`", {"type": "auto"}, _mode("AUTO"), "auto", nothing("it is so anyway")),
            ("none", "`none`", {"type": "none"}, _mode("NONE"), "none", to({"tools": [], "chosen": []})),
            (
                {"name": "get_weather"},
                "a name",
                {"type": "tool", "name": "get_weather"},
                _mode("ANY", "get_weather"),
                _ONE,
                _HELD,
            ),
        )
    ),
    row(
        "tool_choice",
        {"tool_choice": "auto"},
        NOTHING,
        NOTHING,
        NOTHING,
        NOTHING,
        label="`auto` without tools",
    ),
    mistake(
        "tool_choice", {"tool_choice": "required"}, "`required` without tools", "invalid_value", "tool_choice"
    ),
    mistake("tool_choice", {"tool_choice": "some"}, "no such word", "invalid_value", "tool_choice"),
    mistake(
        "tool_choice[function].function.name",
        {"tool_choice": {"type": "function", "function": {"name": "get_news"}}},
        "a tool that is not offered",
        "invalid_value",
        "tool_choice",
        **GIVEN,
    ),
    row(
        "parallel_tool_calls",
        {"parallel_tool_calls": False},
        to({"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}),
        QUALITY,
        SAME,
        nothing("it is so anyway"),
        given=GIVEN,
        label="false",
    ),
    row(
        "parallel_tool_calls",
        {"parallel_tool_calls": True},
        NOTHING,
        NOTHING,
        SAME,
        QUALITY,
        given=GIVEN,
        label="true",
    ),
)

# --- Search -------------------------------------------------------------------------------------

_PLACE = {"country": "NO", "region": "Oslo", "city": "Oslo", "timezone": "Europe/Oslo"}
_SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def _search(
    field: str, options: dict[str, Any], claude: dict[str, Any], *unsaid: str, label: str = ""
) -> Row:
    """unsaid: the options that Anthropic's tool does not have; Gemini's has none."""
    paths = tuple(f"web_search_options.{key}" for key in options)
    return row(
        field,
        {"web_search_options": options},
        emulated("as its own search", {"tools": [_SEARCH | claude]}, dict.fromkeys(unsaid, "quality")),
        emulated("as its own search", {"tools": [{"googleSearch": {}}]}, dict.fromkeys(paths, "quality")),
        lost("meaning", "web_search_options"),
        lost("meaning", "web_search_options"),
        label=label,
    )


SEARCH = (
    _search("web_search_options", {}, {}),
    *(
        _search(
            "web_search_options.search_context_size",
            {"search_context_size": word},
            {},
            "web_search_options.search_context_size",
            label=f"`{word}`",
        )
        for word in ("low", "medium", "high")
    ),
    _search(
        "web_search_options.user_location",
        {"user_location": {"type": "approximate", "approximate": _PLACE}},
        {"user_location": {"type": "approximate", **_PLACE}},
    ),
    mistake(
        "web_search_options", {"web_search_options": "on"}, "no object", "invalid_type", "web_search_options"
    ),
)
