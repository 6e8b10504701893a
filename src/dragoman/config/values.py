"""Rules for single values of settings: addresses, origins, hosts and patterns of names.

A function that checks a rule raises ValueError with a text for the operator. The text never repeats a value
that may contain a secret.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from dragoman.providers import address


def may_meet(pattern: str, other: str) -> bool:
    """Whether one name might match both patterns. False is certain; True is a guess, because only the texts
    before the first wildcards are compared. pattern: its only wildcard is `*`. other: its wildcards are `*`,
    `?` and `[…]`.
    """
    ours, theirs = pattern.partition("*")[0], re.split(r"[*?\[]", other)[0]
    return ours.startswith(theirs) or theirs.startswith(ours)


def web_origin(text: str) -> None:
    """Raise ValueError unless the text is a web origin: `http://` or `https://`, the host in lower case, and
    the port unless it is the scheme's default; nothing after it, not even a slash.
    """
    if "@" in text:  # the next line would advise to put the password into `keys`
        raise ValueError("expected an origin such as https://app.example, without a user name or password")
    if address.origin(text) != text:
        raise ValueError(f"expected an origin such as {address.origin(text)}")


def proxy(text: str) -> None:
    """Raise ValueError unless the text looks like the URL of an HTTP proxy: `http://` or `https://`, and a
    host.
    """
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its text is not shown: it contains the address, which may contain a password
        usable = False
    if not usable:
        raise ValueError("expected http://host:port")


def network(text: str) -> None:
    """Raise ValueError unless the text looks like a host name or an IP address, or is a network
    (`10.0.0.0/8`).
    """
    import ipaddress

    if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9a-fA-F:.]+(/\d+)?", text):
        raise ValueError("expected a host name, an address or a network such as 10.0.0.0/8")
    if "/" in text:
        ipaddress.ip_network(text, strict=False)


def addresses(text: str) -> None:
    """Raise ValueError unless the text is an IP address or a network (`203.0.113.0/24`)."""
    import ipaddress

    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("expected an address or a network such as 203.0.113.0/24") from None


def is_private(host: str) -> bool:
    """Whether a host is an IP address that Python's `ipaddress` counts as private (loopback and others), or
    another text without dots, such as `localhost`.
    """
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host
