"""Which of a provider's APIs an attempt goes through: a pure function of face, request, facts and wishes.

In this order, and the first that fits answers:

    1. the operator's word, where the provider has that API at all
    2. an API that may be asked for functions and thoughts together, where the request needs one
    3. the client's own protocol, so that bytes can be relayed
    4. the provider's first API among those that the model can be asked through

What is known of a model is no reason to fail: when it leaves nothing, the provider will judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dragoman import ir
from dragoman.dialects.facts import Facts


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
