"""Places in a request: as IR paths, which stages and upstreams use, and as paths of the client's own body."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from dragoman import ir
from dragoman.engine.asked import Asked

Locate = Callable[[str], str]


def locator(asked: Asked) -> Locate:
    """A function from a place in the IR to a JSON path of the client's request."""
    if asked.prompts:
        return asked.face.locator(asked.wire)
    assert asked.codec is not None
    return partial(asked.codec.client.locate, asked.request)


def located(asked: Asked, fault: ir.Fault, locate: Locate | None = None) -> ir.Fault:
    """The fault, its `param` turned from a place in the IR by `locate` (None = by `locator`)."""
    if fault.param is None:
        return fault
    path = (locate or locator(asked))(fault.param)
    return msgspec.structs.replace(fault, param=path.removeprefix("$."))
