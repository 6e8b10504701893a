"""What encrypts tenants' keys: only the master key opens them, only for their tenant and provider."""

from __future__ import annotations

import os

import msgspec
import pytest

from dragoman.accounts.own_keys import Cipher, OwnKeys, Undecipherable
from dragoman.seams.secret import Secret
from dragoman.state.directory import DirectoryStore, OwnKey

pytest.importorskip("cryptography", reason="needs the extra `encryption`")
ROW = OwnKey("acme", "openai", b"", "", "…abcd", "me", 1.0)


def cipher(text: str, *old: str) -> Cipher:
    return Cipher(Secret(text), [Secret(one) for one in old], lambda: os.urandom(16))


def test_what_is_encrypted_is_decrypted() -> None:
    one = cipher("m" * 32)
    first, second = one.encrypt(ROW, Secret("sk-1")), one.encrypt(ROW, Secret("sk-1"))
    assert first.cipher != second.cipher
    assert b"sk-1" not in first.cipher
    assert one.decrypt(first).reveal() == "sk-1"
    assert cipher("n" * 32, "m" * 32).decrypt(first).reveal() == "sk-1"


@pytest.mark.parametrize(
    "change", [{"tenant": "other"}, {"provider": "other"}, {"cipher": b"x"}, {"master": "0"}]
)
def test_a_row_that_was_altered_is_refused(change: dict[str, object]) -> None:
    one = cipher("m" * 32)
    altered = msgspec.structs.replace(one.encrypt(ROW, Secret("sk-1")), **change)
    with pytest.raises(Undecipherable):
        one.decrypt(altered)


async def test_only_the_tenant_itself_has_its_key() -> None:
    class Store(DirectoryStore):
        def __init__(self) -> None:
            self.kept: list[OwnKey] = []

        async def own_keys(self) -> list[OwnKey]:
            return self.kept

        async def keep_own(self, key: OwnKey) -> None:
            self.kept = [key]

    store = Store()  # type: ignore[abstract]
    own = OwnKeys(store, cipher("m" * 32))
    await own.keep(ROW, Secret("sk-1"))
    found = await own.find("acme", "openai")
    assert found is not None
    assert found.reveal() == "sk-1"
    assert await own.find("other", "openai") is None
    assert await own.find("acme", "anthropic") is None
