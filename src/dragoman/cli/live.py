"""Tests every key of every enabled provider (or of one) with the cheapest request that needs a key, for
`dragoman check --live`, and for `dragoman providers test` if no gateway runs.
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
    """Yield a line of text for each enabled provider. It says that `ask` will request the provider's list of
    models, and with how many keys; a provider without a list is not asked for one.
    """
    for name, provider in found.providers.items():
        keys = len(provider.credentials)
        whose = f"with {keys} key{'s' * (keys != 1)}" if keys else "without a key"
        yield f"asking {name} for its list of models, {whose}"


async def ask(found: Loaded, say: Callable[[str], None], *, only: str | None = None) -> list[Row]:
    """Test every key of every enabled provider. Returns one row with the result for each key, and one row for
    a provider without keys.

    say: called with a line of text before a provider gets requests other than for its list of models, because
    these may cost something. only: the name of the only provider to test, None = all. Raises KeyError if no
    enabled provider has this name.
    """
    assembly = await assemble(found, {}, (), SYSTEM)
    try:
        providers = assembly.providers if only is None else {only: assembly.providers[only]}
        return await Probe(found, providers, say).run()
    finally:
        await assembly.close()
