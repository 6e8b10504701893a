"""Hooks take part where they have a method, in order, and fail by name."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.hooks import HookFailed, Hooks

EXCHANGE = Exchange("ex_1", "req_1", "openai_chat", "POST", "/", began=0.0, created=0.0)
REQUEST = ir.Request("openai_chat", "m")


class Renames:
    """Changes the model, and says so in what it was."""

    def __init__(self, model: str) -> None:
        self.model = model

    async def before(self, exchange: Exchange, request: ir.Request) -> ir.Request:
        return ir.Request("openai_chat", f"{request.model}{self.model}")


class Doubles:
    """Sends each event twice, and drops pings."""

    async def on_event(self, exchange: Exchange, event: ir.Event) -> Sequence[ir.Event] | None:
        return () if isinstance(event, ir.Ping) else (event, event)


class Watches:
    """Changes nothing."""

    async def before(self, exchange: Exchange, request: ir.Request) -> None:
        return None

    async def on_event(self, exchange: Exchange, event: ir.Event) -> None:
        return None


class Breaks:
    """Raises what it was given."""

    name = "breaker"

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def before(self, exchange: Exchange, request: ir.Request) -> ir.Request:
        raise self.error


async def test_before_hooks_run_in_order_of_registration() -> None:
    hooks = Hooks([Renames("a"), Watches(), Renames("b")])
    assert (await hooks.before(EXCHANGE, REQUEST)).model == "mab"


async def test_events_are_chained_through_all_hooks() -> None:
    hooks = Hooks([Doubles(), Watches(), Doubles()])
    delta = ir.TextDelta(0, "x")
    assert await hooks.events(EXCHANGE, [delta, ir.Ping()]) == [delta] * 4


def test_what_hooks_need_is_known_at_once() -> None:
    assert not Hooks([Renames("a")]).need_events
    assert Hooks([Renames("a")]).change_requests
    assert Hooks([Doubles()]).need_events
    assert not Hooks([Doubles()]).change_requests


def test_an_object_without_any_point_is_no_hook() -> None:
    with pytest.raises(TypeError, match="is no hook"):
        Hooks([object()])


async def test_a_hook_may_end_the_request_with_its_own_fault() -> None:
    told = ir.Fault("permission", "not on Sundays")
    with pytest.raises(RequestFailed) as caught:
        await Hooks([Breaks(RequestFailed(told))]).before(EXCHANGE, REQUEST)
    assert caught.value.fault == told


async def test_any_other_failure_names_the_hook() -> None:
    with pytest.raises(HookFailed, match="'breaker' failed in before") as caught:
        await Hooks([Breaks(ValueError("boom"))]).before(EXCHANGE, REQUEST)
    assert isinstance(caught.value.__cause__, ValueError)
