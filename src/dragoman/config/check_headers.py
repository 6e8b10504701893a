"""Checks the names of headers that are added to requests for providers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from dragoman.config.misfit import Misfit
from dragoman.errors import setting_path
from dragoman.providers.auth import OF_GATEWAYS, credential_headers

HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
"""Matches a valid header name."""
_TRANSPORT_HEADERS: Final = frozenset(
    {
        *("accept-encoding", "connection", "content-length", "content-type", "host", "te"),
        *("transfer-encoding", "upgrade"),
    }
)
"""Headers that only the HTTP client may set."""


def unusable(names: Iterable[str]) -> Iterator[Misfit]:
    """Yield a mistake for each header that cannot be added. Each `place` is relative to the setting that
    lists the headers.
    """
    for name in names:
        place = setting_path("", name)
        if not HEADER.match(name):
            yield Misfit(place, "is not a valid header name")
        elif name.lower() in credential_headers() - OF_GATEWAYS:
            yield Misfit(place, "would overwrite the provider's credential", "put the credential into `keys`")
        elif name.lower() in _TRANSPORT_HEADERS:
            yield Misfit(place, "is set by the HTTP connection and cannot be configured")
