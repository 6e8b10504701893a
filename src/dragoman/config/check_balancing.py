"""Checks settings of a model: those that spread its requests over its deployments, `max_cost`,
`switch_after`, `concurrency` (also of a provider), and the lists of fallbacks.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from typing import Final

import msgspec

from dragoman.config.fallbacks import Fallbacks
from dragoman.config.misfit import Misfit
from dragoman.config.settings import Concurrency, Model

_WEIGHING: Final = frozenset({"weighted", "affinity"})
"""The policies that give each deployment a share according to its weight."""


def misfits(model: Model, known: Container[str] = ()) -> Iterator[Misfit]:
    """Yield the mistakes in the policy, the rotation, the hedging, the weights, the concurrency and
    `switch_after` of a model. Each `place` is relative to the model. known: the deployments
    (`provider/model`) with a price.
    """
    yield from idle(model.concurrency)
    for index, deployment in enumerate(model.deployments):
        place = f"deployments[{index}].weight"
        weight = float(deployment.weight)
        if not weight and model.policy == "ordered" and model.rotate is None:
            hint = "put the deployment at the end, or set a policy"
            yield Misfit(place, "with `policy: ordered` the order alone decides", hint)
        elif weight not in {0.0, 1.0} and model.policy not in _WEIGHING:
            default = ", the default," if model.policy == "ordered" else ""
            said = f"`policy: {model.policy}`{default} does not use weights other than 0 and 1"
            yield Misfit(place, said, "set policy: weighted")
    taking_part = [one for one in model.targets if one.weight]
    if model.deployments and not taking_part:
        yield Misfit("deployments", "all weights are 0, so no deployment can be first")
    if model.hedge is not None:
        yield from _hedge(model)
    if model.rotate is not None:
        yield from _rotation(model, len(taking_part))
    yield from _policy(model, known)
    yield from _switching(model)


def idle(concurrency: Concurrency) -> Iterator[Misfit]:
    """Yield the mistakes in a `concurrency`: settings without effect (such as a wait without a queue), and a
    wait that is shorter than `delay`. Each `place` begins with `concurrency`.
    """
    if concurrency.limit is None and not concurrency.delay and concurrency != Concurrency():
        yield Misfit("concurrency", "limits nothing without `limit` or `delay`", "concurrency: {limit: 8}")
    if not concurrency.queue and concurrency.wait != Concurrency().wait:
        yield Misfit("concurrency.wait", "with `queue: 0` no request waits", odd=True)
    elif 0 < concurrency.wait < concurrency.delay:
        said = f"no request may wait as long as `delay` ({concurrency.delay}), so most get 429"
        yield Misfit("concurrency.wait", said, "make it longer than `delay`")


def unpriced(model: Model, known: Container[str]) -> Iterator[Misfit]:
    """Yield the mistakes in `max_cost` of a model, for example that a deployment has no price; none if the
    model has no `max_cost`. Each `place` is relative to the model. known: the deployments
    (`provider/model`) with a price.
    """
    if (bound := model.max_cost) is None:
        return
    if bound.times is None and bound.usd is None:
        yield Misfit("max_cost", "set `times` or `usd`", "max_cost: 3")
    if bound.times is not None and bound.times < 1:
        said = "less than 1 would leave out deployments that cost no more than the first choice"
        yield Misfit("max_cost.times", said, "1 = they may cost as much")
    if not model.targets or (len(model.targets) < 2 and not model.fallbacks.names):
        said = "there is no other deployment and no fallback, so nothing can cost more"
        yield Misfit("max_cost", said, odd=True)
        return
    first = model.targets[0].price
    if (
        bound.times is not None
        and model.policy == "ordered"
        and first is not None
        and first.input is not None
        and not first.input
        and not first.output
    ):
        said = "the first choice costs nothing, so nothing that costs something is asked"
        yield Misfit("max_cost.times", said, "max_cost: {usd: 0.05}", odd=True)
    for index, deployment in enumerate(model.targets):
        if deployment.use not in known:
            place = f"deployments[{index}].price" if model.deployments else "max_cost"
            yield Misfit(
                place, f"`max_cost` needs the price of {deployment.use}", "price: {input: 1.25, output: 10}"
            )


def unpriced_fallbacks(
    fallbacks: Fallbacks, uses: Callable[[str], Iterable[str]], known: Container[str]
) -> Iterator[Misfit]:
    """Yield a mistake for each deployment of a fallback whose price is unknown, although `max_cost` needs it.
    One fallback can have several mistakes. The caller has checked that the model has `max_cost`. Each `place`
    is relative to `fallbacks`. uses: returns the deployments (`provider/model`) of a name. known: the
    deployments with a price.
    """
    for cause, names in msgspec.structs.asdict(fallbacks).items():
        for index, name in enumerate(names):
            for use in uses(name):
                if use not in known:
                    said = f"`max_cost` needs the price of {use}"
                    hint = (
                        "state it in a model with this deployment: {use: …, price: {input: 1.25, output: 10}}"
                    )
                    yield Misfit(f"{cause}[{index}]", said, hint)


def repeated(fallbacks: Fallbacks) -> Iterator[Misfit]:
    """Yield a warning for each entry of a list of fallbacks that repeats an earlier entry of this list. Each
    `place` is relative to `fallbacks`.
    """
    for cause, names in msgspec.structs.asdict(fallbacks).items():
        for index, name in enumerate(names):
            if name in names[:index]:
                yield Misfit(f"{cause}[{index}]", f"{name} is listed twice: it is asked once", odd=True)


def narrow(fallbacks: Fallbacks, model: Model, find: Callable[[str], Model | None]) -> Iterator[Misfit]:
    """Yield a warning for each fallback for long prompts (`context`) whose context window is not larger than
    the model's. The window of a model is the largest of its deployments (`_window`); if one of the two is not
    known, nothing is yielded. Each `place` is relative to `fallbacks`. find: returns the configured model for
    a name, None = there is none.
    """
    if (own := _window(model)) is None:
        return
    for index, name in enumerate(fallbacks.context):
        other = find(name)
        window = None if other is None else _window(other)
        if window is not None and window <= own:
            said = f"its context window ({window}) is no larger than this model's ({own})"
            yield Misfit(f"context[{index}]", said, odd=True)


def _window(model: Model) -> int | None:
    """Return the largest context window of a model's deployments, in tokens. A deployment that states none
    has the model's. None = there are no deployments, or at least one has no window.
    """
    windows = [one.context_window or model.context_window for one in model.targets]
    stated = [one for one in windows if one is not None]
    return max(stated) if stated and len(stated) == len(windows) else None


def _hedge(model: Model) -> Iterator[Misfit]:
    hedge = model.hedge
    assert hedge is not None
    if len({(one.use, one.file) for one in model.targets}) < 2:
        yield Misfit("hedge", "there is only one deployment, so no second one can be asked")
    if not isinstance(hedge.after, str):
        if not hedge.after:
            yield Misfit("hedge.after", "must be longer than 0 s", "hedge: p95")
        elif model.switch_after and model.switch_after <= hedge.after:
            said = f"the first attempt is left before, by switch_after ({model.switch_after})"
            yield Misfit("hedge.after", said, odd=True)
        elif model.timeouts.total and model.timeouts.total <= hedge.after:
            said = f"an attempt is ended before, by timeouts.total ({model.timeouts.total})"
            yield Misfit("hedge.after", said, odd=True)
    if not hedge.at_most:
        yield Misfit("hedge.at_most", "0 % never lets a second deployment be asked", "leave `hedge` out")


def _rotation(model: Model, taking_part: int) -> Iterator[Misfit]:
    rotate = model.rotate
    assert rotate is not None
    if (rotate.every is None) == (rotate.requests is None):
        yield Misfit("rotate", "set either `every` or `requests`", "rotate: {every: 10m}")
    elif rotate.every is not None and not float(rotate.every):
        yield Misfit("rotate.every", "must be longer than 0 s")
    if model.policy != "ordered":
        yield Misfit("rotate", f"`policy: {model.policy}` already says which deployment is first", "keep one")
    if 0 < taking_part < 2:
        yield Misfit("rotate", "there is only one deployment, so none can follow it")


def _policy(model: Model, known: Container[str]) -> Iterator[Misfit]:
    """Yield a warning about a policy that does not change the order of the deployments, or that puts
    deployments last because they have no price.
    """
    if model.policy == "ordered" or not model.targets:
        return
    if len(model.targets) < 2 and model.policy != "affinity":
        said = f"there is only one deployment, so `{model.policy}` chooses nothing"
        yield Misfit("policy", said, "key_choice of the provider is for its keys", odd=True)
    elif model.policy == "cost":
        unknown = [one.use for one in model.targets if one.price is None and one.use not in known]
        if len(unknown) == len(model.targets):
            said = "no deployment has a price, so their order alone decides"
            yield Misfit(
                "policy", said, "deployments: [{use: …, price: {input: 1.25, output: 10}}]", odd=True
            )
        elif unknown:
            said = f"asked last, because they have no price: {', '.join(unknown)}"
            yield Misfit("policy", said, odd=True)


def _switching(model: Model) -> Iterator[Misfit]:
    """Yield a warning about a `switch_after` that has no effect: there is no other deployment and no fallback
    in `any`, or an attempt ends earlier.
    """
    after, timeouts = model.switch_after, model.timeouts
    if not after:
        return
    if len(model.targets) < 2 and not model.fallbacks.any:
        said = "there is no other deployment and no fallback, so there is nothing to switch to"
        yield Misfit("switch_after", said, odd=True)
    elif timeouts.total and timeouts.total <= after:
        said = f"an attempt is ended before, by timeouts.total ({timeouts.total})"
        yield Misfit("switch_after", said, odd=True)
