"""The seal vault in a database; see `state.seals.Vault`. All processes share its secret, and so its keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import cast

from sqlalchemy import BigInteger, Connection, LargeBinary, bindparam, delete, exists, insert, select, update

from dragoman.state.store import StoreFailed
from dragoman.stores.limits import Limits
from dragoman.stores.sql.database import Database, upsert
from dragoman.stores.sql.room import Room
from dragoman.stores.sql.rows import NOW, UNTIL, chunks, entry_size
from dragoman.stores.sql.schema import SEAL_KEYS, SEALS, SECRETS

_S, _K = SEALS.c, SEAL_KEYS.c
_NAME = "seals"
_KEY = 200
"""Bytes that a key takes beside its own, which stands in its row and in an index."""
_PRECISION = 1 / 16
"""The part of its time by which an entry may leave too early: finding one would be a write every time."""

_KEYS = bindparam("keys_", type_=LargeBinary, expanding=True)
_NUMBERS = bindparam("numbers_", type_=BigInteger, expanding=True)
_FIND = (
    select(_K.key, _S.number, _S.entry, _S.until)
    .join(SEALS, _S.number == _K.seal)
    .where(_K.key.in_(_KEYS), _S.until > NOW)
)
_LED = select(_K.seal).where(_K.key.in_(_KEYS))
_LAST = update(SEALS).where(_S.number.in_(_NUMBERS)).values(until=UNTIL)
_DROP_KEYS = delete(SEAL_KEYS).where(_K.key.in_(_KEYS)).returning(_K.seal)
_DROP_UNLED = delete(SEALS).where(_S.number.in_(_NUMBERS), ~exists().where(_K.seal == _S.number))
_KEEP = insert(SEALS)
_ADD_KEYS = upsert(SEAL_KEYS)
_LEAD = _ADD_KEYS.on_conflict_do_update(index_elements=[_K.key], set_={"seal": _ADD_KEYS.excluded.seal})


class SqlVault:
    """room: shared by all seals. limits: how much is kept, and for how long. now: Unix seconds.

    It never says that it holds nothing: another process may have kept something since anybody looked.
    """

    holds = True

    def __init__(
        self, database: Database, room: Room, secret: bytes, limits: Limits, now: Callable[[], float]
    ) -> None:
        self.secret = secret
        self._database = database
        self._room = room
        self._limits = limits
        self._now = now

    async def open(self) -> None:
        """There is nothing to open any more."""

    async def keep(self, keys: Iterable[bytes], entry: bytes, *, owner: bytes) -> None:
        """Keep an entry under each of these keys. One that is larger than the vault is not kept."""
        named = sorted(set(keys))
        if not named:
            return
        size = entry_size(entry) + sum([_KEY + 2 * len(key) for key in named])
        row = {"owner": owner, "entry": entry, "size": size, "until": self._now() + self._limits.seals_ttl}

        # Nearly always all keys are new. What somebody else keeps under them right now lasts out its time.
        replaces = await self._database.look_up(_LED, named, {})

        def keep(connection: Connection) -> None:
            if replaces:
                _forget(connection, named)
            if size <= self._limits.seals_size:
                self._room.make(connection, owner.hex().upper(), size)
                (seal,) = cast("tuple[int]", connection.execute(_KEEP, row).inserted_primary_key)
                connection.execute(_LEAD, [{"key": key, "seal": seal} for key in named])

        await self._database.write(keep, size)

    async def find(self, keys: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """The entries of these keys, as far as they are still there."""
        now, ttl = self._now(), self._limits.seals_ttl
        rows = [
            row for some in chunks(keys) for row in await self._database.look_up(_FIND, some, {"now_": now})
        ]
        fading = {number for _, number, _, until in rows if until < now + ttl * (1 - _PRECISION)}
        if fading:

            def last(connection: Connection) -> None:
                for numbers in chunks(fading):
                    connection.execute(_LAST, {"numbers_": numbers, "until_": now + ttl})

            with suppress(StoreFailed):  # what was found is found
                await self._database.write(last)
        return {key: entry for key, _, entry, _ in rows}


def _forget(connection: Connection, keys: list[bytes]) -> None:
    """Keys are about to mean another entry: those that nothing leads to any more go."""
    for some in chunks(keys):
        left = set(connection.execute(_DROP_KEYS, {"keys_": some}).scalars())
        if left:
            connection.execute(_DROP_UNLED, {"numbers_": sorted(left)})


async def secret(database: Database, made: bytes) -> bytes:
    """The secret that all processes share: `made` where there is none yet."""
    new = upsert(SECRETS).values(name=_NAME, value=made).on_conflict_do_nothing()
    own = select(SECRETS.c.value).where(SECRETS.c.name == _NAME)

    def share(connection: Connection) -> bytes:
        connection.execute(new)
        return bytes(connection.execute(own).scalar_one())

    return await database.write(share)
