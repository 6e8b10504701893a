"""Which of a provider's APIs an attempt goes through: a pure function of face, request, facts and wishes.

In this order, and the first that fits answers:

    1. the operator's word, where the provider has that API at all
    2. an API that may be asked for functions and thoughts together, where the request needs one
    3. the client's own protocol, so that bytes can be relayed
    4. the provider's first API among those that the model can be asked through

What is known of a model is no reason to fail: when it leaves nothing, the provider will judge. What is not
known is learnt from refusals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from dragoman import ir
from dragoman.dialects.facts import Facts

Lesson: TypeAlias = Literal["never", "tools"]
"""What a refusal tells of a model and an API: that it cannot be asked there at all, or not for functions
while it thinks."""


def choose(
    face: str,
    offered: Sequence[str],
    facts: Facts,
    asked: Callable[[], ir.Request],
    preferred: str | None = None,
) -> str:
    """The name of the dialect to ask in.

    face: the client's. offered: what the provider speaks, its first choice first; at least one. asked: gives
    the request, called only where it matters. preferred: the operator's word.
    """
    if preferred is not None and preferred in offered:
        return preferred
    able = offered if facts.apis is None else ([api for api in offered if api in facts.apis] or offered)
    usual = face if face in able else able[0]
    if facts.tool_apis is None or usual in facts.tool_apis:
        return usual
    others = [api for api in able if api in facts.tool_apis]
    return others[0] if others and thinks_with_tools(asked(), facts) else usual


def thinks_with_tools(request: ir.Request, facts: Facts) -> bool:
    """Whether the model will think while it has functions to call."""
    if not any(isinstance(tool, ir.Function) for tool in request.tools or ()):
        return False
    told = request.reasoning or ir.Reasoning()
    if (told.mode, told.effort, told.budget) == (None, None, None):
        return facts.thinks is True
    return told.mode != "off" and told.effort != "none" and told.budget != 0


# OpenAI's sentences: "This model is only supported in v1/responses and not in v1/chat/completions.", "This is
# not a chat model and thus not supported in the v1/chat/completions endpoint.", "The requested model … is not
# supported with the Responses API.", "Function tools with reasoning_effort are not supported for … in
# /v1/chat/completions."
_NEVER: Final = ("only supported in v1/", "not supported in the v1/", "not supported with the responses api")
_TOOLS: Final = "function tools with reasoning_effort are not supported"
_ABSENT: Final = frozenset({404, 405})


def lesson_of(fault: ir.Fault) -> Lesson | None:
    """What a refusal tells about the API that was asked; None = it is about something else.

    A server that does not have an endpoint at all says 404 or 405, and nothing about a model or any other
    part of the request: an item or a file that is not there is no reason to ask elsewhere.
    """
    if fault.status not in {400, *_ABSENT}:
        return None
    said = fault.message.lower()
    if _TOOLS in said:
        return "tools"
    if any(sentence in said for sentence in _NEVER):
        return "never"
    if fault.status not in _ABSENT or fault.kind == "model_not_found" or fault.param is not None:
        return None
    return None if "model" in said else "never"


def taught(facts: Facts, offered: Sequence[str], lessons: Mapping[str, Lesson]) -> Facts:
    """The facts of a model with what refusals told. offered: as for `choose`. lessons: by API."""
    never = {api for api, lesson in lessons.items() if lesson == "never"}
    if never:
        apis = offered if facts.apis is None else facts.apis
        facts = msgspec.structs.replace(facts, apis=tuple(api for api in apis if api not in never))
    if lessons.keys() - never:
        able = offered if facts.tool_apis is None else facts.tool_apis
        thinks = (
            True if facts.thinks is None else facts.thinks
        )  # some are refused without a word about effort
        tool_apis = tuple(api for api in able if api not in lessons)
        facts = msgspec.structs.replace(facts, tool_apis=tool_apis, thinks=thinks)
    return facts
