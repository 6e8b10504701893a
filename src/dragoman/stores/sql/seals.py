"""The vault of seals in a database; implements `state.seals.Vault`. Seals are the parts of answers that
clients cannot send back, such as signatures. All processes that use the database share one secret, so
each of them finds the entries that the others have stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import cast

from sqlalchemy import (
    BigInteger,
    Connection,
    LargeBinary,
    String,
    bindparam,
    delete,
    exists,
    insert,
    select,
    update,
)

from dragoman.state.store import StoreFailed
from dragoman.stores.limits import Limits
from dragoman.stores.sql.database import Database, Part, upsert
from dragoman.stores.sql.room import Room
from dragoman.stores.sql.rows import NOW, UNTIL, chunks, entry_size
from dragoman.stores.sql.schema import SEAL_KEYS, SEALS, SECRETS, SHARES

_S, _K, _H = SEALS.c, SEAL_KEYS.c, SHARES.c
_NAME = "seals"
_KEY = 200
"""The approximate bytes of one key of an entry, without the key's content, which is stored twice: in a row
and in an index.
"""
_MOST_OWNERS = 10_000
"""The most owners that are remembered to have entries, so that the database is not asked for each request."""
_PRECISION = 1 / 16
"""Finding an entry extends its life only if at least 1/16 of its time has passed. Otherwise every find would
write to the database. An entry may therefore expire up to 1/16 of its time too early.
"""

_KEYS = bindparam("keys_", type_=LargeBinary, expanding=True)
_NUMBERS = bindparam("numbers_", type_=BigInteger, expanding=True)
_FIND = (
    select(_K.key, _S.number, _S.entry, _S.until)
    .join(SEALS, _S.number == _K.seal)
    .where(_K.key.in_(_KEYS), _S.until > NOW)
)
_SHARE = select(_H.entries).where(
    _H.kind == bindparam("kind_"), _H.owner.in_(bindparam("keys_", type_=String, expanding=True))
)
_LED = select(_K.seal).where(_K.key.in_(_KEYS))
_LAST = update(SEALS).where(_S.number.in_(_NUMBERS)).values(until=UNTIL)
_DROP_KEYS = delete(SEAL_KEYS).where(_K.key.in_(_KEYS)).returning(_K.seal)
_DROP_UNLED = delete(SEALS).where(_S.number.in_(_NUMBERS), ~exists().where(_K.seal == _S.number))
_KEEP = insert(SEALS)
_ADD_KEYS = upsert(SEAL_KEYS)
_LEAD = _ADD_KEYS.on_conflict_do_update(index_elements=[_K.key], set_={"seal": _ADD_KEYS.excluded.seal})


class SqlVault(Part):
    """Stores seals in a database. room: limits the bytes of all seals. limits: the limits of the store, of
    which `seals_size` and `seals_ttl` are used. now: returns Unix seconds. secret: the vault's secret, from
    which the keys of entries are made.

    `holds` is always True, because another process may store a seal at any moment.
    """

    holds = True

    def __init__(
        self, database: Database, room: Room, limits: Limits, now: Callable[[], float], secret: bytes
    ) -> None:
        super().__init__(database, room, limits, now)
        self.secret = secret
        self._owners: set[bytes] = set()
        """Owners that had an entry once. All of their entries may have been removed since."""

    async def open(self) -> None:
        """Do nothing: the store is already open, and `secret` is known."""

    async def has(self, owner: bytes) -> bool:
        if owner in self._owners:
            return True
        rows = await self._database.look_up(_SHARE, [_shown(owner)], {"kind_": SEALS.name})
        if not any(entries for (entries,) in rows):
            return False
        if len(self._owners) >= _MOST_OWNERS:
            self._owners.clear()
        self._owners.add(owner)
        return True

    async def keep(self, keys: Iterable[bytes], entry: bytes, *, owner: bytes) -> None:
        named = sorted(set(keys))
        if not named:
            return
        size = entry_size(entry) + sum([_KEY + 2 * len(key) for key in named])
        row = {"owner": owner, "entry": entry, "size": size, "until": self._now() + self._limits.seals_ttl}

        # Nearly always all keys are new, so the old keys are looked up outside of the transaction. If another
        # process stores the same key at this moment, its old entry stays until it expires.
        replaces = await self._database.look_up(_LED, named, {})

        def keep(connection: Connection) -> None:
            if replaces:
                _forget(connection, named)
            if size <= self._limits.seals_size:
                self._room.make(connection, _shown(owner), size)
                (seal,) = cast("tuple[int]", connection.execute(_KEEP, row).inserted_primary_key)
                connection.execute(_LEAD, [{"key": key, "seal": seal} for key in named])

        await self._database.write(keep, size)

    async def find(self, keys: Iterable[bytes]) -> Mapping[bytes, bytes]:
        now, ttl = self._now(), self._limits.seals_ttl
        rows = [
            row for some in chunks(keys) for row in await self._database.look_up(_FIND, some, {"now_": now})
        ]
        fading = {number for _, number, _, until in rows if until < now + ttl * (1 - _PRECISION)}
        if fading:

            def last(connection: Connection) -> None:
                for numbers in chunks(fading):
                    connection.execute(_LAST, {"numbers_": numbers, "until_": now + ttl})

            with suppress(StoreFailed):  # the entries were found even if their life cannot be extended
                await self._database.write(last)
        return {key: entry for key, _, entry, _ in rows}


def _shown(owner: bytes) -> str:
    """Return the name of an owner in the table `shares`."""
    return owner.hex().upper()


def _forget(connection: Connection, keys: list[bytes]) -> None:
    """Delete keys, so that they no longer lead to their old entries. Delete these entries too if no other key
    leads to them.
    """
    for some in chunks(keys):
        left = set(connection.execute(_DROP_KEYS, {"keys_": some}).scalars())
        if left:
            connection.execute(_DROP_UNLED, {"numbers_": sorted(left)})


async def secret(database: Database, made: bytes) -> bytes:
    """Return the vault's secret, which all processes that use the database share. made: 32 random bytes,
    which become the secret if the database has none yet. Raises StoreFailed.
    """
    new = upsert(SECRETS).values(name=_NAME, value=made).on_conflict_do_nothing()
    own = select(SECRETS.c.value).where(SECRETS.c.name == _NAME)

    def share(connection: Connection) -> bytes:
        connection.execute(new)
        return bytes(connection.execute(own).scalar_one())

    return await database.write(share)
