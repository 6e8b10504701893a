"""What a request says of the conversation so far: the assistant's messages, calls and their results."""

from __future__ import annotations

import re
from typing import Any

from dragoman.dialects.severity import Severity
from tests.unit.dialects.chat_fields.messages import (
    BREAK,
    IMAGE,
    INLINE,
    PICTURE,
    READ,
    conversation,
    text,
)
from tests.unit.dialects.chat_fields.row import HELLO, Outcome, Row, emulated, lost, mistake, refused, row, to
from tests.unit.dialects.chat_fields.tools import GIVEN, custom

# --- The assistant's messages -------------------------------------------------------------------

_AGAIN = {"role": "user", "content": "Go on."}


def _said(**members: Any) -> dict[str, Any]:
    return conversation(HELLO, {"role": "assistant", **members}, _AGAIN)


_SPOKE = _said(content="Cold.")


def _answer(
    field: str,
    members: dict[str, Any],
    anthropic: Any,
    gemini: Any,
    mistral: Any,
    local: Outcome,
    label: str = "",
    given: dict[str, Any] | None = None,
) -> Row:
    """A message of the assistant's; an outcome that is a list or a dict is the content that is written."""
    return row(
        f"messages[assistant].{field}",
        _said(**members),
        anthropic if isinstance(anthropic, Outcome) else to({"messages[1].content": anthropic}),
        gemini if isinstance(gemini, Outcome) else to({"contents[1].parts": gemini}),
        mistral if isinstance(mistral, Outcome) else to({"messages[1]": {"role": "assistant", **mistral}}),
        local,
        READ,
        label=label,
        given=given or _SPOKE,
    )


def _unsaid(path: str, severity: Severity) -> Outcome:
    return lost(severity, f"messages[1].{path}")


_WINTER = {"type": "thinking", "thinking": [{"type": "text", "text": "It is winter."}]}
ANSWERS = (
    _answer(
        "content",
        {"content": "Warm."},
        "Warm.",
        [{"text": "Warm."}],
        {"content": "Warm."},
        to({"turns[1].text": "Warm."}),
        label="a string",
    ),
    _answer(
        "content[text].text",
        {"content": [text("Warm.", prompt_cache_breakpoint=BREAK)]},
        [text("Warm.", cache_control={"type": "ephemeral"})],
        lost(
            "hint",
            "messages[1].content[0].prompt_cache_breakpoint",
            writes={"contents[1].parts": [{"text": "Warm."}]},
        ),
        lost(
            "hint", "messages[1].content[0].prompt_cache_breakpoint", writes={"messages[1].content": "Warm."}
        ),
        lost("hint", "messages[1].content[0].prompt_cache_breakpoint", writes={"turns[1].text": "Warm."}),
        label="parts, with `prompt_cache_breakpoint`",
    ),
    *(
        _answer(
            field,
            members,
            emulated("as text", {"messages[1].content": "I may not."}),
            emulated("as text", {"contents[1].parts": [{"text": "I may not."}]}),
            emulated("as text", {"messages[1].content": "I may not."}),
            to({"turns[1].text": "I may not."}),
        )
        for field, members in (
            ("refusal", {"content": None, "refusal": "I may not."}),
            ("content[refusal].refusal", {"content": [{"type": "refusal", "refusal": "I may not."}]}),
        )
    ),
    _answer(
        "name",
        {"content": "Cold.", "name": "bob"},
        _unsaid("name", "hint"),
        _unsaid("name", "hint"),
        _unsaid("name", "hint"),
        _unsaid("name", "hint"),
    ),
    _answer(
        "audio.id",
        {"content": "Cold.", "audio": {"id": "audio_1"}},
        _unsaid("audio", "meaning"),
        _unsaid("audio", "meaning"),
        _unsaid("audio", "meaning"),
        refused("unsupported_modality", "messages[1].audio"),
    ),
    *(
        _answer(
            member,
            {"content": "Cold.", member: "It is winter."},
            _unsaid(member, "quality"),
            [{"text": "It is winter.", "thought": True}, {"text": "Cold."}],
            {"content": [_WINTER, text("Cold.")]},
            _unsaid(member, "quality"),
        )
        for member in ("reasoning_content", "reasoning")
    ),
    _answer(
        "reasoning_details[reasoning.text].text",
        {
            "content": "Cold.",
            "reasoning_details": [
                {"type": "reasoning.text", "text": "It is winter.", "signature": "c2ln"},
            ],
        },
        _unsaid("reasoning_details", "quality"),
        _unsaid("reasoning_details", "quality"),
        _unsaid("reasoning_details", "quality"),
        _unsaid("reasoning_details", "quality"),
        label="with `signature`",
    ),
    row(
        "messages[assistant].images",
        _said(content="Cold.", images=[IMAGE]),
        emulated("as the user's", {"messages[2].content": [PICTURE, text("Go on.")]}),
        to({"contents[1].parts": [{"text": "Cold."}, INLINE]}),
        emulated(
            "as the user's", {"messages[2]": {"role": "user", "content": [IMAGE]}, "messages[3]": _AGAIN}
        ),
        refused("unsupported_modality", "messages[1].images[0]"),
        READ,
        chat=emulated(
            "as the user's", {"messages[2]": {"role": "user", "content": [IMAGE]}, "messages[3]": _AGAIN}
        ),
        given=_SPOKE,
    ),
)

