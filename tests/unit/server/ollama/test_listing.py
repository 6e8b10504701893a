"""Models as Ollama's clients list and show them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.upstreams.local import protocol
from dragoman.upstreams.local.upstream import LocalUpstream
from tests.unit.turns.asking import Asker, Paced


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


async def test_a_key_without_the_provider_local_sees_no_model_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF")

    async def loaded(self: LocalUpstream) -> protocol.Report:
        return protocol.Report(0, (protocol.Loaded(self.models["m"].options, 4096),))

    monkeypatch.setattr(LocalUpstream, "loaded", loaded)
    keys: list[dict[str, Any]] = [
        {"name": "all", "key": "the-key-of-all-providers"},
        {"name": "few", "key": "the-key-of-few-providers", "providers": ["simulate"]},
    ]
    settings: dict[str, Any] = {
        "providers": {"simulate": {"enabled": True}},
        "stores": {"sql": "memory"},
        "models": {"m": {"deployments": [{"use": "local", "file": str(file)}]}},
        "auth": {"keys": keys},
    }
    house = Asker(Paced(), tmp_path, json.dumps(settings))
    try:
        seen = [await house.ask("GET", "/api/ps", authorization=f"Bearer {one['key']}") for one in keys]
    finally:
        await house.close()
    assert [one.status for one in seen] == [200, 200]
    assert [[model["name"] for model in one.body["models"]] for one in seen] == [["local/m:latest"], []]
