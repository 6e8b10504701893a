"""Counts the tokens of a prompt: for the check of the context window, for truncation, and for count requests.

count(request, model)      the tokens of one request; the time grows with the length of the request
Counter(model)             the same, message by message
ceiling(request)           an upper bound of the number of tokens; very fast
detokenized(ids, model)    the text of tokens, if the model's vocabulary is public
reads_tokens(model, other) True if a model may read tokens that were made for another model

A count is exact if the prompt is plain text, the model's vocabulary is public, and the extra `tokens` is
installed. Otherwise it is an estimate, and `Count.exact` is False. Counting takes about 40 ns per character,
so it is done only when a number is needed. This package knows no protocol, no provider and no limit.
"""

from dragoman.tokens.count import Count, Counter, ceiling, count
from dragoman.tokens.vocabulary import detokenized, reads_tokens

__all__ = ["Count", "Counter", "ceiling", "count", "detokenized", "reads_tokens"]
