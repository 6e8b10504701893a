"""Finds the command that installs extras of Dragoman, from the same source as this installation.

The command lets pip look for Dragoman in a package index only if this installation records no other source,
because another project may have the name there.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from shlex import quote
from typing import Any, Final
from urllib.parse import urlsplit

from dragoman.version import __version__

_NAME: Final = "dragoman"
_BY_MODELS: Final = frozenset({"embeddings", "speech"})
"""The extras that `make models` installs, besides those of `make run`."""
_BY_RUN: Final = frozenset({"encryption", "local", "postgres", "schema", "sql", "tokens", "valkey"})
"""The extras that `make run` installs: `SERVES` in the Makefile. No target installs the others (the clouds')
without all that tests need.
"""


def command(*extras: str) -> str:
    """Return the shell command that installs these extras (`sql`, `speech`). It is a command with `make` if
    the `.venv` of a checkout runs this program and a target of its Makefile installs them all, possibly with
    others; otherwise a command with pip.
    """
    checkout, target = _checkout(), make_target(*extras)
    if checkout is not None and target is not None:
        return target if checkout == Path.cwd() else target.replace("make", f"make -C {quote(str(checkout))}")
    wanted = quote(_requirement(",".join(extras)))
    return f"{quote(sys.executable)} -m pip install {'-e ' if _is_editable() else ''}{wanted}"


def make_target(*extras: str) -> str | None:
    """Return the make command that installs these extras, to be run in the checkout. None = this program is
    not run by the `.venv` of a checkout, or no target installs all of these extras.
    """
    if _checkout() is None or not _BY_RUN.union(_BY_MODELS).issuperset(extras):
        return None
    return "make models" if _BY_MODELS.intersection(extras) else "make run"


def _requirement(wanted: str) -> str:
    """Return the requirement for `pip install` with the extras `wanted` ("a,b"). It names the source that the
    installation records (PEP 610); if the installation records none, this version in a package index. If
    Dragoman is not installed, it names the project's folder with the running sources.
    """
    origin = _origin()
    if origin is None:  # this runs from a source folder
        return f"{Path(__file__).parents[3]}[{wanted}]"
    url = origin.get("url")
    if url is None:
        return f"{_NAME}[{wanted}]=={__version__}"
    if (vcs := origin.get("vcs_info")) is not None:
        return f"{_NAME}[{wanted}] @ {vcs['vcs']}+{url}@{vcs['commit_id']}"
    path = _path(url)
    return f"{_NAME}[{wanted}] @ {url}" if path is None else f"{path}[{wanted}]"


def _is_editable() -> bool:
    """Whether Dragoman was installed so that it runs the sources of a folder. pip needs `-e` then, or it
    would install a copy of the sources instead.
    """
    return bool((_origin() or {}).get("dir_info", {}).get("editable"))


def _checkout() -> Path | None:
    """Return the folder of the checkout whose `.venv` runs this program; None = none is known."""
    path = _path((_origin() or {}).get("url", ""))
    if path is None or not (path / "Makefile").is_file():
        return None
    return path if Path(sys.prefix) == path / ".venv" else None


@cache
def _origin() -> dict[str, Any] | None:
    """Return the source that the installation records in its `direct_url.json` (PEP 610). {} = it records
    none, as after an installation from a package index; None = Dragoman is not installed.
    """
    from importlib import metadata  # imported late: it loads slower than the rest of a command

    try:
        record = metadata.distribution(_NAME).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    return dict(json.loads(record)) if record else {}


def _path(url: str) -> Path | None:
    from urllib.request import url2pathname  # imported late, as above: it brings http.client and email

    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None
