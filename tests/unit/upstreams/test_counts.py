"""Numbers that are work where there is no provider to refuse them."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.upstreams.counts import hold_to_counts


def asked(**sampling: Any) -> ir.Request:
    message = ir.Message("user", (ir.Text("Hello"),))
    return ir.Request("chat", "m", (message,), sampling=ir.Sampling(**sampling))


def test_what_providers_take_passes() -> None:
    hold_to_counts(asked())
    hold_to_counts(asked(n=128, top_logprobs=20, stop=("x",) * 64))


@pytest.mark.parametrize(
    ("sampling", "param", "code"),
    [
        ({"n": 129}, "sampling.n", "integer_above_max_value"),
        ({"top_logprobs": 21}, "sampling.top_logprobs", "integer_above_max_value"),
        ({"stop": ("x",) * 65}, "sampling.stop", "array_above_max_length"),
    ],
)
def test_more_is_refused_at_its_place(sampling: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(RequestFailed) as caught:
        hold_to_counts(asked(**sampling))
    fault = caught.value.fault
    assert (fault.kind, fault.param, fault.code, fault.blame) == ("invalid_request", param, code, "client")
