"""Finds the protocol for `dragoman test`: by the endpoint in the URL, or else by trying the protocols."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import aiohttp

from dragoman.cli.checks import PATIENCE, TooLarge, read
from dragoman.dialects.access import Probe, key_header
from dragoman.dialects.table import DEFAULT, DIALECTS
from dragoman.providers.address import base_url

_VERSION: Final = re.compile(r"/(v\d\w*|api)\Z")
_ABSENT: Final = frozenset({404, 405, 501})


class Spoken(NamedTuple):
    """A protocol that a server speaks. dialect: the protocol's name, a key of `DIALECTS` (`openai_chat`).
    base: the server's base URL, to which the paths of the protocol are appended.
    """

    dialect: str
    base: str

    @property
    def title(self) -> str:
        """The protocol's name inside a sentence for people: "OpenAI's Responses"."""
        return _probe(self.dialect).called

    def headers(self, key: str | None) -> dict[str, str]:
        """Return the headers that every request needs: those that the protocol requires, and the header with
        the key. key: the API key, None = send no key.
        """
        spoken = DIALECTS[self.dialect]
        headers = dict(spoken.headers.required)
        if key is not None:
            headers.update([key_header(spoken.keys.scheme, key)])
        return headers


def _tested() -> Iterator[str]:
    return (name for name, dialect in DIALECTS.items() if dialect.probe is not None)


def _probe(dialect: str) -> Probe:
    probe = DIALECTS[dialect].probe
    assert probe is not None
    return probe


def stated(url: str) -> Spoken | None:
    """Return the protocol to which the endpoint at the end of a URL belongs, and the base URL before it; None
    = the path does not end with the chat endpoint of a protocol that `dragoman test` can test. If the
    endpoint has the model in its path, any method behind `:` counts. A query is ignored. Raises ValueError
    for a URL with such an endpoint that is otherwise invalid.
    """
    path = url.partition("?")[0].rstrip("/")
    for dialect in _tested():
        paths = DIALECTS[dialect].paths
        endpoint = paths.chat
        folder, named, _ = endpoint.partition("{model}")
        if path.endswith(endpoint) or (named and folder in path and ":" in path.rpartition("/")[2]):
            return Spoken(dialect, base_url(path, path=paths.base, endpoint=endpoint))
    return None


async def spoken(base: str, key: str | None) -> Spoken:
    """Try the protocols that have a `Dialect.probe`, each at `base` and at the protocol's usual path on this
    server, and return the first one that the server seems to speak. Return Chat Completions at `base` if the
    server speaks none of them, or as soon as one request gets no complete answer (no connection, not in time,
    too large). No request asks a model anything. base: the server's base URL. key: the API key, None = send
    no key.
    """
    timeout = aiohttp.ClientTimeout(total=PATIENCE, sock_connect=5)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for candidate in _candidates(base):
            try:
                if await _answers(session, candidate, key):
                    return candidate
            except (aiohttp.ClientError, TimeoutError, OSError, TooLarge):
                break
    return Spoken(DEFAULT.name, base)


def _candidates(base: str) -> Iterator[Spoken]:
    root = _VERSION.sub("", base)
    for dialect in _tested():
        for place in dict.fromkeys((base, root + DIALECTS[dialect].paths.base)):
            yield Spoken(dialect, place)


async def _answers(session: aiohttp.ClientSession, there: Spoken, key: str | None) -> bool:
    """Whether the server has the path by which a protocol is recognised (`Probe.path`, else the chat
    endpoint): the status is not 404, 405 or 501. If the status is 200 and the protocol has a `Probe.member`,
    the body must also be JSON with this member. Raises aiohttp.ClientError, TimeoutError and TooLarge.
    """
    probe = _probe(there.dialect)
    method, path = ("GET", probe.path) if probe.path else ("POST", DIALECTS[there.dialect].paths.chat)
    options: Mapping[str, Any] = {} if probe.path else {"json": {}}
    async with session.request(
        method, there.base + path, headers=there.headers(key), allow_redirects=False, **options
    ) as response:
        if response.status in _ABSENT:
            return False
        answer = await read(response)
    if response.status != 200 or not probe.member:
        return True
    try:
        return probe.member in json.loads(answer)
    except (ValueError, TypeError, RecursionError):
        return False
