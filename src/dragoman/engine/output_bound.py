"""Finds how many tokens the answers to a request may have, from the bounds that the request and the models
state.

Of the request, only the fields of the client's own protocol count. A field of another protocol, which a
lenient provider ignores, must not make the bound smaller than what the provider may write. If the client's
protocol is not in `_NAMES`, the fields of several protocols count (`_ANY`). What the configuration merges
into the bodies for a deployment (`providers.NAME.body`, `models.NAME.body`), and what the request has for one
provider (`addressed`), can only raise the bound. What an alias, a model's defaults or a hook puts into the
request bounds it too, but cannot lower a bound that the client's body states.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from dragoman import ir
from dragoman.engine.asked import Asked
from dragoman.routing.route import Deployment

USUAL_OUTPUT: Final = 4096
"""The tokens that are reserved at first for an answer whose length the request does not bound (fewer, if no
model can write so many). If a stream becomes longer, more are reserved.
"""
MOST_OUTPUT: Final = 100_000_000
"""The most tokens that are reserved for the answers to one request, whatever the request states. No model
writes so many. Journals and stores keep only numbers below 2^53, and the cost of these tokens must be below
it too.
"""


class _Names(NamedTuple):
    """The names of the members by which a protocol bounds answers. bounds: members with the most tokens of
    one answer. counts: members with the number of answers to each prompt. within: the objects that may
    contain all these members, None = the body itself. prompts: the member that may list several prompts; "" =
    the protocol has none.
    """

    bounds: tuple[str, ...]
    counts: tuple[str, ...] = ()
    within: tuple[str | None, ...] = (None,)
    prompts: str = ""


_GEMINI: Final = _Names(
    ("maxOutputTokens", "max_output_tokens"),
    ("candidateCount", "candidate_count"),
    ("generationConfig", "generation_config"),
)
_OLLAMA: Final = _Names(("num_predict",), within=("options",))
_NAMES: Final[Mapping[str, tuple[_Names, ...]]] = {
    "openai_chat": (_Names(("max_completion_tokens", "max_tokens"), ("n",)),),
    "openai_responses": (_Names(("max_output_tokens",)),),
    "openai_completions": (_Names(("max_tokens",), ("n", "best_of"), prompts="prompt"),),
    "anthropic": (_Names(("max_tokens",)),),
    "gemini": (_GEMINI,),
    "mistral": (_Names(("max_tokens",), ("n",)),),
    "ollama": (_OLLAMA,),
}
_ANY: Final = (
    _Names(("max_completion_tokens", "max_tokens", "max_output_tokens"), ("n", "best_of")),
    _GEMINI,
    _OLLAMA,
    _Names(("maxTokens",), within=("inferenceConfig",)),  # Bedrock Converse
)
"""The members that count if the client's protocol is not in `_NAMES`, and in what is merged into a body: by
the configuration, or because the request has it for one provider.
"""


class OutputBound(NamedTuple):
    """The most tokens that the answers to a request may have. tokens: of all answers together. open_ended:
    whether the answers may become longer than `tokens`, because the request states no bound and a model may
    write more than `USUAL_OUTPUT`.
    """

    tokens: int
    open_ended: bool


def output_bound(asked: Asked, deployments: Sequence[Deployment]) -> OutputBound:
    """Return the bound on the answers to a request, whichever of these deployments answers. For operations
    other than chat and the count of a prompt's tokens: 0 tokens, and not open-ended.
    """
    if not asked.prompts:
        return OutputBound(0, False)
    stated, answers = _stated(asked.wire.body, _NAMES.get(asked.face.name, _ANY))
    if asked.reasons and isinstance(request := asked.said.request, ir.Request):
        added = request.max_output  # an alias, a model's defaults or a hook may have changed the request
        if added is not None and added > (stated or 0):
            stated = added
        answers = max(answers, request.sampling.n or 1)
    longest: int | None = 0
    for one in deployments:
        most = one.facts.max_output
        if most is None:
            longest = None
            break
        if most > (longest or 0):
            longest = most
    bound = USUAL_OUTPUT if stated is None else stated
    if longest is not None and longest < bound:
        bound = longest
    most = bound * answers
    others = told(asked.wire.body, asked.face.request.members)
    for one in deployments:
        for body in (one.body, *others):
            if body and (forced := _forced(body, one, bound, answers)) > most:
                most = forced
    open_ended = stated is None and (longest is None or longest > bound)
    return OutputBound(min(most, MOST_OUTPUT), open_ended)


def told(body: Mapping[str, Any], members: Collection[str]) -> list[dict[str, Any]]:
    """Return the objects in a body that may be meant for one provider only, such as the one in `"mistral":
    {…}`: the objects in top-level members that the client's protocol does not have. members: the top-level
    members of the operation in the client's protocol.
    """
    return [value for key, value in body.items() if key not in members and type(value) is dict]


def _forced(body: Mapping[str, Any], deployment: Deployment, bound: int, answers: int) -> int:
    """Return the most tokens of all answers of a deployment if `body` is added to the request. bound: the
    tokens of one answer, and answers: the number of answers, as they are known without this addition.
    """
    stated, count = _stated(body, _ANY)
    if stated is not None and (most := deployment.facts.max_output) is not None:
        stated = min(stated, most)
    return max(bound, stated or 0) * max(answers, count)


def _stated(body: Mapping[str, Any], names: Iterable[_Names]) -> tuple[int | None, int]:
    """Return (the bound on one answer that a body states, how many answers it asks for). The bound is None if
    the body states none. If it states several bounds, the largest one counts, because it is not known which
    one the provider obeys.
    """
    stated: int | None = None
    answers = 1
    for one in names:
        for place in one.within:
            found = body if place is None else body.get(place)
            if not isinstance(found, dict):
                continue
            for name in one.bounds:
                if type(bound := found.get(name)) is int and bound > (stated or 0):
                    stated = bound
            for name in one.counts:
                if type(count := found.get(name)) is int and count > answers:
                    answers = count
        if one.prompts:
            answers *= _prompts(body.get(one.prompts))
    return stated, answers


def _prompts(stated: Any) -> int:
    """Return how many prompts a member contains: the length of a list of texts, or of a list of lists of
    tokens; otherwise 1.
    """
    if isinstance(stated, list) and stated and isinstance(stated[0], str | list):
        return len(stated)
    return 1
