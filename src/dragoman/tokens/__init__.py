"""Counts the tokens of a prompt (for the check of the context window, for truncation, for limits, and for
count requests), and decodes token ids.

A count is exact only if the prompt is text alone (for example no tools, thinking or media) of at most two
million characters, the model's vocabulary is public, and the extra `tokens` is installed. Counting takes
about 40 ns per character, so a prompt is counted only when its count is needed.
"""

from dragoman.tokens.count import LARGE_PICTURE, Count, Counter, ceiling, count, count_most
from dragoman.tokens.vocabulary import detokenized, reads_tokens

__all__ = [
    "LARGE_PICTURE",
    "Count",
    "Counter",
    "ceiling",
    "count",
    "count_most",
    "detokenized",
    "reads_tokens",
]
