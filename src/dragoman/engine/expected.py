"""How much a request may use: the tokens of its prompt, and a bound on those of its answer.

If all limits would be at most half used, a prompt of texts and pictures is not counted: nearly no text has
more than one token for two bytes, and the tokens of a picture have a usual maximum. Documents, sounds and
videos are always estimated one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import inf
from typing import Any, Final

from dragoman.engine.accounting import Expected
from dragoman.engine.asked import Asked
from dragoman.engine.measures import MEASURED, billable, measures, tokens_of
from dragoman.engine.meter import Meter
from dragoman.engine.output_bound import output_bound
from dragoman.engine.plan import Plan
from dragoman.engine.spent import prompt_most
from dragoman.errors import RequestFailed
from dragoman.providers.rates import EVERYTHING
from dragoman.routing.route import Deployment
from dragoman.tokens import LARGE_PICTURE

_NO_MEASURES: Final = Expected(0, 0)
_SURELY: Final = 2
"""Nearly no text has more than one token for so many bytes."""
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
    beyond = inf if asked.said.request is not None else _beyond_bytes(asked)
    asks = _NO_MEASURES
    if asked.inbound.operation in MEASURED:
        asks = await _asked_for(meter, asked, deployments)
    rough: Expected | None = None
    if beyond != inf and not (plan.route.opening or plan.route.system_prompt):
        rough = asks._replace(input=-(-asked.weight // _SURELY) + int(beyond), output=output)
        rough = meter.at_most(rough, deployments)
        if meter.take(rough):
            return
    await meter.admit()
    if rough is not None and meter.far(rough):
        await meter.expect(rough)
        return
    model = deployments[0].name
    counted = await asked.step(prompt_most, asked, model)
    kinds = EVERYTHING if beyond == inf else asks.kinds
    found = asks._replace(input=counted, output=output, kinds=kinds)
    await meter.expect(meter.at_most(found, deployments))


async def _asked_for(meter: Meter, asked: Asked, deployments: Sequence[Deployment]) -> Expected:
    """What a request asks for in other units than the tokens of its texts. Limits count the most tokens that
    it is billed by at one of the deployments.
    """
    try:
        request = asked.request if asked.light else await asked.step(asked.decoded)
    except RequestFailed:
        return _NO_MEASURES  # it can be relayed, but it cannot be decoded
    units = await asked.step(partial(measures, request, most=True))
    units.pop("input", None)  # the texts of a request are counted like those of a chat
    taken = given = 0
    for one in deployments:
        found = tokens_of(billable(units, meter.rates(one.name)))
        taken, given = max(taken, found[0]), max(given, found[1])
    return Expected(0, 0, units=units, measured=(taken, given))


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
