"""`dragoman models refresh` where no gateway runs: the lists are fetched here, and kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dragoman.assembly.model_lists import ModelLists, addresses_of
from dragoman.cli.refreshing import refreshed, unlisted
from dragoman.config.load import Loaded, load
from dragoman.testing.provider import FakeProvider, Whole


def loaded(home: Path, url: str) -> Loaded:
    own: dict[str, Any] = {"dialect": "openai_chat", "base_url": url, "keys": []}
    providers = {
        "up": own,
        "off": {**own, "discovery": False},
        "dead": {**own, "base_url": "http://127.0.0.1:9"},
    }
    return load({"providers": providers}, {"DRAGOMAN_HOME": str(home)})


async def test_what_comes_is_kept_and_what_fails_is_said(tmp_path: Path) -> None:
    async with FakeProvider(Whole({"data": [{"id": "a"}, {"id": "b"}]})) as up:
        found = loaded(tmp_path, up.url)
        rows = await refreshed(found, [])
        assert [(row["provider"], row["models"]) for row in rows] == [("up", 2), ("dead", 0)]
        assert rows[0]["error"] is None
        assert rows[1]["error"]
        assert list(ModelLists(tmp_path, addresses_of(found)).facts()["up"]) == ["a", "b"]
        up.answers.clear()
        up.answers.append(Whole(json.dumps({"error": {"message": "down"}}), 503))
        (row,) = await refreshed(found, ["up"])
        assert (row["models"], row["error"]) == (2, "down")
        assert len(up.seen) == 2


def test_names_without_a_list(tmp_path: Path) -> None:
    assert unlisted(loaded(tmp_path, "http://127.0.0.1:9"), ["up", "off", "nobody"]) == ["off", "nobody"]
