"""Secrets that stand in files are read again; each stays as it was unless the new one could be configured."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from dragoman.config.load import Loaded
from dragoman.config.reread import reread
from dragoman.config.show import shown

Load: TypeAlias = Callable[..., Loaded]
SETTINGS = """
auth: {keys: [{file: a}, {file: b}, {name: c, key: stated-key-of-good-length}]}
providers: {openai: {keys: [{file: p}, stated], proxy: {file: proxy}}}
"""


@pytest.fixture
def found(loaded: Load, tmp_path: Path) -> Loaded:
    for name in ("a", "b", "p"):
        (tmp_path / name).write_text(f"the-first-secret-of-{name}\n")
    (tmp_path / "proxy").write_text("http://proxy:1")
    return loaded(SETTINGS)


def outcomes(loaded: Loaded) -> tuple[Loaded, dict[str, str]]:
    after, readings = reread(loaded)
    return after, {reading.setting: reading.outcome for reading in readings}


def test_only_what_stands_in_files_is_read(found: Loaded) -> None:
    after, told = outcomes(found)
    assert after is found
    assert told == dict.fromkeys(
        ("auth.keys[0].key", "auth.keys[1].key", "providers.openai.keys[0]", "providers.openai.proxy"),
        "unchanged",
    )


def test_new_secrets_are_in_the_settings_and_the_accounts(found: Loaded, tmp_path: Path) -> None:
    (tmp_path / "p").write_text("the-second-secret-of-p")
    (tmp_path / "proxy").write_text("http://other:1")
    after, told = outcomes(found)
    assert told["providers.openai.keys[0]"] == "changed"
    assert told["providers.openai.proxy"] == "restart"
    keys = after.config.providers.named["openai"].keys
    assert keys is not None
    assert [key.reveal() for key in keys] == ["the-second-secret-of-p", "stated"]
    assert [one.secret for one in after.providers["openai"].credentials] == list(keys)
    proxy = after.config.providers.named["openai"].proxy
    assert proxy is not None
    assert proxy.reveal() == "http://proxy:1"
    assert after.config.auth == found.config.auth
    assert outcomes(after)[1]["providers.openai.keys[0]"] == "unchanged"
    assert "the-second-secret-of-p" not in "".join(str(row) for row in shown(after))


def test_two_keys_may_change_places_but_not_be_the_same(found: Loaded, tmp_path: Path) -> None:
    """As files of a current and a previous key do."""
    (tmp_path / "a").write_text("the-first-secret-of-b")
    after, told = outcomes(found)
    assert after.config.auth == found.config.auth
    assert told["auth.keys[0].key"] == "failed"
    (tmp_path / "b").write_text("the-first-secret-of-a")
    after, told = outcomes(found)
    assert [key.key.reveal()[-1] for key in after.config.auth.keys[:2]] == ["b", "a"]
    assert (told["auth.keys[0].key"], told["auth.keys[1].key"]) == ("changed", "changed")


@pytest.mark.skipif(sys.platform == "win32", reason="no such files there")
def test_a_pipe_makes_nobody_wait(found: Loaded, tmp_path: Path) -> None:
    (tmp_path / "p").unlink()
    os.mkfifo(tmp_path / "p")
    _, readings = reread(found)
    (failed,) = [reading for reading in readings if reading.outcome == "failed"]
    assert (failed.setting, failed.reason, failed.tail) == (
        "providers.openai.keys[0]", "is not a regular file", "of-p",
    )  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts what is open as Linux shows it")
def test_a_folder_in_the_place_of_a_file_leaves_nothing_open(found: Loaded, tmp_path: Path) -> None:
    (tmp_path / "p").unlink()
    (tmp_path / "p").mkdir()
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for _ in range(5):
        _, readings = reread(found)
        (failed,) = [reading for reading in readings if reading.outcome == "failed"]
        assert failed.reason == "cannot be read: Is a directory"
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before
