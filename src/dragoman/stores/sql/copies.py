"""Copies of a SQLite file, made before its schema is upgraded. A copy has the old schema; its name has the
revision of the new one: `state.db.before-0006` was made before the upgrade to 0006.

https://www.sqlite.org/lang_vacuum.html#vacuuminto
"""

from __future__ import annotations

import glob
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

if sys.platform != "win32":
    import fcntl

_PATIENCE: Final = 5.0
"""The most seconds for which making a copy waits while another process locks the file."""


def keep_copy(file: Path, before: str, most: int) -> None:
    """Make a copy of `file` beside it, with the name `FILE.before-REVISION`, for its owner only; a copy with
    this name that exists already stays. Then delete the copies of this file except the `most` ones with the
    highest revisions. before: the revision that the file will be upgraded to. most: at least 1. Several
    processes may call this at the same time, except on Windows. Raises OSError and sqlite3.Error.
    """
    copy = file.with_name(f"{file.name}.before-{before}")
    making = file.with_name(f"{copy.name}.part")
    descriptor = os.open(making, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        # The process that had the lock before may have made the copy. It has then renamed the `.part` file,
        # so the file that we have open has no name any more.
        if not copy.exists():
            os.close(os.open(making, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
            with closing(sqlite3.connect(file, _PATIENCE, isolation_level=None)) as connection:
                connection.execute("VACUUM INTO ?", [str(making)])
            making.replace(copy)
    finally:
        making.unlink(missing_ok=True)
        os.close(descriptor)
    copies = sorted(
        one for one in file.parent.glob(f"{glob.escape(file.name)}.before-*") if one.suffix != ".part"
    )
    for old in copies[:-most]:
        old.unlink(missing_ok=True)
