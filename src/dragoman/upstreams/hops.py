"""Counts the gateways that a request has passed, so that a request in a loop ends.

A provider's address may be that of this gateway, or of another gateway that calls this one. The
configuration cannot show this for sure, so a header counts the gateways. A request without the header costs
one look-up. The header Via (https://www.rfc-editor.org/rfc/rfc9110#name-via) has the same purpose.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from dragoman import ir

HEADER: Final = "x-dragoman-hop"
MOST: Final = 5
"""Gateways in a row that an operator may have set up on purpose. One more is a loop."""

_PASSED: Final[ContextVar[int]] = ContextVar("gateways passed", default=0)
"""The count of the request that the running task serves. Tasks that it starts inherit the count."""


def arrived(stated: str) -> ir.Fault | None:
    """Store the count in a request's header for the task that serves the request. A fault if it is too high.

    The fault blames the request, so that no gateway on the way tries it again or elsewhere.
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
    """The number of gateways that the current request has passed before this one."""
    return _PASSED.get()
