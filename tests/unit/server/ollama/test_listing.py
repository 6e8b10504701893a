"""Models as Ollama's clients list and show them."""

from tests.unit.turns.asking import Asker


async def test_models_are_listed_with_their_tags(house: Asker) -> None:
    names = [one["name"] for one in (await house.ask("GET", "/api/tags")).body["models"]]
    assert "mine:latest" in names


async def test_a_model_is_shown_under_any_of_its_names(house: Asker) -> None:
    for name in ("mine", "mine:latest", "MINE"):
        shown = (await house.ask("POST", "/api/show", {"model": name})).body
        assert "tools" in shown["capabilities"]
        assert shown["model_info"]["general.basename"].removesuffix(":latest").lower() == "mine"


async def test_an_unknown_model_is_told_in_ollamas_words(house: Asker) -> None:
    answer = await house.ask("POST", "/api/show", {"model": "none"})
    assert (answer.status, answer.body["error"]) == (404, "model 'none' not found")


async def test_nothing_runs_where_no_model_of_this_machine_does(house: Asker) -> None:
    assert (await house.ask("GET", "/api/ps")).body == {"models": []}
    assert (await house.ask("GET", "/api/version")).body["version"]
