"""Decides by the schema of a database whether this version of Dragoman can use the database. Needs
neither SQLAlchemy nor Alembic.

Versions N and N-1 may use one database at the same time. So a migration only adds something: a table, an
index, or a column that may be NULL or has a default in the database. The exception: an unused column is
dropped one release after the last release that used it. The migration that drops it states the oldest schema
whose code can still use the database (`compatible_from`). The database stores this value in a table, because
older code cannot know it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dragoman.state.store import StoreFailed

HEAD: Final = "0010"
"""The newest migration that this version knows. A database that has it, or a newer one, is opened without
loading Alembic.
"""


class Standing(NamedTuple):
    """The schema of a database. revision: the newest migration that the database has ("0010"); None = no
    migration has run yet. compatible_from: versions of Dragoman whose HEAD is older than this must not use
    the database; None = not known, or not needed because the database is not newer.
    """

    revision: str | None
    compatible_from: str | None = None

    @property
    def is_newer(self) -> bool:
        """Whether the database has a migration that this version does not know."""
        return self.revision is not None and self.revision > HEAD

    @property
    def is_older(self) -> bool:
        """Whether the database has tables but lacks migrations that this version knows."""
        return self.revision is not None and self.revision < HEAD

    def check(self, *, upgrades_itself: bool) -> None:
        """Raise SchemaRefused if this version cannot use the database: the database is newer and its
        `compatible_from` is later than HEAD; or the database is older and `upgrades_itself` is False.
        upgrades_itself: True = an older schema is upgraded when the database is opened.
        """
        if self.is_newer and (self.compatible_from or "") > HEAD:
            raise SchemaRefused(
                f"a newer Dragoman has given the database the schema {self.revision}; it can be used by"
                f" versions that know the schema {self.compatible_from}, and this one knows {HEAD}"
            )
        if self.is_older and not upgrades_itself:
            raise SchemaRefused(
                f"the database has the schema {self.revision}, and this version needs {HEAD}:"
                " run `dragoman db upgrade`"
            )


class SchemaRefused(StoreFailed):
    """This version cannot use the database's schema. The message names that schema and HEAD."""
