"""Puts a request's parameters into its URL: the values of the placeholders in the path, and the query."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from yarl import URL

from dragoman.dialects.operation import Outgoing
from dragoman.wire.json import encode


def filled(url: URL, outgoing: Outgoing) -> URL:
    """Return the URL with the values of `outgoing.params` in place of their names and braces, and with
    `outgoing.query` added to the query. outgoing: the request to the provider. Each value is escaped, so that
    a `/` in it does not divide the path. A name in braces that has no value stays.
    """
    text = str(url)
    for name, value in outgoing.params.items():
        text = text.replace("{" + name + "}", quote(value, safe=""))
    if outgoing.query:
        text += ("&" if "?" in text else "?") + urlencode(outgoing.query)
    return URL(text, encoded=True)


def parameter(value: Any) -> str:
    """Return a configured value as the value of a query parameter: a string unchanged, any other value as
    JSON.
    """
    return value if isinstance(value, str) else encode(value).decode()
