"""Finds the gateway that `dragoman trace` asks, and gets JSON from the paths below its /admin."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlencode

from dragoman.cli.banner import address
from dragoman.cli.client_key import kept
from dragoman.cli.operator import NothingThere, NotRunning, Way, call, unreachable, way
from dragoman.cli.options import loaded
from dragoman.cli.terminal import MISUSE, Failure, Terminal
from dragoman.seams.clock import SYSTEM

if TYPE_CHECKING:
    from dragoman.config.load import Loaded

_KEYS: Final = ("DRAGOMAN_ADMIN_KEY", "DRAGOMAN_API_KEY")
"""The environment variables that may contain the key. The first one that is set is used."""
Target: TypeAlias = Sequence[Way]
"""The ways to one gateway, at least one. Each is tried if the one before it gives no complete answer."""


def target(terminal: Terminal, file: Path | None, url: str | None, key: str | None) -> Target:
    """Return the ways to the gateway to ask. With `url` it is the gateway there, else the gateway that the
    configuration describes (`file`; None = find the file), whose warnings are printed: first by its Unix
    socket, which needs no key, unless `key` is stated; then at the configured address, and there at its
    `server.admin_port` if it has one.

    The key for an address is `key`; else the first one in the environment variables of `_KEYS`; else, without
    `url`, that of `_configured`; else none. Raises Failure for an invalid URL, for a configuration that is
    invalid, for one with the port 0 if there is no socket, and for a file with a created key that cannot be
    read.
    """
    stated = key or next((value for name in _KEYS if (value := _first(name))), None)
    if url is not None:
        there = way(None, url, stated)
        assert there is not None  # there is a URL
        return [there]
    found = loaded(terminal, file)
    local = way(found, None, None) if key is None else None
    server = found.config.server
    host, port, path = server.host, server.port, str(server.base_path)
    if server.admin_port is not None:
        host, port, path = server.admin_host, server.admin_port, ""  # `base_path` is for clients alone
    if port == 0:
        if local is not None:
            return [local]
        hint = "--url URL, as dragoman serve printed it"
        raise Failure(MISUSE, "the configuration lets the system choose the port", hint=hint)
    base = address(host, port, path).rstrip("/")
    there = Way(None, base, stated or _configured(found))
    return [there] if local is None else [local, there]


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
    """Return the JSON object at a path of the gateway; None = the gateway has nothing there. query: the
    parameters of the URL. Raises Failure if no way leads to a complete answer, or if the answer is another
    error or not a gateway's.
    """
    for number, one in enumerate(there, 1):
        try:
            return await call(one, "GET", f"{path}?{urlencode(query)}" if query else path)
        except NothingThere:
            return None
        except NotRunning as error:
            if number == len(there):
                raise unreachable(one, str(error)) from None
    raise AssertionError("there is at least one way")
