"""Decides which paths and queries of a provider a client may call without translation. Pure.

A path is compared and sent segment by segment: each segment is decoded once and encoded again. So the
provider gets exactly the path that was compared. A segment that another server could read in a second way is
refused (https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2,
https://url.spec.whatwg.org/#double-dot-path-segment).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple
from urllib.parse import quote, unquote_plus, unquote_to_bytes

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""The methods that the configuration may list. HEAD is allowed for a path if GET is."""
REST: Final = "**"
"""The last segment of a listed path that stands for one or more segments of any text."""
_ANY: Final = "*"
_KEPT: Final = "-._~!$&'()*+,=:@"
"""The characters of a segment that are not percent-encoded, besides letters and digits: those of RFC 3986
(`pchar`) without the semicolon, because some servers cut a segment off at a semicolon.
"""
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f\\/%?#]")
"""Matches a character that a decoded segment must not have. Some servers decode a percent sign a second time.
A slash or a backslash would divide the segment into two.
"""
_LONGEST: Final = 2_000


class BadPath(ValueError):
    """Raised for a path or a query that is not sent to any provider. The text of the exception says why."""


class Spelled(NamedTuple):
    """A path that may be compared and sent. segments: the decoded segments; a slash at the end of the path
    adds no segment. text: the path, encoded again, with the slash at its end if there was one.
    """

    segments: tuple[str, ...]
    text: str


def spelled(raw: str) -> Spelled:
    """Return a percent-encoded path, without a query, in the form that may be compared and sent. Raises
    BadPath for a path that does not begin with a slash, has more than 2,000 characters, is not UTF-8, has no
    segment (`/`), or has a segment that is empty, is `.` or `..` (also with `;…` behind it), or contains a
    character that another server could read in a second way (such as an encoded slash). One slash at the end
    is allowed.
    """
    if len(raw) > _LONGEST:
        raise BadPath(f"it has more than {_LONGEST} characters")
    first, *parts = raw.split("/")
    if first or not parts:
        raise BadPath("it must begin with a slash")
    slash = len(parts) > 1 and not parts[-1]
    segments = tuple(_segment(part) for part in (parts[:-1] if slash else parts))
    text = "".join("/" + quote(segment, safe=_KEPT) for segment in segments)
    return Spelled(segments, text + "/" if slash else text)


def _segment(part: str) -> str:
    try:
        segment = unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise BadPath("it is not UTF-8") from None
    if not segment:
        raise BadPath("a segment is empty")
    if _FORBIDDEN.search(segment):
        raise BadPath(f"a segment has a character that is not allowed: {segment[:64]!r}")
    if segment.partition(";")[0] in {"", ".", ".."}:
        raise BadPath("a segment is `.` or `..`")
    return segment


class Listed(NamedTuple):
    """An entry of the list of paths that clients may call. methods: in upper case. pattern: one regular
    expression for each segment. rest: True = one or more further segments must follow.
    """

    methods: frozenset[str]
    pattern: tuple[re.Pattern[str], ...]
    rest: bool

    def allows(self, method: str, segments: tuple[str, ...]) -> bool:
        """Whether a request with this method may call the path with these segments. HEAD counts as GET."""
        count = len(self.pattern)
        if ("GET" if method == "HEAD" else method) not in self.methods:
            return False
        if len(segments) <= count if self.rest else len(segments) != count:
            return False
        return all(one.fullmatch(segment) for one, segment in zip(self.pattern, segments, strict=False))


