"""Decodes and encodes log probabilities of tokens in the form of OpenAI's chat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.logprobs import decode_tokens
from dragoman.dialects.leftovers import lose_of_token
from dragoman.dialects.loss import Report
from dragoman.dialects.openai.terms import leftovers, restore
from dragoman.dialects.typed import sound_tokens

_TOKEN: Final = frozenset({"token", "logprob", "bytes", "top_logprobs"})
_LISTS: Final = frozenset({"tokens", "token_logprobs", "top_logprobs"})


def in_objects(logprobs: Any) -> Any:
    """Return a choice's `logprobs` in OpenAI's form: an object whose `content` is a list of objects, one for
    each token. The parallel lists that Fireworks and Together write (`tokens`, `token_logprobs`, and perhaps
    `top_logprobs` and others) are converted into this form, if they have the same length.

    logprobs: any JSON value. A value without such lists is returned unchanged.
    """
    tokens = logprobs.get("tokens") if type(logprobs) is dict else None
    if type(tokens) is not list:
        return logprobs
    values, tops = logprobs.get("token_logprobs"), logprobs.get("top_logprobs") or [None] * len(tokens)
    if type(values) is not list or type(tops) is not list or not len(tokens) == len(values) == len(tops):
        return logprobs
    others = {member: kept for member, kept in logprobs.items() if member not in _LISTS}
    listed = {
        member: kept for member, kept in others.items() if type(kept) is list and len(kept) == len(tokens)
    }
    objects = [_in_object(*row) for row in zip(tokens, values, tops, strict=True)]
    for member, kept in listed.items():
        for one, value in zip(objects, kept, strict=True):
            one.setdefault(member, value)
    return {"content": objects, **{member: kept for member, kept in others.items() if member not in listed}}


def _in_object(token: Any, value: Any, top: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"token": token, "logprob": value}
    if type(top) is dict:
        top = [{"token": other, "logprob": number} for other, number in top.items()]
    if top is not None:
        out["top_logprobs"] = top
    return out


def read_logprobs(tokens: Any) -> tuple[ir.Logprob, ...] | None:
    """Return the decoded log probabilities of tokens; None if `tokens` is not a list of objects, one for each
    token, with values of the right types.
    """
    return sound_tokens(decode_logprobs, tokens)


def decode_logprobs(tokens: Sequence[dict[str, Any]]) -> tuple[ir.Logprob, ...]:
    """Return the decoded log probabilities of tokens. Raises AttributeError, KeyError or TypeError for a
    token that is not an object or lacks `token` or `logprob`. The types of its values are not checked
    (`read_logprobs` does that).
    """
    return decode_tokens(tokens, _TOKEN, leftovers)


def encode_logprobs(tokens: Sequence[ir.Logprob], report: Report, where: str) -> list[dict[str, Any]]:
    """Return the encoded log probabilities of tokens. Token ids, and leftovers of other dialects, are
    reported as lost. where: the IR path of the block that the tokens form.
    """
    return [_encode_logprob(token, report, where + ".logprobs") for token in tokens]


def _encode_logprob(token: ir.Logprob, report: Report, where: str) -> dict[str, Any]:
    out: dict[str, Any] = {
        "token": token.token,
        "logprob": token.logprob,
        "bytes": list(token.bytes) if token.bytes is not None else None,
    }
    if token.top is not None:
        out["top_logprobs"] = [_encode_logprob(other, report, where) for other in token.top]
    lose_of_token(token, report, where, "id")
    restore(out, token.extra, report, where)
    return out
