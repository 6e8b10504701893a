"""Translates log probabilities. Google has one list for a whole candidate, the IR one list for each text.

Specification: https://ai.google.dev/api/generate-content#LogprobsResult
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.gemini.terms import NAME, leftovers
from dragoman.dialects.loss import Report

RESULT = "logprobsResult"
AVERAGE = "avgLogprobs"
_LISTS = frozenset({"chosenCandidates", "topCandidates"})
_TOKEN = frozenset({"token", "tokenId", "logProbability"})


def decode_logprobs(result: Any) -> tuple[tuple[ir.Logprob, ...], dict[str, Any]] | None:
    """Decode `logprobsResult`. Returns (its tokens, its other members as leftovers `logprobsResult.NAME`);
    None = its form is unknown. result: any JSON value.
    """
    try:
        chosen, tops = result["chosenCandidates"], result.get("topCandidates")
        if tops is None:
            tokens = tuple(_token(one, None) for one in chosen)
        else:
            tokens = tuple(_token(one, top["candidates"]) for one, top in zip(chosen, tops, strict=True))
        rest = {f"{RESULT}.{key}": kept for key, kept in result.items() if key not in _LISTS}
    except (KeyError, TypeError, AttributeError, ValueError):
        return None
    return tokens, rest


def rest_of(result: Any) -> dict[str, Any]:
    """Return the members of a `logprobsResult` that has no lists of tokens, as leftovers
    `logprobsResult.NAME`; {} if the object has such a list, or if `result` is not an object.
    """
    if not isinstance(result, dict) or not result.keys().isdisjoint(_LISTS):
        return {}
    return {f"{RESULT}.{key}": kept for key, kept in result.items()}


def _token(value: dict[str, Any], top: Sequence[dict[str, Any]] | None) -> ir.Logprob:
    return ir.Logprob(
        value["token"],
        value.get("logProbability", 0.0),
        top=None if top is None else tuple(_token(one, None) for one in top),
        id=value.get("tokenId"),
        extra=leftovers(value, _TOKEN),
    )


def with_logprobs(blocks: Sequence[ir.Block], tokens: tuple[ir.Logprob, ...]) -> list[ir.Block] | None:
    """Return a copy of the blocks with these tokens as the `logprobs` of the texts. None = there is no text
    block.

    A single text gets all tokens. Of several texts, each gets the tokens that form it. If this is impossible
    (a text begins or ends inside a token, the first text is empty, or the tokens together are longer or
    shorter than the texts), the first text gets all tokens, and the other texts stay unchanged. Only lengths
    are compared.
    """
    texts = [(index, block) for index, block in enumerate(blocks) if isinstance(block, ir.Text)]
    if not texts:
        return None
    out = list(blocks)
    ends = list(accumulate(len(token.token) for token in tokens))
    sizes = list(accumulate(len(block.text) for _, block in texts))
    apart = len(texts) > 1 and set(sizes) <= set(ends) and ends[-1] == sizes[-1]
    first = 0
    for (index, block), size in zip(texts, sizes, strict=True):
        last = ends.index(size) + 1 if apart else len(tokens)
        out[index] = msgspec.structs.replace(block, logprobs=tokens[first:last])
        if not apart:
            break
        first = last
    return out


def encode_logprobs(tokens: Sequence[ir.Logprob]) -> dict[str, Any]:
    """Return the value of `logprobsResult` for these tokens. `topCandidates` is written if any token has a
    list `top`.
    """
    out: dict[str, Any] = {"chosenCandidates": [_encode(token) for token in tokens]}
    if any(token.top is not None for token in tokens):
        out["topCandidates"] = [{"candidates": [_encode(one) for one in token.top or ()]} for token in tokens]
    return out


def without_tokens(extra: ir.Extra, out: Mapping[str, Any], report: Report, where: str) -> ir.Extra:
    """Return a candidate's leftovers. If the encoded candidate `out` has a `logprobsResult` already, the
    `logprobsResult` in the leftovers is removed and reported as lost. where: the candidate's IR path.
    """
    own = (extra or {}).get(NAME)
    if RESULT not in out or not own or RESULT not in own:
        return extra
    report.lose(f"{where}.{RESULT}", "the log probabilities of a part have an unknown format", "quality")
    return {**(extra or {}), NAME: {key: value for key, value in own.items() if key != RESULT}}


def encode_all(blocks: Iterable[ir.Block], *, own: bool) -> dict[str, Any]:
    """Return the members of a candidate that state the log probabilities of its texts and refusals; {} if
    none of them has any.

    own: True = the answer comes from this dialect. Then the average is not written, because the leftovers
    have the average that Google stated.
    """
    stated = [b.logprobs for b in blocks if isinstance(b, ir.Text | ir.Refusal) and b.logprobs is not None]
    if not stated:
        return {}
    tokens = [token for some in stated for token in some]
    out: dict[str, Any] = {RESULT: encode_logprobs(tokens)}
    if tokens and not own:
        out[AVERAGE] = sum(token.logprob for token in tokens) / len(tokens)
    return out


def _encode(token: ir.Logprob) -> dict[str, Any]:
    out: dict[str, Any] = {"token": token.token, "logProbability": token.logprob}
    if token.id is not None:
        out["tokenId"] = token.id
    out.update((token.extra or {}).get(NAME, {}))
    return out
