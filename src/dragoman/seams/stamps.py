"""What the system says about files: by this, a file that nobody has written since need not be read again."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

Stamp: TypeAlias = tuple[int, ...] | None
"""Device, inode, size, and the times of the latest change to the content and to the inode, in nanoseconds;
None = there is no such file, or the system does not tell.
"""


def stamp(file: Path) -> Stamp:
    """Return what the system says about a file now. None also if the system does not tell, for example
    because no file can have this name, or because this process may not look into the folder.
    """
    try:
        told = file.stat()
    except (OSError, ValueError):
        return None
    return told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns


def written(database: Path) -> tuple[Stamp, ...]:
    """Return what the system says about two files that SQLite writes: the database and its log of changes
    (WAL), each without the time of the latest change to the inode. An equal value later means that very
    probably nothing was written in between.
    """
    stamps = stamp(database), stamp(database.with_name(f"{database.name}-wal"))
    # Without the time of the inode: a reader that runs as root sets it when it opens the log.
    return tuple(None if one is None else one[:-1] for one in stamps)
