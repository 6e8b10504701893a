"""Removes, in a copy of a request, values that some servers accept although OpenAI may reject them. OpenAI's
rules then check the rest of the request. What the server gets is made from the request itself, not from this
copy.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman.dialects.chat.widened import (
    Put,
    put_logit_bias,
    put_max_tokens,
    put_right,
    put_stop,
    put_stream_options,
)
from dragoman.dialects.quirks import Wider
from dragoman.dialects.request import WireRequest


def widened(wire: WireRequest, widens: frozenset[Wider]) -> WireRequest:
    """Return the request with a copy of its body, for OpenAI's checks. The copy lacks the values that
    `widens` names, also some that OpenAI accepts: for example each `stop` that is a list of texts. The
    request itself is not changed. widens: the names of the values that the server accepts (`Quirks.widens`);
    a name that is not in `_PUTS` changes nothing.
    """
    return put_right(wire, widens, _PUTS)


def _logprobs(body: dict[str, Any]) -> None:
    """Remove `logprobs` if it is an integer of at least 0, or a boolean. Remove `logit_bias` if it has a form
    that only llama.cpp accepts: a list, or an object with `false` as a bias.
    """
    if type(many := body.get("logprobs")) is bool or (type(many) is int and many >= 0):
        del body["logprobs"]
    put_logit_bias(body)


_PUTS: Final[dict[Wider, Put]] = {
    "stop": put_stop,
    "max_tokens": put_max_tokens,
    "logprobs": _logprobs,
    "stream_options": put_stream_options,
}
