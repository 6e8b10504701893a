"""A request that comes back to the gateway which sent it: counted, and ended."""

from __future__ import annotations

from contextvars import copy_context

import pytest

from dragoman.upstreams import hops


@pytest.mark.parametrize(("stated", "passed"), [("1", 1), ("4", 4), ("", 0), ("-1", 0), ("two", 0), ("²", 0)])
def test_what_a_request_says_of_its_way_is_known_to_its_task(stated: str, passed: int) -> None:
    def serve() -> int:
        assert hops.arrived(stated) is None
        return hops.passed()

    assert copy_context().run(serve) == passed
    assert hops.passed() == 0, "another task's"


@pytest.mark.parametrize("stated", ["5", "99", "9" * 5000])
def test_a_loop_is_the_requests_fault_so_that_nobody_tries_again(stated: str) -> None:
    fault = copy_context().run(hops.arrived, stated)
    assert fault is not None
    assert (fault.kind, fault.code, fault.blame) == ("invalid_request", "gateway_loop", "client")
    assert "base_url" in fault.message
