"""A price that is far from the price until now is refused by its place, unless it is confirmed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dragoman.config.load import Loaded, load
from dragoman.errors import RequestFailed
from dragoman.server.admin.price_jumps import refuse_jump_of_entry, refuse_jump_of_model
from dragoman.wire.json import encode

NOW = 1_795_392_000.0
USD_2 = {"input": 2, "output": 4}


def loaded(folder: Path, price: Any, listed: Any) -> Loaded:
    file = folder / "dragoman.yaml"
    model = {"deployments": ["a/y", {"use": "a/x", **({"price": price} if price else {})}]}
    provider = {"base_url": "http://127.0.0.1:1", "keys": []}
    prices = {"prices": {"a/*": listed}} if listed else {}
    file.write_bytes(encode({"providers": {"a": provider}, "models": {"m": model}, **prices}))
    return load(file, {})


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ({"listed": USD_2}, {"price": {"input": 20, "output": 4}}, "deployments[1].price.input"),
        ({"listed": USD_2}, {"price": {"input": 2, "output": 0.4}}, "deployments[1].price.output"),
        ({"price": USD_2}, {"price": {"input": 20, "output": 4}}, "deployments[1].price.input"),
        ({"price": USD_2}, {"price": {"input": 20, "output": 4, "confirm": True}}, None),
        ({"price": USD_2}, {"price": {"input": 19, "output": 4}}, None),
        ({"price": USD_2}, {}, None),
        ({}, {"price": {"input": 9_999, "output": 4}}, None),
    ],
)
def test_of_a_model(tmp_path: Path, before: Any, after: Any, place: str | None) -> None:
    known, found = (loaded(tmp_path, one.get("price"), one.get("listed")) for one in (before, after))
    if place is None:
        refuse_jump_of_model("m", known, found, now=NOW)
        return
    with pytest.raises(RequestFailed) as refused:
        refuse_jump_of_model("m", known, found, now=NOW)
    fault = refused.value.fault
    assert (fault.code, fault.param) == ("price_jumps", "deployments[1].price.confirm")
    assert fault.message.startswith(f"{place}: ")


def test_of_an_entry_for_what_its_pattern_prices(tmp_path: Path) -> None:
    known, found = loaded(tmp_path, USD_2, None), loaded(tmp_path, None, {"input": 20, "output": 4})
    with pytest.raises(RequestFailed, match="input of a/x: 20 USD per million is far from 2"):
        refuse_jump_of_entry("a/*", known, found, now=NOW)
