"""LiteLLM's lists of models."""

from __future__ import annotations

from pathlib import Path

from tests.unit.turns.asking import Asker, Paced

PRICED = """
providers:
  local: {enabled: false}
  one: {base_url: "http://127.0.0.1:9", keys: [], models: [m, n, text-embedding-x]}
stores: {sql: memory}
models:
  dear: {deployments: [{use: one/m, price: {input: 2.5, output: 10, cache_read: 1.25, cache_write: 3}}]}
  unknown: one/n
  both: {deployments: [one/m, simulate/echo, one/n]}
  vectors: one/text-embedding-x
aliases: {short: dear}
"""


async def test_models_in_litellms_form(house: Asker) -> None:
    models = {one["model_name"]: one for one in (await house.ask("GET", "/model/info")).body["data"]}
    info = models["mine"]["model_info"]
    assert models["mine"]["litellm_params"] == {"model": "simulate/echo"}
    assert (info["litellm_provider"], info["max_input_tokens"], info["max_output_tokens"]) == (
        "simulate",
        1000,
        100,
    )
    assert info["supports_function_calling"] is True


async def test_models_have_their_prices_for_one_token(tmp_path: Path) -> None:
    asker = Asker(Paced("end"), tmp_path, PRICED)
    listed = (await asker.ask("GET", "/v1/model/info")).body["data"]
    await asker.close()
    costs = {
        one["model_name"]: [value for name, value in one["model_info"].items() if "cost" in name]
        for one in listed
    }
    assert costs["dear"] == costs["short"] == [2.5e-6, 1e-5, 1.25e-6, 3e-6]
    assert costs["unknown"] == costs["one/m"] == [None] * 4


async def test_models_in_pages(tmp_path: Path) -> None:
    asker = Asker(Paced("end"), tmp_path, PRICED)
    every = (await asker.ask("GET", "/model/info")).body["data"]
    first = (await asker.ask("GET", "/v2/model/info?size=3")).body
    last = (await asker.ask("GET", "/v2/model/info?size=3&page=2")).body
    whole = (await asker.ask("GET", "/v2/model/info")).body
    found = (await asker.ask("GET", "/v2/model/info?search=DEA")).body
    only = (await asker.ask("GET", "/v2/model/info?modelId=short&include_team_models=true")).body
    wrong = await asker.ask("GET", "/v2/model/info?page=0")
    await asker.close()
    assert [first["data"], last["data"]] == [every[:3], every[3:6]]
    count = {"total_count": len(every), "total_pages": -(-len(every) // 3), "size": 3}
    assert {name: value for name, value in first.items() if name != "data"} == {"current_page": 1, **count}
    assert (whole["data"], whole["size"], whole["total_pages"]) == (every, 50, 1)
    assert [one["model_name"] for one in found["data"]] == ["dear"]
    assert [one["model_name"] for one in only["data"]] == ["short"]
    assert (wrong.status, wrong.body["error"]["param"]) == (400, "page")


async def test_models_as_groups(tmp_path: Path) -> None:
    asker = Asker(Paced("end"), tmp_path, PRICED)
    groups = {one["model_group"]: one for one in (await asker.ask("GET", "/model_group/info")).body["data"]}
    only = (await asker.ask("GET", "/model_group/info?model_group=dear")).body["data"]
    await asker.close()
    assert only == [groups["dear"]]
    assert groups["both"]["providers"] == ["one", "simulate"]
    dear = groups["dear"]
    assert (dear["mode"], dear["input_cost_per_token"], dear["output_cost_per_token"]) == (
        "chat",
        2.5e-6,
        1e-5,
    )
    assert groups["vectors"]["mode"] == "embedding"
    assert groups["unknown"]["input_cost_per_token"] is None
    abilities = {name: value for name, value in dear.items() if name.startswith("supports_")}
    assert set(map(type, abilities.values())) == {bool}
    assert "supports_function_calling" in abilities
