"""Finds how much a request may use, before its first attempt: the tokens of its prompt, and a bound on those
of its answer.

If no limit counts tokens or money, nothing is measured. Otherwise the tokens of a prompt are bounded by its
size, if it contains only texts and pictures, and if each limit of the exchange would be at most half used
with this bound: nearly no text has more than one token for two bytes, and the tokens of a picture have a
usual maximum. In all other cases they are counted, also if the prompt was decoded already or if its route
adds messages to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import inf
from typing import Any, Final

from dragoman.engine.accounting import Expected
from dragoman.engine.asked import Asked
from dragoman.engine.measures import MEASURED, billable, extended, measures, tokens_of
from dragoman.engine.meter import Meter
from dragoman.engine.output_bound import output_bound, told
from dragoman.engine.plan import Plan
from dragoman.engine.spent import prompt_most
from dragoman.errors import RequestFailed
from dragoman.providers.rates import EVERYTHING
from dragoman.routing.route import Deployment
from dragoman.tokens import LARGE_PICTURE

_NO_MEASURES: Final = Expected(0, 0)
_SURELY: Final = 2
"""Bytes. Nearly no text has more than one token for this many bytes."""
_HISTORIES: Final = ("messages", "input", "contents")
"""The members of a body that contain the messages."""
_SAID: Final = ("content", "parts", "output", "tool_result")
"""The members of a message, or of a part of a message, that contain parts."""
_TEXTS: Final = frozenset(
    (
        *("text", "input_text", "output_text", "refusal", "message"),
        *("thinking", "redacted_thinking", "reasoning", "reasoning_text", "summary_text"),
        *("tool_use", "tool_result", "function_call", "function_call_output"),
        *("custom_tool_call", "custom_tool_call_output"),
    )
)
"""The types of parts, and of items of the Responses API, that contain only text and further parts, so that
the bytes of the text bound its tokens.
"""
_GEMINI_TEXTS: Final = frozenset(
    {"text", "thought", "thoughtSignature", "thought_signature", "functionCall", "functionResponse"}
)
"""Gemini's parts have no type. A part with only these members contains only text."""
_PICTURES: Final = frozenset({"image_url", "input_image", "image"})
_OTHERS: Final = frozenset({"images", "audio"})
"""Members of messages that contain something other than text."""
_PLAIN: Final = frozenset({"role", "content"})
"""A message that has exactly these members, and a string as its content, contains only text."""
_DEEPEST: Final = 4
"""The deepest nesting of parts that is read; no protocol allows so much."""


async def reserve(meter: Meter, asked: Asked, plan: Plan) -> None:
    """Reserve one request, if that was not done before, and what this request may use: tokens and money, if a
    limit counts them. Sets `meter.open_ended`. plan: the plan of the request's route, whose deployments bound
    the answer and the cost. Raises RequestFailed if a limit refuses the request, also because a price is not
    known.
    """
    deployments = plan.route.deployments
    asking = (*deployments, *_inner(asked, deployments)) if asked.inner else deployments
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
        rough = meter.at_most(rough, asking)
        if meter.take(rough):
            return
    await meter.admit()
    if rough is not None and await meter.expect_roughly(rough):
        return
    model = deployments[0].name
    counted = await asked.step(prompt_most, asked, model)
    kinds = EVERYTHING if beyond == inf else asks.kinds
    found = asks._replace(input=counted, output=output, kinds=kinds)
    await meter.expect(meter.at_most(found, asking))


def _inner(asked: Asked, deployments: Sequence[Deployment]) -> list[Deployment]:
    """Return the further models that the request lets its provider use (`Asked.inner`), as a deployment for
    each of these models at each provider of `deployments`.
    """
    providers = dict.fromkeys(one.provider for one in deployments)
    return [Deployment(provider, one.model) for provider in providers for one in asked.inner]


async def _asked_for(meter: Meter, asked: Asked, deployments: Sequence[Deployment]) -> Expected:
    """Return what a request asks for in units other than the tokens of its texts, with what the configuration
    or the request adds for one provider (`extended`); no units if it cannot be decoded. The `measured` of the
    result has the most input tokens and the most output tokens that one of the deployments would bill for
    these units.
    """
    try:
        request = await asked.decoded()
    except RequestFailed:
        return _NO_MEASURES  # it can be relayed, but it cannot be decoded
    members = asked.face.request.members if asked.codec is None else asked.codec.client.members
    bodies = [*told(asked.wire.body, members), *(one.body for one in deployments if one.body)]
    if bodies:
        request = extended(request, bodies)
    units = await asked.step(partial(measures, request, most=True))
    units.pop("input", None)  # the texts of a request are counted like those of a chat
    taken = given = 0
    for one in deployments:
        found = tokens_of(billable(units, meter.rates(one.name)))
        taken, given = max(taken, found[0]), max(given, found[1])
    return Expected(0, 0, units=units, measured=(taken, given))


def _beyond_bytes(asked: Asked) -> float:
    """Return the most tokens that a prompt usually has in addition to those of its text: the tokens of its
    pictures. Infinity = the prompt contains something that is not known to be text or a picture, so its
    tokens have to be counted. 0 for operations whose body is no chat request.
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
    """Return the same as `_beyond_bytes`, for a list of messages, or for a list of parts; 0 for a string or
    None, infinity for any other value. depth: how many lists of messages or parts contain the list.
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
    elif not isinstance(kind, str):
        return inf
    else:
        known = kind in _TEXTS
    if kind in _PICTURES:
        return LARGE_PICTURE
    if not known or not _OTHERS.isdisjoint(one):
        return inf
    return sum(_of_parts(one[name], depth + 1) for name in _SAID if name in one)
