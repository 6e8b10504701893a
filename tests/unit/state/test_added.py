"""An entry knows its place; the kinds are those of the configuration."""

from __future__ import annotations

from dragoman.config.settings import Config
from dragoman.state.added import KINDS, AddedEntry


def test_kinds_are_parts_of_the_configuration() -> None:
    assert set(KINDS) <= set(Config.__struct_fields__)
    assert AddedEntry("models", "fast", b"{}", 1, "ops", 0.0).place == ("models", "fast")
