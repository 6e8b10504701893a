"""Parts go over to the next configuration if they were made of the same."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, ClassVar

import pytest

from dragoman.assembly.parts import Parts, close


class Made:
    """A part that notes its end."""

    closed: ClassVar[list[str]] = []

    def __init__(self, name: str) -> None:
        self.name = name

    async def close(self) -> None:
        self.closed.append(self.name)
        if self.name == "bad":
            raise OSError("cannot be closed")


def build(before: Parts | None, **of: Any) -> tuple[Parts, dict[str, Made]]:
    parts = Parts(before)
    made = {name: parts.take(name, what, partial(Made, name), Made.close) for name, what in of.items()}
    return parts, made


def test_only_what_was_made_of_the_same_is_used_again() -> None:
    first, old = build(None, a=1, b=2, c=3)
    second, new = build(first, a=1, b=9, d=4)
    assert new["a"] is old["a"]
    assert new["b"] is not old["b"]
    assert [part.what for part in second.new()] == [new["b"], new["d"]]
    assert [part.what for part in second.left()] == [old["b"], old["c"]]
    assert second.left() == [], "the one before is forgotten"


def test_what_needs_no_end_is_held() -> None:
    first = Parts()
    assert first.hold("a", 1, lambda: "one") == "one"
    second = Parts(first)
    assert second.hold("a", 1, lambda: "two") == "one"
    assert Parts(second).hold("a", 2, lambda: "two") == "two"


def test_all_are_closed_the_last_one_first_also_if_one_cannot_be() -> None:
    Made.closed = []
    parts, _ = build(None, a=1, bad=2, c=3)
    parts.hold("held", 1, object)
    with pytest.raises(OSError, match="cannot be closed"):
        asyncio.run(close(parts.all.values()))
    assert Made.closed == ["c", "bad", "a"]
