"""Finds the gateway that `dragoman trace` asks, and gets JSON from the paths below its /admin."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aiohttp

from dragoman.cli.banner import address
from dragoman.cli.checks import Answer, TooLarge
from dragoman.cli.client_key import kept
from dragoman.cli.options import loaded
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, NO_RIGHT, UNREACHABLE, Failure, Terminal, clean
from dragoman.net.aio import reason
from dragoman.providers.address import base_url
from dragoman.seams.clock import SYSTEM

if TYPE_CHECKING:
    from dragoman.config.load import Loaded

_SECONDS: Final = 20.0
_KEYS: Final = ("DRAGOMAN_ADMIN_KEY", "DRAGOMAN_API_KEY")
"""The environment variables that may contain the key. The first one that is set is used."""


class Target(NamedTuple):
    """A gateway to ask. base: its URL, without the version of an API. key: the key to send, None = send
    none.
    """

    base: str
    key: str | None


def target(terminal: Terminal, file: Path | None, url: str | None, key: str | None) -> Target:
    """Return the gateway to ask and the key to send. With `url` it is the gateway there, else the gateway
    that the configuration describes (`file`; None = find the file), at its `server.admin_port` if it has one.
    The configuration's warnings are printed.

    The key is `key`; else the first one in the environment variables of `_KEYS`; else, without `url`, that of
    `_configured`; else none. Raises Failure for an invalid URL, for a configuration that is invalid or has
    the port 0, and for a file with a created key that cannot be read.
    """
    key = key or next((stated for name in _KEYS if (stated := _first(name))), None)
    if url is not None:
        try:
            base = base_url(url if "://" in url else f"http://{url}")
        except ValueError as error:
            raise Failure(MISUSE, f"{url}: {error}", hint="--url http://127.0.0.1:8080") from None
        return Target(base.removesuffix("/v1"), key)
    found = loaded(terminal, file)
    server = found.config.server
    host, port, path = server.host, server.port, str(server.base_path)
    if server.admin_port is not None:
        host, port, path = server.admin_host, server.admin_port, ""  # `base_path` is for clients alone
    if port == 0:
        hint = "--url URL, as dragoman serve printed it"
        raise Failure(MISUSE, "the configuration lets the system choose the port", hint=hint)
    base = address(host, port, path).rstrip("/")
    return Target(base, key or _configured(found))


def _first(name: str) -> str | None:
    return os.environ.get(name, "").partition(",")[0].strip() or None


def _configured(found: Loaded) -> str | None:
    """Return a key with the scope `admin` that the configuration states in full (not by its hash), that has
    not expired, and that belongs to no tenant. If no keys are configured at all, return the client key that
    `dragoman serve` has created. None = there is neither.
    """
    if not found.config.auth.keys:
        return kept(found.home)
    config, now = found.config, SYSTEM.now()
    able = [
        one
        for one in config.auth.keys
        if "admin" in one.scopes and (one.expires is None or one.expires > now) and not config.tenant_of(one)
    ]
    return next((one.key.reveal() for one in able if one.key is not None), None)


async def ask(there: Target, path: str, query: dict[str, str]) -> Any:
    """Return the JSON object at a path of the gateway; None = it does not know the exchange (the recorded
    request) that is asked for. query: the parameters of the URL. Raises Failure if no gateway answers within
    20 s, if the answer is too large or another error, or if it is not a JSON object.
    """
    headers = {} if there.key is None else {"authorization": f"Bearer {there.key}"}
    limit = aiohttp.ClientTimeout(total=_SECONDS, sock_connect=5)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=limit) as session,
            session.get(there.base + path, params=query, allow_redirects=False) as response,
        ):
            answer = await Answer.of(response)
    except TimeoutError:
        raise _unreachable(there, "no response within the time limit") from None
    except TooLarge as error:
        raise _unreachable(there, str(error)) from None
    except (aiohttp.ClientError, OSError) as error:
        raise _unreachable(there, clean(reason(error))) from None
    if answer.status in {401, 403}:
        hint = "--key, or DRAGOMAN_ADMIN_KEY: a key with the scope admin (auth.keys[].scopes)"
        raise Failure(NO_RIGHT, f"{there.base} refused: {answer.message}", hint=hint)
    told = answer.body.get("error") if isinstance(answer.body, dict) else None
    if answer.status == 404 and isinstance(told, dict) and told.get("code") == "exchange_not_found":
        return None
    if answer.status != 200 or not isinstance(answer.body, dict):
        raise Failure(ANSWER_IS_NO, f"{there.base}: {answer.message}")
    return answer.body


def _unreachable(there: Target, why: str) -> Failure:
    hint = "dragoman serve starts a gateway; --url names one elsewhere"
    return Failure(UNREACHABLE, f"{there.base} does not answer: {why}", hint=hint)
