"""The turns of a gateway have its settings."""

from __future__ import annotations

from dragoman.assembly.turns import turns_of
from dragoman.gateway import Gateway
from dragoman.state.store import Store


async def test_settings_reach_what_they_bound() -> None:
    settings = {
        "responses": {"max_background": 3, "max_background_total": 7},
        "providers": {"simulate": {"enabled": True}},
    }
    gateway = Gateway(settings)
    await gateway.start()
    store: Store = gateway.running.store
    turns = turns_of(gateway, store, gateway.engine.handle)
    assert (turns.background._most, turns.background._most_in_all) == (3, 7)
    assert turns.background._keeping is turns.keeping
    assert type(turns.remembering) is type(gateway.remembering)
    await turns.background.close()
    await gateway.close()
