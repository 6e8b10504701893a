"""Numbers of a request that models on this machine would turn into work, held to what providers take.

A provider refuses such a number itself, and some dialects leave that to it. Here there is nobody else to do
it: a million candidates would be a million answers. Pure.
"""

from __future__ import annotations

from typing import Final

from dragoman import ir
from dragoman.errors import RequestFailed

MOST_CANDIDATES: Final = 128
"""As OpenAI's API has it."""
MOST_TOP_LOGPROBS: Final = 20
"""As OpenAI's API has it: each is written with every token."""
MOST_STOPS: Final = 64
"""Each stop sequence is looked for in every answer. OpenAI's API takes 4, DeepSeek's 16."""


def hold_to_counts(request: ir.Request) -> None:
    """Refuse a chat request for more than can be had. Raises RequestFailed, with the place in IR terms."""
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
    """The refusal of a value above its limit. limit: in words; code: one of OpenAI's for such values."""
    return RequestFailed(
        ir.Fault(
            "invalid_request",
            f"Models on this machine accept at most {limit} per request.",
            code=code,
            param=param,
        )
    )
