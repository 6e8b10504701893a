"""What a gateway tells of itself, beside what `test_core` asks of the whole."""

from __future__ import annotations

from dragoman import Gateway


async def test_a_part_of_the_gateway_adds_its_own_member_to_the_details() -> None:
    gateway = Gateway({"providers": {"simulate": {}}})
    gateway.telling.sections["guards"] = lambda: {"waiting": 3}
    await gateway.start()
    try:
        assert (await gateway.health(details=True))["guards"] == {"waiting": 3}
        assert "guards" not in await gateway.health(details=False)
    finally:
        await gateway.close()


async def test_the_counts_of_a_provider_that_stays_are_kept() -> None:
    gateway = Gateway({"providers": {"simulate": {}}})
    gateway.telling.know(["one", "two"])
    kept = gateway.telling.figures.providers["two"]
    gateway.telling.know(["two", "three"])
    assert list(gateway.telling.figures.providers) == ["two", "three"]
    assert gateway.telling.figures.providers["two"] is kept
