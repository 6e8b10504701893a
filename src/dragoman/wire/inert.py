"""Headers that stop a browser from executing content that a provider or another user wrote.

The browser takes such an answer as content of the gateway's own origin: a page among the files could call the
gateway with the rights of the person who opens it. `nosniff` makes browsers keep to the stated type,
`sandbox` removes a page's origin and scripts, and every type except data, sound, images and video is
downloaded instead of shown.

https://fetch.spec.whatwg.org/#x-content-type-options-header
https://www.w3.org/TR/CSP3/#directive-sandbox
"""

from __future__ import annotations

from typing import Final

_SHOWN: Final = frozenset(
    {
        *("application/json", "application/jsonl", "application/x-jsonl", "application/x-ndjson"),
        *("application/octet-stream", "text/csv", "text/event-stream", "text/plain"),
        *("image/gif", "image/jpeg", "image/png", "image/webp"),
    }
)
"""Types whose content no browser executes. `image/svg+xml` is missing because it can contain scripts."""
_PLAYED: Final = ("audio/", "video/")

Headers = list[tuple[bytes, bytes]]


def is_inert(kind: str) -> bool:
    """Whether a browser executes nothing in content of this media type."""
    bare = kind.partition(";")[0].strip().lower()
    return bare in _SHOWN or bare.startswith(_PLAYED)


def inert_headers(kind: str, disposition: str | None = None) -> Headers:
    """The headers for an answer of this media type.

    disposition: the provider's `content-disposition`. It is kept if it says `attachment` or the type is
    inert.
    """
    headers = [
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'none'; sandbox"),
    ]
    if disposition is not None and (is_inert(kind) or disposition.lower().startswith("attachment")):
        headers.append((b"content-disposition", disposition.encode("latin-1", "replace")))
    elif not is_inert(kind):
        headers.append((b"content-disposition", b"attachment"))
    return headers
