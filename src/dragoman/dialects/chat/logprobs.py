"""Decodes tokens' log probabilities from the wire format of the chat family, and puts them into blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from dragoman import ir


def decode_tokens(
    tokens: Sequence[dict[str, Any]],
    known: frozenset[str],
    leftovers: Callable[[dict[str, Any], frozenset[str]], ir.Extra],
) -> tuple[ir.Logprob, ...]:
    """Return the decoded log probabilities of tokens. known: the members that a token has in this protocol.
    leftovers: makes the leftovers of a token from its other members. May raise KeyError, TypeError or
    AttributeError for tokens of an unknown shape.
    """
    return tuple([_token(token, known, leftovers) for token in tokens])


def put_logprobs(blocks: list[ir.Block], kind: type, tokens: tuple[ir.Logprob, ...] | None) -> bool:
    """Put log probabilities (`tokens`) into the first block of the class `kind` in the list `blocks`, where a
    copy replaces the block. Returns whether this was done: False = there is no such block, or `tokens` is
    None.
    """
    place = next((index for index, block in enumerate(blocks) if isinstance(block, kind)), None)
    if place is None or tokens is None:
        return False
    blocks[place] = msgspec.structs.replace(blocks[place], logprobs=tokens)
    return True


def _token(
    token: dict[str, Any],
    known: frozenset[str],
    leftovers: Callable[[dict[str, Any], frozenset[str]], ir.Extra],
) -> ir.Logprob:
    spelled, top = token.get("bytes"), token.get("top_logprobs")
    return ir.Logprob(
        token["token"],
        token["logprob"],
        tuple(spelled) if spelled is not None else None,
        decode_tokens(top, known, leftovers) if top is not None else None,
        token.get("token_id") if "token_id" in known else None,
        leftovers(token, known),
    )
