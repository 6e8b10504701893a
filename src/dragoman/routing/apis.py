"""Chooses in which of the provider's APIs (dialects) an attempt is made. The first rule that applies decides:

  1. the operator's setting, or else the API for which the request contains special members (under the API's
     name), if the provider has that API
  2. if the request needs functions and thinking together, or a forced call: an API that can do this; of
     several, as the rules 3 and 4 say
  3. the client's own protocol, so that bytes can be relayed
  4. the provider's first API

The rules 2 to 4 choose only among the APIs through which the model is available. Known facts never make a
request fail: if they exclude every API, they are ignored and the provider decides. Unknown facts are learnt
from refusals.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.dialects.prompted.choice import is_choice

Lesson: TypeAlias = Literal["never", "tools"]
"""A fact that a refusal teaches: the model is never available through this API ("never"), or it does not
accept functions there while it thinks ("tools").
"""


def choose(
    face: str,
    offered: Sequence[str],
    facts: Facts,
    read: Callable[[], ir.Request],
    preferred: str | None = None,
    *,
    unforced: Collection[str] = (),
) -> str:
    """Return the name of the dialect for the upstream request.

    face: the client's dialect. offered: the provider's dialects, its first choice first; at least one. facts:
    what is known of the model. read: returns the request; called only if a rule needs the request. Its
    errors are raised here. preferred: the operator's setting, or the API that the request names; it is
    returned if it is one of `offered`, else ignored; None = neither. unforced: the dialects in which the
    provider's server cannot be made to call a tool.
    """
    if preferred is not None and preferred in offered:
        return preferred
    able = offered if facts.apis is None else ([api for api in offered if api in facts.apis] or offered)
    usual = face if face in able else able[0]
    if usual in unforced and is_choice(read()):
        able = [api for api in able if api not in unforced] or able
        usual = face if face in able else able[0]
    if facts.tool_apis is None or usual in facts.tool_apis:
        return usual
    others = [api for api in able if api in facts.tool_apis]
    return others[0] if others and thinks_with_tools(read(), facts) else usual


def thinks_with_tools(request: ir.Request, facts: Facts) -> bool:
    """Whether the request offers functions and the model will think. If the request states a reasoning mode,
    effort or budget, the model thinks unless one of these is "off", "none" or 0. If the request states none
    of the three, `facts.thinks` decides; None counts as no.
    """
    if not any(isinstance(tool, ir.Function) for tool in request.tools or ()):
        return False
    told = request.reasoning or ir.Reasoning()
    if (told.mode, told.effort, told.budget) == (None, None, None):
        return facts.thinks is True
    return told.mode != "off" and told.effort != "none" and told.budget != 0


# OpenAI's sentences: "This model is only supported in v1/responses and not in v1/chat/completions.", "This is
# not a chat model and thus not supported in the v1/chat/completions endpoint.", "The requested model … is not
# supported with the Responses API.", "Function tools with reasoning_effort are not supported for … in
# /v1/chat/completions." Azure's: "The chatCompletion operation does not work with the specified model, …"
# (langchain-ai/langchain-azure#228).
_NEVER: Final = (
    *("only supported in v1/", "not supported in the v1/", "not supported with the responses api"),
    "operation does not work with the specified model",
)
_TOOLS: Final = "function tools with reasoning_effort are not supported"
_ABSENT_STATUSES: Final = frozenset({404, 405})


def lesson_of(fault: ir.Fault) -> Lesson | None:
    """Return what a refusal teaches about the model at the API of the attempt (see `Lesson`); None = nothing,
    because the refusal has another cause. fault: its `status` is the status of the provider's answer.

    Known sentences in a 400, 404 or 405 teach "tools" or "never". A 404 or 405 also teaches "never" if it
    names neither a model (the word "model" in its message, or the kind `model_not_found`) nor a field of the
    request (`param`): then the provider does not have this path. The lesson is still that of this one model.
    """
    if fault.status not in {400, *_ABSENT_STATUSES}:
        return None
    said = fault.message.lower()
    if _TOOLS in said:
        return "tools"
    if any(sentence in said for sentence in _NEVER):
        return "never"
    if fault.status not in _ABSENT_STATUSES or fault.kind == "model_not_found" or fault.param is not None:
        return None
    return None if "model" in said else "never"


def taught(facts: Facts, offered: Sequence[str], lessons: Mapping[str, Lesson]) -> Facts:
    """Return the facts of a model with what refusals have taught: "never" removes an API from `Facts.apis`;
    "tools" removes it from `Facts.tool_apis`, and sets `Facts.thinks` to True if it is None. offered: the
    provider's dialects; they replace a None in a field from which an API is removed. lessons: by the name of
    the API.
    """
    never = {api for api, lesson in lessons.items() if lesson == "never"}
    if never:
        apis = offered if facts.apis is None else facts.apis
        facts = msgspec.structs.replace(facts, apis=tuple(api for api in apis if api not in never))
    if lessons.keys() - never:
        able = offered if facts.tool_apis is None else facts.tool_apis
        # Some models are refused though the request states no effort: they think by default.
        thinks = True if facts.thinks is None else facts.thinks
        tool_apis = tuple(api for api in able if api not in lessons)
        facts = msgspec.structs.replace(facts, tool_apis=tool_apis, thinks=thinks)
    return facts
