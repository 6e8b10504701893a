"""Keys in files that are replaced while the gateway runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dragoman.assembly.keyfiles import KeyFile, credentials_of
from dragoman.config.load import load
from dragoman.seams.clock import SYSTEM
from dragoman.seams.secret import Secret
from dragoman.upstreams.credential import Lease, NotRenewed

OLD, NEW = "sk-provider-before-1111", "sk-provider-after-2222"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(f"{OLD}\n")
    return file


def write(file: Path, key: str) -> None:
    file.write_text(key)


def lead(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def text(lease: Lease) -> str:
    assert lease.secret is not None
    return lease.secret.reveal()


async def test_the_same_key_is_the_same_lease(file: Path) -> None:
    lease = Lease(Secret(OLD, file))
    key = KeyFile(file)
    assert await key.fetch(lease) is lease
    os.utime(file, (1, 1))
    assert await key.fetch(lease) is lease


async def test_another_key_is_another_lease(file: Path) -> None:
    lease, key = Lease(Secret(OLD, file)), KeyFile(file)
    await key.fetch(lease)
    write(file, f"{NEW}\n")
    after = await key.fetch(lease)
    assert (text(after), after.expires, after.sign) == (NEW, None, None)
    assert await key.fetch(after) is after


async def test_a_link_that_leads_elsewhere_is_another_file(file: Path, tmp_path: Path) -> None:
    """As a cluster's secrets are replaced."""
    other, link = tmp_path / "other", tmp_path / "link"
    write(other, NEW)
    os.utime(other, (1, 1))
    os.utime(file, (1, 1))
    lead(link, file)
    lease, key = Lease(Secret(OLD, link)), KeyFile(link)
    await key.fetch(lease)
    lead(link, other)
    assert text(await key.fetch(lease)) == NEW


async def test_what_cannot_be_used_is_said_without_the_secret(file: Path) -> None:
    lease, key = Lease(Secret(OLD, file)), KeyFile(file)
    for wrong, why in (("", "key is empty"), ("two\nlines", "key contains characters that are not allowed")):
        write(file, wrong)
        with pytest.raises(NotRenewed, match=why):
            await key.fetch(lease)
    lead(file, Path("nowhere"))
    with pytest.raises(NotRenewed, match="key cannot be used: No such file"):
        await key.fetch(lease)
    write(file, NEW)
    assert text(await key.fetch(lease)) == NEW


async def test_a_part_of_an_access_key_is_never_a_bearer_token(file: Path) -> None:
    """It may hold a secret that must not be sent."""
    row = {"catalog": "bedrock", "region": "eu-west-1", "keys": [{"file": str(file)}]}
    (one,) = credentials_of(load({"providers": {"up": row}}, {}).providers["up"], SYSTEM)
    assert one is not None
    write(file, "AKIAIOSFODNN7EXAMPLE:half-of-a-secret")
    assert await one.refused(one.lease)
    write(file, "AKIAIOSFODNN7EXAMPLE:short")
    assert not await one.refused(one.lease)
    assert text(one.lease).endswith("half-of-a-secret")
    assert "is an access key that is not written" in str(one.state.error)
    assert "short" not in str(one.state.error)


def test_only_keys_in_files_change(file: Path) -> None:
    settings = {
        "providers": {"up": {"base_url": "http://127.0.0.1:9", "keys": ["fixed", {"file": str(file)}]}}
    }
    first, second = credentials_of(load(settings, {}).providers["up"], SYSTEM)
    assert first is None
    assert second is not None
    assert second.state.id == "up[1]"
    assert second.state.tail == "1111"
