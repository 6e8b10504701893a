"""Counts the gateways that a request has passed, so that a request in a loop ends.

A provider's address may be this gateway's own, or that of another gateway that calls this one; no
configuration shows that. So a header counts, as Via does (https://www.rfc-editor.org/rfc/rfc9110#name-via).
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from dragoman import ir

HEADER: Final = "x-dragoman-hop"
MOST: Final = 5
"""Gateways in a row that an operator may have set up on purpose. The next one takes it for a loop."""

_PASSED: Final[ContextVar[int]] = ContextVar("gateways passed", default=0)
"""The count of the request that the running task, or the one that started it, serves."""


def arrived(stated: str) -> ir.Fault | None:
    """Store how many gateways a request has passed, for the task that serves it. stated: the value of the
    request's header; a text that is no number is ignored. Returns None. If the number is `MOST` or more,
    stores nothing and returns a fault; it blames the client, so that no gateway on the way tries again.
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


passed: Final = _PASSED.get
"""The number of gateways that the running task's request passed before this one, as far as stated."""
