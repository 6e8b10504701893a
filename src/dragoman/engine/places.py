"""Turns places in the IR of a request, which stages and upstreams name in faults and losses, into JSON paths
of the client's own body.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dragoman import ir
from dragoman.engine.asked import Asked

Locate = Callable[[str], str]


def locator(asked: Asked) -> Locate:
    """Return a function that turns a place in the IR (`messages[0].content`, for example) into a JSON path of
    the client's request, which begins with `$.`. Raises RequestFailed if the request is neither a chat nor
    the count of its tokens, and cannot be decoded.
    """
    if asked.prompts:
        return asked.face.locator(asked.wire)
    assert asked.codec is not None
    return partial(asked.codec.client.located, asked.wire, asked.request)


def located(asked: Asked, fault: ir.Fault, locate: Locate | None = None) -> ir.Fault:
    """Return the fault with its `param`, a place in the IR, turned into a path of the client's body without
    the leading `$.`. A fault without a `param` is returned as it is. locate: makes the path; None = the
    function that `locator` returns.
    """
    if fault.param is None:
        return fault
    path = (locate or locator(asked))(fault.param)
    return fault.changed(param=path.removeprefix("$."))
