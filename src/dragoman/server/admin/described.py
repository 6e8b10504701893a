"""The rows of the operations below /admin whose endpoints are written by hand, and those of `reload` and
`sessions`. A test checks that each endpoint with the scope `admin` has a row.
"""

from __future__ import annotations

from typing import Final

from dragoman.server.admin import reload, sessions, usage
from dragoman.server.admin.operation import Operation

OPERATIONS: Final = (
    Operation(
        "GET",
        "/admin/exchanges",
        "list_exchanges",
        "The latest exchanges of all workers, the newest first; filters as in the page on operations.",
        for_tenants=True,
    ),
    Operation(
        *("GET", "/admin/exchanges/{id}", "show_exchange", "What became of one request: its trace."),
        for_tenants=True,
    ),
    *reload.OPERATIONS,
    Operation(
        *("GET", "/admin/requests", "list_requests", "The requests that run in the worker that answers."),
        for_tenants=True,
    ),
    *sessions.OPERATIONS,
    *usage.OPERATIONS,
)
