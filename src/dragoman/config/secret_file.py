"""Reads a file that contains one secret and nothing else."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

_LARGEST: Final = 65_536
HINT: Final = "name a file that this user can read and that holds the secret alone"


class Unreadable(Exception):
    """Raised if the file cannot be used. The text says why: it is the rest of a sentence that begins with the
    file's name.
    """


def read(file: Path) -> str:
    """Return the secret in a file, without white space around it; it may be "".

    Raises Unreadable if the file cannot be read, has more than 65,536 bytes, is not UTF-8, or is not a
    regular file. (A configuration that somebody else wrote may name a device or a pipe, and reading one may
    never end.)
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
    """Open a file without blocking. Otherwise, opening a pipe would wait for a process that writes to it."""
    return os.open(file, flags | getattr(os, "O_NONBLOCK", 0))


def is_open(file: Path) -> bool:
    """Whether a file belongs to the user of this process, and its permissions let all other users read it.
    False on Windows, and if this process runs as root. Raises OSError if the file cannot be examined.
    """
    user = getattr(os, "geteuid", lambda: 0)()
    about = file.stat()
    return user != 0 and about.st_uid == user and bool(about.st_mode & 0o004)
