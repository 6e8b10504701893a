"""Tests every key of every provider (`assembly.probing`), for `dragoman check --live`, and for `dragoman
providers test` if no gateway runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dragoman.assembly.assemble import assemble
from dragoman.assembly.probing import Probe, Row
from dragoman.seams.clock import SYSTEM

if TYPE_CHECKING:
    from dragoman.config.load import Loaded


def asks(found: Loaded) -> Iterator[str]:
    """Yield a line for each provider, which says that `ask` will request its list of models with each of its
    keys.
    """
    for name, provider in found.providers.items():
        keys = len(provider.credentials)
        whose = f"with {keys} key{'s' * (keys != 1)}" if keys else "without a key"
        yield f"asking {name} for its list of models, {whose}"


async def ask(found: Loaded, say: Callable[[str], None], *, only: str | None = None) -> list[Row]:
    """Test every key of every provider. Returns one row for each key, and one row for a provider without
    keys.

    say: called with a line before a provider gets requests other than for its list of models, because these
    may cost something. only: the name of the only provider to test, None = all.
    """
    assembly = await assemble(found, {}, (), SYSTEM)
    try:
        providers = assembly.providers if only is None else {only: assembly.providers[only]}
        return await Probe(found, providers, say).run()
    finally:
        await assembly.close()
