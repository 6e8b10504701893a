"""A lock that does not say what the project asks for is named, with the package and the reason."""

from __future__ import annotations

from importlib.metadata import Distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scripts.check_locks import asked_by_packages, problems, read, wanted

HASH = "    --hash=sha256:" + "0" * 64
OPTION = "--index" + "-url"
LOCK = f"""\
aiohttp==3.14.5 \\
{HASH} \\
{HASH}
    # via dragoman (pyproject.toml)
attrs==26.1.0 ; python_full_version < '3.15' \\
{HASH}
    # via aiohttp
"""
ASKED = [Requirement("aiohttp>=3.12,<4")]


def test_a_lock_that_fits_has_no_problems() -> None:
    assert list(problems(ASKED, LOCK)) == []


def test_versions_hashes_and_who_asked_are_read() -> None:
    packages, strange = read(LOCK)
    assert {name: (str(p.version), p.asked, p.hashes) for name, p in packages.items()} == {
        "aiohttp": ("3.14.5", True, 2),
        "attrs": ("26.1.0", False, 1),
    }
    assert strange == []


@pytest.mark.parametrize(
    ("asked", "lock", "expected"),
    [
        ([*ASKED, Requirement("PyYAML>=6")], LOCK, "lacks pyyaml, which the project asks for"),
        ([Requirement("aiohttp>=4")], LOCK, "has aiohttp 3.14.5, the project asks for >=4"),
        ([], LOCK, "has aiohttp, which the project no longer asks for"),
        (ASKED, LOCK + "idna==3.20\n", "has no hash for idna"),
        (
            ASKED,
            f"{OPTION} https://example.org/simple\n" + LOCK,
            f"has the line '{OPTION} https://example.org/simple', which belongs to no lock",
        ),
    ],
)
def test_each_problem_is_named(asked: list[Requirement], lock: str, expected: str) -> None:
    assert list(problems(asked, lock)) == [expected]


def test_a_lock_has_the_extras_that_are_asked_for() -> None:
    asked = [Requirement("aiohttp[speedups, dns]>=3")]
    kept = LOCK.replace("aiohttp==", "aiohttp[dns, speedups]==")
    assert list(problems(asked, kept)) == []
    assert list(problems(asked, LOCK)) == ["has aiohttp without its extra dns, speedups"]


@pytest.mark.parametrize(
    ("marker", "named"),
    [
        ("", True),
        ("; python_version > '3'", True),
        ("; python_version < '3'", False),
        ("; extra == 'x'", False),
    ],
)
def test_extras_that_packages_ask_of_each_other_are_in_the_lock(
    tmp_path: Path, marker: str, *, named: bool
) -> None:
    folder = tmp_path / "aiohttp-3.14.5.dist-info"
    folder.mkdir()
    requires = f"Requires-Dist: attrs[speedups]>=26{marker}"
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: aiohttp\nVersion: 3.14.5\n{requires}\n")
    installed = [Distribution.at(folder)]
    expected = ["has attrs without its extra speedups, for which aiohttp asks"] if named else []
    assert list(asked_by_packages(installed, LOCK)) == expected
    assert list(asked_by_packages(installed, LOCK.replace("attrs==", "attrs[speedups]=="))) == []


def test_extras_of_the_project_and_included_groups_are_followed() -> None:
    project = {
        "project": {
            "name": "dragoman",
            "dependencies": ["aiohttp>=3"],
            "optional-dependencies": {"all": ["dragoman[local]"], "local": ["cyllama==1"]},
        },
        "dependency-groups": {"build": ["hatchling"], "dev": [{"include-group": "build"}, "uv"]},
    }
    names = [requirement.name for requirement in wanted(project, extras=["all"], group="dev")]
    assert names == ["aiohttp", "cyllama", "hatchling", "uv"]
