"""Who may call, by the settings of the keys and the address that is served."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dragoman.accounts.caller import Caller
from dragoman.assembly.keys import client_keys_of, needs_key
from dragoman.config.load import Loaded
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
