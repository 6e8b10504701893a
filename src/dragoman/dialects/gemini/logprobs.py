"""Translates log probabilities. Google has one list for a whole candidate, the IR one list for each text.

Specification: https://ai.google.dev/api/generate-content#LogprobsResult
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.gemini.terms import NAME, leftovers, restore
from dragoman.dialects.leftovers import lose_of_token
from dragoman.dialects.loss import Report

RESULT = "logprobsResult"
AVERAGE = "avgLogprobs"
_TOPS = "topCandidates"
_LISTS = frozenset({"chosenCandidates", _TOPS})
_TOP = frozenset({"candidates"})
_TOKEN = frozenset({"token", "tokenId", "logProbability"})


def decode_logprobs(result: Any) -> tuple[tuple[ir.Logprob, ...], dict[str, Any]] | None:
    """Decode `logprobsResult`. Returns (its tokens, its other members as leftovers `logprobsResult.NAME`);
    None = its form is unknown, or a value in it has a wrong type. result: any JSON value.
    """
    try:
        chosen, tops = result["chosenCandidates"], result.get(_TOPS)
        if tops is None:
            tokens = tuple(_token(one, None) for one in chosen)
        else:
            tokens = tuple(_token(one, top) for one, top in zip(chosen, tops, strict=True))
        rest = {f"{RESULT}.{key}": kept for key, kept in result.items() if key not in _LISTS}
    except (KeyError, TypeError, AttributeError, ValueError):
        return None
    return (tokens, rest) if all(map(ir.is_sound, tokens)) else None


def rest_of(result: Any) -> dict[str, Any]:
    """Return the members of a `logprobsResult` that has no lists of tokens, as leftovers
    `logprobsResult.NAME`; {} if the object has such a list, or if `result` is not an object.
    """
    if not isinstance(result, dict) or not result.keys().isdisjoint(_LISTS):
        return {}
    return {f"{RESULT}.{key}": kept for key, kept in result.items()}


def extend(before: Any, more: Any) -> bool:
    """Append the tokens of one `logprobsResult` (`more`) to those of an earlier one (`before`), and let its
    other members replace the earlier ones. Returns False, and changes nothing, if one of the two is not an
    object with lists of tokens, or if only one of them has alternatives.
    """
    if not (isinstance(before, dict) and isinstance(more, dict)):
        return False
    lists = before.keys() & _LISTS
    if not lists or lists != more.keys() & _LISTS:
        return False
    if not all(isinstance(one[key], list) for one in (before, more) for key in lists):
        return False
    for key, value in more.items():
        if key in lists:
            before[key].extend(value)
        else:
            before[key] = value
    return True


def _token(value: dict[str, Any], top: dict[str, Any] | None) -> ir.Logprob:
    """Decode a token; without a `logProbability`, it is 0. top: the token's entry in `topCandidates`, whose
    unknown members become leftovers of the token, `topCandidates.NAME`; None = it has no entry.
    """
    beside = None if top is None else leftovers(top, _TOP, _TOPS)
    return ir.Logprob(
        value["token"],
        value.get("logProbability", 0.0),
        top=None if top is None else tuple(_token(one, None) for one in top["candidates"]),
        id=value.get("tokenId"),
        extra=ir.merge(leftovers(value, _TOKEN), beside),
    )


def with_logprobs(blocks: Sequence[ir.Block], tokens: tuple[ir.Logprob, ...]) -> list[ir.Block] | None:
    """Return a copy of the blocks with these tokens as the `logprobs` of the texts. None = there is no text
    block.

    A single text gets all tokens. Of several texts, each gets the tokens that form it. If the tokens cannot
    be divided so, the first text gets all of them, and the other texts stay unchanged. Only lengths are
    compared.
    """
    texts = [(index, block) for index, block in enumerate(blocks) if isinstance(block, ir.Text)]
    if not texts:
        return None
    out = list(blocks)
    ends = list(accumulate(len(token.token) for token in tokens))
    sizes = list(accumulate(len(block.text) for _, block in texts))
    apart = len(texts) > 1 and set(sizes) <= set(ends) and ends[-1] == sizes[-1]
    first, final = 0, texts[-1][0]
    for (index, block), size in zip(texts, sizes, strict=True):
        last = ends.index(size) + 1 if apart and index != final else len(tokens)
        out[index] = msgspec.structs.replace(block, logprobs=tokens[first:last])
        if not apart:
            break
        first = last
    return out


def encode_logprobs(tokens: Sequence[ir.Logprob], report: Report, where: str) -> dict[str, Any]:
    """Return the value of `logprobsResult` for these tokens. `topCandidates` is written if any token has a
    list `top`. Bytes that a token's text does not show, and leftovers of other dialects, are reported as
    lost. where: the IR path of the block that the tokens form.
    """
    return _encode_each([(token, where) for token in tokens], report)


def _encode_each(tokens: Sequence[tuple[ir.Logprob, str]], report: Report) -> dict[str, Any]:
    chosen: list[dict[str, Any]] = []
    tops: list[dict[str, Any]] = []
    for token, where in tokens:
        top: dict[str, Any] = {"candidates": [_encode(one, {}, report, where) for one in token.top or ()]}
        chosen.append(_encode(token, top, report, where))
        tops.append(top)
    out: dict[str, Any] = {"chosenCandidates": chosen}
    if any(token.top is not None for token, _ in tokens):
        out[_TOPS] = tops
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


def encode_all(blocks: Iterable[ir.Block], report: Report, where: str, *, own: bool) -> dict[str, Any]:
    """Return the members of a candidate that state the log probabilities of its texts and refusals; {} if
    their `logprobs` are all None.

    where: the candidate's IR path. own: True = the answer comes from this dialect. Then the average is
    not written, because the leftovers have the average that Google stated.
    """
    stated = [
        (block.logprobs, f"{where}.blocks[{index}]")
        for index, block in enumerate(blocks)
        if isinstance(block, ir.Text | ir.Refusal) and block.logprobs is not None
    ]
    if not stated:
        return {}
    tokens = [(token, place) for some, place in stated for token in some]
    out: dict[str, Any] = {RESULT: _encode_each(tokens, report)}
    if tokens and not own:
        out[AVERAGE] = sum(token.logprob for token, _ in tokens) / len(tokens)
    return out


def _encode(token: ir.Logprob, top: dict[str, Any], report: Report, where: str) -> dict[str, Any]:
    """Encode a token. top: its encoded entry in `topCandidates`, which gets its own leftovers."""
    out: dict[str, Any] = {"token": token.token, "logProbability": token.logprob}
    if token.id is not None:
        out["tokenId"] = token.id
    lose_of_token(token, report, where + ".logprobs", "bytes")
    if token.extra is not None:
        out[_TOPS] = top  # only while the leftovers `topCandidates.NAME` are put into it
        restore(out, token.extra, report, where + ".logprobs")
        del out[_TOPS]
    return out
