"""Headers that stop a browser from executing content that a provider or another user wrote.

A browser would run an HTML page from them in the gateway's origin, so the page could call the gateway with
the rights of the person who opens it. Three headers prevent that: `nosniff` makes browsers keep to the stated
media type, `sandbox` denies a page the origin and scripts, and content of a type that is not inert is
downloaded instead of shown.
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
"""The inert types, besides all audio and video. `image/svg+xml` is missing because it can contain scripts."""
_PLAYED: Final = ("audio/", "video/")

Headers = list[tuple[bytes, bytes]]


def is_inert(kind: str) -> bool:
    """Whether a media type (with or without parameters) is inert, which means that browsers execute nothing
    in content of this type: all audio and video, and the types in `_SHOWN`. False for every other type.
    """
    bare = kind.partition(";")[0].strip().lower()
    return bare in _SHOWN or bare.startswith(_PLAYED)


def inert_headers(kind: str, disposition: str | None = None) -> Headers:
    """Return the protective headers for an answer of the media type `kind`, as (name, value) pairs: always
    `nosniff` and `sandbox`, and perhaps a `content-disposition`.

    disposition: the provider's `content-disposition`, None = the provider sent none. It is passed on if the
    type is inert (`is_inert`), or if it begins with `attachment`. If the type is not inert, and nothing was
    passed on, the header is the plain `attachment`, so that browsers download the content.
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
