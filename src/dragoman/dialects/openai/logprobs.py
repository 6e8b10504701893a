"""Decodes and encodes log probabilities of tokens in the form of OpenAI's chat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.logprobs import decode_tokens
from dragoman.dialects.openai.terms import NAME, leftovers
from dragoman.dialects.typed import sound_tokens

_TOKEN: Final = frozenset({"token", "logprob", "bytes", "top_logprobs"})


def in_objects(logprobs: Any) -> Any:
    """Return a choice's `logprobs` in OpenAI's form: an object whose `content` is a list of objects, one for
    each token. Fireworks and Together write parallel lists (`tokens`, `token_logprobs`, `top_logprobs`).
    These are converted if they have the same length; further members beside them are dropped. Any other value
    is returned unchanged.
    """
    tokens = logprobs.get("tokens") if type(logprobs) is dict else None
    if type(tokens) is not list:
        return logprobs
    values, tops = logprobs.get("token_logprobs"), logprobs.get("top_logprobs") or [None] * len(tokens)
    if type(values) is not list or type(tops) is not list or not len(tokens) == len(values) == len(tops):
        return logprobs
    rows = zip(tokens, values, tops, strict=True)
    return {"content": [_in_object(token, value, top) for token, value, top in rows]}


def _in_object(token: Any, value: Any, top: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"token": token, "logprob": value}
    if type(top) is dict:
        out["top_logprobs"] = [{"token": other, "logprob": number} for other, number in top.items()]
    return out


def read_logprobs(tokens: Any) -> tuple[ir.Logprob, ...] | None:
    """Return the decoded log probabilities of tokens; None if they are invalid."""
    return sound_tokens(decode_logprobs, tokens)


def decode_logprobs(tokens: Sequence[dict[str, Any]]) -> tuple[ir.Logprob, ...]:
    """Return the decoded log probabilities of tokens. Raises one of `typed.OF_ANOTHER_SHAPE` if a token is
    invalid.
    """
    return decode_tokens(tokens, _TOKEN, leftovers)


def encode_logprobs(tokens: Sequence[ir.Logprob]) -> list[dict[str, Any]]:
    """Return the encoded log probabilities of tokens. Token ids, and leftovers of other dialects, are left
    out.
    """
    return [_encode_logprob(token) for token in tokens]


def _encode_logprob(token: ir.Logprob) -> dict[str, Any]:
    out: dict[str, Any] = {
        "token": token.token,
        "logprob": token.logprob,
        "bytes": list(token.bytes) if token.bytes is not None else None,
    }
    if token.top is not None:
        out["top_logprobs"] = encode_logprobs(token.top)
    out.update((token.extra or {}).get(NAME, {}))
    return out
