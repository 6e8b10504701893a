"""Equality of JSON bodies: the canonical form of each dialect, as data, and the differences that it does not
permit.

In every dialect a null member (outside of `exact`) equals a missing one, and an integer equals the same
float. Every other permitted difference is listed below with its reason. Paths are written with `[]` for any
index: `tools[].function.parameters`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

_INDEX = re.compile(r"\[\d+\]")
_ABSENT: Any = msgspec.UNSET


class CanonicalForm(msgspec.Struct, frozen=True):
    """The differences that are permitted in one kind of body. A member is named by its path, with `[]` for
    any index ("tools[].type"); "" is the whole body.

    exact: members whose complete content must be equal; a null inside them differs from a missing member.
    defaults: by member, the value that means the same as a missing member. may_add: members that an encoder
    may add although they were missing before, because clients need them. spellings: by member, a function
    that maps equivalent values to the same value, or to UNSET if they mean a missing member; it is also
    called with UNSET, if only one of the two bodies has the member.
    """

    exact: Collection[str] = ()
    defaults: Mapping[str, Any] = {}
    may_add: Collection[str] = ()
    spellings: Mapping[str, Callable[[Any], Any]] = {}


class Canon(msgspec.Struct, frozen=True):
    """The canonical forms of one dialect.

    terminator: the frame at the end of the dialect's streams that is not an event, None = there is none.
    streamed: the form of streamed answers, None = the same as `response`. once: {type of an event that a
    relay passes on only once, because official clients refuse a second one: type of the event after which it
    may come again}.
    """

    request: CanonicalForm
    response: CanonicalForm
    terminator: bytes | None = None
    streamed: CanonicalForm | None = None
    once: Mapping[str, str] = {}


class Difference(msgspec.Struct, frozen=True):
    """One place where two bodies differ. path: with indices ("messages[0].content"), "" = the whole body.
    before, after: the two values as they were compared (`CanonicalForm.spellings`); UNSET = the member is
    missing, null, or has its default value.
    """

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.path or 'body'}: {_shown(self.before)} became {_shown(self.after)}"


def differences(before: Any, after: Any, form: CanonicalForm) -> list[Difference]:
    """Return the places, in order, where two JSON bodies differ in a way that the canonical form does not
    permit.
    """
    found: list[Difference] = []
    _compare(before, after, "", form, found)
    return found


def _compare(before: Any, after: Any, path: str, form: CanonicalForm, found: list[Difference]) -> None:
    pattern = _INDEX.sub("[]", path)
    if pattern in form.exact:
        if not _equal(before, after):
            found.append(Difference(path, before, after))
        return
    if (spell := form.spellings.get(pattern)) is not None:
        before, after = spell(before), spell(after)
    if type(before) is dict and type(after) is dict:
        for key in [*before, *(key for key in after if key not in before)]:
            inner = f"{path}.{key}" if path else key
            member = _INDEX.sub("[]", inner)
            default = form.defaults.get(member, _ABSENT)
            old, new = (_stated(side.get(key), default) for side in (before, after))
            if old is _ABSENT and new is not _ABSENT and member in form.may_add:
                continue
            if not (old is _ABSENT and new is _ABSENT):
                _compare(old, new, inner, form, found)
    elif type(before) is list and type(after) is list and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            _compare(old, new, f"{path}[{index}]", form, found)
    elif not _equal(before, after):
        found.append(Difference(path, before, after))


def _stated(value: Any, default: Any) -> Any:
    return _ABSENT if value is None or (default is not _ABSENT and _equal(value, default)) else value


def _equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if type(one) is dict and type(other) is dict:
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if type(one) is list and type(other) is list:
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "nothing"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 300 else f"{text[:200]} … {text[-80:]}"


def _as_list(value: Any) -> Any:
    return [value] if type(value) is str else value


def _chat_calls(value: Any) -> Any:
    """Return a list of calls without each `index` that repeats the position, and with arguments as text: some
    vendors write them as an object, and null or nothing for no arguments (here ""). A value that is not a
    list is returned unchanged.
    """
    if type(value) is not list:
        return value
    calls: list[Any] = []
    for position, call in enumerate(value):
        function = call.get("function") if type(call) is dict else None
        if type(function) is dict and type(arguments := function.get("arguments")) is not str:
            text = "" if arguments is None else msgspec.json.encode(arguments).decode()
            call = {**call, "function": {**function, "arguments": text}}  # noqa: PLW2901
        repeats = type(call) is dict and call.get("index") == position
        calls.append({key: kept for key, kept in call.items() if key != "index"} if repeats else call)
    return calls


def _chat_content(value: Any) -> Any:
    # A stream sends "" at the start of every answer.
    return _ABSENT if value == "" else value


def _chat_logprobs(value: Any) -> Any:
    """Return the log probabilities. An object whose members are all null, empty, 0 or false becomes UNSET,
    because Snowflake writes such an object instead of null.
    """
    return _ABSENT if type(value) is dict and not any(value.values()) else value


_GEMINI_OPAQUE = {
    *("args", "response", "labels", "partMetadata"),
    *("parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"),
}
_GEMINI_ANSWER = CanonicalForm(
    exact={"candidates[].content.parts[].functionCall.args"},
    # Protocol buffers leave out members with these values.
    defaults={"candidates[].index": 0, "candidates[].content.parts": []},
    # Every client may expect these.
    may_add={
        *("responseId", "modelVersion", "candidates[].content", "candidates[].content.role"),
        "usageMetadata.totalTokenCount",
    },
)
_GEMINI_LISTS = {"contents", "parts", "tools", "functionDeclarations"}
"""Lists for which Google's own examples write a single object."""
_UNDERSCORE = re.compile(r"_([a-z0-9])")


