"""A context variable, through which a connection pool tells an exchange that its request has got a
connection.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

CONNECTED: Final[ContextVar[Callable[[], None]]] = ContextVar("connected")
"""A function that is called when a request of the running task gets a connection, new or reused. Not set =
nothing is called.
"""
