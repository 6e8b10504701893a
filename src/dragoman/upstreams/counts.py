"""Limits for numbers in a chat request to a model on this machine or to the simulator: these numbers decide
how much work the answer is. Pure.

A provider over HTTP checks such numbers itself. Here the gateway must check them: a request for a million
candidates (alternative answers) would make the model write a million answers.
"""

from __future__ import annotations

from typing import Final

from dragoman import ir
from dragoman.errors import RequestFailed

MOST_CANDIDATES: Final = 128
"""The most candidates (alternative answers) of one chat request, as in OpenAI's API."""
MOST_TOP_LOGPROBS: Final = 20
"""The most alternatives to each token of an answer, as in OpenAI's API."""
MOST_STOPS: Final = 64
"""The most stop sequences, because the answer is searched for each of them. OpenAI's API takes 4, DeepSeek's
16.
"""


def hold_to_counts(request: ir.Request) -> None:
    """Raise RequestFailed for a chat request that asks for more than 128 candidates (`n`), more than 20
    alternatives to each token (`top_logprobs`) or more than 64 stop sequences. The fault names the field by
    its path in the IR. Lower bounds are not checked here.
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
    """Return (not raise) the error for a number, or a number of items, that is too large. param: the path of
    the value in the IR. limit: the allowed maximum, as text for the message ("64 sequences"). code: the
    machine-readable code of the fault.
    """
    message = f"Models on this machine accept at most {limit} per request."
    return RequestFailed(ir.Fault("invalid_request", message, code=code, param=param))
