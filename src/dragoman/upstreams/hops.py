"""Counts the gateways that a request has passed, so that a request in a loop ends.

A provider's address may be the address of this gateway, or of another gateway that calls this one. No
configuration shows that. So a header counts the gateways, similar to Via
(https://www.rfc-editor.org/rfc/rfc9110#name-via).
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from dragoman import ir

HEADER: Final = "x-dragoman-hop"
MOST: Final = 5
"""How many gateways in a row a request may pass. A gateway refuses a request that has already passed this
number of gateways, because it is probably in a loop.
"""

_PASSED: Final[ContextVar[int]] = ContextVar("gateways passed", default=0)
"""How many gateways the request has passed that the running task serves. A task inherits the value from the
task that started it.
"""


def arrived(stated: str) -> ir.Fault | None:
    """Store, for the task that serves the request, the number of gateways that the request has passed, and
    return None. If the number is `MOST` or more, store nothing and return a fault; the fault blames the
    client, so that no gateway on the way tries again. stated: the value of the header that counts the
    gateways. A value that is not a number is ignored.
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
"""Returns how many gateways the request of the running task has passed before this gateway; 0 if the request
has no such header, or an invalid one.
"""
