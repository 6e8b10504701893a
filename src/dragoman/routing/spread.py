"""How the requests for a model are spread over its deployments, as the configuration says."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

PolicyName: TypeAlias = Literal[
    "ordered", "round_robin", "weighted", "least_busy", "latency", "cost", "affinity"
]
"""The name of a policy, by which `policy.POLICIES` finds the function that orders deployments."""


class Price(msgspec.Struct, frozen=True):
    """The price of a deployment, in USD per million tokens: of input (`input`) and of output (`output`)."""

    input: float
    output: float

    @property
    def mixed(self) -> float:
        """USD per million tokens of a usual request, whose prompt has about three times the tokens of its
        answer.
        """
        return (3 * self.input + self.output) / 4

    def of(self, asked: int, answered: int) -> float:
        """Return the price in USD of a request with `asked` tokens of input and `answered` tokens of
        output.
        """
        return (asked * self.input + answered * self.output) / 1_000_000


class Rotation(msgspec.Struct, frozen=True):
    """When another deployment becomes the first one. every: at each multiple of so many seconds since 1970
    (UTC), so in all processes at the same time. requests: after so many requests, which each process counts
    for itself. Exactly one of them is None.
    """

    every: float | None = None
    requests: int | None = None


class Spread(msgspec.Struct, frozen=True):
    """The policy of one configured model. model: its name, by which `Memory` finds what the policy remembers;
    its aliases share that. rotation: when the order of the deployments moves on by one; then `policy` does
    not order them. None = the policy makes the order.
    """

    model: str
    policy: PolicyName = "ordered"
    rotation: Rotation | None = None
