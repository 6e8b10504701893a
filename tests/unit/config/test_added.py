"""Added entries are a layer: what is declared wins, what is wrong is left out, and each tells its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.config.added import Added, literal_secrets
from dragoman.config.load import Loaded
from dragoman.errors import ConfigError
from dragoman.state.added import AddedEntry, AddedKind, KeptEntries

Load = Callable[..., Loaded]
KEY = "sk-0123456789-abcdef"
UP = "providers: {up: {base_url: 'http://127.0.0.1:9/v1', keys: []}}\n"


def kept(*entries: tuple[AddedKind, str, Any]) -> KeptEntries:
    made = [
        AddedEntry(kind, name, msgspec.json.encode(value), version, "ops", 1.0)
        for version, (kind, name, value) in enumerate(entries, 1)
    ]
    return KeptEntries(len(made), made)


def added(found: Loaded, *entries: tuple[AddedKind, str, Any]) -> Loaded:
    assert found.adding is not None
    return found.adding(Path("state.db"), kept(*entries))


def states(found: Loaded) -> dict[str, str]:
    assert found.added is not None
    return {one.entry.name: one.state for one in found.added.entries}


def test_entries_are_used_with_what_files_declare(loaded: Load) -> None:
    own = {"base_url": "http://127.0.0.1:9/v1", "keys": "${ACME}"}
    found = added(
        loaded(UP, {"ACME": KEY}),
        ("providers", "acme", own),
        ("models", "fast", "acme/m"),
        ("aliases", "best", "fast"),
        ("models", "other", "up/m"),
    )
    assert set(states(found).values()) == {"used"}
    assert set(found.providers) == {"up", "acme"}
    assert found.config.models["fast"].use == "acme/m"
    assert found.source("aliases.best") == "added by ops (version 3)"
    assert found.source("providers.up").startswith(str(found.file))
    assert found.added == Added(Path("state.db"), 4, found.added.entries if found.added else ())
    assert not found.warnings
    assert found.again is not None
    assert found.again().added is None


@pytest.mark.parametrize(
    ("entry", "where"),
    [
        (("models", "m", "up/x"), "dragoman.yaml:2"),
        (("aliases", "m", "up/x"), "dragoman.yaml:2"),
        (("models", "a", "up/x"), "dragoman.yaml:3"),
        (("providers", "up", {}), "dragoman.yaml:1"),
        (("providers", "local", {}), "the program itself"),
        (("models", "stated", "up/x"), "the command line"),
    ],
)
def test_what_is_declared_wins_and_says_where(loaded: Load, entry: Any, where: str) -> None:
    text = UP + "models: {m: up/m}\naliases: {a: m}\n"
    found = added(loaded(text, models__stated="up/m"), entry)
    assert states(found) == {entry[1]: "shadowed"}
    (warning,) = found.warnings
    assert (warning.path, where in warning.message) == (f"{entry[0]}.{entry[1]}", True)
    assert found.config == loaded(text, models__stated="up/m").config


def test_an_entry_with_a_mistake_is_left_out_with_those_that_need_it(loaded: Load) -> None:
    found = added(
        loaded(UP),
        ("providers", "acme", {"base_url": "http://127.0.0.1:9", "keys": "${UNSET}"}),
        ("models", "fast", "acme/m"),
        ("models", "odd", {"use": "up/m", "strict": "perhaps"}),
        ("models", "good", "up/m"),
    )
    assert states(found) == {"acme": "unusable", "fast": "unusable", "odd": "unusable", "good": "used"}
    assert found.added is not None
    problems = found.added.find("models", "odd")
    assert problems is not None
    assert problems.problems[0].path == "models.odd.strict"
    assert {one.path for one in found.warnings} == {
        "providers.acme.keys",
        "models.fast.use",
        "models.odd.strict",
    }


def test_a_mistake_of_the_file_is_one_whatever_was_added(loaded: Load, tmp_path: Path) -> None:
    found = loaded(UP)
    (tmp_path / "dragoman.yaml").write_text(UP + "strict: perhaps\n")
    with pytest.raises(ConfigError) as refused:
        added(found, ("models", "fast", "nobody/m"), ("models", "good", "up/m"))
    assert [one.path for one in refused.value.problems] == ["strict"]


def test_the_keys_of_a_vendors_variables_reach_an_added_provider(loaded: Load) -> None:
    found = added(loaded("{}", {"OPENAI_API_KEY": KEY}), ("providers", "mine", {"catalog": "openai"}))
    assert [one.secret.reveal() for one in found.providers["mine"].credentials] == [KEY]


@pytest.mark.parametrize(
    ("stated", "paths"),
    [
        ({"keys": "${ACME}"}, []),
        ({"headers": {"x-organisation": "team ${ACME}"}}, []),
        ({"keys": [KEY, "${ACME}"]}, ["keys[0]"]),
        ({"keys": f"${{NOT_THERE:-{KEY}}}"}, ["keys[0]"]),
        ({"keys": [], "headers": {"x-key": "abc"}}, ["headers.x-key"]),
        ({"keys": [], "proxy": "http://user:word@127.0.0.1:1"}, ["proxy"]),
        ({"keys": [], "base_url": "http://127.0.0.1:9/key/0123456789/v1"}, ["base_url"]),
    ],
)
def test_secrets_that_stand_in_an_entry_are_found(loaded: Load, stated: Any, paths: list[str]) -> None:
    value = {"base_url": "http://127.0.0.1:9/v1", **stated}
    found = added(loaded("{}", {"ACME": "sk-9876543210-fedcba"}), ("providers", "acme", value))
    assert states(found) == {"acme": "used"}
    assert list(literal_secrets(found.config.providers.named["acme"], value)) == paths


def test_a_key_in_a_file_is_no_literal(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    value = {"base_url": "http://127.0.0.1:9/v1", "keys": {"file": str(tmp_path / "key")}}
    found = added(loaded("{}"), ("providers", "acme", value))
    assert list(literal_secrets(found.config.providers.named["acme"], value)) == []
