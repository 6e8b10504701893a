"""`dragoman models`: the list, and weights that are installed only with a yes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dragoman.cli import progress as told
from dragoman.errors import DragomanError
from dragoman.seams import extras
from dragoman.upstreams.local import weights
from dragoman.upstreams.local.weights import Progress, Weights
from tests.unit.cli.conftest import Run

SMALL = weights.WEIGHTS[0]


class Store:
    """A place for weights, with what happened to it."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.damaged = False
        self.installs: str | None = None
        self.installed = 0

    def find(self, row: Weights) -> Path | None:
        return self.path

    def verify(self, row: Weights, progress: object = None) -> Path:
        if self.path is None or self.damaged:
            raise DragomanError(f"{row.id} is damaged")
        return self.path

    def install(self, row: Weights, progress: object) -> Path:
        if self.installs is not None:
            raise DragomanError(self.installs)
        self.installed += 1
        assert isinstance(progress, told.Progress)
        progress(Progress("downloading", 1, 1))
        self.path, self.damaged = Path("weights.gguf"), False
        return self.path


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    for name in ("find", "verify", "install"):
        monkeypatch.setattr(weights, name, getattr(store, name))
    return store


def test_the_list_names_who_answers(run: Run, folder: Path) -> None:
    (folder / "dragoman.yaml").write_text(
        "providers: {mine: {base_url: 'http://10.0.0.5:8000', keys: []}, local: {enabled: false}}\n"
        "models: {coder: {use: mine/qwen3-coder, context_window: 32768, supports: {tools: true}}}\n"
    )
    code, out, err = run("models", "list")
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == ["model\tprovider\tcontext\tcapabilities", "coder\tmine\t32768\ttools"]
    entry = json.loads(run("models", "list", "--json").out)[0]
    assert (entry["id"], entry["context_window"], entry["capabilities"]) == ("coder", 32768, ["tools"])


def test_what_can_be_embedded_is_listed_with_purpose_size_and_licence(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "lacks", lambda row: ("numpy",) if row.extra == "embeddings" else ())
    _, out, err = run("models", "list", "--embedded")
    lines = [line.split("\t") for line in out.splitlines()]
    assert lines[0] == ["model", "for", "size", "memory", "licence", "installed", "engine"]
    assert [line[0] for line in lines[1:]] == [row.id for row in weights.WEIGHTS]
    minilm = next(line for line in lines if line[0] == "all-minilm:l6-v2")
    assert minilm[2:] == ["83 MB", "262 MB", "Apache-2.0", "no", "missing"]
    assert err == f"to install the missing engines: {extras.command('embeddings')}\n"
    store.path = Path("there")
    entries = json.loads(run("models", "list", "--embedded", "--json").out)
    whisper = next(entry for entry in entries if entry["id"] == "whisper-tiny.en")
    assert (whisper["licence"], whisper["installed"], whisper["missing_extra"]) == ("MIT", True, None)


def test_several_are_installed_one_after_the_other(run: Run, store: Store) -> None:
    code, out, err = run("models", "install", "--yes", "all-minilm", "hibari")
    assert (code, store.installed, out) == (0, 1, "weights.gguf\nweights.gguf\n")
    assert "all-minilm:l6-v2  embeddings of English texts" in err
    assert run("models", "install", "--yes", "hibari", "hibari-hart").code == 2


def test_weights_without_their_engine_say_which_extra_brings_it(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "lacks", lambda row: row.modules)
    code, _, err = run("models", "install", "--yes", "whisper")
    assert code == 0
    assert f"whisper-tiny.en cannot run yet: to install its engine: {extras.command('speech')}" in err


def test_installing_needs_a_yes_where_nobody_can_be_asked(run: Run, store: Store) -> None:
    code, out, err = run("models", "install")
    assert (code, out) == (2, "")
    assert err.splitlines()[1:] == [
        f"error: installing {SMALL.id} needs a confirmation, and there is no terminal to ask on",
        " hint: add --yes",
    ]
    assert run("--json", "models", "install").code == 2
    assert store.installed == 0


def test_with_a_yes_the_path_is_the_result(run: Run, store: Store) -> None:
    code, out, err = run("models", "install", "--yes")
    assert (code, out, store.installed) == (0, "weights.gguf\n", 1)
    assert err.splitlines()[-1].startswith(f"● {SMALL.id} is installed and verified")
    assert json.loads(run("models", "install", "-y", "--json").out) == {
        "id": SMALL.id, "path": "weights.gguf", "sha256": SMALL.sha256,
    }  # fmt: skip


def test_what_is_there_and_whole_is_not_installed_again(run: Run, store: Store) -> None:
    store.path = Path("there.gguf")
    assert run("models", "install")[:2] == (0, "there.gguf\n")
    assert store.installed == 0


def test_what_is_damaged_is_replaced(run: Run, store: Store) -> None:
    store.path, store.damaged = Path("there.gguf"), True
    assert run("models", "install").code == 2, "that needs a yes too"
    assert run("models", "install", "--yes")[:2] == (0, "weights.gguf\n")


def test_a_failed_installation_says_how_to_go_on(run: Run, store: Store) -> None:
    store.installs = "no network"
    code, out, err = run("models", "install", "--yes")
    assert (code, out) == (1, "")
    assert err.splitlines()[1:] == [
        "error: no network",
        f" hint: to try again: dragoman models install {SMALL.id}",
    ]


def test_damaged_weights_do_not_verify(run: Run, store: Store) -> None:
    code, out, err = run("models", "verify")
    assert (code, out) == (1, "")
    assert err.splitlines()[1:] == [f" hint: dragoman models install {SMALL.id}"]
    store.path = Path("there.gguf")
    assert run("models", "verify", "smollm2")[:2] == (0, "there.gguf\n")


@pytest.mark.parametrize("name", ["smollm2:135b", "gpt-5"])
def test_other_names_are_misuse(run: Run, name: str) -> None:
    code, _, err = run("models", "verify", name)
    assert code == 2
    assert SMALL.id in err.splitlines()[1]
