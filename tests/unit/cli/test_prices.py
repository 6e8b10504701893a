"""`dragoman prices`: what is shown without a gateway, what is asked of one, and files of prices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli import operator
from dragoman.cli.operator import Way
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, UNREACHABLE, Failure
from tests.unit.cli.conftest import Run

Sent = list[tuple[str, str, Any]]
PRICE = {
    "deployment": "openai/gpt-5",
    "source": "added by ops (version 4)",
    "prices": [
        {
            "units": [
                {"unit": "input", "usd": "7", "per": 1_000_000, "above": None},
                {"unit": "input", "usd": "9", "per": 1_000_000, "above": 200_000},
            ],
            "tiers": {},
            "current": True,
            "since": "2026-11-01T00:00:00.000Z",
            "hours": "01:00-04:00",
        }
    ],
    "added": None,
    "object": "price",
}
"""What the running gateway says of one price, which an operator has set there."""
CONFIG = """
providers: {openai: {keys: k}, mine: {base_url: 'http://127.0.0.1:1', keys: []}}
models: {fast: {deployments: [openai/gpt-5, mine/x]}}
prices: {mine/heard: {input_minutes: 0.006}}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "dragoman.yaml"
    file.write_text(CONFIG)
    return str(file)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """A running gateway that refuses the price of `mine/bad`, and what it was asked."""
    sent: Sent = []

    async def call(there: Way, method: str, path: str, body: Any = None) -> Any:
        sent.append((method, path, body))
        if method == "GET":
            return PRICE if "limit" not in path else {"data": [PRICE], "has_more": "after" not in path}
        if path.endswith("bad"):
            raise Failure(ANSWER_IS_NO, "far from 2")
        return {"name": "x", "version": 7}

    monkeypatch.setattr(operator, "call", call)
    monkeypatch.setattr(operator, "way", lambda _found, _url, _key: Way(Path("/run/x.sock")))
    return sent


def test_what_the_configuration_costs(run: Run, config: str) -> None:
    ended = run("prices", "list", "--config", config, "--json")
    rows = {one["deployment"]: one for one in json.loads(ended.out)}
    assert (rows["mine/x"]["source"], rows["mine/x"]["prices"]) == (None, [])
    (dated,) = rows["openai/gpt-5"]["prices"]
    assert {"unit": "input", "usd": "1.25", "per": 1_000_000, "above": None} in dated["units"]
    shown = run("prices", "list", "--config", config)
    assert shown.code == 0
    lines = {line.split()[0]: line.split() for line in shown.out.splitlines() if line.strip()}
    assert lines["openai/gpt-5"][1:3] == ["1.25", "10"]
    assert lines["mine/x"][1:4] == ["—", "—", "unknown"]


def test_a_running_gateway_says_what_its_prices_are(run: Run, config: str, gateway: Sent) -> None:
    listed = json.loads(run("prices", "list", "--config", config, "--json").out)
    assert listed == [PRICE, PRICE]  # of two pages
    assert [path for _, path, _ in gateway] == [
        "/admin/prices?limit=1000",
        "/admin/prices?limit=1000&after=openai%2Fgpt-5",
    ]
    line = run("prices", "list", "--config", config).out.splitlines()[-2].split()
    assert line[:3] == ["openai/gpt-5", "7", "—"]
    shown = run("prices", "show", "openai/gpt-5", "--config", config)
    assert gateway[-1][1] == "/admin/prices/openai%2Fgpt-5"
    assert "from 2026-11-01 from 01:00 to 04:00 UTC" in shown.out + shown.err
    assert ["input", "9", "million", "200,000", "tokens"] in [one.split() for one in shown.out.splitlines()]


def test_the_gateway_can_be_left_out(run: Run, config: str, gateway: Sent) -> None:
    found = json.loads(run("prices", "show", "openai/gpt-5", "--local", "--config", config, "--json").out)
    assert (gateway, found["deployment"]) == ([], "openai/gpt-5")
    assert {"unit": "input", "usd": "1.25", "per": 1_000_000, "above": None} in found["prices"][0]["units"]
    listed = json.loads(run("prices", "list", "--local", "--config", config, "--json").out)
    assert (gateway, "mine/x" in [one["deployment"] for one in listed]) == ([], True)


