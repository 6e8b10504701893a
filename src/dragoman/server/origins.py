"""Decides which web pages may call the gateway (cross-origin resource sharing, CORS).

The operator can state the allowed origins. If the setting is missing, it depends on the keys: if clients need
keys, all pages may call. If clients need no key, only pages of this machine and of apps may, because any web
page can send requests to this machine. https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TypeAlias

from dragoman.wire.header import header_value

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
"""The methods of all paths together: /admin has PUT, and paths of providers have PATCH."""
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
    """Decides by the origin of a web page (`"https://example.com"`) whether the page may call the gateway.

    allowed: the origins whose pages may call, compared exactly; if "*" is among them, all pages may. None =
    if clients need keys (`keyed`), all pages may; otherwise only pages of this machine (`localhost` and names
    that end with `.localhost`, `127.0.0.1`, `[::1]`, at any port) and of apps (an origin `SCHEME://…` with a
    scheme other than http and https).
    """

    def __init__(self, allowed: Collection[str] | None, *, keyed: bool) -> None:
        self._allowed = None if allowed is None else frozenset(allowed)
        self._any = False
        self.renew(keyed=keyed)

    def renew(self, *, keyed: bool) -> None:
        """Set whether clients need keys from now on. This has no effect if `allowed` is not None."""
        self._any = keyed if self._allowed is None else "*" in self._allowed

    def admits(self, origin: str | None) -> bool:
        """Whether a page of this origin may send requests. origin: the header Origin; None = the request has
        no such header: the result is True.
        """
        return origin is None or self._any or self._allows(origin)

    def headers(self, origin: str | None) -> Headers:
        """Return the CORS headers for an answer to a page of this origin. If the page may not call, they are
        only `Vary`. origin: the header Origin; None = the request has no such header: the result is ().
        """
        if origin is None:
            return ()
        if self._any:
            return _ANY
        if not self._allows(origin):
            return (_VARY,)
        return ((b"access-control-allow-origin", header_value(origin)), _EXPOSE, _VARY)

    def preflight(self, origin: str | None, headers: str) -> Headers:
        """Return headers for the answer to an OPTIONS request, by which a browser asks whether a page of this
        origin may send a request. They are sent in addition to those of the method `headers`. If `origin` is
        None or its pages may not call, the result is only `Allow`, which permits the page nothing. headers:
        the names of the headers that the page wants to send, separated by commas; the answer allows all of
        them.
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
