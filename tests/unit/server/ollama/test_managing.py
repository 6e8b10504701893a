"""Names that Ollama's clients make and delete while the gateway runs."""

from tests.unit.turns.asking import Asker


async def test_a_copy_is_a_name_until_it_is_deleted(house: Asker) -> None:
    assert (await house.ask("POST", "/api/copy", {"source": "mine", "destination": "other"})).status == 200
    assert (await house.ask("POST", "/api/show", {"model": "other"})).status == 200
    assert (await house.ask("DELETE", "/api/delete", {"model": "other"})).status == 200
    assert (await house.ask("POST", "/api/show", {"model": "other"})).status == 404


async def test_a_copy_of_nothing_and_an_odd_name_are_refused(house: Asker) -> None:
    assert (await house.ask("POST", "/api/copy", {"source": "none", "destination": "other"})).status == 404
    odd = await house.ask("POST", "/api/copy", {"source": "mine", "destination": "a b"})
    assert (odd.status, odd.body["error"]) == (400, "invalid model name")


async def test_the_operators_own_models_stay(house: Asker) -> None:
    assert 400 <= (await house.ask("DELETE", "/api/delete", {"model": "mine"})).status < 500
    assert (await house.ask("POST", "/api/show", {"model": "mine"})).status == 200
