"""The accounts of the gateway in the rows "accounts on", and the same gateway without any.

python -m bench.accounts seed FOLDER                 # its database gets the client key, and its tenant
python -m bench.accounts serve-without OPTION ...    # `dragoman serve` that counts nobody's usage
python -m bench.accounts serve-undrained OPTION ...  # `dragoman serve` that has usage in its journal only
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.requests import CLIENT_KEY

TENANT: Final = "bench"
LIMITS: Final[dict[str, Any]] = {
    "requests": "100M/min",
    "tokens": "1000M/min",
    "money": "1000000 USD/month",
}
"""Limits that no load comes near to: of requests, tokens and money."""
PRICE: Final[dict[str, float]] = {"input": 1.25, "output": 10.0, "cache_read": 0.125}
"""USD per million tokens."""


PROVIDERS: Final = ("up", "an", "re", "ge")
"""The providers whose models have this price."""


def settings() -> dict[str, object]:
    """The part of a configuration that makes the gateway count everything."""
    return {
        "auth": {"required": True},
        "prices": {f"{provider}/*": PRICE for provider in PROVIDERS},
    }


async def seed(home: Path) -> None:
    """Put the benchmark's client key and its tenant, with limits each, into the database of a gateway."""
    from dragoman.state.directory import HolderEntry, KeyEntry, Row
    from dragoman.stores.open import open_store

    now = time.time()
    tenant = HolderEntry(limits=LIMITS, created=now, created_by="bench")
    key = KeyEntry(
        id="key_bench", shown="bench", tenant=TENANT, limits=LIMITS, created=now, created_by="bench"
    )
    digest = hashlib.sha256(CLIENT_KEY.encode()).digest()
    store = open_store("sqlite", home)
    try:
        directory = store.directory  # type: ignore[attr-defined]
        rows = (
            Row("tenants", TENANT, msgspec.json.encode(tenant), 1, "bench", now),
            Row("keys", "bench", msgspec.json.encode(key), 2, "bench", now, digest),
        )
        for row in rows:
            if not await directory.change([row], row.version - 1):
                raise RuntimeError("the database of the gateway has keys already")
    finally:
        await store.close()


def serve(arguments: list[str]) -> None:
    """`dragoman` with these arguments, without the accounts that each gateway keeps (`serve-without`), or
    with a journal that only grows (`serve-undrained`): its way into the database goes by the clock, not with
    requests.
    """
    from dragoman.assembly import assemble, journaling
    from dragoman.cli import run

    if arguments[0] == "serve-without":
        assemble.accounting_of = lambda *_: None
    else:
        journaling._PAUSES = 1e6, 1e6
    sys.exit(run(["serve", *arguments[1:]]))


if __name__ == "__main__":
    if sys.argv[1] == "seed":
        asyncio.run(seed(Path(sys.argv[2])))
    else:
        serve(sys.argv[1:])
