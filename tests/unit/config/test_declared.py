"""What is read of a declared setting: its type, whether it is secret, and what a person should write."""

from typing import Any, Literal

import msgspec
import pytest

from dragoman.config.accounts import ClientKey
from dragoman.config.declared import expected, holds_secrets, nullable, options, settings_of
from dragoman.config.scalars import Duration
from dragoman.config.settings import Config, Timeouts
from dragoman.seams.secret import Secret


def test_settings_come_in_their_order_with_their_defaults() -> None:
    found = settings_of(ClientKey)
    assert list(found) == [field.name for field in msgspec.structs.fields(ClientKey)]
    assert (found["key"].type, found["key"].default) == (Secret | None, None)
    assert found["models"].default == ClientKey(key=Secret("k")).models


def test_the_members_of_a_union() -> None:
    assert options(int | None) == options(int) == (int,)
    assert (nullable(int | None), nullable(Any), nullable(int)) == (True, True, False)


@pytest.mark.parametrize(
    ("kind", "secret"),
    [
        (Secret, True),
        (tuple[Secret, ...], True),
        (ClientKey, True),
        (Config, True),
        (Timeouts, False),
        (str, False),
    ],
)
def test_what_holds_secrets(kind: Any, secret: bool) -> None:
    assert holds_secrets(kind) is secret


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int, "a whole number"),
        (bool | None, "true or false"),
        (int | str, "a whole number or a text"),
        (Duration, Duration.expected),
        (Literal["a"], "a"),
        (Literal["a", "b"], "one of a, b"),
        (dict[str, int], "a mapping"),
        (Config, "a mapping (`name: value`)"),
        (ClientKey, "a key, or a mapping (`name: value`)"),
    ],
)
def test_what_a_person_should_write(kind: Any, words: str) -> None:
    assert expected(kind) == words
