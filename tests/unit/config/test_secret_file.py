"""Secrets in files of their own: which files are read, and what is said of the others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from dragoman.config.accounts import ClientKey
from dragoman.config.load import Loaded, load
from dragoman.errors import ConfigError
from dragoman.seams.secret import Secret

Load: TypeAlias = Callable[..., Loaded]
Mistakes: TypeAlias = Callable[..., list[str]]

KEY = "sk-proj-0123456789abcdefWXYZ"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_secret_is_in_a_regular_file_of_a_sensible_size(tmp_path: Path) -> None:
    """Whoever starts in a foreign folder neither waits for ever nor runs out of memory."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_text("k" * 100_000)
    file = tmp_path / "team.yaml"
    for name, told in (
        ("pipe", "is not a regular file"),
        ("/dev/zero", "is not a regular file"),
        ("large", "larger"),
    ):
        file.write_text(f"providers: {{openai: {{keys: [{{file: {name}}}]}}}}")
        with pytest.raises(ConfigError, match=told):
            load(file, {"DRAGOMAN_HOME": str(tmp_path)})


def test_a_secret_is_read_from_its_file(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "openai").write_text(f"{KEY}\n")
    text = "providers: {openai: {keys: {file: secrets/openai}}}\nauth: {keys: [{file: secrets/openai}]}"
    config = loaded(text).config
    assert config.providers.named["openai"].keys == (Secret(KEY),)
    assert config.auth.keys == (ClientKey(key=Secret(KEY)),)


def test_a_secret_file_says_what_is_wrong_with_it(mistakes: Mistakes, tmp_path: Path) -> None:
    (tmp_path / "two").write_text(f"{KEY}\n{KEY}\n")
    (tmp_path / "none").write_text("\n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    text = "providers: {openai: {keys: [{file: two}, {file: none}, {file: bytes}]}}"
    found = mistakes(text)
    assert [line.split(": ", 2)[2].split(" (")[0] for line in found] == [
        "the value contains characters that are not allowed in an HTTP header",
        "the value is empty",
        "the secret file cannot be read: not UTF-8",
    ]
    assert KEY not in "\n".join(found)
