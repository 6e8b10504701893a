"""Requests of the operator's commands to a running gateway: over its Unix socket, or to a URL with a key."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp

from dragoman.cli.checks import Answer, TooLarge
from dragoman.cli.doors import running
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, NO_RIGHT, UNREACHABLE, Failure, clean
from dragoman.config.load import Loaded
from dragoman.net.aio import reason
from dragoman.providers.address import base_url

_CHANGED = 412
_ID = "x-request-id"
"""A header by which an answer of a gateway is recognised."""
_PATIENCE = 90.0
"""Seconds. The test of a provider waits 20 s for each of the provider's answers."""


class Way(NamedTuple):
    """How to reach a gateway. socket: its Unix socket; None = by its URL. base: the URL; if there is a
    socket, only a placeholder. key: the key to send, None = no key.
    """

    socket: Path | None
    base: str = "http://dragoman"
    key: str | None = None

    @property
    def named(self) -> str:
        """The address of the gateway for people: the path of the socket, or the URL."""
        return self.base if self.socket is None else str(self.socket)


class NothingThere(Failure):
    """The server answered with 404: it does not know the name in the path, or the path."""


class NotRunning(Exception):
    """No complete answer came from this address: nothing listens there, the connection failed, the time limit
    has passed, or the answer is too large. The text says why.
    """


def way(found: Loaded | None, url: str | None, key: str | None) -> Way | None:
    """Return how to reach the gateway at `url`. If `url` is None, how to reach the gateway that runs on this
    machine with the configuration `found`, by its Unix socket; None = no socket is found (`doors.running`). A
    socket is no proof that a gateway runs: a killed one leaves it. key: the key to send to `url`; a Unix
    socket needs none. Raises Failure for an invalid URL.
    """
    if url is not None:
        try:
            base = base_url(url if "://" in url else f"http://{url}").removesuffix("/v1")
        except ValueError as error:
            raise Failure(MISUSE, f"{url}: {error}", hint="--url http://127.0.0.1:8080") from None
        return Way(None, base, key)
    socket = None if found is None else running(found)
    return None if socket is None else Way(socket)


class Told(NamedTuple):
    """An answer of the gateway. body: the decoded JSON. tag: the answer's ETag; None = it has none."""

    body: Any
    tag: str | None = None


async def call(there: Way, method: str, path: str, body: Any = None) -> Any:
    """Send a request, and return the answer's body, a JSON object. body: the JSON value to send, None = no
    body. Raises NotRunning if no complete answer comes, and Failure for an error (NothingThere for 404); see
    `told`.
    """
    return (await told(there, method, path, body)).body


async def told(there: Way, method: str, path: str, body: Any = None, tag: str | None = None) -> Told:
    """Send a request, and return the answer. path: appended to the gateway's URL. body: the JSON value to
    send, None = no body. tag: the request is refused unless the object to change still has this ETag; None =
    no condition. Raises NotRunning if no complete answer comes within 90 s or it is too large, and Failure
    (NothingThere for 404) if the answer is an error or not an answer of a gateway.
    """
    headers = {} if there.key is None else {"authorization": f"Bearer {there.key}"}
    if tag is not None:
        headers["if-match"] = tag
    limit = aiohttp.ClientTimeout(total=_PATIENCE, sock_connect=5)
    connector = None if there.socket is None else aiohttp.UnixConnector(str(there.socket))
    try:
        async with (
            aiohttp.ClientSession(connector=connector, headers=headers, timeout=limit) as session,
            session.request(method, there.base + path, json=body, allow_redirects=False) as response,
        ):
            answer = await Answer.of(response)
    except TimeoutError:
        raise NotRunning("no response within the time limit") from None
    except TooLarge as error:
        raise NotRunning(str(error)) from None
    except (aiohttp.ClientError, OSError) as error:
        raise NotRunning(clean(reason(error))) from None
    if answer.status in {401, 403}:
        raise Failure(NO_RIGHT, answer.message, hint="--key, or DRAGOMAN_API_KEY: a key of the scope admin")
    if answer.status == 404:
        raise NothingThere(ANSWER_IS_NO, answer.message)
    if answer.status == _CHANGED:
        raise Failure(ANSWER_IS_NO, answer.message, hint="somebody else has changed it just now: try again")
    if answer.status >= 400 or answer.body is None:
        raise Failure(ANSWER_IS_NO, answer.message, lines=_problems(answer.body))
    if not isinstance(answer.body, dict) or _ID not in answer.headers:
        text = f"what answers at {there.named} is not a Dragoman"
        raise Failure(ANSWER_IS_NO, text, hint="--url http://127.0.0.1:8080")
    return Told(answer.body, answer.headers.get("etag"))


def _problems(body: Any) -> list[str]:
    """Return the problems of a configuration that an error lists, as text; [] = it lists fewer than two, so
    that the message of the error is enough.
    """
    error = body.get("error") if isinstance(body, dict) else None
    listed = error.get("problems") if isinstance(error, dict) else None
    if not isinstance(listed, list) or len(listed) < 2:
        return []
    return [clean(f"{one.get('path')}: {one.get('message')}") for one in listed if isinstance(one, dict)]


def named(path: str, *names: str) -> str:
    """Return the path with these names added as its last segments, percent-encoded."""
    return "/".join([path, *(quote(name, safe="") for name in names)])


def unreachable(there: Way | None, why: str) -> Failure:
    """Return (not raise) the failure of a command that needs a running gateway. there: the gateway that did
    not answer, None = none runs here. why: the reason why `there` did not answer, in words.
    """
    if there is None:
        text = "no gateway runs here that could be asked"
        return Failure(UNREACHABLE, text, hint="dragoman serve starts one; --url names one elsewhere")
    return Failure(UNREACHABLE, f"{there.named} does not answer: {why}", hint="dragoman serve")
