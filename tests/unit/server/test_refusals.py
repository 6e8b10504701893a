"""Refusals of HTTP itself: each states its limit and a status of its own."""

from collections.abc import Callable

import pytest

from dragoman import ir
from dragoman.server.refusals import (
    headers_too_large,
    too_many_headers,
    trailers_too_large,
    url_too_long,
)


@pytest.mark.parametrize(
    ("refusal", "status"),
    [(headers_too_large, 431), (trailers_too_large, 431), (too_many_headers, 431), (url_too_long, 414)],
)
def test_a_limit_is_named_with_its_status(refusal: Callable[[int], ir.Fault], status: int) -> None:
    fault = refusal(1234)
    assert "1234" in fault.message
    assert (fault.kind, fault.status) == ("too_large", status)
