"""What each HTTP status says by itself."""

from __future__ import annotations

import pytest

from dragoman.dialects.failure import kind_of_status

KINDS = {
    "invalid_request": (400, 406, 410, 418, 422, 426),
    "authentication": (401,),
    "quota": (402,),
    "permission": (403,),
    "not_found": (404,),
    "method_not_allowed": (405,),
    "conflict": (409,),
    "too_large": (413,),
    "media_type": (415,),
    "rate_limit": (429,),
    "overloaded": (425, 498, 503, 529),
    "cancelled": (499,),
    "timeout": (408, 504, 522, 524),
    "not_implemented": (501,),
    "upstream": (500, 502, 520, 599),
}


@pytest.mark.parametrize(
    ("status", "kind"), [(status, kind) for kind, statuses in KINDS.items() for status in statuses]
)
def test_each_status_has_its_kind(status: int, kind: str) -> None:
    assert kind_of_status(status) == kind
