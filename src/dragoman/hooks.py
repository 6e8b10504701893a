"""Hooks: where other people's code, and our own features, take part in an exchange.

A hook is any object with a `name` and one or more of the methods below; one object may have several.
They run in registration order. Which methods exist is looked up once, so a hook that does not watch
events costs nothing per token. A hook that raises `RequestFailed` ends the request with that fault;
any other exception is logged with the hook's name and becomes a 500 without details.

    before(exchange, request) -> ir.Request | None       may replace the request; None = unchanged
    after(exchange, response) -> ir.Response | None      whole answers only; may replace
    on_event(exchange, event) -> Sequence[ir.Event] | None   streams; None = unchanged, () = dropped
    on_error(exchange, fault) -> ir.Fault | None         may replace what the client is told
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeAlias

from dragoman import ir
from dragoman.errors import DragomanError, RequestFailed
from dragoman.exchange import Exchange

Before: TypeAlias = Callable[[Exchange, ir.Request], Awaitable[ir.Request | None]]
After: TypeAlias = Callable[[Exchange, ir.Response], Awaitable[ir.Response | None]]
OnEvent: TypeAlias = Callable[[Exchange, ir.Event], Awaitable[Sequence[ir.Event] | None]]
OnError: TypeAlias = Callable[[Exchange, ir.Fault], Awaitable[ir.Fault | None]]


class HookFailed(DragomanError):
    """A hook raised something that is not a RequestFailed; `__cause__` has it."""

    def __init__(self, hook: str, point: str) -> None:
        super().__init__(f"hook {hook!r} failed in {point}")


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
                raise TypeError(f"{hook!r} is no hook: it has none of {', '.join(points)}")
            for point in taken:
                points[point].append((getattr(hook, "name", type(hook).__name__), getattr(hook, point)))

    @property
    def change_requests(self) -> bool:
        """Whether some hook may change requests."""
        return bool(self._before)

    @property
    def need_events(self) -> bool:
        """Whether some hook must see what is answered, which rules out relaying."""
        return bool(self._on_event or self._after)

    async def before(self, exchange: Exchange, request: ir.Request) -> ir.Request:
        """The request after all `before` hooks."""
        for name, hook in self._before:
            request = await _run(name, "before", hook(exchange, request)) or request
        return request

    async def after(self, exchange: Exchange, response: ir.Response) -> ir.Response:
        """The whole answer after all `after` hooks."""
        for name, hook in self._after:
            response = await _run(name, "after", hook(exchange, response)) or response
        return response

    async def events(self, exchange: Exchange, batch: Sequence[ir.Event]) -> Sequence[ir.Event]:
        """A batch of events after all `on_event` hooks, chained."""
        for name, hook in self._on_event:
            passed: list[ir.Event] = []
            for event in batch:
                replaced = await _run(name, "on_event", hook(exchange, event))
                passed.extend((event,) if replaced is None else replaced)
            batch = passed
        return batch

    async def on_error(self, exchange: Exchange, fault: ir.Fault) -> ir.Fault:
        """What the client is told after all `on_error` hooks."""
        for name, hook in self._on_error:
            fault = await _run(name, "on_error", hook(exchange, fault)) or fault
        return fault


async def _run(name: str, point: str, work: Awaitable[Any]) -> Any:
    try:
        return await work
    except RequestFailed:
        raise
    except Exception as error:
        raise HookFailed(name, point) from error
