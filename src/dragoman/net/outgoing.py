"""What every client may send as the head of a request: which URLs, targets and headers. Our own client, the
client over aiohttp and WebSockets use these checks, so that they refuse the same.

https://www.rfc-editor.org/rfc/rfc9110#section-5, https://www.rfc-editor.org/rfc/rfc9112#section-3
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from yarl import URL

from dragoman.net.client import Origin
from dragoman.net.failures import NotReached

FRAMING: Final = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "host"})
"""Headers that a client writes itself, if a request needs them. A caller's headers of these names are left
out, except `host`.
"""
CLOSED: Final = "the gateway is stopping"
"""The reason for which a client that was closed sends nothing."""
_DEFAULT: Final = {"http": 80, "https": 443}
_TARGET: Final = re.compile(r"[!-~]+")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BARRED: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")


class Place(NamedTuple):
    """Where a request goes. target: the path with the query, percent-encoded. host: the value of the header
    `host`.
    """

    origin: Origin
    target: str
    host: str


def place_of(url: URL) -> Place:
    """Return where a request to this URL goes. User, password and fragment of the URL are not used. Raises
    NotReached if the URL is not http or https, has no host, or has a host that can be no name.
    """
    scheme, host, port = url.scheme, url.raw_host, url.port
    if scheme not in _DEFAULT or port is None:
        raise NotReached("its URL is no http or https URL")
    if not host:
        raise NotReached("its URL has no host")
    try:
        host.encode("idna")  # as the look-up of the name does
    except UnicodeError:
        raise NotReached("the host of its URL is no valid name") from None
    name = f"[{host}]" if ":" in host else host
    shown = name if port == _DEFAULT[scheme] else f"{name}:{port}"
    return Place(Origin(scheme, host, port), url.raw_path_qs, shown)


def check_line(method: str, target: str) -> None:
    """Check what stands in the first line of a request. Raises ValueError for a character that is not allowed
    there.
    """
    if _TOKEN.fullmatch(method) is None or _TARGET.fullmatch(target) is None:
        raise ValueError("the method or the target of a request holds a character that is not allowed")


def check_header(name: str, value: str) -> None:
    """Check a header. Raises ValueError for a name that is none, and for a value with a control character or
    half of a surrogate pair.
    """
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not the name of a header")
    if _BARRED.search(value) is not None:  # a line break would make another header, or another request
        raise ValueError(f"the value of the header {name!r} holds a character that is not allowed")
