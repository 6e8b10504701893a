"""How much a request may use: the tokens of its prompt, and a bound on those of its answer.

If all limits would be at most half used, a prompt of texts and pictures is not counted: nearly no text has
more than one token for two bytes, and the tokens of a picture have a usual maximum. Documents, sounds and
videos are always estimated one by one.
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
"""The most tokens that are reserved for the answers to one request, whatever the request states. No model
writes so many; and journals and stores keep only numbers below 2^53, for the cost of these tokens, too.
"""
_SURELY: Final = 2
"""Nearly no text has more than one token for so many bytes."""
_BOUNDS: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens", "max_new_tokens")
_NESTED: Final = {
    "generationConfig": ("maxOutputTokens", "candidateCount"),
    "generation_config": ("max_output_tokens", "candidate_count"),
    "options": ("num_predict", None),
}
_HISTORIES: Final = ("messages", "input", "contents")
"""The members of a body that hold the messages."""
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
"""The types of parts, and of items of the Responses API, that are only text: their bytes bound their tokens.
"""
_GEMINI_TEXTS: Final = frozenset(
    {"text", "thought", "thoughtSignature", "thought_signature", "functionCall", "functionResponse"}
)
"""The same for Gemini, whose parts have no type: the members that parts have if they are only text."""
_PICTURES: Final = frozenset({"image_url", "input_image", "image"})
_OTHERS: Final = frozenset({"images", "audio"})
"""Members of messages that are no text."""
_PLAIN: Final = frozenset({"role", "content"})
"""The members of nearly all messages."""
_DEEPEST: Final = 4
"""The deepest nesting of parts that is read; no protocol allows so much."""
_ANSWERS: Final = ("n", "best_of")
_MEMBERS: Final = frozenset((*_BOUNDS, *_ANSWERS, *_NESTED))


async def reserve(meter: Meter, asked: Asked, plan: Plan) -> None:
    """Reserve the request, if that was not done before, and what it may use. Raises RequestFailed if a limit
    refuses it.
    """
    deployments = plan.route.deployments
    if not meter.counts(plan.route):
        if not meter.take(None):
            await meter.admit()
        return
    output, meter.open_ended = output_bound(asked, deployments)
    rough: Expected | None = None
    if asked.said.request is None and not (plan.route.opening or plan.route.system_prompt):
        beyond = _beyond_bytes(asked)
        if beyond != inf:
            rough = Expected(-(-asked.weight // _SURELY) + int(beyond), output)
            rough = meter.at_most(rough, deployments)
            if meter.take(rough):
                return
    await meter.admit()
    if rough is not None and meter.far(rough):
        await meter.expect(rough)
        return
    model = deployments[0].name
    counted = await asked.step(prompt_most, asked, model)
    await meter.expect(meter.at_most(Expected(counted, output), deployments))


def output_bound(asked: Asked, deployments: Iterable[Deployment]) -> tuple[int, bool]:
    """The most tokens that the answers to a request may have; and whether they may become longer than that,
    because neither the request nor a model states a bound.
    """
    if not asked.prompts:
        return 0, False
    stated, answers = _stated(asked.wire.body)
    longest: int | None = 0
    for one in deployments:
        most = one.facts.max_output
        if most is None:
            longest = None
            break
        if most > (longest or 0):
            longest = most
    if stated is None:
        bound = USUAL_OUTPUT if longest is None else min(USUAL_OUTPUT, longest)
        return min(bound * answers, _MOST_OUTPUT), longest is None or longest > bound
    return min((stated if longest is None else min(stated, longest)) * answers, _MOST_OUTPUT), False


def _beyond_bytes(asked: Asked) -> float:
    """The most tokens that a prompt usually has besides those of its text: those of its pictures. Infinity =
    the prompt has something that is neither, so it has to be counted.
    """
    if not asked.prompts:
        return 0
    body = asked.wire.body
    if body.get("images"):
        return inf
    most = 0.0
    for name in _HISTORIES:
        if name in body:
            most += _of_parts(body[name], 0)
    return most


def _of_parts(said: Any, depth: int) -> float:
    """As `_beyond_bytes`, for a list of messages, or of the parts of a message. depth: how many parts the
    list is inside of.
    """
    if said is None or isinstance(said, str):
        return 0
    if not isinstance(said, list) or depth > _DEEPEST:
        return inf
    most = 0.0
    for one in said:
        if type(one) is dict and one.keys() == _PLAIN and type(one["content"]) is str:
            continue
        if not isinstance(one, str):
            most += _of_part(one, depth)
    return most


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
    stated: int | None = None
    answers = 1
    for name in named:
        value = body[name]
        bound, count = (value, None) if name in _BOUNDS else (None, value)
        if name in _NESTED and isinstance(value, Mapping):
            of_bound, of_count = _NESTED[name]
            bound, count = value.get(of_bound), None if of_count is None else value.get(of_count)
        if type(bound) is int and bound > 0 and (stated is None or bound < stated):
            stated = bound
        if type(count) is int and count > answers:
            answers = count
    return stated, answers
