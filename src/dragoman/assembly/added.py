"""Completes a configuration with the entries that operators have added at run time. These entries are stored
in a database.
"""

from __future__ import annotations

import msgspec

from dragoman.config.added import Added
from dragoman.config.load import Loaded
from dragoman.errors import ConfigError, Problem
from dragoman.state.store import StoreFailed
from dragoman.stores.address import Location
from dragoman.stores.standing import SchemaRefused


def with_added(found: Loaded, database: Location | None, *, starting: bool = False) -> Loaded:
    """Return the configuration with the entries in this database.

    found: the configuration without the entries. If its `adding` is None, no entries can be added, and
    `found` is returned. database: None = the store is in memory, so there are no entries. starting: True = if
    the database cannot be read, the result has a warning and no entries, and the running gateway reads the
    database again later. Raises ConfigError if the database cannot be read (but see `starting`), if its
    schema is one that this version cannot use, or if the configuration with the entries has mistakes. If
    `found` has an `again`, the `again` of the result reads the entries, too.
    """
    if database is None or found.adding is None:
        return found
    from dragoman.stores import added_file  # here, so that a start without a database does not load SQLite

    again = found.again
    try:
        kept = added_file.read(database)
    except SchemaRefused as refused:
        problem = Problem("stores.sql", str(refused), str(database), hint="dragoman db status shows it")
        raise ConfigError(problem) from None
    except StoreFailed as error:
        problem = Problem("stores.sql", f"what operators have added cannot be read: {error}", str(database))
        if not starting:
            raise ConfigError(problem) from None
        whole = msgspec.structs.replace(found, added=Added(database, -1), warnings=(*found.warnings, problem))
    else:
        if kept.entries:
            whole = found.adding(database, kept)
        else:
            whole = msgspec.structs.replace(found, added=Added(database, kept.version))
    if again is None:
        return whole
    return msgspec.structs.replace(whole, again=lambda: with_added(again(), database))
