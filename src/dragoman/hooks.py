"""Hooks: where other people's code, and our own features, take part in an exchange.

A hook is any object with a `name` and one or more of the methods below, `async` or not; one object may
have several. They run in registration order. Which methods exist is looked up once, so a hook that does
not watch events costs nothing per token. A hook that raises `RequestFailed` ends the request with that
fault, as `EndedByHook`; any other exception, and any other result than those below, becomes `HookFailed`,
which is logged and answered with a 500 without details.

    before(exchange, request) -> ir.Request | None       may replace the request; None = unchanged
    after(exchange, response) -> ir.Response | None      whole answers only; may replace
    on_event(exchange, event) -> Sequence[ir.Event] | None   streams; None = unchanged, () = dropped
    on_error(exchange, fault) -> ir.Fault | None         may replace what the client is told
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
    """A hook raised something that is not a RequestFailed, or returned what it may not; see `__cause__`."""

    def __init__(self, hook: str, point: str) -> None:
        super().__init__(f"hook {hook!r} failed in {point}")


class EndedByHook(RequestFailed):
    """A hook raised RequestFailed: its word is final, so no other deployment is asked.

    hook: its name; point: the method that raised.
    """

    def __init__(self, fault: ir.Fault, hook: str, point: str) -> None:
        super().__init__(fault)
        self.hook = hook
        self.point = point


class Hooks:
    """The hooks of one gateway, sorted by the points at which they take part."""

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
        """Whether some hook may change requests."""
        self.need_events = bool(self._on_event or self._after)
        """Whether some hook must see what is answered, which rules out relaying."""

    async def before(self, exchange: Exchange, request: ir.Request) -> ir.Request:
        """The request after all `before` hooks. Raises EndedByHook and HookFailed, as the others do."""
        for name, hook in self._before:
            request = await _run(name, "before", ir.Request, hook, exchange, request) or request
        return request

    async def after(self, exchange: Exchange, response: ir.Response) -> ir.Response:
        """The whole answer after all `after` hooks."""
        for name, hook in self._after:
            response = await _run(name, "after", ir.Response, hook, exchange, response) or response
        return response

    async def events(self, exchange: Exchange, batch: Sequence[ir.Event]) -> Sequence[ir.Event]:
        """A batch of events after all `on_event` hooks, chained."""
        for name, hook in self._on_event:
            passed: list[ir.Event] = []
            for event in batch:
                replaced = await _run(name, "on_event", Sequence, hook, exchange, event)
                passed.extend((event,) if replaced is None else replaced)
            batch = passed
        return batch

    async def on_error(self, exchange: Exchange, fault: ir.Fault) -> ir.Fault:
        """What the client is told after all `on_error` hooks."""
        for name, hook in self._on_error:
            fault = await _run(name, "on_error", ir.Fault, hook, exchange, fault) or fault
        return fault


async def _run(name: str, point: str, expected: type[Any], hook: Callable[..., Any], *arguments: Any) -> Any:
    """What a hook gives: None, an `expected`, or where that is a sequence one of events."""
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
