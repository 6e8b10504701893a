"""The client key of a public gateway: made once, readable by its owner alone, never replaced unasked."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from dragoman.cli.client_key import kept_or_made
from dragoman.cli.terminal import CONFIGURATION, Failure


def test_a_key_is_made_once_and_kept_for_its_owner(tmp_path: Path) -> None:
    first = kept_or_made(tmp_path / "new" / "home")
    assert first.made
    assert first.file == tmp_path / "new" / "home" / "client-key"
    assert stat.S_IMODE(first.file.stat().st_mode) == 0o600
    assert kept_or_made(tmp_path / "new" / "home") == first._replace(made=False)


def test_two_homes_have_two_keys(tmp_path: Path) -> None:
    assert kept_or_made(tmp_path / "a").key != kept_or_made(tmp_path / "b").key


def test_where_nothing_can_be_kept_a_key_lasts_for_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuses(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr("os.open", refuses)
    key = kept_or_made(tmp_path)
    assert (key.file, key.made, key.key[:4]) == (None, True, "dgm_")


def test_a_disk_that_is_full_leaves_no_empty_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(descriptor: int, *_: object, **__: object) -> None:
        os.close(descriptor)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fdopen", full)
    key = kept_or_made(tmp_path)
    assert (key.file, key.made, key.key[:4]) == (None, True, "dgm_")
    assert list(tmp_path.iterdir()) == [], "the next start would refuse an empty file"


@pytest.mark.parametrize("content", [b"", b"\n", b"secret", b"\xff\xfe", b"dgm_short"])
def test_a_file_that_holds_no_key_is_refused_not_replaced(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "client-key"
    file.write_bytes(content)
    with pytest.raises(Failure, match="contains no key") as refused:
        kept_or_made(tmp_path)
    assert refused.value.code == CONFIGURATION
    assert file.read_bytes() == content


def test_a_home_that_is_a_file_is_said(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("")
    with pytest.raises(Failure, match="cannot be read: Not a directory"):
        kept_or_made(home)
