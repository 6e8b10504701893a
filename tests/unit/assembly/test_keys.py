"""Who may call, by the settings of the keys and the address that is served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dragoman.accounts.caller import Caller
from dragoman.accounts.rights import UnreadableLimits
from dragoman.assembly import keys as keys_module
from dragoman.assembly.keys import client_keys_of, limits_of, needs_key
from dragoman.config.load import Loaded
from dragoman.config.stated import stated_bounds
from dragoman.seams.clock import SYSTEM

KEYS = "auth: {keys: [a-key-of-sixteen-letters]}"
OTHERS = "server: {host: 0.0.0.0}"


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("{}", False),
        (KEYS, True),
        (f"{OTHERS}\n{KEYS}", True),
        (f"auth: {{open: true}}\n{OTHERS}", False),
        ("auth: {required: false, keys: [a-key-of-sixteen-letters]}", False),
    ],
)
def test_a_key_is_needed_where_there_is_one_or_other_machines_can_call(
    loaded: Callable[..., Loaded], text: str, needed: bool
) -> None:
    assert needs_key(loaded(text).config) is needed


def test_a_key_without_a_name_is_named_by_what_it_is(loaded: Callable[..., Loaded]) -> None:
    text = "auth: {keys: [{key: a-key-of-sixteen-1, name: ann}, a-key-of-sixteen-2]}"
    keys = client_keys_of(loaded(text).config, SYSTEM)
    named, unnamed = keys.counts
    assert named == "ann"
    assert unnamed.startswith("key ")
    assert unnamed in client_keys_of(loaded("auth: {keys: [a-key-of-sixteen-2]}").config, SYSTEM).counts


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("{}", True),
        ("auth: {open: true}", False),
        ("auth: {required: false, keys: [a-key-of-sixteen-letters]}", False),
        (f"auth: {{required: false}}\n{OTHERS}", False),
    ],
)
def test_who_has_no_key_may_administer_only_while_there_is_none(
    loaded: Callable[..., Loaded], text: str, may: bool
) -> None:
    caller = client_keys_of(loaded(text).config, SYSTEM).authenticate({"host": "localhost"})
    assert isinstance(caller, Caller)
    assert (caller.barred("admin") is None) is may
    assert caller.barred("inference") is None


@pytest.mark.parametrize(
    ("stored", "part"),
    [
        ([{"requests": "60/min"}, {"tokens": "60/fortnight"}], "limits[1].tokens: "),
        ([{"requests": "60/min", "images": "5/min"}], "limits[0].images: "),
        ([{"requests": "60/min"}, {"models": ["fast"]}], "limits[1]: limits nothing"),
        ({"concurrency": -1}, "limits.concurrency: "),
        ({"requests": ["60/min", None]}, "limits.requests[1]: "),
        ("unlimited", "limits: "),
        (7, "limits: "),
    ],
)
def test_stored_limits_of_which_a_part_cannot_be_read_are_no_limits(stored: Any, part: str) -> None:
    with pytest.raises(UnreadableLimits) as failed:
        limits_of(stored, "ann", "key")
    assert str(failed.value).startswith(part), str(failed.value)


def test_stored_limits_that_can_be_read() -> None:
    limits = limits_of([{"requests": ["60/min", "5/s"]}, {"concurrency": 0}], "ann", "key")
    found = [(one.name, one.resource, one.most) for one in limits]
    assert found == [("key ann", "requests", 60), ("key ann", "requests", 5), ("key ann", "concurrency", 0)]
    assert limits_of([], "ann", "key") == ()


def test_limits_that_many_keys_state_are_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Any] = []

    def noted(value: Any) -> Any:
        decoded.append(value)
        return stated_bounds(value)

    monkeypatch.setattr(keys_module, "stated_bounds", noted)
    stated = [{"requests": "61/min"}, {"tokens": "2k/day", "models": ["m"]}]
    found = [limits_of(stated, name, "key") for name in ("a", "b")]
    assert decoded == [stated]
    assert [[(one.name, one.only, one.most) for one in limits] for limits in found] == [
        [(f"key {name}", frozenset({name}), 61), (f"key {name}", frozenset({name}), 2000)] for name in "ab"
    ]
    long = [{"requests": "61/min", "models": ["m" * 2000]}]
    assert limits_of(long, "a", "key") == limits_of(long, "a", "key")
    assert decoded == [stated, long, long]
