"""Log probabilities, decoded and encoded.

Cohere states them for parts of a text, each with the ids and the log probabilities of its tokens: `{"text",
"token_ids", "logprobs"}`. A part of one token becomes an ir.Logprob. A part of several tokens cannot be
divided, because its text does not show where a token ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.cohere.terms import leftovers, restore
from dragoman.dialects.leftovers import lose_of_token
from dragoman.dialects.loss import Report

_ITEM: Final = frozenset({"text", "token_ids", "logprobs"})


def decode_logprobs(items: Sequence[Any]) -> tuple[ir.Logprob, ...] | None:
    """Return one ir.Logprob for each entry of `logprobs`. None = an entry has several tokens, or none. May
    raise AttributeError, KeyError or TypeError for an invalid entry.
    """
    tokens: list[ir.Logprob] = []
    for item in items:
        ids, probabilities = item.get("token_ids") or [], item["logprobs"]
        if len(probabilities) != 1 or len(ids) > 1:
            return None
        number = ids[0] if ids else None
        tokens.append(ir.Logprob(item["text"], probabilities[0], id=number, extra=leftovers(item, _ITEM)))
    return tuple(tokens)


def encode_logprob(token: ir.Logprob, report: Report, where: str) -> dict[str, Any]:
    """Return the entry `{"text", "token_ids", "logprobs"}` for one token. Other likely tokens are reported as
    lost, and so are bytes that are not those of the token's text. where: the IR path of the text block.
    """
    ids = [] if token.id is None else [token.id]
    if token.top:
        report.lose(f"{where}.logprobs", "the Cohere API has no other likely tokens", "quality")
    out: dict[str, Any] = {"text": token.token, "token_ids": ids, "logprobs": [token.logprob]}
    lose_of_token(token, report, where + ".logprobs", "bytes")
    restore(out, token.extra, report, where + ".logprobs")
    return out
