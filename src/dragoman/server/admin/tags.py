"""Makes ETags, and checks the headers If-Match and If-None-Match (RFC 9110, sections 8.8.3, 13.1.1 and
13.1.2).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.errors import RequestFailed

_TAG: Final = re.compile(r'((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*+(?:,|\Z)')


def etag(value: Any) -> str:
    """Return the ETag of a JSON value, with its quotes. Equal values have the same ETag on every worker."""
    written = msgspec.json.encode(value, order="deterministic")
    return f'"{hashlib.sha256(written).hexdigest()[:16]}"'


def require(headers: Mapping[str, str], current: str) -> None:
    """Raise RequestFailed (412) if the request has a header If-Match that neither contains the ETag `current`
    nor is `*`. A request without If-Match is accepted. A weak tag (`W/"…"`) matches nothing, as the RFC says.
    """
    stated = headers.get("if-match")
    if stated is None or stated.strip() == "*" or current in _TAG.findall(stated):
        return
    raise RequestFailed(
        ir.Fault(
            "conflict",
            f"It has been changed: its ETag is {current}. Read it again, then decide again.",
            "precondition_failed",
            "If-Match",
            status=412,
        )
    )


def unchanged(headers: Mapping[str, str], current: str) -> bool:
    """Whether the client has the present version already: the header If-None-Match contains the ETag
    `current` (also in its weak form), or is `*`.
    """
    stated = headers.get("if-none-match")
    if stated is None:
        return False
    return stated.strip() == "*" or current in {tag.removeprefix("W/") for tag in _TAG.findall(stated)}


NOTHING: Final = ir.Fault(
    "conflict",
    "There is nothing of this name that could be changed, so no ETag of it holds.",
    "precondition_failed",
    "If-Match",
    status=412,
)
"""The error (412) for a request that has If-Match and would make something new."""