def _gemini_keys(value: Any) -> Any:
    """Return a request, or a JSON value inside it, with the API's keys in camelCase and without a "_" in
    front, with a list for each single object in `_GEMINI_LISTS`, and with the types in OpenAPI schemas as
    words. Keys that the client or the model chose are not changed.
    """
    if type(value) is list:
        return [_gemini_keys(inner) for inner in value]
    if type(value) is not dict:
        return value
    named = {
        _UNDERSCORE.sub(lambda found: found[1].upper(), key.removeprefix("_")): inner
        for key, inner in value.items()
    }
    for key in _GEMINI_LISTS & named.keys():
        named[key] = named[key] if type(named[key]) in (list, type(None)) else [named[key]]
    return {
        key: _gemini_types(inner)
        if key in {"parameters", "responseSchema"}
        else inner
        if key in _GEMINI_OPAQUE
        else _gemini_keys(inner)
        for key, inner in named.items()
    }


def _gemini_request(value: Any) -> Any:
    """Return a request as `_gemini_keys` writes it, without `model`: some clients repeat the URL's model
    there.
    """
    named = _gemini_keys(value)
    return {key: inner for key, inner in named.items() if key != "model"}


_TYPES = ("TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")


def _gemini_types(value: Any) -> Any:
    """Return an OpenAPI schema with a word ("STRING") for each number that stands for a type, because
    Google's servers accept both.
    """
    if type(value) is list:
        return [_gemini_types(inner) for inner in value]
    if type(value) is not dict:
        return value
    return {
        key: _TYPES[inner] if key == "type" and type(inner) is int else _gemini_types(inner)
        for key, inner in value.items()
    }


def _gemini_tools(value: Any) -> Any:
    """Return the tools as a list of objects with one member and one tool each ({"functionDeclarations": …}),
    because their grouping has no meaning. A value that is not a list is returned unchanged.
    """
    if type(value) is not list:
        return value
    entries = [(key, tool) for entry in value for key, tool in entry.items()]
    return [{key: tool} for key, tools in entries for tool in (tools if type(tools) is list else [tools])]


def _lower(value: Any) -> Any:
    return value.lower() if type(value) is str else value


