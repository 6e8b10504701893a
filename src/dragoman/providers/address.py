"""Converts the spellings of a base URL that people use into one normal form. Pure.

People paste an origin, a base URL with or without `/v1`, a URL with a slash at the end, or the URL of the
chat endpoint. All of these must give the same base URL. A path that somebody chose on purpose must stay.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

_PORTS: Final = {"http": 80, "https": 443}
_VERSIONED: Final = re.compile(r"/v\d[a-z0-9]*\Z")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f\\]")


def base_url(
    spelled: str,
    *,
    path: str = "/v1",
    appends: bool = False,
    endpoint: str = "",
    base_path: str | None = None,
) -> str:
    """Return the normal form of a base URL: `scheme://host[:port][/path]`, with scheme and host in lower
    case, without the scheme's usual port and without a slash at the end. Raises ValueError if `spelled` is
    not a base URL: it does not begin with http:// or https://, or has no host, an invalid host or port, a
    blank, a backslash or a control character inside, a user name or password, a query or a fragment. The
    error's text says what is wrong; it does not quote the URL.

    spelled: the text that somebody wrote. endpoint: the path of the chat endpoint, "" = unknown. First,
    `endpoint` is removed from the end of `spelled`; if `endpoint` has `{model}`
    (`/models/{model}:generateContent`), everything from the text before `{model}` on (`/models`) is removed.
    Then a path is added:

    base_path: a path that the operator configured, None = none. It is added in place of `path`, also to a URL
    with a path, unless `spelled` already ends in it; "" = nothing is added. path: the vendor's usual path
    ("/v1", "/openai/v1", ""). It is added to a URL without a path. appends: whether the vendor's clients add
    `path` to any base URL (Anthropic's do). If True, `path` is also added to a URL with a path, unless that
    path ends in `path` or in a version such as `/v1`.
    """
    parts = _split(spelled)
    own = parts.path.rstrip("/")
    if endpoint:
        own = _without(own, endpoint.rstrip("/")).rstrip("/")
    if base_path is not None:
        own = own.removesuffix(base_path) + base_path
    elif not own or (appends and not own.endswith(path) and not _VERSIONED.search(own)):
        own += path
    return _origin(parts) + own


def host_url(stated: str, *, port: int, path: str) -> str:
    """Return the base URL for a host in the spelling that a server's own clients accept: `host`, `host:port`,
    `:port`, `[::1]:port` or a URL. An address to listen on (0.0.0.0), or no host, becomes the loopback
    address of this machine. A host without a scheme gets `http`.

    port: added to a host without a port (or with the port 0), unless `stated` has a scheme. path: appended if
    `stated` has a path; to a bare host no path is added, because `base_url` does that later. An invalid port
    and a user name stay, and raise no error, because `base_url` refuses them later.
    """
    text = stated.strip().strip("\"'")
    scheme, _, rest = text.rpartition("://")
    host, _, own = rest.partition("/")
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"
    try:
        parts = urlsplit(f"//{host}")
        number = parts.port or (None if scheme else port)
    except ValueError:
        return text
    if "@" in host:
        return text if scheme else f"http://{text}"
    name = _LISTENING.get(parts.hostname or "", parts.hostname or "")
    shown = f"[{name}]" if ":" in name else name
    at = "" if number is None else f":{number}"
    return f"{scheme or 'http'}://{shown}{at}" + (f"/{own.rstrip('/')}{path}" if own.strip("/") else "")


_LISTENING: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - never listened on


def host_of(url: str) -> str | None:
    """Return the host in a URL, in lower case; None = there is none, or the text is not a URL."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def origin(url: str) -> str:
    """Return the origin of a URL, `scheme://host[:port]`, in lower case and without the default port. Raises
    ValueError if the URL is not one that `base_url` accepts.
    """
    return _origin(_split(url))


def without_keys(url: str) -> str:
    """Return the URL with `…` in place of secrets, to show it to people. Secrets are: the user name and
    password; a client's key in the path (`/key/…`); the query parameters `key`, `token`, `api_key`, `api-key`
    and `apikey`.
    """
    return _KEY.sub(r"\1…", _USER.sub(r"\1…@", url))


_USER: Final = re.compile(r"(://)[^/?#]*@")
_KEY: Final = re.compile(r"(/key/|[?&](?:key|token|api[_-]?key)=)[^/?&#]+", re.IGNORECASE)


def _without(path: str, endpoint: str) -> str:
    folder, names_model, _ = endpoint.partition("{model}")
    if names_model:
        return path.partition(folder)[0].removesuffix(folder.rstrip("/"))
    return path.removesuffix(endpoint)


def _split(url: str) -> SplitResult:
    text = url.strip()
    if _UNPRINTABLE.search(text):
        raise ValueError("the URL contains a blank, a backslash or an unprintable character")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # its text quotes the URL, which may contain a password
        raise ValueError("the URL has an invalid host or port") from None
    if parts.scheme not in _PORTS or not text.lower().startswith(f"{parts.scheme}://"):
        raise ValueError("the URL must begin with http:// or https://")
    if not parts.hostname:
        raise ValueError("the URL has no host")
    if port == 0:
        raise ValueError("the URL has the invalid port 0")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the URL contains a user name or a password; put the credential into `keys`")
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise ValueError("a base URL must not have a query (`?…`) or a fragment (`#…`)")
    return parts


def _origin(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    port = "" if parts.port in {None, _PORTS[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