# --- Calls and results --------------------------------------------------------------------------

_CALL = {
    "id": "abcdefgh1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'},
}
_RESULT = {"role": "tool", "tool_call_id": "abcdefgh1", "content": "Cold."}
_USE = {"type": "tool_use", "id": "abcdefgh1", "name": "get_weather", "input": {"city": "Oslo"}}
_ANSWERED = {"type": "tool_result", "tool_use_id": "abcdefgh1", "content": "Cold."}


def _called(call: dict[str, Any], result: dict[str, Any] = _RESULT) -> dict[str, Any]:
    return conversation(HELLO, {"role": "assistant", "content": None, "tool_calls": [call]}, result)


def _with(arguments: str, **members: Any) -> dict[str, Any]:
    return {**_CALL, "function": {"name": "get_weather", "arguments": arguments}, **members}


def _function_call(args: Any, **members: Any) -> dict[str, Any]:
    return {"functionCall": {"id": "abcdefgh1", "name": "get_weather", "args": args}, **members}


def _call(
    field: str,
    says: dict[str, Any],
    label: str,
    anthropic: Outcome,
    gemini: Outcome,
    mistral: Outcome,
    local: Outcome,
    given: dict[str, Any] | None = None,
) -> Row:
    bare = {**GIVEN, **_called(_CALL)} if given is None else given
    return row(f"messages{field}", says, anthropic, gemini, mistral, local, READ, label=label, given=bare)


_ID = re.compile("[A-Za-z0-9]{9}")
_CALLS = "[assistant].tool_calls[function]"
_BARE_HELLO = {**GIVEN, **conversation(HELLO)}
_SIGNED = _with('{"city":"Oslo"}', extra_content={"google": {"thought_signature": "c2ln"}})
_CUSTOM = {"id": "abcdefgh1", "type": "custom", "custom": {"name": "get_weather", "input": "Oslo"}}

