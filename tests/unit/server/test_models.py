"""The list of models, in the form of the client that asks."""

from tests.unit.turns.asking import Asker


async def test_models_are_listed_and_shown_alike(house: Asker) -> None:
    listed = {one["id"]: one for one in (await house.ask("GET", "/v1/models")).body["data"]}
    shown = (await house.ask("GET", "/v1/models/mine")).body
    assert (shown["id"], shown["object"], shown["owned_by"]) == ("mine", "model", "simulate")
    assert shown.pop("compatibility") == {}
    assert shown == listed["mine"]


async def test_a_client_of_another_protocol_gets_its_own_form(house: Asker) -> None:
    headers = {"anthropic_version": "2023-06-01"}
    listed = (await house.ask("GET", "/v1/models", **headers)).body
    assert {one["type"] for one in listed["data"]} == {"model"}
    assert listed["first_id"] == listed["data"][0]["id"]
    assert (await house.ask("GET", "/v1/models/mine", **headers)).body["max_input_tokens"] == 1000


async def test_an_unknown_model_is_a_404(house: Asker) -> None:
    answer = await house.ask("GET", "/v1/models/none")
    assert (answer.status, answer.error["code"], answer.error["param"]) == (404, "model_not_found", "model")
