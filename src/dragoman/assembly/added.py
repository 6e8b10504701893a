"""Completes a configuration by what operators have added to it, as its database has it."""

from __future__ import annotations

import msgspec

from dragoman.config.added import Added
from dragoman.config.load import Loaded
from dragoman.errors import ConfigError, Problem
from dragoman.state.store import StoreFailed
from dragoman.stores.address import Location
from dragoman.stores.standing import SchemaRefused


def with_added(found: Loaded, database: Location | None, *, starting: bool = False) -> Loaded:
    """The configuration with the entries that this database keeps. It is loaded again only if there are any.

    database: None = the store is in memory, so nothing can be added. starting: True = a database that cannot
    be read causes only a warning; the running gateway tries again. False = it raises ConfigError. A database
    whose schema this version cannot use always raises it.
    """
    if database is None or found.adding is None:
        return found
    from dragoman.stores import added_file  # here, so that a start without a database does not load SQLite

    again = found.again
    try:
        kept = added_file.read(database)
    except SchemaRefused as refused:
        raise ConfigError(Problem("stores.sql", str(refused), str(database))) from None
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
