"""A Secret cannot be seen by accident."""

import copy
import io
import logging
import pickle
import traceback
from collections.abc import Callable

import msgspec
import pytest

from dragoman.config.load import load
from dragoman.seams.secret import Secret, secrets_in

KEY = "sk-proj-0123456789abcdefWXYZ"


@pytest.mark.parametrize(
    "show",
    [str, repr, "{}".format, "{!r}".format, "{:>40}".format, "%s".__mod__, lambda s: f"{[s]} { ({'k': s}) }"],
)
def test_no_way_of_printing_shows_it(show: Callable[[object], str]) -> None:
    shown = show(Secret(KEY))
    assert KEY not in shown
    assert KEY[:8] not in shown
    assert "WXYZ" in shown


def test_a_log_line_and_a_traceback_do_not_show_it() -> None:
    out = io.StringIO()
    logger = logging.getLogger("tests.secret")
    logger.addHandler(logging.StreamHandler(out))
    logger.propagate = False
    logger.warning("key %s, %r", Secret(KEY), {"key": Secret(KEY)})
    try:
        raise ValueError(Secret(KEY))
    except ValueError:
        out.write(traceback.format_exc())
    assert KEY not in out.getvalue()
    assert out.getvalue().count("…WXYZ") == 3


@pytest.mark.parametrize(
    "encode", [msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins, pickle.dumps]
)
def test_no_way_of_serialising_takes_it(encode: Callable[[object], object]) -> None:
    with pytest.raises(TypeError) as refused:
        encode({"key": Secret(KEY)})
    assert KEY not in str(refused.value)


def test_it_has_no_dictionary_to_dump() -> None:
    assert not hasattr(Secret(KEY), "__dict__")


def test_copies_are_itself() -> None:
    secret = Secret(KEY)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


@pytest.mark.parametrize(
    ("value", "tail"), [(KEY, "WXYZ"), ("0123456789ab", "89ab"), ("0123456789a", ""), ("x", ""), ("", "")]
)
def test_the_tail_of_a_short_value_stays_hidden(value: str, tail: str) -> None:
    assert Secret(value).tail == tail


def test_equality_is_by_value_and_only_among_secrets() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert Secret(KEY) != Secret(KEY + "x")
    assert Secret(KEY) != KEY
    assert {Secret(KEY)} == {Secret(KEY), Secret(KEY)}


@pytest.mark.parametrize("other", ["", KEY[:-1], KEY + "x", KEY.lower(), "é", "\ud800"])
def test_only_the_same_text_matches(other: str) -> None:
    assert Secret(KEY).matches(KEY)
    assert not Secret(KEY).matches(other)


def test_reveal_and_truth() -> None:
    assert Secret(KEY).reveal() == KEY
    assert Secret(KEY)
    assert not Secret("")


def test_the_secrets_of_a_configuration_are_found_wherever_they_stand() -> None:
    settings = {
        "providers": {
            "up": {"base_url": "http://up.example", "keys": ["key-one-1"], "headers": {"x": "header-1"}}
        },
        "models": {"m": {"use": "up/m", "headers": {"y": "header-2"}}},
        "auth": {"keys": [{"name": "ann", "key": "client-key-1234567"}]},
    }
    found = {secret.reveal() for secret in secrets_in(load(settings, {}).config)}
    assert found >= {"key-one-1", "header-1", "header-2", "client-key-1234567"}
    assert list(secrets_in([Secret("a"), {"b": Secret("b")}, "c", 1])) == [Secret("a"), Secret("b")]
