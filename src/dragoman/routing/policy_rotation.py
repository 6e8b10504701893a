"""Rotation: the deployment of a model that is asked first changes with time or with the number of
requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from dragoman.routing.policy_turns import Turns
from dragoman.routing.spread import Rotation

T = TypeVar("T")


class Rotated(msgspec.Struct, frozen=True):
    """The state of a rotation. model: the name of the configured model. current: the deployment
    (`provider/model`) that is first now. following: the one that becomes the first next; the same one if
    there is no other. changes: when the change to `following` comes, in Unix seconds; None = it depends on
    the number of requests. requests: after how many more requests the change comes, as this process counts;
    None = it depends on time.
    """

    model: str
    current: str
    following: str
    changes: float | None = None
    requests: int | None = None


def rotated(deployments: Sequence[T], rotation: Rotation, turns: Turns, wall: float) -> list[T]:
    """Return the deployments, beginning with the one that is first now; the others follow in turn. wall: Unix
    seconds.

    A rotation by time depends only on the clock, so all workers agree. A rotation by requests depends on the
    requests that this process has counted (`turns.requests`); the caller counts them.
    """
    if not deployments:
        return []
    if rotation.every is not None:
        steps = int(wall // rotation.every)
    else:
        steps = turns.start + turns.requests // (rotation.requests or 1)
    first = steps % len(deployments)
    return [*deployments[first:], *deployments[:first]]


def state(model: str, names: Sequence[str], rotation: Rotation, turns: Turns, wall: float) -> Rotated:
    """Return the state of a model's rotation. names: the deployments that take part, at least one. wall: Unix
    seconds.
    """
    current, *others = rotated(names, rotation, turns, wall)
    following = others[0] if others else current
    if rotation.every is not None:
        changes = (wall // rotation.every + 1) * rotation.every
        return Rotated(model, current, following, changes=changes)
    each = rotation.requests or 1
    return Rotated(model, current, following, requests=each - turns.requests % each)
