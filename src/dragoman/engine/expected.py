"""How much a request may use: the tokens of its prompt, and a bound on those of its answer.

If all limits are far away, a prompt of texts and pictures is not counted: nearly no text has more tokens than
half its bytes, and pictures have a usual most. Documents, sounds and videos are always estimated one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any, Final

from dragoman.engine.accounting import Expected
from dragoman.engine.asked import Asked
from dragoman.engine.meter import Meter
from dragoman.engine.plan import Plan
from dragoman.engine.spent import prompt_most
from dragoman.routing.route import Deployment
from dragoman.tokens import LARGE_PICTURE

USUAL_OUTPUT: Final = 4096
"""The tokens that are reserved for an answer whose length the request does not bound. A stream that becomes
longer reserves more.
"""
_MOST_OUTPUT: Final = 100_000_000
"""The most tokens that are reserved for the answers to one request, whatever it states. No model writes so
many, and journals and stores keep only numbers below 2^53, also of what these tokens cost.
"""
_SURELY: Final = 2
"""Bytes of a body for each token that it has at most, as nearly all texts go."""
_BOUNDS: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens", "max_new_tokens")
_NESTED: Final = {
    "generationConfig": ("maxOutputTokens", "candidateCount"),
    "generation_config": ("max_output_tokens", "candidate_count"),
    "options": ("num_predict", None),
}
_HISTORIES: Final = ("messages", "input", "contents")
"""The members of a body that hold what was said."""
_SAID: Final = ("content", "parts", "output", "tool_result")
"""The members of a message, or of one of its parts, that hold parts."""
_TEXTS: Final = frozenset(
    (
        *("text", "input_text", "output_text", "refusal", "message"),
        *("thinking", "redacted_thinking", "reasoning", "reasoning_text", "summary_text"),
        *("tool_use", "tool_result", "function_call", "function_call_output"),
        *("custom_tool_call", "custom_tool_call_output"),
    )
)
"""The types of parts, and of items of the Responses API, that have no tokens but those of their bytes."""
_GEMINI_TEXTS: Final = frozenset(
    {"text", "thought", "thoughtSignature", "thought_signature", "functionCall", "functionResponse"}
)
"""The members of parts without a type, which Gemini's are, that have no other tokens either."""
_PICTURES: Final = frozenset({"image_url", "input_image", "image"})
_OTHERS: Final = frozenset({"images", "audio"})
"""Members of messages that are no text."""
_DEEPEST: Final = 4
"""How many parts may be in each other, which is more than any protocol allows."""
_ANSWERS: Final = ("n", "best_of")
_MEMBERS: Final = frozenset((*_BOUNDS, *_ANSWERS, *_NESTED))


async def reserve(meter: Meter, asked: Asked, plan: Plan) -> None:
    """Reserve what the request may use. Raises RequestFailed if a limit refuses it."""
    deployments = plan.route.deployments
    output, meter.open_ended = output_bound(asked, deployments)
    if asked.said.request is None and not (plan.route.opening or plan.route.system_prompt):
        beyond = _beyond_bytes(asked)
        if beyond != inf:
            rough = Expected(-(-asked.weight // _SURELY) + int(beyond), output)
            rough = meter.at_most(rough, deployments)
            if meter.far(rough):
                await meter.expect(rough)
                return
    model = deployments[0].name
    counted = await asked.step(prompt_most, asked, model)
    await meter.expect(meter.at_most(Expected(counted, output), deployments))


def output_bound(asked: Asked, deployments: Iterable[Deployment]) -> tuple[int, bool]:
    """The most tokens that the answers to a request may have; and whether they may become longer, because
    neither the request nor a model states a bound.
    """
    if not asked.prompts:
        return 0, False
    stated, answers = _stated(asked.wire.body)
    facts = [one.facts.max_output for one in deployments]
    longest = None if None in facts else max((most for most in facts if most is not None), default=None)
    if stated is None:
        bound = USUAL_OUTPUT if longest is None else min(USUAL_OUTPUT, longest)
        return min(bound * answers, _MOST_OUTPUT), longest is None or longest > bound
    return min((stated if longest is None else min(stated, longest)) * answers, _MOST_OUTPUT), False


def _beyond_bytes(asked: Asked) -> float:
    """The most tokens that a prompt usually has beside those of its bytes: those of its pictures. Infinity =
    it has to be counted, because it has something else that is no text.
    """
    if not asked.prompts:
        return 0
    body = asked.wire.body
    return inf if body.get("images") else sum(_of_parts(body.get(name), 0) for name in _HISTORIES)


def _of_parts(said: Any, depth: int) -> float:
    """The same of messages, or of the parts of one. depth: how many parts they are in."""
    if said is None or isinstance(said, str):
        return 0
    if not isinstance(said, list) or depth > _DEEPEST:
        return inf
    return sum(_of_part(one, depth) for one in said if not isinstance(one, str))


def _of_part(one: Any, depth: int) -> float:
    if not isinstance(one, dict):
        return inf
    kind = one.get("type")
    if kind is None:
        known = "role" in one or "parts" in one or _GEMINI_TEXTS.issuperset(one)
    else:
        known = kind in _TEXTS
    if kind in _PICTURES:
        return LARGE_PICTURE
    if not known or not _OTHERS.isdisjoint(one):
        return inf
    return sum(_of_parts(one[name], depth + 1) for name in _SAID if name in one)


def _stated(body: Mapping[str, Any]) -> tuple[int | None, int]:
    """The bound on one answer that a body states, and how many answers it asks for."""
    if not (named := _MEMBERS.intersection(body)):
        return None, 1
    bounds = [body.get(name) for name in _BOUNDS if name in named]
    counts = [body.get(name) for name in _ANSWERS if name in named]
    for name in named.intersection(_NESTED):
        bound, count = _NESTED[name]
        if isinstance(nested := body.get(name), Mapping):
            bounds.append(nested.get(bound))
            counts.append(None if count is None else nested.get(count))
    stated = [most for most in bounds if type(most) is int and most > 0]
    answers = [many for many in counts if type(many) is int and many > 0]
    return (min(stated) if stated else None), max(answers, default=1)
