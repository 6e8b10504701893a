"""The token counts of an answer. Each token is counted in one part of the input or of the output only, so the
parts can be added, and priced one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from operator import attrgetter
from typing import Any, Final

import msgspec

from dragoman.ir.blocks import Extra, Value, merge

MOST: Final = 10**12
"""The largest plausible token count of one answer: far above any model's window, small enough for sums."""
_NUMBERS: Final = frozenset({int, float, bool})
_USUAL: Final = frozenset({int, type(None)})
"""The types of nearly all counts."""
_counts: Final[Callable[[Usage], tuple[Any, ...]]] = attrgetter(
    *("input", "cache_read", "cache_write", "cache_write_5m", "cache_write_1h", "tool_input", "output"),
    "reasoning",
)
"""Returns the values of those fields of a `Usage` that count tokens."""
_OF_PROMPT: Final = ("input", "cache_read", "cache_write", "cache_write_5m", "cache_write_1h", "tool_input")
_OF_ANSWER: Final = ("output", "reasoning")
_OF_INPUT: Final = re.compile(r"(?:billed_|tool_)?input(?!_audio_seconds)\w*|cache_\w+")
"""Matches the names in `detail` that count input tokens."""
_OF_OUTPUT: Final = re.compile(r"(?:billed_)?output\w*|(?:accepted|rejected)_prediction|reasoning_\w+")
"""Matches the names in `detail` that count output tokens."""


class Usage(Value, frozen=True):
    """Token counts of one answer; None = the upstream did not state the count, which is not the same as 0.

    Each input token is counted in only one of these fields: input (neither read from nor written to a cache),
    cache_read, cache_write (which includes cache_write_5m and cache_write_1h, by lifetime), tool_input
    (results of the provider's tools). Each output token is counted either in output (visible) or in
    reasoning.

    detail: counts that these fields already include (input_audio, input_image, input_text, input_video,
    output_audio, output_image, output_text, accepted_prediction, rejected_prediction, …), how many of these
    tokens are billed (billed_input, billed_output), and counts of other units (web_search_requests,
    web_fetch_requests, …). others: (model, usage) of work on other models (compaction, advisor, fallback),
    billed at the prices of those models; a model may occur several times. estimated: True = the gateway
    estimated at least one count, because the upstream did not state it or stated an impossible one. form: how
    the dialect wrote these counts, in its own words (for example which totals included which parts), so that
    an encoder of the same dialect writes them the same way; None = the usual way.
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

    def plausible(self) -> bool:
        """Whether every field that counts tokens is None or a number from 0 to MOST, inclusive. Fractions and
        booleans are numbers here (true is 1). `detail` and `others` are not checked.
        """
        counts = _counts(self)
        if not _USUAL.issuperset(map(type, counts)):  # a provider may have written any value there
            return all(count is None or (type(count) in _NUMBERS and 0 <= count <= MOST) for count in counts)
        stated = list(filter(None, counts))
        return not stated or (min(stated) > 0 and max(stated) <= MOST)

    def after(self, earlier: Usage | None, *, final: bool = True) -> Usage:
        """Return these counts, completed by what the same answer has stated before (`earlier`). The input
        tokens are taken from there if `input`, `cache_read` and `cache_write` are None here, the output
        tokens if `output` and `reasoning` are None here. What `earlier` says in `detail` about tokens is
        taken only together with these tokens. Its other details, `extra` and `others` are taken where nothing
        is stated here in their place. final: False = the earlier output tokens are not final (those of a
        `Start`), and are not used.
        """
        if earlier is None:
            return self
        names: tuple[str, ...] = ()
        if self.input is self.cache_read is self.cache_write is None:
            names = _OF_PROMPT
        if final and self.output is self.reasoning is None:
            names += _OF_ANSWER
        changes: dict[str, Any] = {
            name: count for name in names if (count := getattr(earlier, name)) is not None
        }
        if changes and earlier.estimated:
            changes["estimated"] = True
        if earlier.detail and (detail := _details(earlier.detail, names)):
            changes["detail"] = {**detail, **(self.detail or {})}
        if earlier.extra:
            changes["extra"] = merge(earlier.extra, self.extra)
        if earlier.others and not self.others:
            changes["others"] = earlier.others
        return msgspec.structs.replace(self, **changes) if changes else self

    @property
    def stated(self) -> bool:
        """Whether at least one of `input`, `output` and `reasoning` is not None."""
        return self.input is not None or self.output is not None or self.reasoning is not None

    @property
    def input_total(self) -> int:
        """All input tokens, including those read from or written to a cache and the results of tools. A part
        that is None counts as 0; `cache_write_5m` and `cache_write_1h` count only within `cache_write`.
        """
        return (self.input or 0) + (self.cache_read or 0) + (self.cache_write or 0) + (self.tool_input or 0)

    @property
    def output_total(self) -> int:
        """All output tokens, including those of reasoning. A part that is None counts as 0."""
        return (self.output or 0) + (self.reasoning or 0)

    @property
    def total(self) -> int:
        """`input_total` plus `output_total`, without the tokens of work on other models (`others`)."""
        return self.input_total + self.output_total


def _details(detail: dict[str, Any], taken: Container[str]) -> dict[str, Any]:
    """Return the members of a `Usage.detail` that belong to tokens of the fields `taken`, and those that
    count other units than tokens.
    """
    return {
        name: count
        for name, count in detail.items()
        if (
            "input" in taken
            if _OF_INPUT.fullmatch(name)
            else "output" in taken or _OF_OUTPUT.fullmatch(name) is None
        )
    }
