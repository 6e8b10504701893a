"""Finds the deployments whose context window has room for a prompt. The window is what the operator or the
provider's own list of models states.

Only the prompt counts; the provider limits the answer. The context in the catalogue does not count, because
the prompt's size is often an estimate and the catalogue may be outdated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dragoman import ir
from dragoman.dialects.shorten import fit
from dragoman.errors import RequestFailed
from dragoman.routing.route import Deployment
from dragoman.tokens import Count, Counter, ceiling, count


class Fitting(NamedTuple):
    """The deployments with room for the prompt. shortened: True = they have room only for the shortened
    prompt, so the caller has to shorten it.
    """

    deployments: tuple[Deployment, ...]
    shortened: bool = False


def room(request: ir.Request, deployments: tuple[Deployment, ...]) -> Fitting:
    """Return the deployments with room for the prompt: those without a window, and those with one
    that is large enough. If there are none and the request has `truncation: auto`, return those with
    room for the shortened prompt, and set `shortened` in the result. Raises RequestFailed
    (context_length) if there are none. deployments: at least one.
    """
    stated = [deployment.room for deployment in deployments if deployment.room is not None]
    if not stated or ceiling(request) <= min(stated):
        return Fitting(deployments)
    models = {deployment.model for deployment in deployments}
    by_model = {model: count(request, model) for model in models}
    counted = [by_model[deployment.model] for deployment in deployments]
    able = _fitting(deployments, [one.tokens for one in counted])
    if able:
        return Fitting(able)
    if request.truncation == "auto":
        least = [fit(request, 0, Counter(deployment.model)).tokens for deployment in deployments]
        able = _fitting(deployments, least)
        if able:
            return Fitting(able, shortened=True)
    raise RequestFailed(too_long(counted, stated))  # every deployment has a window: one without has room


def _fitting(deployments: Sequence[Deployment], tokens: Sequence[int]) -> tuple[Deployment, ...]:
    return tuple(
        deployment
        for deployment, needed in zip(deployments, tokens, strict=True)
        if deployment.room is None or needed <= deployment.room
    )


def too_long(counted: Sequence[Count], windows: Sequence[int]) -> ir.Fault:
    """Return the fault that names the largest window, in OpenAI's words, which many clients recognise.
    counted: for each deployment, the prompt's tokens by its tokenizer. windows: for each deployment, in the
    same order, its window in tokens; at least one.
    """
    place = windows.index(max(windows))
    tokens, exact = counted[place].tokens, counted[place].exact
    return ir.Fault(
        "context_length",
        f"This model's maximum context length is {windows[place]} tokens. However, your messages resulted in "
        f"{'' if exact else 'about '}{tokens} tokens. Please reduce the length of the messages.",
        code="context_length_exceeded",
        param="messages",
    )
