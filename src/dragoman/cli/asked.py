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
    """The gateway that a command asks. found: the configuration that was loaded, None = a URL was given
    instead. way: how to reach the gateway, None = no URL was given, and no socket of a gateway with this
    configuration is there.
    """

    found: Loaded | None
    way: Way | None


def gateway_options(function: F) -> F:
    """Add three options to a command, which say what gateway to ask: `--config`, `--url` and `--key`. The
    last two may also come from DRAGOMAN_URL and DRAGOMAN_API_KEY.
    """
    url = click.option(
        "--url", envvar="DRAGOMAN_URL", help="The gateway's URL, instead of one that runs here."
    )
    key = click.option("--key", envvar="DRAGOMAN_API_KEY", help="A key with the scope admin, for --url.")
    return config_option(url(key(function)))


def asked_of(terminal: Terminal, file: Path | None, url: str | None, key: str | None) -> Asked:
    """Return the gateway that the options name: the one at `url`; without a URL, the one that runs here with
    the configuration `file` (None = find the file), whose warnings are printed. key: the key for the gateway
    at `url`; it is not used without a URL. Raises Failure for an invalid URL or configuration.
    """
    from dragoman.cli.operator import way

    found = None if url is not None else loaded(terminal, file)
    return Asked(found, way(found, url, key))


def from_gateway(asked: Asked, *path: str, method: str = "GET", body: Any = None) -> Any:
    """Send a request, and return the JSON object that the gateway answers; None = no gateway runs on this
    machine, or its answer did not come in time or is too large. path: a path, then names, which are added as
    further segments and percent-encoded; only a path without names may have a query. body: the JSON value to
    send, None = no body. Raises Failure if the gateway at a given URL does not answer, or if the answer is an
    error (NothingThere for 404) or not a gateway's.
    """
    from dragoman.cli.operator import call

    return _asked(asked, lambda way: call(way, method, _joined(path), body))


def tagged(
    asked: Asked, *path: str, method: str = "GET", body: Any = None, tag: str | None = None
) -> Told | None:
    """Send a request, and return the answer with its ETag; None = no gateway runs on this machine, or its
    answer did not come in time or is too large. The arguments and the errors are those of `from_gateway`.
    tag: the gateway refuses the request (Failure) unless the object to change still has this ETag; None = no
    condition.
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
    """Return (not raise) the failure for a command that needs a gateway, because none runs on this
    machine.
    """
    from dragoman.cli.operator import unreachable

    return unreachable(None, "")
