"""The seal vault in a database; see `state.seals.Vault`. All processes share its secret, and so its keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dragoman.state.store import StoreFailed
from dragoman.stores.limits import Limits
from dragoman.stores.sql.database import Database, upsert
from dragoman.stores.sql.rows import chunks, weight
from dragoman.stores.sql.schema import SEAL_KEYS, SEALS, SECRETS

_S, _K = SEALS.c, SEAL_KEYS.c
_NAME = "seals"
_PRECISION = 1 / 16
"""The part of its time by which an entry may leave too early: finding one would be a write every time."""


class SqlVault:
    """limits: how much is kept, and for how long. now: Unix seconds.

    It never says that it holds nothing: another process may have kept something since anybody looked.
    """

    holds = True

    def __init__(self, database: Database, secret: bytes, limits: Limits, now: Callable[[], float]) -> None:
        self.secret = secret
        self._database = database
        self._limits = limits
        self._now = now

    async def open(self) -> None:
        """There is nothing to open any more."""

    async def keep(self, keys: Iterable[bytes], entry: bytes, *, owner: bytes) -> None:
        """Keep an entry under each of these keys. One that is larger than the vault is not kept."""
        named = sorted(set(keys))
        size = weight(entry, *named)
        row = {"owner": owner, "entry": entry, "size": size, "until": self._now() + self._limits.seals_ttl}
        async with self._database.write() as connection:
            await self._forget(connection, named)
            if not named or size > self._limits.seals_size:
                return
            seal = (await connection.execute(insert(SEALS).returning(_S.number), row)).scalar_one()
            mine = upsert(SEAL_KEYS)
            mine = mine.on_conflict_do_update(index_elements=[_K.key], set_={"seal": seal})
            await connection.execute(mine, [{"key": key, "seal": seal} for key in named])

    async def _forget(self, connection: AsyncConnection, keys: list[bytes]) -> None:
        """Keys are about to mean another entry: those that nothing leads to any more go."""
        for some in chunks(keys):
            dropped = delete(SEAL_KEYS).where(_K.key.in_(some)).returning(_K.seal)
            left = sorted(set((await connection.execute(dropped)).scalars()))
            if left:
                led_to = exists().where(_K.seal == _S.number)
                await connection.execute(delete(SEALS).where(_S.number.in_(left), ~led_to))

    async def find(self, keys: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """The entries of these keys, as far as they are still there."""
        now, ttl = self._now(), self._limits.seals_ttl
        found: dict[bytes, bytes] = {}
        fading: set[int] = set()
        async with self._database.read() as connection:
            for some in chunks(keys):
                wanted = select(_K.key, _S.number, _S.entry, _S.until).join(SEALS, _S.number == _K.seal)
                for row in await connection.execute(wanted.where(_K.key.in_(some), _S.until > now)):
                    found[row.key] = row.entry
                    if row.until < now + ttl * (1 - _PRECISION):
                        fading.add(row.number)
        if fading:
            with suppress(StoreFailed):  # what was found is found
                async with self._database.write() as connection:
                    for numbers in chunks(fading):
                        lasts = update(SEALS).where(_S.number.in_(numbers)).values(until=now + ttl)
                        await connection.execute(lasts)
        return found


async def secret(database: Database, made: bytes) -> bytes:
    """The secret that all processes share: `made` where there is none yet."""
    own = select(SECRETS.c.value).where(SECRETS.c.name == _NAME)
    async with database.write() as connection:
        new = upsert(SECRETS).values(name=_NAME, value=made)
        await connection.execute(new.on_conflict_do_nothing())
        return bytes((await connection.execute(own)).scalar_one())
