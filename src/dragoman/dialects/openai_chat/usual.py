"""Recognises correct requests in one step. Most requests are correct, and need no search for the first
mistake.

The types here are narrower than the rules of the module `check`, which searches for the first mistake. A
request that `is_usual` accepts is correct. A request that it does not accept may be correct, too: `check`
decides. Each member for which `check` has a rule needs a field here. A field of the type None accepts only
null: with any other value, `check` decides.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from dragoman.dialects.schema import strict_mistake
from dragoman.dialects.schema_form import ParametersForm, SchemaForm

_Name = Annotated[str, Meta(min_length=1, max_length=64)]
"""A name of allowed length. Its characters are compared with `_NAMES`."""
_Fraction = Annotated[float, Meta(ge=0, le=1)]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]
_Limit = Annotated[int, Meta(ge=1)]
_Budget = Annotated[int, Meta(ge=-1)]


_NAMES: Final = re.compile(r"[A-Za-z0-9_-]+")
"""Matches several names joined together: one match for all is several times faster than one match for
each."""


# --- Messages ----------------------------------------------------------------------------------


class _Text(msgspec.Struct, gc=False):
    type: Literal["text"]
    text: str


_Content = str | Annotated[list[_Text], Meta(min_length=1)]


class _System(msgspec.Struct, gc=False, tag_field="role", tag="system"):
    content: _Content
    name: str | None = None


class _Developer(_System, tag="developer"):
    pass


class _User(_System, tag="user"):
    pass


class _Called(msgspec.Struct, gc=False):
    name: str
    arguments: str


class _Call(msgspec.Struct, gc=False):
    id: str
    function: _Called
    type: Literal["function"] | None = None


class _Assistant(msgspec.Struct, gc=False, tag_field="role", tag="assistant"):
    content: _Content | None = None
    tool_calls: list[_Call] | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    function_call: None = None
    audio: None = None
    annotations: None = None
    images: None = None
    reasoning_details: None = None

    def __post_init__(self) -> None:
        if self.content is None and self.tool_calls is None:
            raise ValueError("whether such a message says something is for `check` to tell")


class _Tool(_System, tag="tool", kw_only=True):
    tool_call_id: str


# --- Tools and output --------------------------------------------------------------------------


class _Declared(msgspec.Struct, gc=False):
    name: _Name
    description: str | None = None
    strict: bool | None = None
    parameters: ParametersForm | None = None


class _Function(msgspec.Struct, gc=False):
    type: Literal["function"]
    function: _Declared


class _Words(msgspec.Struct, gc=False, tag_field="type", tag="text"):
    pass


class _Json(msgspec.Struct, gc=False, tag_field="type", tag="json_object"):
    schema: None = None
    value: None = None


class _Named(msgspec.Struct, gc=False):
    name: _Name | None = None
    description: str | None = None
    strict: bool | None = None
    schema: SchemaForm | None = None


class _Schema(msgspec.Struct, gc=False, tag_field="type", tag="json_schema"):
    json_schema: _Named


# --- The request -------------------------------------------------------------------------------


class _StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class _Reasoning(msgspec.Struct, gc=False):
    effort: str | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    enabled: bool | None = None
    exclude: bool | None = None
    summary: str | None = None


class _Thinking(msgspec.Struct, gc=False):
    type: str | None = None
    budget_tokens: _Budget | None = None


class Usual(msgspec.Struct, gc=False, kw_only=True):
    """A request as most clients write it. A member for which `check` has no rule has no field here, and is
    ignored.
    """

    model: str | None = None
    messages: Annotated[list[_System | _Developer | _User | _Assistant | _Tool], Meta(min_length=1)]
    max_completion_tokens: _Limit | None = None
    max_tokens: _Limit | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: _Fraction | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    tools: Annotated[list[_Function], Meta(min_length=1)] | None = None
    tool_choice: Literal["none", "auto", "required"] | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    response_format: _Words | _Json | _Schema | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    frequency_penalty: _Penalty | None = None
    presence_penalty: _Penalty | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    top_k: _Budget | None = None
    min_p: _Fraction | None = None
    repetition_penalty: Annotated[float, Meta(ge=0)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    modalities: Annotated[list[Literal["text", "audio", "image"]], Meta(min_length=1)] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    reasoning: _Reasoning | None = None
    thinking: _Thinking | None = None
    enable_thinking: bool | None = None
    thinking_budget: _Budget | None = None
    include_reasoning: bool | None = None
    user: str | None = None
    safety_identifier: Annotated[str, Meta(max_length=128)] | None = None
    service_tier: str | None = None
    store: bool | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = None
    metadata: None = None
    system: None = None
    functions: None = None
    function_call: None = None
    audio: None = None
    prediction: None = None
    moderation: None = None
    prompt_cache_options: None = None
    web_search_options: None = None
    guided_json: None = None
    structured_outputs: None = None


def is_usual(body: dict[str, Any]) -> bool:
    """Whether the body, a decoded request, is certainly correct. False = this is not known, and `check` must
    look for mistakes.
    """
    try:
        request = msgspec.convert(body, Usual)
    except msgspec.ValidationError:
        return False
    if request.max_tokens is not None and request.max_completion_tokens is not None:
        return False
    if request.stream_options is not None and request.stream is not True:
        return False
    if request.tools is None:
        if request.tool_choice == "required":
            return False
    elif not _are_good(request.tools, body["tools"]):
        return False
    form = request.response_format
    return type(form) is not _Schema or _is_good(form.json_schema, body["response_format"]["json_schema"])


def _is_good(form: _Named, wire: dict[str, Any]) -> bool:
    """Whether a response schema has no name or a name of allowed characters and, if it is strict, follows
    OpenAI's rules for strict schemas. form: the typed value. wire: the same object as decoded JSON.
    """
    if form.name is not None and _NAMES.fullmatch(form.name) is None:
        return False
    return not form.strict or form.schema is None or strict_mistake(wire["schema"]) is None


def _are_good(tools: list[_Function], wire: list[dict[str, Any]]) -> bool:
    """Whether all tools have different names of allowed characters, and the schemas of strict tools follow
    OpenAI's rules. tools: the typed values. wire: the same tools as decoded JSON.
    """
    names: set[str] = set()
    for index, tool in enumerate(tools):
        function = tool.function
        names.add(function.name)
        if (
            function.strict
            and function.parameters is not None
            and strict_mistake(wire[index]["function"]["parameters"]) is not None
        ):
            return False
    return len(names) == len(tools) and _NAMES.fullmatch("".join(names)) is not None
