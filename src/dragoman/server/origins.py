"""Which web pages may call the gateway (cross-origin resource sharing, CORS).

Any web page can reach loopback, so without client keys only pages of this machine may call, unless the
operator allows others (decision 5). https://fetch.spec.whatwg.org/#http-cors-protocol
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

# Pages of this machine, and apps whose pages have a scheme of their own (vscode-webview://…, tauri://…); not
# `null`, which is the origin of a frame that any page can make.
_LOCAL = re.compile(
    r"https?://(?:(?:[a-z0-9-]+\.)*localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?"
    r"|(?!https?:)[a-z][a-z0-9+.-]*://[\x21-\x7e]*",
    re.IGNORECASE,
)


class Origins:
    """Decides by its origin (`"https://example.com"`) whether a web page may call the gateway.

    allowed: only pages of these origins may; "*" among them = all pages. None = if clients need keys
    (`keyed`), all pages; if not, only pages of this machine and of apps (their origin has another scheme than
    http).
    """

    def __init__(self, allowed: Collection[str] | None, *, keyed: bool) -> None:
        self._allowed = None if allowed is None else frozenset(allowed)
        self._any = False
        self.renew(keyed=keyed)

    def renew(self, *, keyed: bool) -> None:
        """Note whether clients need keys from now on."""
        self._any = keyed if self._allowed is None else "*" in self._allowed

    def admits(self, origin: str | None) -> bool:
        """Whether a page of this origin may send requests; True for None, because then no page sent it."""
        return origin is None or self._any or self._allows(origin)

    def headers(self, origin: str | None) -> Headers:
        """The CORS headers of an answer to a page of this origin; a refused page gets only `Vary`. () for
        None, as no page asks then.
        """
        if origin is None:
            return ()
        if self._any:
            return _ANY
        if not self._allows(origin):
            return (_VARY,)
        return ((b"access-control-allow-origin", header_value(origin)), _EXPOSE, _VARY)

    def preflight(self, origin: str | None, headers: str) -> Headers:
        """The headers that answer an OPTIONS request: a browser asks whether a page of this origin may send
        these `headers` (names). They permit nothing if origin is None or not allowed.
        """
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
