"""What an answer cost, in tokens. Counts are disjoint, so that they can be added and priced once each."""

from __future__ import annotations

from typing import Any, Final

from dragoman.ir.blocks import Extra, Value

MOST: Final = 10**12
"""Tokens of one answer, far above any model's window, that a sum or a rate can still be made of."""


class Usage(Value, frozen=True):
    """Token counts of one answer; None = the upstream did not say, which is not 0.

    Input parts, disjoint: input (neither read from nor written to a cache), cache_read, cache_write
    (with its parts by lifetime where they are stated: cache_write_5m, cache_write_1h), tool_input.
    Output parts, disjoint: output (visible), reasoning.
    detail: side counts that are parts of the above (input_audio, input_image, input_text, input_video,
    output_audio, output_image, output_text, accepted_prediction, rejected_prediction) or counted otherwise
    (web_search_requests, web_fetch_requests, …). others: work done on other models (compaction, advisor,
    fallback), billed at their own prices. estimated: the gateway counted, not the upstream. form: which
    totals of the dialect include what, where that varies.
    """

    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    tool_input: int | None = None
    output: int | None = None
    reasoning: int | None = None
    detail: dict[str, Any] | None = None
    others: tuple[tuple[str, Usage], ...] = ()
    estimated: bool = False
    extra: Extra = None
    form: str | None = None

    @property
    def plausible(self) -> bool:
        """Whether these may be counts: none of them is negative, no number at all, or beyond what is sold."""
        counts: tuple[Any, ...] = (  # whatever a provider wrote there
            *(self.input, self.cache_read, self.cache_write, self.cache_write_5m, self.cache_write_1h),
            *(self.tool_input, self.output, self.reasoning),
        )
        for one in counts:  # most are None or an integer, and every exchange comes by here
            if one is not None and not (isinstance(one, (int, float)) and 0 <= one <= MOST):
                return False
        return True

    @property
    def stated(self) -> bool:
        """Whether any tokens were counted; members that are null, or a total alone, count none."""
        return self.input is not None or self.output is not None or self.reasoning is not None

    @property
    def input_total(self) -> int:
        """Every input token, cached or not."""
        return (self.input or 0) + (self.cache_read or 0) + (self.cache_write or 0) + (self.tool_input or 0)

    @property
    def output_total(self) -> int:
        """Every output token, reasoning included."""
        return (self.output or 0) + (self.reasoning or 0)

    @property
    def total(self) -> int:
        """Input and output together; work on other models is not part of it."""
        return self.input_total + self.output_total
