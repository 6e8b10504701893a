"""Fetches the providers' lists of models for `dragoman models refresh` if no gateway runs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from dragoman.assembly.assemble import assemble
from dragoman.assembly.model_lists import addresses_of
from dragoman.engine.discovery import fetched, why
from dragoman.errors import RequestFailed, WireError
from dragoman.providers.listing import Listed
from dragoman.seams.clock import SYSTEM

if TYPE_CHECKING:
    from dragoman.assembly.assemble import Assembly
    from dragoman.config.load import Loaded


def unlisted(found: Loaded, names: Collection[str]) -> list[str]:
    """Return those of the names that are not providers whose lists of models may be fetched
    (`addresses_of`).
    """
    return [name for name in names if name not in addresses_of(found)]


async def refreshed(found: Loaded, names: Collection[str]) -> list[dict[str, Any]]:
    """Fetch the lists of models of these providers (of all if `names` is empty), and write the lists that
    arrive to their files in Dragoman's own folder. Returns a row for each provider that has a list: provider:
    its name. models: the number of models in the new list, else in the earlier one; 0 = there is neither.
    error: a text, None = the list has arrived.
    """
    assembly = await assemble(found, {}, (), SYSTEM)
    try:
        wanted = [
            name
            for name in assembly.lists.addresses
            if (not names or name in names) and assembly.providers[name].lists_models
        ]
        return await asyncio.gather(*(_refreshed(assembly, name) for name in wanted))
    finally:
        await assembly.close()


async def _refreshed(assembly: Assembly, name: str) -> dict[str, Any]:
    lists, error = assembly.lists, None
    try:
        page = await fetched(assembly.providers[name], assembly.deadlines, SYSTEM)
    except (TimeoutError, WireError, RequestFailed) as failed:
        error = why(failed)
    else:
        now = SYSTEM.now()
        lists.put(name, Listed(lists.addresses[name], now, page.models, page.left_out))
        await asyncio.to_thread(lists.write, name, now)
    known = lists.of(name)
    return {"provider": name, "models": 0 if known is None else len(known.models), "error": error}
