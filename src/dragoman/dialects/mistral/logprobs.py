"""Log probabilities of tokens, decoded and encoded: the form of OpenAI's chat, with the token's id added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.logprobs import decode_tokens
from dragoman.dialects.loss import Report
from dragoman.dialects.mistral.terms import leftovers, restore

_TOKEN: Final = frozenset({"token", "logprob", "bytes", "token_id", "top_logprobs"})


def decode_logprobs(tokens: Sequence[dict[str, Any]]) -> tuple[ir.Logprob, ...]:
    """Decoded tokens with their log probabilities."""
    return decode_tokens(tokens, _TOKEN, leftovers)


def encode_logprobs(tokens: Sequence[ir.Logprob], report: Report, where: str) -> list[dict[str, Any]]:
    """Encoded tokens with their log probabilities. where: the IR path of their text, for the report."""
    return [_encode(token, report, where) for token in tokens]


def _encode(token: ir.Logprob, report: Report, where: str) -> dict[str, Any]:
    out: dict[str, Any] = {"token": token.token, "logprob": token.logprob}
    out["bytes"] = list(token.bytes) if token.bytes is not None else list(token.token.encode())
    if token.id is not None:
        out["token_id"] = token.id
    if token.top is not None:
        out["top_logprobs"] = encode_logprobs(token.top, report, where)
    restore(out, token.extra, report, where + ".logprobs")
    return out
