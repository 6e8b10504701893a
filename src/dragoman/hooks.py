"""Hooks: the points where other people's code, and the gateway's own features, take part in an exchange.

A hook is any object with one or more of the methods below, `async` or not. Its attribute `name`, or if it has
none the name of its class, appears in the log. Hooks run in the order of their registration. A hook that
raises `RequestFailed` ends the request with that fault, as `EndedByHook`. Any other exception, or a result of
another type, becomes `HookFailed`: it is logged, and the client gets an error without details (500, if no
status was sent before). If `on_error` fails in this way, the client gets the original fault instead; if it
raises `RequestFailed`, the client gets that fault.

    resolve(exchange, name) -> str | list[str] | None        chooses the models for the name a client sent
    before(exchange, request) -> ir.Request | None           replaces a chat request, also a count of tokens
    after(exchange, response) -> ir.Response | None          replaces a chat answer that is not streamed
    on_event(exchange, event) -> Sequence[ir.Event] | None   replaces one event of a streamed chat answer
    on_error(exchange, fault) -> ir.Fault | None             replaces the fault of a failed request

None always means no change. An empty sequence from `on_event` removes the event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from inspect import isawaitable
from typing import Any, Final, NamedTuple, TypeVar, get_args

from dragoman import ir
from dragoman.errors import DragomanError, RequestFailed
from dragoman.exchange import Exchange

_T = TypeVar("_T")
POINTS: Final = ("resolve", "before", "after", "on_event", "on_error")
"""The names of the methods that a hook may have."""
_EVENTS: tuple[type, ...] = get_args(ir.Event)


class HookFailed(DragomanError):
    """A hook raised another exception than RequestFailed, returned a value of a wrong type, or named a model
    that does not exist. hook: the name of the hook. point: the method that failed. `__cause__`: what the hook
    raised, a TypeError that names the wrong type, or the RequestFailed for the unknown model.
    """

    def __init__(self, hook: str, point: str) -> None:
        super().__init__(f"hook {hook!r} failed in {point}")
        self.hook = hook
        self.point = point


class EndedByHook(RequestFailed):
    """A hook raised RequestFailed, so the request ends: no other deployment is called. hook: the name of the
    hook. point: the method that raised RequestFailed.
    """

    def __init__(self, fault: ir.Fault, hook: str, point: str) -> None:
        super().__init__(fault)
        self.hook = hook
        self.point = point


class Resolved(NamedTuple):
    """The models that a hook's `resolve` has chosen. hook: the name of the hook. names: the names of the
    models, in the order in which they are tried.
    """

    hook: str
    names: tuple[str, ...]


class Hooks:
    """All hooks of one gateway, in the order in which they run. The constructor raises TypeError for an
    object without a method in `POINTS`. resolves: whether any hook has `resolve`. change_requests: whether
    any hook has `before`. need_events: whether any hook has `after` or `on_event`; then answers must be
    translated. Each hook gets the value that the hooks before it have left, and each method here returns the
    value that the last hook leaves; `resolve` differs. All methods may raise EndedByHook or HookFailed.
    """

    def __init__(self, hooks: Iterable[Any] = ()) -> None:
        self._hooks: dict[str, list[tuple[str, Callable[..., Any]]]] = {point: [] for point in POINTS}
        for hook in hooks:
            taken = [point for point in POINTS if callable(getattr(hook, point, None))]
            if not taken:
                raise TypeError(f"{hook!r} is not a hook: it has none of the methods {', '.join(POINTS)}")
            for point in taken:
                self._hooks[point].append((getattr(hook, "name", type(hook).__name__), getattr(hook, point)))
        self.resolves = bool(self._hooks["resolve"])
        self.change_requests = bool(self._hooks["before"])
        self.need_events = bool(self._hooks["on_event"] or self._hooks["after"])

    async def resolve(self, exchange: Exchange, name: str | None) -> Resolved | None:
        """Return the models that the first hook with a choice names. None = no hook names any, so the
        configuration decides. name: the model name that the client has sent; None = it sent none.
        """
        for hook_name, hook in self._hooks["resolve"]:
            if (told := await _run(hook_name, "resolve", str, hook, exchange, name)) is not None:
                return Resolved(hook_name, (told,) if isinstance(told, str) else tuple(told))
        return None

    async def before(self, exchange: Exchange, request: ir.Request) -> ir.Request:
        """Return the request that is left after all `before` hooks."""
        return await self._through("before", exchange, request)

    async def after(self, exchange: Exchange, response: ir.Response) -> ir.Response:
        """Return the answer that is left after all `after` hooks. response: complete, not a stream."""
        return await self._through("after", exchange, response)

    async def events(self, exchange: Exchange, batch: Sequence[ir.Event]) -> Sequence[ir.Event]:
        """Return the events that replace the events in `batch`, after all `on_event` hooks. The result may be
        empty.
        """
        for name, hook in self._hooks["on_event"]:
            passed: list[ir.Event] = []
            for event in batch:
                replaced = await _run(name, "on_event", Sequence, hook, exchange, event)
                passed.extend((event,) if replaced is None else replaced)
            batch = passed
        return batch

    async def on_error(self, exchange: Exchange, fault: ir.Fault) -> ir.Fault:
        """Return the fault that is left after all `on_error` hooks."""
        return await self._through("on_error", exchange, fault)

    async def _through(self, point: str, exchange: Exchange, value: _T) -> _T:
        for name, hook in self._hooks[point]:
            value = await _run(name, point, type(value), hook, exchange, value) or value
        return value


async def _run(name: str, point: str, expected: type[Any], hook: Callable[..., Any], *arguments: Any) -> Any:
    """Call a hook's method and return its result, which is None or fits `expected`. expected: `str` = a name
    or a list of names; `Sequence` = a sequence of stream events; any other type = an object of that type.
    Raises EndedByHook and HookFailed.
    """
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
    if expected is str:
        names = result if isinstance(result, list | tuple) else (result,)
        if not names or not all(isinstance(one, str) and one for one in names):
            raise TypeError("it returned something else than a name or a list of names")
        return
    if not isinstance(result, expected):
        raise TypeError(f"it returned {type(result).__name__}, not {expected.__name__}")
    if expected is Sequence:
        for event in result:
            if not isinstance(event, _EVENTS):
                raise TypeError(f"it yielded {type(event).__name__}, which is not a stream event")
