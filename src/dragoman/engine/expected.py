"""How much a request may use: the tokens of its prompt, and a bound on those of its answer.

If all limits are far away, the prompt is not counted: nearly no text has more tokens than half its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from dragoman.engine.accounting import Expected
from dragoman.engine.asked import Asked
from dragoman.engine.meter import Meter
from dragoman.engine.plan import Plan
from dragoman.engine.spent import prompt_tokens
from dragoman.routing.route import Deployment

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
_ANSWERS: Final = ("n", "best_of")
_MEMBERS: Final = frozenset((*_BOUNDS, *_ANSWERS, *_NESTED))


async def reserve(meter: Meter, asked: Asked, plan: Plan) -> None:
    """Reserve what the request may use. Raises RequestFailed if a limit refuses it."""
    deployments = plan.route.deployments
    output, meter.open_ended = output_bound(asked, deployments)
    if asked.said.request is None and not (plan.route.opening or plan.route.system_prompt):
        rough = meter.at_most(Expected(-(-asked.weight // _SURELY), output), deployments)
        if meter.far(rough):
            await meter.expect(rough)
            return
    model = deployments[0].name
    counted = await asked.step(prompt_tokens, asked, model)
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
