"""How many tokens a prompt has: for the check against a window, for truncation, and for clients who ask.

    count(request, model)      one request, at a cost in proportion to its length
    Counter(model)             the same message by message
    ceiling(request)           a number that it cannot exceed, for next to nothing
    detokenized(ids, model)    the text of tokens, where the model's vocabulary is public
    reads_tokens(model, other) whether a model may read the tokens that are written for another

Counting is exact for plain text and models whose vocabulary is public, where the extra `tokens` is installed;
anything else is an estimate and says so. It is not free (some 40 ns a character), so only what was asked for
is counted. Nothing here knows a protocol, a provider or a limit.
"""

from dragoman.tokens.count import Count, Counter, ceiling, count
from dragoman.tokens.vocabulary import detokenized, reads_tokens

__all__ = ["Count", "Counter", "ceiling", "count", "detokenized", "reads_tokens"]
