"""What several protocols share to check a request for a server that accepts more than OpenAI does. The
functions remove, in a copy of the request, values that the server accepts although OpenAI may refuse them.
OpenAI's rules then check the copy. The server gets the request itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from dragoman.dialects.quirks import Wider
from dragoman.dialects.request import WireRequest

_Body = dict[str, Any]
Put = Callable[[_Body], None]
"""A function that removes or corrects, in place, a top-level member of a body, so that OpenAI's checks do not
refuse this member.
"""


def put_right(wire: WireRequest, widens: frozenset[Wider], puts: Mapping[Wider, Put]) -> WireRequest:
    """Return a copy of the request, in whose body the functions of `puts` with a name in `widens` have
    removed or corrected values. The request itself is not changed.

    widens: names of the values that the server accepts; a name that is not in `puts` changes nothing. puts:
    name -> the function for the values of this name.
    """
    body = dict(wire.body)
    for name, put in puts.items():
        if name in widens:
            put(body)
    return replace(wire, body=body)


def put_stop(body: _Body) -> None:
    """Remove `stop` if it is a list of texts, of any length."""
    stop = body.get("stop")
    if type(stop) is list and all(type(text) is str for text in stop):
        del body["stop"]


def put_max_tokens(body: _Body) -> None:
    """Remove `max_tokens`, and `max_completion_tokens`, if it is an integer below 1."""
    for member in ("max_tokens", "max_completion_tokens"):
        if type(most := body.get(member)) is int and most < 1:
            del body[member]


def put_logit_bias(body: _Body) -> None:
    """Remove `logit_bias` if it is a list, or an object in which a value is `false`. llama.cpp accepts both
    forms.
    """
    biases = body.get("logit_bias")
    if type(biases) is list or (type(biases) is dict and any(bias is False for bias in biases.values())):
        del body["logit_bias"]


def put_stream_options(body: _Body) -> None:
    """Remove `stream_options` if it is an object and the body does not have `stream: true`."""
    if type(body.get("stream_options")) is dict and body.get("stream") is not True:
        del body["stream_options"]
