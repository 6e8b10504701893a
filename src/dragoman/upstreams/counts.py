"""Limits for the numbers in a request that decide how much a model on this machine has to do. Pure.

A provider checks such numbers itself. Nobody else checks them for a model of ours: a million candidates would
be a million answers.
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
    """Raise RequestFailed for a chat request with a number above a limit."""
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
    """The error for a value above its limit. param: its path in the IR. limit: in words, "64 sequences"."""
    message = f"Models on this machine accept at most {limit} per request."
    return RequestFailed(ir.Fault("invalid_request", message, code=code, param=param))
