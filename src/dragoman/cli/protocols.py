"""Finds the protocol for `dragoman test`: from the endpoint in the URL, else by trying the protocols."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import aiohttp

from dragoman.cli.checks import PATIENCE, TooLarge, read
from dragoman.providers.address import base_url
from dragoman.providers.catalog import BASE_PATHS, CHAT_PATHS

_CHAT: Final = "openai_chat"
_VERSION: Final = re.compile(r"/(v\d\w*|api)\Z")
_ABSENT: Final = frozenset({404, 405, 501})
_TITLES: Final = {
    _CHAT: "OpenAI's chat completions",
    "openai_responses": "OpenAI's Responses",
    "anthropic": "Anthropic's Messages",
    "gemini": "Google's Gemini API",
    "ollama": "Ollama's API",
}
TESTED: Final = tuple(_TITLES)
"""The protocols that can be tested, in the order in which they are tried."""


class Spoken(NamedTuple):
    """A protocol of a server. dialect: its name in `dragoman.dialects`. base: the base URL of its paths."""

    dialect: str
    base: str

    @property
    def title(self) -> str:
        """The protocol's name for people."""
        return _TITLES[self.dialect]

    def headers(self, key: str | None) -> dict[str, str]:
        """The headers of each request. key: the API key, None = send no key."""
        fixed = {"anthropic-version": "2023-06-01"} if self.dialect == "anthropic" else {}
        if key is None:
            return fixed
        if self.dialect == "anthropic":
            return {**fixed, "x-api-key": key}
        return {"x-goog-api-key": key} if self.dialect == "gemini" else {"authorization": f"Bearer {key}"}


def stated(url: str) -> Spoken | None:
    """The protocol whose chat endpoint is at the end of a URL; None if it has no endpoint.
    Raises ValueError.
    """
    path = url.partition("?")[0].rstrip("/")
    for dialect in ("ollama", *TESTED):
        endpoint = CHAT_PATHS[dialect]
        folder, named, _ = endpoint.partition("{model}")
        if path.endswith(endpoint) or (named and folder in path and ":" in path.rpartition("/")[2]):
            return Spoken(dialect, base_url(path, path=BASE_PATHS[dialect], endpoint=endpoint))
    return None


async def spoken(base: str, key: str | None) -> Spoken:
    """The first protocol that the server at a base URL speaks. Chat Completions if no protocol is found.

    The requests that try the protocols cost nothing.
    """
    timeout = aiohttp.ClientTimeout(total=PATIENCE, sock_connect=5)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for candidate in _candidates(base):
            try:
                if await _answers(session, candidate, key):
                    return candidate
            except (aiohttp.ClientError, TimeoutError, OSError, TooLarge):
                break
    return Spoken(_CHAT, base)


def _candidates(base: str) -> Iterator[Spoken]:
    root = _VERSION.sub("", base)
    for dialect in TESTED:
        for place in dict.fromkeys((base, root + BASE_PATHS[dialect])):
            yield Spoken(dialect, place)


async def _answers(session: aiohttp.ClientSession, there: Spoken, key: str | None) -> bool:
    """True if the server has the paths of a protocol. An empty request shows it: the server refuses its body
    (400), but not its path (404).
    """
    method, path, member = "POST", CHAT_PATHS[there.dialect], ""
    if there.dialect == "gemini":
        method, path, member = "GET", "/models", "models"
    elif there.dialect == "ollama":
        method, path, member = "GET", "/api/version", "version"
    options: Mapping[str, Any] = {"json": {}} if method == "POST" else {}
    async with session.request(
        method, there.base + path, headers=there.headers(key), allow_redirects=False, **options
    ) as response:
        if response.status in _ABSENT:
            return False
        answer = await read(response)
    if response.status != 200 or not member:
        return True
    try:
        return member in json.loads(answer)
    except (ValueError, TypeError, RecursionError):
        return False
