"""Hooks: the points where other people's code, and the gateway's own features, take part in an exchange.

A hook is any object with a `name` and one or more of the methods below, `async` or not. Hooks run in the
order of their registration. The gateway looks up once which methods exist, so a hook without `on_event` costs
nothing per token. A hook that raises `RequestFailed` ends the request with that fault, as `EndedByHook`. Any
other exception, or a result of another type than below, becomes `HookFailed`: it is logged, and the client
gets a 500 without details.

    before(exchange, request) -> ir.Request | None       may replace the request; None = unchanged
    after(exchange, response) -> ir.Response | None      whole answers only; may replace
    on_event(exchange, event) -> Sequence[ir.Event] | None   streams; None = unchanged, () = dropped
    on_error(exchange, fault) -> ir.Fault | None         may replace the error that the client gets
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from inspect import isawaitable
from typing import Any, TypeAlias, get_args

from dragoman import ir
from dragoman.errors import DragomanError, RequestFailed
from dragoman.exchange import Exchange

Before: TypeAlias = Callable[[Exchange, ir.Request], Awaitable[ir.Request | None] | ir.Request | None]
After: TypeAlias = Callable[[Exchange, ir.Response], Awaitable[ir.Response | None] | ir.Response | None]
OnEvent: TypeAlias = Callable[
    [Exchange, ir.Event], Awaitable[Sequence[ir.Event] | None] | Sequence[ir.Event] | None
]
OnError: TypeAlias = Callable[[Exchange, ir.Fault], Awaitable[ir.Fault | None] | ir.Fault | None]


_EVENTS: tuple[type, ...] = get_args(ir.Event)


class HookFailed(DragomanError):
    """A hook raised another error than RequestFailed, or returned a wrong type; see `__cause__`."""

    def __init__(self, hook: str, point: str) -> None:
        super().__init__(f"hook {hook!r} failed in {point}")


class EndedByHook(RequestFailed):
    """A hook raised RequestFailed with this fault. This is final: no other deployment is called.

    hook: the hook's name. point: the method that raised.
    """

    def __init__(self, fault: ir.Fault, hook: str, point: str) -> None:
        super().__init__(fault)
        self.hook = hook
        self.point = point


class Hooks:
    """All hooks of one gateway, in one list for each method. Raises TypeError for an object without any such
    method.
    """

    def __init__(self, hooks: Iterable[Any] = ()) -> None:
        self._before: list[tuple[str, Before]] = []
        self._after: list[tuple[str, After]] = []
        self._on_event: list[tuple[str, OnEvent]] = []
        self._on_error: list[tuple[str, OnError]] = []
        points: dict[str, list[Any]] = {
            "before": self._before,
            "after": self._after,
            "on_event": self._on_event,
            "on_error": self._on_error,
        }
        for hook in hooks:
            taken = [point for point in points if callable(getattr(hook, point, None))]
            if not taken:
                raise TypeError(f"{hook!r} is not a hook: it has none of the methods {', '.join(points)}")
            for point in taken:
                points[point].append((getattr(hook, "name", type(hook).__name__), getattr(hook, point)))
        self.change_requests = bool(self._before)
        """Whether a hook may change requests."""
        self.need_events = bool(self._on_event or self._after)
        """Whether a hook reads or changes answers, so they cannot be relayed."""

    async def before(self, exchange: Exchange, request: ir.Request) -> ir.Request:
        """The request after all `before` hooks, in turn. All methods raise EndedByHook and HookFailed."""
        for name, hook in self._before:
            request = await _run(name, "before", ir.Request, hook, exchange, request) or request
        return request

    async def after(self, exchange: Exchange, response: ir.Response) -> ir.Response:
        """The whole answer after all `after` hooks, each of which got the result of the one before it."""
        for name, hook in self._after:
            response = await _run(name, "after", ir.Response, hook, exchange, response) or response
        return response

    async def events(self, exchange: Exchange, batch: Sequence[ir.Event]) -> Sequence[ir.Event]:
        """The events that replace `batch` after all `on_event` hooks; each gets those of the one before."""
        for name, hook in self._on_event:
            passed: list[ir.Event] = []
            for event in batch:
                replaced = await _run(name, "on_event", Sequence, hook, exchange, event)
                passed.extend((event,) if replaced is None else replaced)
            batch = passed
        return batch

    async def on_error(self, exchange: Exchange, fault: ir.Fault) -> ir.Fault:
        """The fault after all `on_error` hooks, from which the client's error is written."""
        for name, hook in self._on_error:
            fault = await _run(name, "on_error", ir.Fault, hook, exchange, fault) or fault
        return fault


async def _run(name: str, point: str, expected: type[Any], hook: Callable[..., Any], *arguments: Any) -> Any:
    """Call a hook. Returns None or an `expected` (a Sequence of events). name, point: for the errors."""
    try:
        result = hook(*arguments)
        if isawaitable(result):
            result = await result
        if result is not None:
            _check(result, expected)
    except RequestFailed as failed:
        raise EndedByHook(failed.fault, name, point) from failed
    except Exception as error:
        raise HookFailed(name, point) from error
    return result


def _check(result: Any, expected: type[Any]) -> None:
    if not isinstance(result, expected):
        raise TypeError(f"it returned {type(result).__name__}, not {expected.__name__}")
    if expected is Sequence:
        for event in result:
            if not isinstance(event, _EVENTS):
                raise TypeError(f"it yielded {type(event).__name__}, which is not a stream event")
