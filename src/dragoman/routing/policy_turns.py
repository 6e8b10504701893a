"""Turns by weight: smooth weighted round robin.

With each request every deployment gets credit by its weight. The deployment with the most credit is asked,
and pays what all have got together. So the shares are exact, not only likely: with the weights 3 and 1, the
first deployment gets three of any four requests in a row. And the turns are mixed: a, a, b, a instead of a,
a, a, b.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_MOST: Final = 1_024
"""If the credit of more deployments of a model is stored, the next turn begins by forgetting all credit."""


class Turns:
    """The turns of one model. start: how many turns are skipped before the first one. credit: by deployment
    (`provider/model`), how much it is owed, in the unit of the weights. requests: how many requests the
    model's rotation has ordered.
    """

    __slots__ = ("credit", "requests", "start")

    def __init__(self, start: int = 0) -> None:
        self.credit: dict[str, float] = {}
        self.requests = 0
        self.start = start


def by_turns(names: Sequence[str], weights: Sequence[float], turns: Turns) -> list[int]:
    """Take a turn, which changes `turns`. Returns the indexes of `names` by their credit, the highest first;
    then the first one pays for this turn. The first call takes `turns.start` turns before, without a result.
    names: at least one; names that are missing this time keep their credit. weights: for each name, above 0.
    """
    if not turns.credit:
        for _ in range(turns.start):
            _take(names, weights, turns)
    return _take(names, weights, turns)


def _take(names: Sequence[str], weights: Sequence[float], turns: Turns) -> list[int]:
    credit = turns.credit
    if len(credit) > _MOST:
        credit.clear()  # names of earlier configurations
    for name, weight in zip(names, weights, strict=True):
        credit[name] = credit.get(name, 0.0) + weight
    places = sorted(range(len(names)), key=lambda place: -credit[names[place]])
    credit[names[places[0]]] -= sum(weights)
    return places
