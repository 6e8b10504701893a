"""Which lists of models are used, and the files that keep them over restarts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dragoman.assembly.model_lists import FOLDER, ModelLists, addresses_of, mark_of
from dragoman.config.load import load
from dragoman.dialects.facts import Facts
from dragoman.providers.listing import Listed

UP = "https://up.example/v1"
LIST = Listed(UP, 1000.0, {"a": Facts(context=5, tools=True), "b": Facts()}, 3)


def written(home: Path, listed: Listed = LIST, name: str = "up") -> ModelLists:
    lists = ModelLists(home, {name: listed.address})
    lists.put(name, listed)
    lists.write(name, 1000.0)
    return lists


def test_a_restart_has_the_list(tmp_path: Path) -> None:
    before = written(tmp_path)
    after = ModelLists(tmp_path, {"up": UP})
    assert after.of("up") == LIST
    assert after.mark("up") == before.mark("up") != ""
    assert after.facts() == {"up": {"a": Facts(context=5, tools=True), "b": Facts()}}
    assert [file.suffix for file in (tmp_path / FOLDER).iterdir()] == [".json"]


def test_another_address_has_another_list(tmp_path: Path) -> None:
    before = written(tmp_path)
    moved = ModelLists(tmp_path, {"up": "https://other.example/v1"}, before)
    assert moved.of("up") is None
    assert moved.mark("up") == ""
    assert moved.facts() == {}
    assert before.of("up") == LIST, "the running configuration goes on using it"
    back = ModelLists(tmp_path, {"up": UP}, moved)
    assert back.of("up") == LIST
    assert ModelLists(tmp_path, {}, back).facts() == {}


def test_a_change_is_told_from_a_repetition(tmp_path: Path) -> None:
    lists = ModelLists(tmp_path, {"up": UP})
    assert lists.put("up", LIST)
    assert not lists.put("up", Listed(UP, 2000.0, LIST.models))
    assert lists.put("up", Listed(UP, 2000.0, {"a": Facts(context=6), "b": Facts()}))
    assert mark_of(LIST) != mark_of(Listed("https://other.example/v1", 1000.0, LIST.models))


@pytest.mark.parametrize("name", ["../../up", "a/b", "x" * 300, "ü"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    written(tmp_path, name=name)
    (file,) = (tmp_path / FOLDER).iterdir()
    assert file.parent == tmp_path / FOLDER
    assert ModelLists(tmp_path, {name: UP}).of(name) == LIST


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"\xff"', b'{"address": 5}'])
def test_a_damaged_file_is_as_none(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    lists = written(tmp_path)
    lists.file("up", UP).write_bytes(content)
    assert ModelLists(tmp_path, {"up": UP}).of("up") is None
    assert "the kept list of models of up cannot be read" in caplog.text


def test_where_nothing_can_be_written_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FOLDER).write_text("a file in the way")
    lists = ModelLists(tmp_path, {"up": UP})
    lists.put("up", LIST)
    lists.write("up", 1000.0)
    lists.write("up", 1000.0)
    assert caplog.text.count("not kept over restarts") == 1
    assert lists.of("up") == LIST


def test_files_that_nobody_writes_any_more_are_deleted(tmp_path: Path) -> None:
    old = tmp_path / FOLDER / "old.json"
    old.parent.mkdir()
    old.write_text("{}")
    os.utime(old, (0, 0))
    lists = ModelLists(tmp_path, {"up": UP})
    lists.put("up", LIST)
    lists.write("up", 80 * 86_400)
    assert old.exists()
    lists.write("up", 91 * 86_400)
    assert not old.exists()


def test_whose_lists_are_used() -> None:
    providers = {
        "up": {"base_url": "https://up.example", "keys": []},
        "off": {"base_url": "https://off.example", "keys": [], "discovery": False},
        "azure": {"base_url": "https://acme.openai.azure.com", "keys": ["a-key-of-a-good-length"]},
    }
    assert addresses_of(load({"providers": providers}, {})) == {"up": UP}
    assert addresses_of(load({"providers": providers, "discover": False}, {})) == {}


def test_no_list_is_used_of_a_provider_that_gets_its_clients_credentials(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.yaml"
    file.write_text(
        "providers:\n"
        "  anthropic: {credential: client}\n"
        "  own: {base_url: 'https://up.example/v1', keys: [up-key-of-a-good-length]}\n",
        encoding="utf-8",
    )
    loaded = load(file, {"DRAGOMAN_HOME": str(tmp_path)})
    assert addresses_of(loaded) == {"own": UP}
