"""The gateway that an operator's command asks: the options that name it, and the requests to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from dragoman.cli.options import config_option, loaded
from dragoman.cli.terminal import Failure, Terminal

if TYPE_CHECKING:
    from dragoman.cli.operator import Told, Way
    from dragoman.config.load import Loaded

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class Asked(NamedTuple):
    """The gateway that a command asks. found: this machine's configuration, None = a URL was given instead.
    way: how to reach the gateway, None = no gateway runs on this machine.
    """

    found: Loaded | None
    way: Way | None


def gateway_options(function: F) -> F:
    """Add the options that name the gateway to a command: `--config`, `--url` and `--key`."""
    url = click.option(
        "--url", envvar="DRAGOMAN_URL", help="The gateway's URL, instead of one that runs here."
    )
    key = click.option("--key", envvar="DRAGOMAN_API_KEY", help="A key with the scope admin, for --url.")
    return config_option(url(key(function)))


def asked_of(terminal: Terminal, file: Path | None, url: str | None, key: str | None) -> Asked:
    """Return the gateway that the options name: the one at `url`; without a URL, the one that runs here with
    the configuration `file` (None = find the file). key: the key for `url`. Raises Failure for an invalid URL
    or configuration.
    """
    from dragoman.cli.operator import way

    found = None if url is not None else loaded(terminal, file)
    return Asked(found, way(found, url, key))


def from_gateway(asked: Asked, *path: str, method: str = "GET", body: Any = None) -> Any:
    """Send a request, and return the gateway's answer as JSON; None = no gateway runs on this machine, or it
    did not answer in time. path: a path (which may have a query), then the names of further segments. body:
    the JSON value to send, None = no body. Raises Failure if the gateway at a given URL does not answer, or
    if any gateway answers with an error.
    """
    from dragoman.cli.operator import call

    return _asked(asked, lambda way: call(way, method, _joined(path), body))


def tagged(
    asked: Asked, *path: str, method: str = "GET", body: Any = None, tag: str | None = None
) -> Told | None:
    """Send a request as `from_gateway` does, and return the answer with its ETag; None as there. tag: the
    request is refused unless the object to change still has this ETag; None = no condition.
    """
    from dragoman.cli.operator import told

    return _asked(asked, lambda way: told(way, method, _joined(path), body, tag))


def _joined(path: Sequence[str]) -> str:
    from dragoman.cli.operator import named

    return named(*path)


def _asked(asked: Asked, ask: Callable[[Way], Coroutine[Any, Any, T]]) -> T | None:
    from dragoman.cli.operator import NotRunning, unreachable

    if asked.way is None:
        return None
    try:
        return asyncio.run(ask(asked.way))
    except NotRunning as error:
        if asked.way.socket is None:
            raise unreachable(asked.way, str(error)) from None
        return None  # the file of the socket of a gateway that was killed


def nobody() -> Failure:
    """Return the failure of a command that needs a running gateway, if none runs."""
    from dragoman.cli.operator import unreachable

    return unreachable(None, "")
