"""A hint's command works from where the installation came from."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from shlex import quote
from typing import Any

import pytest

from dragoman import __version__
from dragoman.seams import extras


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    extras._origin.cache_clear()
    yield
    extras._origin.cache_clear()


def came_from(monkeypatch: pytest.MonkeyPatch, record: dict[str, Any] | None) -> None:
    class Installed:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return None if record is None else json.dumps(record)

    monkeypatch.setattr(metadata, "distribution", lambda _: Installed())


def test_a_checkout_in_its_own_environment_is_told_a_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "a folder"
    (checkout / ".venv").mkdir(parents=True)
    (checkout / "Makefile").touch()
    came_from(monkeypatch, {"url": checkout.as_uri(), "dir_info": {"editable": True}})
    monkeypatch.setattr(sys, "prefix", str(checkout / ".venv"))
    monkeypatch.chdir(checkout)
    assert extras.command("speech") == extras.make_target("speech") == "make models"
    assert extras.command("sql") == "make run"
    monkeypatch.chdir(tmp_path)
    assert extras.command("sql", "embeddings") == f"make -C '{checkout}' models"
    assert extras.make_target("speech") == "make models"


def test_a_checkout_in_another_environment_is_told_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Makefile").touch()
    came_from(monkeypatch, {"url": tmp_path.as_uri(), "dir_info": {"editable": True}})
    assert extras.command("speech") == f"{quote(sys.executable)} -m pip install -e '{tmp_path}[speech]'"
    assert extras.make_target("speech") is None


def test_a_checkout_is_told_pip_for_what_no_target_installs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Makefile").touch()
    came_from(monkeypatch, {"url": tmp_path.as_uri(), "dir_info": {"editable": True}})
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    for extra in ("aws", "azure", "google"):
        assert extras.make_target(extra) is None
        assert extras.command(extra) == f"{quote(sys.executable)} -m pip install -e '{tmp_path}[{extra}]'"
    assert extras.make_target("sql", "google") is None


def test_the_extras_of_the_targets_are_those_of_the_makefile() -> None:
    makefile = (Path(__file__).parents[3] / "Makefile").read_text()
    found = dict(re.findall(r"^(SERVES|MEDIA) := (.*)$", makefile, re.MULTILINE))
    assert {name: frozenset(value.split()) for name, value in found.items()} == {
        "SERVES": extras._BY_RUN,
        "MEDIA": extras._BY_MODELS,
    }


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        (
            {"url": "file:///tmp/dragoman-0.1.0-py3-none-any.whl", "archive_info": {}},
            "/tmp/dragoman-0.1.0-py3-none-any.whl[sql]",
        ),
        (
            {"url": "https://host.example/d.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "dragoman[sql] @ git+https://host.example/d.git@abc",
        ),
        (
            {"url": "https://host.example/d-0.1.0.tar.gz", "archive_info": {}},
            "dragoman[sql] @ https://host.example/d-0.1.0.tar.gz",
        ),
        (None, f"dragoman[sql]=={__version__}"),
    ],
    ids=["wheel", "git", "archive", "index"],
)
def test_it_is_where_it_came_from(
    record: dict[str, Any] | None, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    came_from(monkeypatch, record)
    assert extras.command("sql") == f"{quote(sys.executable)} -m pip install '{wanted}'"


def test_a_folder_of_sources_is_told_its_own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    root = Path(__file__).parents[3]
    assert extras.command("sql").endswith(f" -m pip install '{root}[sql]'")


def test_pip_takes_the_path_of_the_project() -> None:
    root = Path(__file__).parents[3]
    options = ["--dry-run", "--no-deps", "--no-index", "--no-build-isolation", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, f"{root}[sql]"],
        capture_output=True,
        text=True,
        check=False,
        env={"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
