"""Hooks take part where they have a method, in order, and fail by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.hooks import POINTS, EndedByHook, HookFailed, Hooks

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
    with pytest.raises(TypeError, match="is not a hook"):
        Hooks([object()])


async def test_a_hook_may_end_the_request_with_its_own_fault() -> None:
    told = ir.Fault("permission", "not on Sundays")
    with pytest.raises(EndedByHook) as caught:
        await Hooks([Breaks(RequestFailed(told))]).before(EXCHANGE, REQUEST)
    assert isinstance(caught.value, RequestFailed)
    assert (caught.value.fault, caught.value.hook, caught.value.point) == (told, "breaker", "before")


async def test_any_other_failure_names_the_hook() -> None:
    with pytest.raises(HookFailed, match="'breaker' failed in before") as caught:
        await Hooks([Breaks(ValueError("boom"))]).before(EXCHANGE, REQUEST)
    assert (caught.value.hook, caught.value.point) == ("breaker", "before")
    assert isinstance(caught.value.__cause__, ValueError)


FAULT = ir.Fault("upstream", "gone")
RESPONSE = ir.Response("r_1", model="m")
PING = ir.Ping()
ARGUMENTS = {"before": REQUEST, "after": RESPONSE, "on_event": PING, "on_error": FAULT}


def test_every_point_is_tried_below() -> None:
    tried = {*ARGUMENTS, "resolve"}  # what it may return is tried apart: a name, or several
    assert tried == set(POINTS)
    assert {point for point, _ in WRONG} == set(ARGUMENTS)


def run(point: str, hook: Callable[..., Any]) -> Awaitable[Any]:
    """One hook that has one point, at that point."""
    hooks = Hooks([SimpleNamespace(name="mine", **{point: hook})])
    if point == "on_event":
        return hooks.events(EXCHANGE, [PING])
    called: Awaitable[Any] = getattr(hooks, point)(EXCHANGE, ARGUMENTS[point])
    return called


WRONG: list[tuple[str, Any]] = [
    ("before", {}),
    ("before", {"model": "m"}),
    ("before", ""),
    ("after", REQUEST),
    ("after", False),
    ("on_event", PING),
    ("on_event", [PING, "x"]),
    ("on_event", "x"),
    ("on_event", {PING.__class__: PING}),
    ("on_event", iter([PING])),
    ("on_error", "it broke"),
    ("on_error", 500),
]


@pytest.mark.parametrize(("point", "result"), WRONG)
@pytest.mark.parametrize("plain", [True, False], ids=["plain", "async"])
async def test_a_result_of_another_type_is_a_failure_by_name(point: str, result: Any, plain: bool) -> None:
    async def later(*_: Any) -> Any:
        return result

    with pytest.raises(HookFailed, match=f"'mine' failed in {point}") as caught:
        await run(point, (lambda *_: result) if plain else later)
    assert str(caught.value.__cause__).startswith(("it returned", "it yielded"))


@pytest.mark.parametrize("point", ARGUMENTS)
async def test_a_hook_that_cannot_be_called_is_a_failure_by_name(point: str) -> None:
    with pytest.raises(HookFailed, match=f"'mine' failed in {point}") as caught:
        await run(point, lambda: None)
    assert isinstance(caught.value.__cause__, TypeError)


@pytest.mark.parametrize("point", ARGUMENTS)
async def test_a_plain_function_may_change_or_end_what_it_is_given(point: str) -> None:
    kept = [PING] if point == "on_event" else ARGUMENTS[point]
    assert await run(point, lambda *_: None) == kept

    def returns(_: Exchange, given: Any) -> Any:
        return (given,) if point == "on_event" else given

    assert await run(point, returns) == kept

    def ends(*_: Any) -> None:
        raise RequestFailed(FAULT)

    with pytest.raises(EndedByHook) as caught:
        await run(point, ends)
    assert (caught.value.fault, caught.value.point) == (FAULT, point)


class Names:
    """Says which models a name stands for."""

    def __init__(self, told: Any) -> None:
        self.name, self.told = f"names {told!r}", told

    def resolve(self, exchange: Exchange, name: str | None) -> Any:
        return self.told


async def test_the_first_hook_that_names_models_decides() -> None:
    hooks = Hooks([Names(None), Names("a"), Names(["b"])])
    assert hooks.resolves
    told = await hooks.resolve(EXCHANGE, "m")
    assert told is not None
    assert (told.hook, told.names) == ("names 'a'", ("a",))
    several = await Hooks([Names(("b", "c"))]).resolve(EXCHANGE, None)
    assert several is not None
    assert several.names == ("b", "c")
    assert await Hooks([Names(None)]).resolve(EXCHANGE, "m") is None
    assert not Hooks([Watches()]).resolves


@pytest.mark.parametrize("told", [[], ["a", ""], ["a", 1], {"a"}, 7, ""])
async def test_what_is_no_name_fails_the_hook(told: Any) -> None:
    with pytest.raises(HookFailed, match="resolve"):
        await Hooks([Names(told)]).resolve(EXCHANGE, "m")
