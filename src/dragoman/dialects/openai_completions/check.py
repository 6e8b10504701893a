"""Checks completions requests. Unknown members are accepted."""

from __future__ import annotations

from typing import Any, Final

from dragoman.dialects.chat.check import a_seed, check_few_stops, check_texts
from dragoman.dialects.request import WireRequest
from dragoman.dialects.rules import (
    Rule,
    a_boolean,
    a_string,
    an_object,
    check_members,
    integer,
    members,
    number,
)
from dragoman.errors import WireError


def check(request: WireRequest) -> None:
    """Raise WireError for the first mistake that is found; its path is the path of the wrong value. A member
    that is null counts as missing. `prompt` is required.
    """
    body = request.body
    check_members(body, _RULES, "prompt")
    best_of = body.get("best_of")
    if best_of is not None and best_of < (body.get("n") or 1):
        raise WireError("'best_of' must be at least as large as 'n'.", "best_of", "invalid_value")
    if body.get("stream_options") is not None and body.get("stream") is not True:
        raise WireError(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options"
        )


def _logit_bias(value: Any, path: str) -> None:
    an_object(value, path)
    for token, bias in value.items():
        _BIAS(bias, f"{path}.{token}")


_BIAS: Final = number(-100, 100)
SCALARS: Final[dict[str, Rule]] = {
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "seed": a_seed,
    "frequency_penalty": number(-2, 2),
    "presence_penalty": number(-2, 2),
    "n": integer(1, 128),
    "logit_bias": _logit_bias,
}
"""Request member -> rule, for those of OpenAI's members that are fields of ir.Sampling with the same name and
value (not `stop` and `logprobs`). In this protocol, a new such member needs only a line here."""
EXTENSIONS: Final[dict[str, Rule]] = {
    "top_k": integer(),
    "min_p": number(),
    "repetition_penalty": number(),
}
"""Request member -> rule, for members of other vendors that are fields of ir.Sampling. If the client speaks
another dialect, only those in `Quirks.extensions` are sent to the provider."""
_RULES: Final[dict[str, Rule]] = {
    **SCALARS,
    **EXTENSIONS,
    "model": a_string,
    "prompt": check_texts,
    "best_of": integer(0, 20),
    "echo": a_boolean,
    "logprobs": integer(0, 5),
    "max_tokens": integer(0),
    "stop": check_few_stops,
    "stream": a_boolean,
    "stream_options": members(include_usage=a_boolean),
    "suffix": a_string,
    "user": a_string,
}
