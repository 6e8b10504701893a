"""How many gateways a request has passed, so that one that comes back to its sender ends.

A provider's address may be this gateway's own, or that of another which asks this one. No configuration shows
that for sure, so requests are counted: a header says how many gateways sent one on. Where there is none, it
costs a look-up. https://www.rfc-editor.org/rfc/rfc9110#name-via has the same thought.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from dragoman import ir

HEADER: Final = "x-dragoman-hop"
MOST: Final = 5
"""Gateways in a row that somebody may have set up on purpose; the next one is a loop."""

_PASSED: Final[ContextVar[int]] = ContextVar("gateways passed", default=0)
"""Of the request that the running task serves, and those that it starts."""


def arrived(stated: str) -> ir.Fault | None:
    """Take note of what a request says of its way, for the task that serves it. A fault when it is too long.

    The fault is one of the request, as nobody on the way should try it again or elsewhere.
    """
    if not (stated.isascii() and stated.isdigit()):
        return None
    passed = int(stated[:9])
    if passed >= MOST:
        message = (
            f"This request has passed {passed} gateways: the base_url of a provider points back to a gateway."
        )
        return ir.Fault("invalid_request", message, code="gateway_loop")
    _PASSED.set(passed)
    return None


def passed() -> int:
    """How many gateways sent the request on that is served now."""
    return _PASSED.get()