def test_one_price_with_all_units(run: Run, config: str) -> None:
    shown = run("prices", "show", "gemini/gemini-2.5-pro", "--config", config)
    assert (shown.code, "is unknown" in shown.err) == (ANSWER_IS_NO, True)  # it is not configured
    shown = run("prices", "show", "openai/gpt-5", "--config", config)
    assert shown.code == 0
    assert "always tier batch" in shown.out + shown.err
    heard = run("prices", "show", "mine/heard", "--config", config)
    assert ["input_audio_ms", "0.36", "hour"] in [line.split() for line in heard.out.splitlines()]
    assert run("prices", "show", "gpt-5", "--config", config).code == MISUSE


def test_what_holds_until_a_day_is_not_said_to_hold_always(run: Run, config: str) -> None:
    text = Path(config).read_text().replace("input_minutes: 0.006", "input: 1, output: 2, since: 2099-01-01")
    Path(config).write_text(text)
    shown = run("prices", "show", "mine/heard", "--config", config)
    assert "until then: unknown" in shown.err
    assert "from 2099-01-01" in shown.err
    assert "always" not in shown.err


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (
            ["set", "mine/x", "input=1.25", "output=10", "images/hd=0.08"],
            ("PUT", "/admin/prices/mine%2Fx", {"input": "1.25", "output": "10", "images/hd": "0.08"}),
        ),
        (
            ["set", "mine/*", "input=9", "--yes"],
            ("PUT", "/admin/prices/mine%2F%2A", {"input": "9", "confirm": True}),
        ),
        (["remove", "mine/x", "--yes"], ("DELETE", "/admin/prices/mine%2Fx", None)),
    ],
)
def test_what_is_asked(run: Run, gateway: Sent, arguments: list[str], asked: Any) -> None:
    ended = run("prices", *arguments)
    assert (ended.code, gateway) == (0, [asked])


def test_without_a_gateway_nothing_is_set(run: Run, config: str) -> None:
    assert run("prices", "set", "mine/x", "input=1", "--config", config).code == UNREACHABLE
    assert run("prices", "remove", "mine/x", "--yes", "--config", config).code == UNREACHABLE


def test_a_file_of_prices_is_checked(run: Run, config: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(
        json.dumps(
            {
                "gpt-5": {
                    "litellm_provider": "openai",
                    "input_cost_per_token": 1.25e-06,
                    "output_cost_per_token": 1e-05,
                },
                "gpt-5-mini": {
                    "litellm_provider": "openai",
                    "input_cost_per_token": 1.0,
                    "output_cost_per_token": 1.0,
                },
            }
        )
    )
    good = run("prices", "check", str(file), "--only", "openai/gpt-5", "--config", config, "--json")
    assert good.code == 0
    assert json.loads(good.out)["prices"] == {"openai/gpt-5": {"input": 1.25, "output": 10}}
    bad = run("prices", "check", str(file), "--config", config)
    assert bad.code == ANSWER_IS_NO
    assert "more than 10,000 USD" in bad.out + bad.err
    assert run("prices", "check", str(file), "--only", "x/*", "--config", config).code == MISUSE
    file.write_text("[]")
    assert run("prices", "check", str(file), "--config", config).code == MISUSE


def test_a_file_of_prices_is_imported(run: Run, gateway: Sent, tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text("prices: {mine/x: {input: 1, output: 2}, mine/bad: {input: 3, output: 4}}\n")
    ended = run("prices", "import", str(file), "--json")
    assert ended.code == ANSWER_IS_NO
    assert json.loads(ended.out) == {"set": ["mine/x"], "refused": {"mine/bad": "far from 2"}}
    assert gateway == [
        ("PUT", "/admin/prices/mine%2Fx", {"input": 1, "output": 2}),
        ("PUT", "/admin/prices/mine%2Fbad", {"input": 3, "output": 4}),
    ]
    gateway.clear()
    assert run("prices", "import", str(file), "--only", "mine/x", "--yes").code == 0
    assert gateway == [("PUT", "/admin/prices/mine%2Fx", {"input": 1, "output": 2, "confirm": True})]
