"""Words of other gateways are hints alone: none is a setting of ours, and none hides a nearer guess."""

from collections.abc import Iterator
from typing import get_args

from dragoman.config.declared import options, settings_of
from dragoman.config.foreign import HINTS
from dragoman.config.settings import Config, Section


def declared(section: type[Section]) -> Iterator[str]:
    for name, setting in settings_of(section).items():
        yield name
        for member in options(setting.type):
            for kind in (member, *get_args(member)):
                if isinstance(kind, type) and issubclass(kind, Section):
                    yield from declared(kind)


def test_no_foreign_word_is_a_setting() -> None:
    assert not HINTS.keys() & set(declared(Config))
    assert "base_url" in set(declared(Config))