CALLS = (
    _call(
        f"{_CALLS}.function.arguments",
        _called(_CALL),
        "with its result",
        to(
            {
                "messages[1]": {"role": "assistant", "content": [_USE]},
                "messages[2]": {"role": "user", "content": [_ANSWERED]},
            }
        ),
        to(
            {
                "contents[1]": {"role": "model", "parts": [_function_call({"city": "Oslo"})]},
                "contents[2]": {
                    "role": "user",
                    "parts": [
                        {
                            "functionResponse": {
                                "id": "abcdefgh1",
                                "name": "get_weather",
                                "response": {"output": "Cold."},
                            }
                        }
                    ],
                },
            }
        ),
        to(
            {
                "messages[1].role": "assistant",
                "messages[1].tool_calls[0].id": "abcdefgh1",
                "messages[1].tool_calls[0].function": _CALL["function"],
                "messages[1]": ...,
                "messages[2].role": "tool",
                "messages[2].tool_call_id": "abcdefgh1",
                "messages[2].content": "Cold.",
                "messages[2]": ...,
            }
        ),
        to(
            {
                "turns[1].calls[0]": {
                    "name": "get_weather",
                    "arguments": '{"city":"Oslo"}',
                    "id": "abcdefgh1",
                },
                "turns[2].name": "get_weather",
                "turns[2].text": "Cold.",
                "turns": ...,
            }
        ),
        _BARE_HELLO,
    ),
    _call(
        f"{_CALLS}.id",
        _called({**_CALL, "id": "call_1"}, {**_RESULT, "tool_call_id": "call_1"}),
        "of another form",
        to({"messages[1].content[0].id": "call_1", "messages[2].content[0].tool_use_id": "call_1"}),
        to(
            {
                "contents[1].parts[0].functionCall.id": "call_1",
                "contents[2].parts[0].functionResponse.id": "call_1",
            }
        ),
        to({"messages[1].tool_calls[0].id": _ID, "messages[2].tool_call_id": _ID}, "as 9 characters"),
        to({"turns[1].calls[0].id": "call_1", "turns[2].id": "call_1"}),
    ),
    _call(
        f"{_CALLS}.function.arguments",
        _called(_with("")),
        "empty",
        to({"messages[1].content[0].input": {}}),
        to({"contents[1].parts[0].functionCall.args": {}}),
        to({"messages[1].tool_calls[0].function.arguments": re.compile(r"(\{\})?")}),
        to({"turns[1].calls[0].arguments": ""}),
    ),
    _call(
        f"{_CALLS}.function.arguments",
        _called(_with("{oops")),
        "no JSON",
        emulated("wrapped", {"messages[1].content[0].input": {"_raw": "{oops"}}),
        emulated("wrapped", {"contents[1].parts[0].functionCall.args": {"_raw": "{oops"}}),
        to({"messages[1].tool_calls[0].function.arguments": "{oops"}),
        to({"turns[1].calls[0].arguments": "{oops"}),
    ),
    _call(
        f"{_CALLS}.extra_content.google.thought_signature",
        _called(_SIGNED),
        "Gemini's signature",
        lost("quality", "messages[1].tool_calls[0].extra_content.google.thought_signature"),
        to({"contents[1].parts[0].thoughtSignature": "c2ln"}),
        lost("quality", "messages[1].tool_calls[0].extra_content.google.thought_signature"),
        lost("quality", "messages[1].tool_calls[0].extra_content.google.thought_signature"),
    ),
    _call(
        "[assistant].tool_calls[custom].custom.input",
        _called(_CUSTOM),
        "free text",
        to({"messages[1].content[0].input": {"input": "Oslo"}}, "as a function's"),
        to({"contents[1].parts[0].functionCall.args": {"input": "Oslo"}}, "as a function's"),
        to({"messages[1].tool_calls[0].function.arguments": '{"input":"Oslo"}'}, "as a function's"),
        to({"turns[1].calls[0].arguments": '{"input":"Oslo"}'}, "as a function's"),
        {"tools": [custom()], **_called(_CALL)},
    ),
    _call(
        "[assistant].function_call",
        conversation(
            HELLO,
            {"role": "assistant", "content": None, "function_call": _CALL["function"]},
            {"role": "function", "name": "get_weather", "content": "Cold."},
        ),
        "with its result",
        to(
            {
                "messages[1].content[0].name": "get_weather",
                "messages[1].content[0].input": {"city": "Oslo"},
                "messages[2].content[0].content": "Cold.",
                "messages": ...,
            }
        ),
        to(
            {
                "contents[1].parts[0].functionCall.args": {"city": "Oslo"},
                "contents[2].parts[0].functionResponse.name": "get_weather",
                "contents[2].parts[0].functionResponse.response": {"output": "Cold."},
                "contents": ...,
            }
        ),
        to(
            {
                "messages[1].tool_calls[0].function": _CALL["function"],
                "messages[1].tool_calls[0].id": _ID,
                "messages[2].tool_call_id": _ID,
                "messages[2].content": "Cold.",
                "messages": ...,
            }
        ),
        to({"turns[1].calls[0].arguments": '{"city":"Oslo"}', "turns[2].text": "Cold.", "turns": ...}),
        _BARE_HELLO,
    ),
    _call(
        "[tool].content[text].text",
        _called(_CALL, {**_RESULT, "content": [text("Cold.", prompt_cache_breakpoint=BREAK), text("Wet.")]}),
        "parts, with `prompt_cache_breakpoint`",
        to(
            {
                "messages[2].content[0].content": [
                    text("Cold.", cache_control={"type": "ephemeral"}),
                    text("Wet."),
                ]
            }
        ),
        lost(
            "hint",
            "messages[2].content[0].prompt_cache_breakpoint",
            writes={"contents[2].parts[0].functionResponse.response": ...},
        ),
        lost("hint", "messages[2].content[0].prompt_cache_breakpoint", writes={"messages[2].content": ...}),
        lost(
            "hint", "messages[2].content[0].prompt_cache_breakpoint", writes={"turns[2].text": "Cold.\nWet."}
        ),
    ),
    mistake(
        "messages[tool].tool_call_id",
        conversation(HELLO, {"role": "tool", "content": "Cold."}),
        "missing",
        "missing_required_parameter",
        "messages[1].tool_call_id",
    ),
    mistake(
        f"messages{_CALLS}.id",
        conversation(
            HELLO,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"type": "function", "function": _CALL["function"]}],
            },
        ),
        "missing",
        "missing_required_parameter",
        "messages[1].tool_calls[0].id",
    ),
    mistake(
        f"messages{_CALLS}.function.arguments",
        conversation(
            HELLO,
            {
                "role": "assistant",
                "tool_calls": [{**_CALL, "function": {"name": "get_weather", "arguments": {}}}],
            },
        ),
        "no string",
        "invalid_type",
        "messages[1].tool_calls[0].function.arguments",
    ),
)
