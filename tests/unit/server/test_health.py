"""What the gateway tells of itself: its state, its requests, its providers."""

from tests.unit.turns.asking import Asker


async def test_health_counts_what_has_ended(house: Asker) -> None:
    await house.respond("a")
    await house.ask("GET", "/v1/models/none")
    health = (await house.ask("GET", "/health")).body
    assert (health["status"], health["workers"]) == ("healthy", 1)
    assert health["requests"] == {"running": 0, "finished": 2, "failed": 0, "refused": 1}
    assert health["store"]["kind"] == "memory"
    assert health["providers"]["own"]["healthy"] is True
