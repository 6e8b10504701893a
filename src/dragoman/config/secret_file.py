"""Reads a file that holds one secret and nothing else."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

_LARGEST: Final = 65_536
HINT: Final = "name a file that this user can read and that holds the secret alone"


class Unreadable(Exception):
    """A file that no secret can be read from. The text says why, as what comes after the file's name."""


def read(file: Path) -> str:
    """The secret in a file, without the blanks and line ends around it. Raises Unreadable.

    What has no end or says nothing, as a device or a pipe does, is left unread: a configuration that somebody
    else wrote may name it.
    """
    try:
        with open(file, "rb", opener=_without_waiting) as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise Unreadable("is not a regular file")
            data = opened.read(_LARGEST + 1)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
    if len(data) > _LARGEST:
        raise Unreadable(f"is larger than {_LARGEST} bytes")
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise Unreadable("cannot be read: not UTF-8") from None


def _without_waiting(file: str, flags: int) -> int:
    """Open a file. Without O_NONBLOCK a pipe would wait for somebody who writes."""
    return os.open(file, flags | getattr(os, "O_NONBLOCK", 0))


def is_open(file: Path) -> bool:
    """Whether everybody may read a file of this user. What a container's runtime mounts is root's."""
    user = getattr(os, "geteuid", lambda: 0)()
    about = file.stat()
    return user != 0 and about.st_uid == user and bool(about.st_mode & 0o004)