def _ollama_calls(value: Any) -> Any:
    """Return a list of calls without the type "function", and without each `index` in a function that repeats
    the call's position. A value that is not a list is returned unchanged.
    """
    if type(value) is not list:
        return value
    calls: list[Any] = []
    for position, call in enumerate(value):
        function = {key: kept for key, kept in call["function"].items() if (key, kept) != ("index", position)}
        plain = {key: kept for key, kept in call.items() if (key, kept) != ("type", "function")}
        calls.append({**plain, "function": function})
    return calls


def _upper(value: Any) -> Any:
    return value.upper() if type(value) is str else value


def _gemini_parts(value: Any) -> Any:
    """Return the parts in a canonical arrangement: neighbouring texts are joined, and so are neighbouring
    thoughts; the signature of a text is moved into an empty part after it. Empty texts are removed. Parts of
    other kinds stay as they are. UNSET = no part is left. A value that is not a list is returned unchanged.
    """
    if type(value) is not list:
        return value
    parts: list[Any] = []
    for part in value:
        bare = {key: inner for key, inner in part.items() if key != "thoughtSignature"}
        if not bare.keys() <= {"text", "thought"}:
            parts.append(part)
            continue
        before = parts[-1] if parts else {}
        if bare["text"] and before.keys() == bare.keys():
            parts[-1] = {**before, "text": before["text"] + bare["text"]}
        elif bare["text"]:
            parts.append(bare)
        if "thoughtSignature" in part:
            parts.append({**part, "text": ""})
    return parts or _ABSENT


def _as_json(value: Any) -> Any:
    """Return the value of a JSON text; other values are returned unchanged."""
    return msgspec.json.decode(value) if type(value) is str else value


def _mistral_calls(value: Any) -> Any:
    """Return a list of calls with arguments as text ("" for "null"), and without members that are null or
    have their default value: the type "function", the id "null", and an `index` that is the position (or 0,
    which older models write for every call). A value that is not a list is returned unchanged.
    """
    if type(value) is not list:
        return value
    calls: list[Any] = []
    for position, call in enumerate(value):
        kept = {key: inner for key, inner in call.items() if inner is not None}
        function = dict(kept.get("function") or {})
        if type(function.get("arguments")) is dict:
            function["arguments"] = msgspec.json.encode(function["arguments"]).decode()
        if function.get("arguments") == "null":
            function["arguments"] = ""
        defaults = {"type": ("function",), "id": ("null",), "index": (0, position)}
        kept = {key: inner for key, inner in kept.items() if inner not in defaults.get(key, ())}
        calls.append({**kept, "function": function})
    return calls


def _mistral_thoughts(value: Any) -> Any:
    """Return the parts of a thinking chunk as one text. A list that has other parts than texts, and a value
    that is not a list, are returned unchanged.
    """
    texts = [thought.get("text") for thought in value or () if set(thought) <= {"type", "text"}]
    if type(value) is not list or len(texts) < len(value):
        return value
    return "".join(map(str, texts))


def _mistral_content(value: Any) -> Any:
    """Return the content of an answer with neighbouring texts joined. A list with only one text becomes that
    text, and empty content ("", null, a list without parts or with empty texts only) becomes UNSET. Other
    content that is not a list is returned unchanged.
    """
    if type(value) is not list:
        return value or _ABSENT
    parts: list[Any] = []
    for part in value:
        plain = set(part) == {"type", "text"}
        if plain and parts and set(parts[-1]) == {"type", "text"}:
            parts[-1] = {"type": "text", "text": parts[-1]["text"] + part["text"]}
        elif not plain or part["text"]:
            parts.append(part)
    if not parts:
        return _ABSENT
    return parts[0]["text"] if len(parts) == 1 and set(parts[0]) == {"type", "text"} else parts


def _no_arguments(value: Any) -> Any:
    """Return the arguments of a call (a JSON text); the text "null" becomes ""."""
    return "" if value == "null" else value


def _responses_include(value: Any) -> Any:
    """Return the `include` list, sorted, without encrypted reasoning, which the gateway may add itself. UNSET
    = the list is then empty. A value that is not a list is returned unchanged.
    """
    if type(value) is not list:
        return value
    return sorted(word for word in value if word != "reasoning.encrypted_content") or _ABSENT


