"""Decodes and encodes log probabilities of the completions API. They are four parallel lists with an entry
for each token: `tokens`, `token_logprobs`, `top_logprobs` (objects: alternative -> log probability) and
`text_offset`.

A token's offset in prompt and answer together (`text_offset`) becomes a leftover of the token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.leftovers import lose_of_token
from dragoman.dialects.loss import Report
from dragoman.dialects.openai.logprobs import decode_logprobs as decode_objects
from dragoman.dialects.openai_completions.terms import NAME, restore

_LISTS: Final = frozenset({"tokens", "token_logprobs", "top_logprobs", "text_offset"})
_OFFSET: Final = "text_offset"


def decode_logprobs(wire: dict[str, Any]) -> tuple[ir.Logprob, ...] | None:
    """Return the decoded log probabilities. wire: the four lists, or the form of chat (a list
    `content`), which llama.cpp writes here. None = the IR cannot hold them: there are other members,
    the tokens or their values are missing or empty lists, the lists differ in length, or a token's
    value or alternatives are null (as for an echoed prompt). May raise one of
    `typed.OF_ANOTHER_SHAPE`. The types of the values are not checked: call this by
    `typed.sound_tokens`.
    """
    if type(wire.get("content")) is list:
        alone = all(value is None for member, value in wire.items() if member != "content")
        return decode_objects(wire["content"]) if alone else None
    tokens, values = wire.get("tokens"), wire.get("token_logprobs")
    if not wire.keys() <= _LISTS or not tokens or not values or None in values:
        return None
    tops, offsets = wire.get("top_logprobs"), wire.get(_OFFSET)
    stated = [one for one in (values, tops, offsets) if one is not None]
    if any(len(one) != len(tokens) for one in stated) or (tops is not None and None in tops):
        return None
    return tuple(
        [
            ir.Logprob(
                token,
                values[at],
                top=None if tops is None else tuple([ir.Logprob(*pair) for pair in tops[at].items()]),
                extra=None if offsets is None else {NAME: {_OFFSET: offsets[at]}},
            )
            for at, token in enumerate(tokens)
        ]
    )


def encode_logprobs(tokens: Sequence[ir.Logprob], start: int) -> dict[str, Any]:
    """Return the value of `logprobs`: four parallel lists. `top_logprobs` is None if `top` of all tokens is
    None. start: the offset of the first token, in characters of prompt and answer together. A token that has
    an offset as a leftover keeps its own.
    """
    offsets: list[int] = []
    for token in tokens:
        offsets.append((token.extra or {}).get(NAME, {}).get(_OFFSET, start))
        start += len(token.token)
    tops = [_alternatives(token.top or ()) for token in tokens]
    return {
        "tokens": [token.token for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": tops if any(token.top is not None for token in tokens) else None,
        "text_offset": offsets,
    }


def _alternatives(top: Sequence[ir.Logprob]) -> dict[str, float]:
    """Return {text: log probability} of the alternatives; of those with the same text, the most probable."""
    out: dict[str, float] = {}
    for one in top:
        out[one.token] = max(one.logprob, out.get(one.token, one.logprob))
    return out


def lose_beside_tokens(tokens: Sequence[ir.Logprob], report: Report, where: str) -> None:
    """Report as lost what `encode_logprobs` does not write of these tokens and of their alternatives: ids,
    bytes that a token's text does not show, leftovers of other dialects, and alternatives with the same text
    as another one. where: the IR path of the block to which the tokens belong.
    """
    place = where + ".logprobs"
    for token in tokens:
        if token.top and len({one.token for one in token.top}) < len(token.top):
            report.lose(f"{place}.top", "of alternatives with the same text, only one is written", "hint")
        for one in (token, *(token.top or ())):
            lose_of_token(one, report, place, "id", "bytes")
            restore({}, one.extra, report, place)
