"""The text of a client key: its form, its checksum and what is shown of it."""

from __future__ import annotations

import hashlib
import os
import re

import pytest

from dragoman.accounts.minting import LENGTH, digest, minted, mistyped, shown


def test_a_key_is_letters_and_digits_of_one_length() -> None:
    keys = {minted(os.urandom(32)) for _ in range(100)} | {minted(bytes(32)), minted(b"\xff" * 32)}
    assert len(keys) == 102
    assert all(re.fullmatch(r"dgm_[0-9A-Za-z]{49}", key) and len(key) == LENGTH for key in keys)
    assert not any(map(mistyped, keys))


def test_the_form_stays_as_scanners_know_it() -> None:
    assert minted(bytes(range(32))) == "dgm_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf1XanJU"


@pytest.mark.parametrize("place", [4, 20, LENGTH - 1])
def test_each_changed_character_is_noticed(place: int) -> None:
    key = minted(bytes(range(32)))
    other = "a" if key[place] != "a" else "b"
    assert mistyped(key[:place] + other + key[place + 1 :])


@pytest.mark.parametrize(
    "text", ["", "dgm_", "sk-1234", "dgm_short", minted(bytes(32))[:-1], minted(bytes(32)) + "x"]
)
def test_texts_of_another_form_are_not_judged(text: str) -> None:
    assert not mistyped(text)


def test_a_text_with_other_characters_is_mistyped() -> None:
    assert mistyped(minted(bytes(32))[:-1] + "é")


def test_little_of_a_key_is_shown() -> None:
    key = minted(os.urandom(32))
    assert shown(key) == f"{key[:8]}…"
    assert shown("my-own-key-of-sixteen") == shown("dgm_x") == "…"


def test_the_digest_is_that_of_sha256sum() -> None:
    assert digest("sk-1").hex() == hashlib.sha256(b"sk-1").hexdigest()
    assert len(digest("\udcff")) == 32  # a byte in a header that is no UTF-8