def listed(text: str) -> Listed:
    """Read an entry of the form `METHOD[,METHOD] /path`. In the path, `*` stands for any text within one
    segment (perhaps for none, but a segment is never empty), and a last segment `**` for one or more
    segments. Raises ValueError for a text of another form, for a method that `METHODS` lacks, and for a path
    that no request can have.
    """
    words = text.split()
    if len(words) != 2:
        raise ValueError("expected a method and a path, such as `POST /v1/ocr`")
    methods = frozenset(words[0].upper().split(","))
    if unknown := sorted(methods.difference(METHODS)):
        raise ValueError(f"the method {unknown[0][:16]!r} cannot be listed; possible: {', '.join(METHODS)}")
    path = words[1]
    rest = path.endswith(f"/{REST}")
    parts = path.removesuffix(f"/{REST}").split("/")
    if parts[0] or (len(parts) == 1 and not rest):
        raise ValueError("the path must begin with a slash")
    if any(REST in part for part in parts):
        raise ValueError(f"`{REST}` may only be the last segment")
    try:
        segments = spelled("/".join(parts)).segments if len(parts) > 1 else ()
    except BadPath as error:
        raise ValueError(f"no request can have this path: {error}") from None
    return Listed(methods, tuple(map(_pattern, segments)), rest)


def _pattern(segment: str) -> re.Pattern[str]:
    if segment == _ANY:
        return re.compile(".+", re.DOTALL)
    first, *others = (re.escape(part) for part in segment.split(_ANY))
    # Atomic groups: the time to match grows only linearly with the length of the segment.
    middle = "".join(f"(?>.*?{part})" for part in others[:-1])
    return re.compile(first + (f"{middle}.*{others[-1]}" if others else ""), re.DOTALL)


class Paths:
    """The paths of one provider that clients may call; false if there are none. entries: texts in the form
    `METHOD[,METHOD] /path`. Raises ValueError as `listed` does.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._listed = tuple(listed(entry) for entry in entries)

    def __bool__(self) -> bool:
        return bool(self._listed)

    def allows(self, method: str, segments: tuple[str, ...]) -> bool:
        """Whether a request with this method may call the path with these segments. HEAD counts as GET."""
        return any(one.allows(method, segments) for one in self._listed)

    def methods(self, segments: tuple[str, ...]) -> list[str]:
        """Return the methods of `METHODS` with which the path with these segments may be called; [] = none.
        HEAD is never among them; it is allowed if GET is.
        """
        return [method for method in METHODS if self.allows(method, segments)]


_CREDENTIALS: Final = frozenset(
    {
        *("key", "api_key", "api-key", "apikey", "x-api-key", "x-goog-api-key", "access_token"),
        *("oauth_token", "authorization", "bearer_token", "subscription-key"),
    }
)
"""The names of query parameters that may hold a client's credential. They are never sent to a provider."""
_CONTROLS: Final = ("$http", "_method", "x-http-method", "x-amz-")
"""The beginnings of names of query parameters that are not sent. Some servers read from them a method or
headers that replace those of the request, or a signature.
"""
_QUERY: Final = re.compile(r"[\x21\x22\x24-\x7e]*")
"""Matches a query that may be sent: visible ASCII characters except `#`."""


def query(search: str, secret: Callable[[str], bool] = lambda _text: False) -> str:
    """Return a query without the parameters that must not reach the provider: credentials, and parameters
    that replace the method or headers. The other parameters stay as the client wrote them. Raises BadPath if
    the query has a character that must be percent-encoded.

    search: the query, percent-encoded, without the `?`. secret: returns whether a decoded parameter
    (`name=value`) is one that must not reach the provider either.
    """
    if not _QUERY.fullmatch(search):
        raise BadPath("the query has a character that must be percent-encoded")
    return "&".join(
        pair for pair in search.split("&") if pair and _is_sent(pair) and not secret(unquote_plus(pair))
    )


def _is_sent(pair: str) -> bool:
    name = unquote_to_bytes(pair.partition("=")[0].replace("+", " ")).decode("latin-1").strip().lower()
    return not may_be_credential(name) and not name.startswith(_CONTROLS)


def may_be_credential(name: str) -> bool:
    """Whether a field of a query with this name may hold a client's credential."""
    return name.strip().lower() in _CREDENTIALS
