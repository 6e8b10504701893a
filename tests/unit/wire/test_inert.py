"""What keeps a browser from running an answer."""

from __future__ import annotations

import pytest

from dragoman.wire.inert import inert_headers, is_inert


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "audio/mpeg", "video/mp4", "image/png"]
)
def test_data_sound_and_pictures_are_shown(kind: str) -> None:
    assert is_inert(kind)
    headers = dict(inert_headers(kind, "inline"))
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert b"sandbox" in headers[b"content-security-policy"]
    assert headers[b"content-disposition"] == b"inline"


@pytest.mark.parametrize(
    "kind",
    ["text/html", "TEXT/HTML;a", "image/svg+xml", "application/xhtml+xml", "text/xml", "", "text/javascript"],
)
def test_everything_else_is_saved(kind: str) -> None:
    for disposition in (None, "inline", "inline; filename=a.html"):
        assert dict(inert_headers(kind, disposition))[b"content-disposition"] == b"attachment"
    named = 'Attachment; filename="a.html"'
    assert dict(inert_headers(kind, named))[b"content-disposition"] == named.encode()
