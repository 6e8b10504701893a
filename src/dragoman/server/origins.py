"""Which web pages may call, as browsers ask it: cross-origin resource sharing.

A page's script reaches loopback as any program does, and an open gateway may hold keys that cost money. So
without a key only pages of this machine may call, unless the operator says otherwise (decision 5).
https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TypeAlias

from dragoman.wire.header import header_value

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

_METHODS = b"GET, POST, DELETE, OPTIONS"
_DAY = b"86400"
_ALLOW = (b"allow", _METHODS)
_VARY = (b"vary", b"origin")
_EXPOSE = (b"access-control-expose-headers", b"*")
_ANY: Headers = ((b"access-control-allow-origin", b"*"), _EXPOSE)

# Pages on this machine, and apps whose pages have a scheme of their own (vscode-webview://…, tauri://…). Not
# `null`, the origin of a frame that any page can make.
_LOCAL = re.compile(
    r"https?://(?:(?:[a-z0-9-]+\.)*localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?"
    r"|(?!https?:)[a-z][a-z0-9+.-]*://[\x21-\x7e]*",
    re.IGNORECASE,
)


class Origins:
    """The origins of one configuration.

    allowed: origins, `*` among them for all; None = all where a key is needed (keyed), else local ones.
    """

    def __init__(self, allowed: Collection[str] | None, *, keyed: bool) -> None:
        self._any = keyed if allowed is None else "*" in allowed
        self._allowed = None if allowed is None else frozenset(allowed)

    def admits(self, origin: str | None) -> bool:
        """Whether a page may open a WebSocket, before which browsers ask nothing. None = no browser."""
        return origin is None or self._any or self._allows(origin)

    def headers(self, origin: str | None) -> Headers:
        """What lets the script of a page read an answer. origin: None = no browser asks."""
        if origin is None:
            return ()
        if self._any:
            return _ANY
        if not self._allows(origin):
            return (_VARY,)
        return ((b"access-control-allow-origin", header_value(origin)), _EXPOSE, _VARY)

    def preflight(self, origin: str | None, headers: str) -> Headers:
        """What a browser wants to know before it calls. headers: the names that it would send."""
        if origin is None or not (self._any or self._allows(origin)):
            return (_ALLOW,)
        return (
            _ALLOW,
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", header_value(headers)),
            (b"access-control-max-age", _DAY),
        )

    def _allows(self, origin: str) -> bool:
        if self._allowed is None:
            return _LOCAL.fullmatch(origin) is not None
        return origin in self._allowed
