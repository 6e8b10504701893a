"""Headers that cannot be added to requests."""

from __future__ import annotations

from dragoman.config.check_headers import unusable


def test_each_header_is_told_at_its_place() -> None:
    names = ["X-Team", "x-portkey-api-key", "x-bf-vk", "a b", "Authorization", "Host", "x-api-key"]
    assert [(one.place, one.message) for one in unusable(names)] == [
        ('"a b"', "is not a valid header name"),
        ("Authorization", "would overwrite the provider's credential"),
        ("Host", "is set by the HTTP connection and cannot be configured"),
        ("x-api-key", "would overwrite the provider's credential"),
    ]
