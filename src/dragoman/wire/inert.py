"""What keeps a browser from running an answer whose type and bytes are a provider's, or somebody's file.

Such an answer has the gateway's own origin: a page among the files could use the gateway as whoever opens
it. `nosniff` holds browsers to the type that is stated, `sandbox` takes a page's origin and scripts away,
and what is neither data nor sound, picture or film is saved instead of shown.

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
"""Types that no browser runs anything of. `image/svg+xml` holds scripts."""
_PLAYED: Final = ("audio/", "video/")

Headers = list[tuple[bytes, bytes]]


def is_inert(kind: str) -> bool:
    """Whether a browser that is held to this media type runs nothing of what has it."""
    bare = kind.partition(";")[0].strip().lower()
    return bare in _SHOWN or bare.startswith(_PLAYED)


def inert_headers(kind: str, disposition: str | None = None) -> Headers:
    """The headers of an answer of this media type. disposition: the `content-disposition` that came with it;
    it stays where the answer is to be saved, or may be shown.
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
