"""Puts a request's parameters into its URL: names in the path, and the query."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from yarl import URL

from dragoman.dialects.operation import Outgoing
from dragoman.wire.json import encode


def filled(url: URL, outgoing: Outgoing) -> URL:
    """The URL with a request's values for the names in its path, and with the request's query parameters. A
    value is escaped to a single segment of the path.
    """
    text = str(url)
    for name, value in outgoing.params.items():
        text = text.replace("{" + name + "}", quote(value, safe=""))
    if outgoing.query:
        text += ("&" if "?" in text else "?") + urlencode(outgoing.query)
    return URL(text, encoded=True)


def parameter(value: Any) -> str:
    """A configured value as a parameter of a query: JSON, but a string as it is."""
    return value if isinstance(value, str) else encode(value).decode()
