"""Places of a request: in IR terms, as stages and upstreams name them, and in the client's own words."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from dragoman import ir
from dragoman.engine.asked import Asked

Locate = Callable[[str], str]


def locator(asked: Asked) -> Locate:
    """What turns a place in IR terms into a JSON path of the request."""
    if asked.prompts:
        return asked.face.locator(asked.wire)
    assert asked.codec is not None
    return partial(asked.codec.client.locate, asked.request)


def located(asked: Asked, fault: ir.Fault, locate: Locate | None = None) -> ir.Fault:
    """A fault whose parameter is a place in IR terms, with the place in the client's own words."""
    if fault.param is None:
        return fault
    path = (locate or locator(asked))(fault.param)
    return msgspec.structs.replace(fault, param=path.removeprefix("$."))
