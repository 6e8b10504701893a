"""What differs between two configurations, and the mark by which one is recognised."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from dragoman.config.differences import certificates, differences, digest, files_of, fingerprint
from dragoman.config.load import Loaded

Load = Callable[..., Loaded]
FIRST = """
auth: {keys: [{name: a, key: key-of-client-number-1}, {name: b, key: key-of-client-number-2}]}
providers: {up: {base_url: 'https://up.example', keys: [a-key-of-ours-1], headers: {x-own: a-header-of-ours}}}
models: {m: up/x}
"""


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("FIRST", "FIRST", []),
        ("models: {m: up/x}", "models: {n: up/x}", [("models.m", "removed"), ("models.n", "added")]),
        ("m: up/x", "m: {use: up/x, max_output: 5}", [("models.m.max_output", "changed")]),
        ("number-2}]", "number-3}]", [("auth.keys[1].key", "changed", "er-3")]),
        (", {name: b, key: key-of-client-number-2}]", "]", [("auth.keys", "changed")]),
        ("ours-1]", "ours-2]", [("providers.up.keys[0]", "changed", "rs-2")]),
        ("{x-own: a-header-of-ours}", "{}", [("providers.up.headers.x-own", "removed")]),
        ("up/x}", "up/x}\nstrict: true", [("strict", "changed")]),
    ],
)
def test_what_differs_is_named_once(loaded: Load, old: str, new: str, found: list[tuple[Any, ...]]) -> None:
    before, after = loaded(FIRST).config, loaded(FIRST.replace(old, new)).config
    rows = [
        (one.setting, one.change) + ((one.tail,) if one.tail else ()) for one in differences(before, after)
    ]
    assert rows == found
    assert (fingerprint(before) == fingerprint(after)) is (found == [])


def test_the_mark_of_equal_settings_is_the_same_wherever_they_stand(loaded: Load) -> None:
    one, other = loaded(FIRST), loaded("# a comment\n" + FIRST)
    assert fingerprint(one.config) == fingerprint(other.config)
    assert len(fingerprint(one.config)) == 32


def test_certificates_count_by_their_content(loaded: Load, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    text = FIRST.replace("headers:", "ca_file: ca.pem, headers:")
    config = loaded(text).config
    before = fingerprint(config)
    assert certificates(config) == (file,)
    file.write_text("two")
    assert fingerprint(config) != before


def test_the_files_of_secrets_and_certificates(loaded: Load, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text("a-secret-of-some-length")
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    text = (
        "{keys: {file: one}, headers: {x-own: {file: two}}, ca_file: ca.pem, base_url: 'https://a.example'}"
    )
    config = loaded(f"providers: {{up: {text}}}").config
    assert files_of(config) == (tmp_path / "one", tmp_path / "two", tmp_path / "ca.pem")
    stores = f"stores: {{valkey: 'rediss://a.example', valkey_ca: '{tmp_path}/ca.pem'}}"
    assert files_of(loaded(stores).config) == (tmp_path / "ca.pem",)


def test_what_cannot_be_read_has_no_digest(tmp_path: Path) -> None:
    assert digest(None) is None
    assert digest(tmp_path / "absent") is None
    assert digest(tmp_path) is None
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert digest(tmp_path / "pipe") is None