_NAMELESS: dict[str, Any] = {"model": ""}
"""Some vendors write "" for the model; clients get the name that they requested."""

CANON: dict[str, Canon] = {
    "openai_chat": Canon(
        CanonicalForm(
            exact={
                *("metadata", "tools[].function.parameters", "functions[].parameters"),
                "response_format.json_schema.schema",
            },
            # Answers go back into the history with these members: see the response's defaults below.
            defaults={"stream": False, "messages[].annotations": [], "messages[].tool_calls": []},
            # The specification allows "up to four sequences" as one string or as a list.
            spellings={"stop": _as_list, "messages[].tool_calls": _chat_calls},
        ),
        CanonicalForm(
            # The specification requires these; vendors leave them out.
            may_add={
                *("id", "object", "created", "model", "choices[].index", "choices[].message"),
                *("choices[].message.role", "usage.total_tokens"),
            },
            # Empty lists, and the empty first delta of a stream beside a whole message.
            defaults={
                **_NAMELESS,
                "choices[].message.annotations": [],
                "choices[].message.tool_calls": [],
                "choices[].logprobs.refusal": [],
                "choices[].delta": {"role": "assistant", "content": ""},
            },
            spellings={
                "choices[].message.content": _chat_content,
                "choices[].message.tool_calls": _chat_calls,
                "choices[].logprobs": _chat_logprobs,
            },
        ),
        terminator=b"[DONE]",
    ),
    "anthropic": Canon(
        CanonicalForm(
            exact={
                *("metadata", "messages[].content[].input", "tools[].input_schema"),
                *("output_config.format.schema", "output_format.schema"),
            },
            defaults={"stream": False},
        ),
        CanonicalForm(
            exact={"content[].input"},
            may_add={"id", "type", "role", "model"},
            defaults=_NAMELESS,
        ),
        once={"message_start": "message_stop"},
    ),
    "gemini": Canon(
        CanonicalForm(
            exact={
                *("contents[].parts[].functionCall.args", "contents[].parts[].functionResponse.response"),
                "tools[].functionDeclarations.parameters",
                *("tools[].functionDeclarations.parametersJsonSchema", "generationConfig.responseSchema"),
                *("generationConfig.responseJsonSchema", "labels"),
            },
            defaults={
                "generationConfig": {},
                "generationConfig.thinkingConfig": {},
                "toolConfig.functionCallingConfig.allowedFunctionNames": [],
            },
            spellings={
                "": _gemini_request,
                "tools": _gemini_tools,
                "generationConfig.thinkingConfig.thinkingLevel": _upper,
            },
        ),
        _GEMINI_ANSWER,
        streamed=msgspec.structs.replace(
            _GEMINI_ANSWER, spellings={"candidates[].content.parts": _gemini_parts}
        ),
    ),
    "bedrock": Canon(
        CanonicalForm(
            exact={
                *("messages[].content[].toolUse.input", "toolConfig.tools[].toolSpec.inputSchema.json"),
                "additionalModelRequestFields",
            },
            defaults={"inferenceConfig": {}},
            spellings={"outputConfig.textFormat.structure.jsonSchema.schema": _as_json},
        ),
        CanonicalForm(
            exact={"output.message.content[].toolUse.input"},
            defaults={"usage.serverToolUsage": {}, "output.message.content[].type": "text"},
        ),
    ),
    "mistral": Canon(
        CanonicalForm(
            exact={"metadata", "tools[].function.parameters", "response_format.json_schema.schema"},
            defaults={
                "stream": False,
                "tools[].type": "function",
                "messages[].tool_calls": [],
                "messages[].prefix": False,
                "messages[].content[].closed": True,
            },
            spellings={
                "stop": _as_list,
                "messages[].tool_calls": _mistral_calls,
                "messages[].content[].thinking": _mistral_thoughts,
            },
        ),
        CanonicalForm(
            # The specification requires these.
            may_add={"id", "object", "created", "model", "choices[].index", "choices[].message"},
            defaults={
                **_NAMELESS,
                "choices[].message.tool_calls": [],
                "choices[].message.prefix": False,
                "choices[].message.content[].closed": True,
            },
            spellings={
                "choices[].message.content": _mistral_content,
                "choices[].message.tool_calls": _mistral_calls,
                "choices[].message.content[].thinking": _mistral_thoughts,
            },
        ),
        terminator=b"[DONE]",
    ),
    "cohere": Canon(
        CanonicalForm(
            exact={"tools[].function.parameters", "response_format.json_schema"},
            defaults={
                "stream": False,
                "tools[].type": "function",
                "messages[].tool_plan": "",
                "messages[].tool_calls": [],
                "messages[].citations": [],
                "messages[].tool_calls[].type": "function",
            },
            # The encoder derives these from the cited text.
            may_add={"messages[].citations[].text", "messages[].citations[].type"},
            spellings={"messages[].tool_calls[].function.arguments": _no_arguments},
        ),
        CanonicalForm(
            may_add={"id", "message.role", "message.citations[].text", "message.citations[].type"},
            defaults={
                "message.content": [],
                "message.tool_plan": "",
                "message.tool_calls": [],
                "message.citations": [],
                "logprobs": [],
            },
            spellings={"message.tool_calls[].function.arguments": _no_arguments},
        ),
        terminator=b"[DONE]",
    ),
    "ollama": Canon(
        CanonicalForm(
            exact={"format", "tools[].function.parameters", "messages[].tool_calls[].function.arguments"},
            defaults={
                "stream": True,
                "tools[].type": "function",
                # The `ollama` command sends these when the user sets nothing.
                **dict.fromkeys(("format", "think", "keep_alive"), ""),
                **{name: [] for name in ("tools", "messages[].images", "messages[].tool_calls")},
                **{f"messages[].{name}": "" for name in ("content", "thinking", "tool_name", "tool_call_id")},
                "options": {},
            },
            spellings={"messages[].role": _lower, "messages[].tool_calls": _ollama_calls},
        ),
        CanonicalForm(
            exact={"message.tool_calls[].function.arguments"},
            may_add={"model", "created_at", "done"},
            defaults={**_NAMELESS, "message.content": "", "message.thinking": "", "message.tool_calls": []},
            spellings={"message.tool_calls": _ollama_calls},
        ),
    ),
    "openai_completions": Canon(
        CanonicalForm(defaults={"stream": False}),
        # The specification requires these; vendors leave them out.
        CanonicalForm(may_add={"id", "object", "created", "model", "choices[].index"}, defaults=_NAMELESS),
        terminator=b"[DONE]",
    ),
    "openai_responses": Canon(
        CanonicalForm(
            exact={"metadata", "tools[].parameters", "text.format.schema"},
            defaults={
                "stream": False,
                "tools": [],
                "input[].content": [],
                "input[].content[].annotations": [],
                "input[].content[].logprobs": [],
            },
            # The gateway keeps the state: nothing is stored upstream unless the client asks for it.
            may_add={"store", "include"},
            spellings={"include": _responses_include},
        ),
        CanonicalForm(
            exact={"metadata", "tools[].parameters", "text.format.schema"},
            defaults={
                **_NAMELESS,
                "output[].content": [],
                "output[].summary": [],
                "output[].content[].annotations": [],
                "output[].content[].logprobs": [],
            },
            # The specification requires these; vendors and older recordings leave them out.
            may_add={
                *("id", "object", "created_at", "completed_at", "status", "model", "output"),
                "output[].id",
                *("tools", "tool_choice", "parallel_tool_calls", "text", "truncation", "metadata"),
                *("temperature", "top_p", "presence_penalty", "frequency_penalty", "top_logprobs"),
                *("store", "background", "service_tier"),
                *("usage.total_tokens", "usage.input_tokens_details", "usage.output_tokens_details"),
                "usage.input_tokens_details.cached_tokens",
                "usage.input_tokens_details.cache_write_tokens",
                "usage.output_tokens_details.reasoning_tokens",
            },
        ),
        terminator=b"[DONE]",
    ),
}
"""The canonical forms by dialect. Each permitted difference is justified by a specification, by a vendor, or
by what the gateway itself adds.
"""
