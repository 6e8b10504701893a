"""Prices at run time: what is in force is shown, and what operators set is used by bills and policies."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.assembly.prices import prices_of
from dragoman.gateway import Gateway
from dragoman.server.app import App
from tests.unit.turns.asking import Answer, Talk

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")


class Office:
    """A gateway with a database."""

    def __init__(self, file: Path) -> None:
        self.gateway = Gateway(file)
        self.app = App(self.gateway)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await Talk(self.app, method, f"/admin/{path}", body, named).answer()

    def cost(self, deployment: str, at: float = 1_795_392_000) -> int | None:
        """nano-USD for a million tokens of input."""
        rates = prices_of(self.gateway.loaded)(deployment)
        return None if rates is None else rates.bill({"input": 1_000_000}, at=at).cost


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    file = tmp_path / "dragoman.yaml"
    settings = {
        "providers": {
            "openai": {"keys": "k", "base_url": "http://127.0.0.1:1"},
            "mine": {"base_url": "http://127.0.0.1:1", "keys": []},
        },
        "models": {"fast": {"deployments": ["openai/gpt-5", "mine/x"]}},
        "prices": {"mine/declared": {"input": 1, "output": 2}},
        "stores": {"sql": "sqlite"},
    }
    file.write_text(json.dumps(settings))
    made = Office(file)
    await made.gateway.start()
    yield made
    await made.gateway.close()


async def test_prices_in_force_are_listed(office: Office) -> None:
    rows = {one["deployment"]: one for one in (await office.ask("GET", "prices")).body["data"]}
    assert {"openai/gpt-5", "mine/x", "mine/declared"} <= set(rows)
    # Besides, the models that the provider is known to have.
    assert {one.partition("/")[0] for one in rows} == {"openai", "mine"}
    assert "openai/gpt-5-nano" in rows
    assert (rows["mine/x"]["source"], rows["mine/x"]["prices"]) == (None, [])
    assert rows["mine/declared"]["source"] == "prices: mine/declared"
    assert rows["openai/gpt-5"]["source"].startswith("openai/gpt-5 of genai-prices")
    (dated,) = rows["openai/gpt-5"]["prices"]
    units = {(one["unit"], one["above"]): (one["usd"], one["per"]) for one in dated["units"]}
    assert units["input", None] == ("1.25", 1_000_000)
    assert units["web_search_requests", None] == ("10", 1_000)
    assert dated["current"] is True
    assert {"batch", "flex", "priority"} <= set(dated["tiers"])
    page = (await office.ask("GET", "prices?limit=1")).body
    assert ([one["deployment"] for one in page["data"]], page["has_more"]) == (["openai/gpt-5"], True)


async def test_long_prompts_and_dates_are_told(office: Office) -> None:
    entry = {
        "input": 1,
        "output": 2,
        "since": "2027-01-01",
        "long_prompts": [{"above": 1000, "input": 3}],
        "later": [{"since": "2027-06-01", "input": 2, "output": 3}],
    }
    assert (await office.ask("PUT", "prices/mine/x", entry)).status == 200
    before, first, second = (await office.ask("GET", "prices/mine/x")).body["prices"]
    assert (before["units"], before["since"], before["current"]) == ([], None, True)
    assert (first["since"], second["since"]) == ("2027-01-01T00:00:00.000Z", "2027-06-01T00:00:00.000Z")
    assert {"unit": "input", "usd": "3", "per": 1_000_000, "above": 1000} in first["units"]


async def test_a_price_is_set_replaced_and_removed(office: Office) -> None:
    assert office.cost("mine/x") is None
    made = await office.ask("POST", "prices/mine/x", {"input": 2, "output": 4})
    assert (made.status, made.body["kind"], made.body["state"]) == (200, "prices", "used")
    assert office.cost("mine/x") == 2_000_000_000
    assert (await office.ask("POST", "prices/mine/x", {"input": 3, "output": 4})).status == 409
    assert (
        await office.ask("PUT", "prices/mine/x", {"input": 3, "output": 4}, if_match='"odd"')
    ).status == 412
    etag = (await office.ask("GET", "prices/mine/x")).headers["etag"]
    assert (await office.ask("PUT", "prices/mine/x", {"input": 3, "output": 4}, if_match=etag)).status == 200
    assert office.cost("mine/x") == 3_000_000_000
    shown = (await office.ask("GET", "prices/mine/x")).body
    assert (shown["source"], shown["added"]["section"]) == ("prices: mine/x", {"input": 3, "output": 4})
    assert (await office.ask("DELETE", "prices/mine/x")).body["deleted"] is True
    assert office.cost("mine/x") is None
    assert (await office.ask("DELETE", "prices/mine/x")).status == 404
    done = [(one["action"], one["target"]) for one in (await office.ask("GET", "audit")).body["data"]]
    assert done[:3] == [("remove", "prices/mine/x"), ("replace", "prices/mine/x"), ("add", "prices/mine/x")]


@pytest.mark.parametrize("after", [20, "20", 0.2])
async def test_a_price_that_jumps_tenfold_needs_a_confirmation(office: Office, after: Any) -> None:
    await office.ask("PUT", "prices/mine/x", {"input": 2, "output": 4})
    refused = await office.ask("PUT", "prices/mine/x", {"input": after, "output": 4})
    assert (refused.status, refused.error["code"], refused.error["param"]) == (409, "price_jumps", "confirm")
    assert "is far from 2 USD per million, the price until now" in refused.error["message"]
    assert office.cost("mine/x") == 2_000_000_000
    meant = await office.ask("PUT", "prices/mine/x", {"input": after, "output": 4, "confirm": True})
    assert meant.status == 200
    assert office.cost("mine/x") == int(float(after) * 1_000_000_000)


async def test_what_is_probably_not_meant_is_told(office: Office) -> None:
    await office.ask("PUT", "prices/mine/xy", {"input": 2})
    odd = (await office.ask("PUT", "prices/mine/x", {"input": 2})).body
    assert (odd["state"], odd["problems"]) == ("used", [])
    (warning,) = odd["warnings"]
    assert warning["path"] == 'prices."mine/x"'
    assert "what an answer with text costs is unknown" in warning["message"]
    whole = (await office.ask("PUT", "prices/mine/x", {"input": 2, "output": 4})).body
    assert whole["warnings"] == []


JUMPS: list[tuple[dict[str, Any], str]] = [
    ({"later": [{"since": "2099-01-01", "input": 20, "output": 4}]}, "later[0].input"),
    ({"tiers": {"priority": {"output": 40}}}, "tiers.priority.output"),
    ({"long_prompts": [{"above": 9, "input": 0.1}]}, "long_prompts[0].input"),
]


@pytest.mark.parametrize(("more", "place"), JUMPS)
async def test_no_part_of_a_price_jumps_unseen(office: Office, more: Any, place: str) -> None:
    body = {"input": 2, "output": 4}
    await office.ask("PUT", "prices/mine/x", body)
    refused = await office.ask("PUT", "prices/mine/x", {**body, **more})
    assert (refused.status, refused.error["code"]) == (409, "price_jumps")
    assert refused.error["message"].startswith(f"{place}: ")
    meant = await office.ask("PUT", "prices/mine/x", {**body, **more, "confirm": True})
    assert meant.status == 200
    again = await office.ask("PUT", "prices/mine/x", {**body, **more})  # it is the price until now
    assert again.status == 200


async def test_a_name_is_compared_with_the_pattern_that_held_for_it(office: Office) -> None:
    await office.ask("PUT", "prices/mine/*", {"input": 2, "output": 4})
    refused = await office.ask("PUT", "prices/mine/x", {"input": 20, "output": 4})
    assert (refused.status, refused.error["code"]) == (409, "price_jumps")
    assert (await office.ask("PUT", "prices/mine/x", {"input": 19, "output": 4})).status == 200


async def test_a_pattern_is_compared_with_the_names_that_it_replaces(office: Office) -> None:
    await office.ask("PUT", "prices/mine/*", {"input": 2, "output": 4})
    refused = await office.ask("PUT", "prices/mine/*", {"input": 20, "output": 4})
    assert (refused.status, refused.error["code"]) == (409, "price_jumps")


@pytest.mark.parametrize("do", ["POST", "PUT"])
async def test_a_deployments_own_price_that_jumps_needs_a_confirmation(office: Office, do: str) -> None:
    """Compared with the table, with `prices`, and with the price that the deployment had itself."""
    for use, price in (
        ("openai/gpt-5", {"input": 12.5, "output": 10}),
        ("mine/declared", {"input": 10, "output": 2}),
    ):
        body = {"deployments": ["mine/x", {"use": use, "price": price}]}
        refused = await office.ask(do, "models/new", body)
        code, place = refused.error["code"], refused.error["param"]
        assert (refused.status, code, place) == (409, "price_jumps", "deployments[1].price.confirm")
        assert refused.error["message"].startswith("deployments[1].price.input: ")
    price = {"input": 1, "output": 2}
    body = {"deployments": [{"use": "mine/x", "price": price}]}
    assert (await office.ask(do, "models/new", body)).status == 200
    price["input"] = 10
    assert (await office.ask("PUT", "models/new", body)).status == 409
    assert office.cost("mine/x") == 1_000_000_000
    price["confirm"] = True
    assert (await office.ask("PUT", "models/new", body)).status == 200
    assert office.cost("mine/x") == 10_000_000_000


async def test_a_price_far_from_the_table_needs_a_confirmation(office: Office) -> None:
    refused = await office.ask("PUT", "prices/openai/gpt-5", {"input": 12.5, "output": 10, "cache_read": 1})
    assert refused.status == 400
    assert "12.5 USD per million for input of openai/gpt-5 is far from 1.25" in refused.error["message"]
    body = {"input": 12.5, "output": 10, "cache_read": 1, "confirm": True}
    assert (await office.ask("PUT", "prices/openai/gpt-5", body)).status == 200
    assert office.cost("openai/gpt-5") == 12_500_000_000


@pytest.mark.parametrize(
    ("name", "body", "status", "said"),
    [
        ("mine/x", {"input": -1, "output": 1}, 400, "expected a number"),
        ("mine/x", {"input": 1e-10, "output": 1}, 400, "so small that it would count as 0"),
        ("mine/x", {"input": 10_001, "output": 1}, 400, "more than 10,000 USD"),
        ("mine/x", {"inptu": 1}, 400, "unknown unit (did you mean input?)"),
        ("mine/x", {}, 400, "states no price"),
        ("x", {"input": 1, "output": 1}, 400, "no model has this name"),
        ("mine/declared", {"input": 1, "output": 1}, 409, "declares this name"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    office: Office, name: str, body: Any, status: int, said: str
) -> None:
    answer = await office.ask("PUT", f"prices/{name}", body)
    assert answer.status == status
    assert said in answer.error["message"]
