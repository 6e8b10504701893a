"""A value is sound if each of its fields, and of the values inside it, has its annotated type."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.ir.soundness import is_sound

TEXT = ir.Text("hello")


def request(*blocks: Any, **more: Any) -> ir.Request:
    return ir.Request("openai_chat", "m", (ir.Message("user", blocks),), **more)


@pytest.mark.parametrize(
    "value",
    [
        request(TEXT),
        request(TEXT, sampling=ir.Sampling(temperature=1)),  # a whole number is a float too
        request(TEXT, metadata={"a": 1}),
        ir.Usage(input=1, estimated=True),
        ir.Fault("upstream", "It broke."),
    ],
)
def test_what_is_sound(value: Any) -> None:
    assert is_sound(value)
    assert is_sound(value)  # its shape is known now


@pytest.mark.parametrize(
    "value",
    [
        request(ir.Text(1)),  # type: ignore[arg-type]
        request("hello"),
        request(TEXT, sampling=ir.Sampling(temperature="hot")),  # type: ignore[arg-type]
        request(TEXT, max_output=1.5),
        ir.Usage(input="1"),  # type: ignore[arg-type]
        ir.Fault(1, "It broke."),  # type: ignore[arg-type]
    ],
)
def test_what_is_not(value: Any) -> None:
    assert not is_sound(value)
