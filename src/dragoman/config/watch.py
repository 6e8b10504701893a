"""Notices that the files of a configuration, or the entries that operators have added, have changed.

A file is compared by what the system says about it (device, inode, size, times), after following symbolic
links. So if a folder is replaced, as Kubernetes replaces `..data`, each file in it counts as changed. A
program may write a file in several steps, so a change counts only after the files were the same in two looks.

The database with the entries that operators have added is asked for its version, because another server may
have changed it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from pathlib import Path
from typing import Final

from dragoman.config.differences import files_of
from dragoman.config.load import Loaded
from dragoman.seams.stamps import Stamp, stamp, written
from dragoman.state.store import StoreFailed
from dragoman.stores.address import Location

LOOK: Final = 1.0
"""Seconds between two looks at the files."""
ASK: Final = 2.0
"""Seconds between two questions to the database."""
_ASK_MOST: Final = 60.0
"""The most seconds between two questions while the database's version cannot be used."""
_ASK_LOST: Final = 16.0
"""The most seconds between two questions while a database server does not answer: each attempt may take
seconds.
"""


class Watch:
    """Looks at the files of a configuration, and at the database with added entries. Times are monotonic
    seconds, which the caller passes.
    """

    def __init__(self, loaded: Loaded, now: float) -> None:
        self._seen: dict[Path, Stamp] = {}
        self._changing: dict[Path, Stamp] | None = None
        """What the last look found, if it differs from the files of the configuration in use; None = it does
        not differ.
        """
        self._polled = self._asked = now
        self.follow(loaded)

    def follow(self, loaded: Loaded) -> None:
        """From now on, look at the files and the database of this configuration, by its settings `reload`. A
        file that the previous configuration had too is still compared with its earlier state, so that a
        change while the configuration was loaded is not missed.
        """
        settings = loaded.config.reload
        self._watches, self._poll = settings.watch, float(settings.poll) or inf
        files = watched(loaded)
        self._seen = {file: self._seen[file] if file in self._seen else stamp(file) for file in files}
        self._changing = None
        self._database = None if loaded.added is None else loaded.added.file
        self._version = 0 if loaded.added is None else loaded.added.version
        """The database's version that the configuration in use has."""
        self._ask = ASK
        self._same: tuple[Stamp, ...] | None = None
        """What the system said about the database's files when they last had the version in use; None = not
        known.
        """
        self._answered = 0.0

    @property
    def pause(self) -> float:
        """Seconds to wait between two calls of `look`; infinity = there is nothing to look at."""
        pause = LOOK if self._watches else self._poll
        return pause if self._database is None else min(pause, ASK)

    def look(self, now: float) -> bool:
        """Look at the files (only if `reload.watch` is on) and the database; return whether the configuration
        must be loaded again. True also after each `reload.poll` seconds (0 = never) in which no file seemed
        changed. now: monotonic seconds.
        """
        if self._watches:
            found = _stamps(self._seen)
            if found == self._seen:
                self._changing = None
            elif found != self._changing:
                self._changing = found  # somebody may still be writing
            else:
                self._seen, self._changing = found, None
                self._polled = now
                return True
        if self._database is not None and now - self._asked >= self._ask:
            self._asked = now
            if self._has_another_version(self._database, now):
                return True
        if now - self._polled >= self._poll:
            self._polled = now
            return True
        return False

    def _has_another_version(self, database: Location, now: float) -> bool:
        """Ask the database for the version of the added entries; return whether it differs from the version
        in use. False also if a database file need not be read again, or if the database does not answer.

        While the versions differ (one that cannot be used stays different), or a database server does not
        answer, the time to the next question doubles.
        """
        from dragoman.stores import added_file  # here, as in `assembly.added`

        stamps = written(database) if isinstance(database, Path) else None
        if stamps is not None and stamps == self._same and now - self._answered < _ASK_MOST:
            return False
        try:
            version = added_file.version(database)
        except StoreFailed:  # whatever else uses the database reports it
            if stamps is None:
                self._ask = min(2 * self._ask, _ASK_LOST)
            return False
        changed = version != self._version
        self._same, self._answered = None if changed else stamps, now
        self._ask = min(2 * self._ask, _ASK_MOST) if changed else ASK
        return changed


def watched(loaded: Loaded) -> tuple[Path, ...]:
    """Return the files of a configuration, each once: the configuration file (if there is one), and the files
    of its secrets and certificates.
    """
    own = () if loaded.file is None else (loaded.file,)
    return tuple(dict.fromkeys([*own, *files_of(loaded.config)]))


def _stamps(files: Iterable[Path]) -> dict[Path, Stamp]:
    return {file: stamp(file) for file in files}
