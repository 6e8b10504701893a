"""The cells of exchanges that were answered at the first attempt.

Exchanges with the same labels are of one kind. Each kind has one block of consecutive cells for everything
that is counted at the end of such an exchange except its losses, so that counting it costs one look-up. When
a page is written, the numbers of each block are added to the metrics to which they belong. Errors and failed
attempts are not counted here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from dragoman.observe.cells import Key
from dragoman.observe.families import (
    CALLS,
    COST,
    FIRST_TOKEN,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    OUTCOMES,
    OVERHEAD,
    REQUESTS,
    TOKENS,
    UNPRICED,
    Family,
)

NAME: Final = "usual"
"""The first word of the keys of blocks. Other keys begin with the name of a metric."""
ANSWERED: Final = "answered"
"""The outcome of the only attempt of an exchange that this module counts."""

WHOLE_SUM: Final = len(HTTP_SECONDS.bounds) + 1
"""The index of the sum of `HTTP_SECONDS`, the first histogram in a block. The sum of a histogram follows its
buckets.
"""
OWN: Final = HTTP_SECONDS.width
"""The index of the histogram of the gateway's own times (`OVERHEAD`)."""
OWN_SUM: Final = OWN + len(OVERHEAD.bounds) + 1
FIRST: Final = OWN + OVERHEAD.width
"""The index of the histogram of the times to the first token; all 0 if no exchange was a stream."""
FIRST_SUM: Final = FIRST + len(FIRST_TOKEN.bounds) + 1
SPENT: Final = FIRST + FIRST_TOKEN.width
"""The index of the tokens, in the order of `TOKENS.parts`."""
SPENT_OUTPUT: Final = SPENT + TOKENS.parts.index("output")
COSTS: Final = SPENT + TOKENS.width
"""The index of the cost in USD."""
UNKNOWN: Final = COSTS + COST.width
"""The index of the number of attempts whose cost is not known."""
WIDTH: Final = UNKNOWN + UNPRICED.width

Counted: TypeAlias = tuple[Family, tuple[str, ...], Sequence[float]]
"""A metric, the values of its labels, and its numbers."""


class Kind(NamedTuple):
    """The labels of exchanges of one kind. "other" stands for every method, path, model name, provider or
    deployment that is not known (`Metrics.know`, `Metrics.serve`).

    model: the name that the client sent; "" = the request named none. status: the HTTP status of the answer
    to the client. answer: the HTTP status of the provider's answer. Both: "none" = there was none. provider,
    deployed: the provider, and the name of the model there; together they are the deployment. operation: such
    as `chat`. mode: `relay` or `translate`.
    """

    method: str
    path: str
    status: str
    operation: str
    model: str
    provider: str
    deployed: str
    answer: str
    mode: str

    @property
    def key(self) -> Key:
        """The key under which the block of cells of this kind is stored: the word `usual`, then the labels in
        order. `metrics` reads the kind from it again.
        """
        return (NAME, *self)


def metrics(key: Key, block: Sequence[float]) -> Iterator[Counted]:
    """Yield each metric that a block counts, with its label values and its numbers (one for each cell of the
    metric). key: the block's key. block: the numbers in its cells. `REQUESTS` is left out if the kind has no
    model. The times to the first token, tokens, costs and unknown costs are left out if the block has counted
    none.
    """
    kind = Kind(*key[1:])
    count = sum(block[:WHOLE_SUM])
    yield HTTP_REQUESTS, (kind.method, kind.path, kind.status), [count]
    yield HTTP_SECONDS, (kind.method, kind.path), block[:OWN]
    if kind.model:
        yield REQUESTS, (kind.operation, kind.model), [count, *[0.0] * (REQUESTS.width - 1)]
    yield OVERHEAD, (kind.mode,), block[OWN:FIRST]
    if any(block[FIRST:FIRST_SUM]):
        yield FIRST_TOKEN, (kind.provider,), block[FIRST:SPENT]
    if any(block[SPENT:COSTS]):
        yield TOKENS, (kind.provider, kind.deployed), block[SPENT:COSTS]
    if block[COSTS]:
        yield COST, (kind.provider, kind.deployed), block[COSTS:UNKNOWN]
    if block[UNKNOWN]:
        yield UNPRICED, (kind.provider,), block[UNKNOWN:]
    yield CALLS, (kind.provider, kind.answer), [count]
    yield OUTCOMES, (kind.provider, ANSWERED), [count]
