"""Check, offline, that the locks say what pyproject.toml asks for; part of `make check`.

Each lock must hold every requirement within its range and with its extras, hold nothing for the project
that it no longer asks for, have a hash for every package and name no index. Extras that packages ask of each
other must be there too. What runs must be locked at the same versions as in development, because `make test`
installs the one and proves the other. Whether the lock is the newest possible is not asked: that is
`make lock ARGS=--upgrade`.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)(?:\[(?P<extras>[^\]]*)\])?==(?P<version>[^\s;\\]+)")
HASH = re.compile(r"^ +--hash=sha256:[0-9a-f]{64}( \\)?$")
SERVES, MEDIA = (
    ("encryption", "local", "postgres", "schema", "sql", "tokens", "valkey"),
    ("embeddings", "speech"),
)
"""The extras of what serves, and of what `make models` adds; as in the Makefile."""
APART = ("requirements/models", "tests/frameworks/frameworks", "tests/agents/aider")
"""Locks of lists of their own, `.in`."""

ASKED = "dragoman (pyproject.toml"


class Locked(NamedTuple):
    """One package of a lock. asked: the project itself asks for it. hashes: how many files it may be. extras:
    those that it is locked with.
    """

    version: Version
    asked: bool
    hashes: int
    extras: frozenset[str] = frozenset()


def wanted(project: dict[str, Any], *, extras: Sequence[str], group: str | None = None) -> list[Requirement]:
    """What the project asks for with some extras and one dependency group."""
    own = canonicalize_name(project["project"]["name"])

    def flatten(lines: list[Any]) -> Iterator[Requirement]:
        for line in lines:
            if isinstance(line, dict):
                yield from flatten(project["dependency-groups"][line["include-group"]])
                continue
            requirement = Requirement(line)
            if canonicalize_name(requirement.name) != own:
                yield requirement
            for name in requirement.extras if canonicalize_name(requirement.name) == own else ():
                yield from flatten(project["project"]["optional-dependencies"][name])

    lines = list(project["project"]["dependencies"])
    for extra in extras:
        lines += project["project"]["optional-dependencies"][extra]
    return list(flatten(lines + (project["dependency-groups"][group] if group is not None else [])))


def read(text: str) -> tuple[dict[str, Locked], list[str]]:
    """The packages of a lock by canonical name, and the lines that have no place in one."""
    packages: dict[str, Locked] = {}
    strange: list[str] = []
    name = ""
    for line in text.splitlines():
        if entry := ENTRY.match(line):
            name = canonicalize_name(entry["name"])
            extras = frozenset(one.strip() for one in (entry["extras"] or "").split(",") if one)
            packages[name] = Locked(Version(entry["version"]), asked=False, hashes=0, extras=extras)
        elif name and HASH.match(line):
            packages[name] = packages[name]._replace(hashes=packages[name].hashes + 1)
        elif line.lstrip().startswith("#"):
            if name and ASKED in line:
                packages[name] = packages[name]._replace(asked=True)
        elif line.strip():
            strange.append(line)
    return packages, strange


def problems(requirements: list[Requirement], text: str) -> Iterator[str]:
    """What is wrong with one lock, a sentence each."""
    packages, strange = read(text)
    yield from (f"has the line {line!r}, which belongs to no lock" for line in strange)
    yield from (f"has no hash for {name}" for name, locked in packages.items() if not locked.hashes)
    names = set()
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        names.add(name)
        if name not in packages:
            yield f"lacks {name}, which the project asks for"
        elif not requirement.specifier.contains(packages[name].version, prereleases=True):
            yield f"has {name} {packages[name].version}, the project asks for {requirement.specifier}"
        elif missing := requirement.extras - packages[name].extras:
            yield f"has {name} without its extra {', '.join(sorted(missing))}"
    yield from (
        f"has {name}, which the project no longer asks for"
        for name in packages
        if packages[name].asked and name not in names
    )


def asked_by_packages(packages: Iterable[Distribution], text: str) -> Iterator[str]:
    """The extras that installed packages ask of others and that a lock has the others without.

    pip 23 refuses such a lock when hashes are required; what is installed already hides it. Requirements of
    extras are evaluated for the extras that the lock itself names.
    """
    locked = read(text)[0]
    for package in packages:
        asking = locked.get(canonicalize_name(package.name))
        for line in package.requires or () if asking is not None else ():
            requirement = Requirement(line)
            pinned = locked.get(canonicalize_name(requirement.name))
            if pinned is None or not (missing := requirement.extras - pinned.extras):
                continue
            marker, extras = requirement.marker, asking.extras if asking else ()
            if marker is None or any(marker.evaluate({"extra": one}) for one in ("", *extras)):
                asked = ", ".join(sorted(missing))
                yield f"has {requirement.name} without its extra {asked}, for which {package.name} asks"


def main() -> None:
    """Print each problem and end with 1 if there is one."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    locks = {
        "run": wanted(project, extras=SERVES, group="build"),
        "media": wanted(project, extras=MEDIA),
        "dev": wanted(project, extras=["all"], group="dev"),
    }
    texts = {name: Path(f"requirements/{name}.txt").read_text(encoding="utf-8") for name in locks}
    found = [
        f"requirements/{name}.txt {line}"
        for name, requirements in locks.items()
        for line in problems(requirements, texts[name])
    ]
    for name in APART:
        lines = Path(f"{name}.in").read_text(encoding="utf-8").splitlines()
        asked = [Requirement(line) for line in lines if line and not line.startswith("#")]
        text = Path(f"{name}.txt").read_text(encoding="utf-8")
        found += [f"{name}.txt {line}" for line in problems(asked, text)]
    developed = read(texts["dev"])[0]
    for lock in ("run", "media"):
        for name, locked in read(texts[lock])[0].items():
            if name not in developed or developed[name].version != locked.version:
                found.append(
                    f"requirements/{lock}.txt has {name} {locked.version}, requirements/dev.txt another"
                )
    found += [f"requirements/dev.txt {line}" for line in asked_by_packages(distributions(), texts["dev"])]
    if found:
        sys.exit("\n".join([*found, "make lock writes them again"]))


if __name__ == "__main__":
    main()
