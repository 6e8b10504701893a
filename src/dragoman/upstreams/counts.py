"""Limits for the numbers in a request that decide how much work a model on this machine has. Pure.

A provider over HTTP checks such numbers itself. For a model on this machine, nobody else checks them: a
request for a million alternative answers would make the model write a million answers.
"""

from __future__ import annotations

from typing import Final

from dragoman import ir
from dragoman.errors import RequestFailed

MOST_CANDIDATES: Final = 128
"""The most candidates of one chat request, as in OpenAI's API."""
MOST_TOP_LOGPROBS: Final = 20
"""The most alternatives to each token of an answer, as in OpenAI's API."""
MOST_STOPS: Final = 64
"""The most stop sequences, each of which is searched in the answer. OpenAI's API takes 4, DeepSeek's 16."""


def hold_to_counts(request: ir.Request) -> None:
    """Raise RequestFailed for a chat request that asks for too many alternative answers (`n`), too many
    alternatives to each token (`top_logprobs`) or too many stop sequences.
    """
    sampling = request.sampling
    for field, value, most in (
        ("n", sampling.n, MOST_CANDIDATES),
        ("top_logprobs", sampling.top_logprobs, MOST_TOP_LOGPROBS),
    ):
        if value is not None and value > most:
            raise above(f"sampling.{field}", f"{most}", "integer_above_max_value")
    if len(sampling.stop or ()) > MOST_STOPS:
        raise above("sampling.stop", f"{MOST_STOPS} sequences", "array_above_max_length")


def above(param: str, limit: str, code: str) -> RequestFailed:
    """The error for a value above its limit. param: the path of the value in the IR. limit: the limit in
    words ("64 sequences").
    """
    message = f"Models on this machine accept at most {limit} per request."
    return RequestFailed(ir.Fault("invalid_request", message, code=code, param=param))
