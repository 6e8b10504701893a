"""Checks that the settings by which the requests for a model are spread fit together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from dragoman.config.settings import Concurrency, Model

_WEIGHING: Final = frozenset({"weighted", "affinity"})
"""The policies that give each deployment a share by its weight."""


class Misfit(NamedTuple):
    """One mistake. place: the setting, below the model."""

    place: str
    message: str
    hint: str | None = None


def misfits(model: Model) -> Iterator[Misfit]:
    """The mistakes in the policy, the rotation, the hedging, the weights and the concurrency of a model."""
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


def idle(concurrency: Concurrency) -> Iterator[Misfit]:
    """The mistake of a `concurrency` that states how to wait, but nothing to wait for."""
    if concurrency.limit is None and not concurrency.delay and concurrency != Concurrency():
        yield Misfit("concurrency", "limits nothing without `limit` or `delay`", "concurrency: {limit: 8}")


def _hedge(model: Model) -> Iterator[Misfit]:
    hedge = model.hedge
    assert hedge is not None
    if len({(one.use, one.file) for one in model.targets}) < 2:
        yield Misfit("hedge", "there is only one deployment, so no second one can be asked")
    if not isinstance(hedge.after, str) and not hedge.after:
        yield Misfit("hedge.after", "must be longer than 0 s", "hedge: p95")
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
