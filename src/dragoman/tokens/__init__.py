"""Counts the tokens of a prompt: for the check of the context window, for truncation, and for count requests.

A count is exact if the prompt is plain text (up to two million characters), the model's vocabulary is public,
and the extra `tokens` is installed. A count takes about 40 ns per character, so it is made only when needed.
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
