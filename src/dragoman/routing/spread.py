"""How the requests for a model are spread over its deployments, as the configuration states it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

PolicyName: TypeAlias = Literal[
    "ordered", "round_robin", "weighted", "least_busy", "latency", "cost", "affinity"
]
"""The name of a policy, by which `policy.POLICIES` finds the function that orders deployments."""


class Price(msgspec.Struct, frozen=True):
    """The price of a deployment, in USD per million tokens."""

    input: float
    output: float

    @property
    def mixed(self) -> float:
        """USD per million tokens of a usual request: prompts have about three times the answer's tokens."""
        return (3 * self.input + self.output) / 4

    def of(self, asked: int, answered: int) -> float:
        """USD for so many tokens of input and of output."""
        return (asked * self.input + answered * self.output) / 1_000_000


class Rotation(msgspec.Struct, frozen=True):
    """When another deployment becomes the first one. every: after so many seconds of the wall clock.
    requests: after so many requests. One of them is None.
    """

    every: float | None = None
    requests: int | None = None


class Spread(msgspec.Struct, frozen=True):
    """The policy of one configured model. model: its name, by which `Memory` finds what it remembers; aliases
    share it. rotation: None = the policy alone decides which deployment is first.
    """

    model: str
    policy: PolicyName = "ordered"
    rotation: Rotation | None = None
