"""The settings by which the requests for a model are spread over its deployments: policies, a bound on the
cost, hedging and rotation.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from dragoman.config.scalars import Amount, Duration, Share
from dragoman.config.section import Section, about

PolicyName: TypeAlias = Literal[
    "ordered", "round_robin", "weighted", "least_busy", "latency", "cost", "affinity"
]
"""The policies of `routing.policy`."""


class MaxCost(Section, frozen=True):
    """How much another deployment may cost for a request when the first choice fails.

    At least one of the two settings must be given; if both are, both must hold. The cost of a request is
    computed from the prices, the tokens of the prompt, and the most tokens that the request allows for the
    answer. If the request does not limit the answer, the answer counts as a third of the prompt's tokens.
    """

    shorthand: ClassVar[str | None] = "times"

    times: Annotated[Amount | None, about(default="no limit")] = None
    """How many times the cost of the first choice: with 3, a deployment that costs more than three times as
    much is not asked."""
    usd: Annotated[Amount | None, about(default="no limit")] = None
    """How many USD more than the first choice, for one request with a prompt."""


class Hedge(Section, frozen=True):
    """When a second deployment is asked while the first one is still working.

    Both deployments may bill such a request.
    """

    shorthand: ClassVar[str | None] = "after"

    after: Literal["p95"] | Duration = "p95"
    """How long the first attempt may be without content: a time, or `p95`, the time within which 95 of 100
    answers of that deployment have come (known after 20 of them, separately for streams and whole answers).
    """
    at_most: Share = Share(0.05)
    """The share of all requests for this model that may be asked twice, on average. Each worker counts its
    own, and may save up ten such requests."""


class Rotate(Section, frozen=True):
    """When the next deployment of a model becomes the first one.

    Exactly one of `every` and `requests` must be set.
    """

    shorthand: ClassVar[str | None] = "every"

    every: Annotated[Duration | None, about(default="not by time")] = None
    """The time for which a deployment is the first one. The changes are at multiples of this time since 1970
    (UTC), in all workers at once."""
    requests: Annotated[int | None, about(unit="requests", default="not by number", ge=1)] = None
    """The number of requests for which a deployment is the first one. Each worker counts its own requests."""
