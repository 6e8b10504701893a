"""How an extra of this very installation is added: a command that works from where it came from.

No package of this name is assumed to be at an index: a stranger could have published it.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from shlex import quote
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dragoman.version import __version__

_NAME: Final = "dragoman"
_BY_MODELS: Final = frozenset({"embeddings", "speech"})
"""What `make models` installs beside what `make run` does."""


def command(*extras: str) -> str:
    """The command of a shell that adds these extras. It may hold a path of this machine."""
    checkout, target = _checkout(), make_target(*extras)
    if checkout is not None and target is not None:
        return target if checkout == Path.cwd() else target.replace("make", f"make -C {quote(str(checkout))}")
    wanted = ",".join(extras)
    return f"{quote(sys.executable)} -m pip install {quote(_requirement(wanted))}"


def make_target(*extras: str) -> str | None:
    """The same without a path, for whoever may not know one; None unless a checkout runs in its `.venv`."""
    if _checkout() is None:
        return None
    return "make models" if _BY_MODELS.intersection(extras) else "make run"


def _requirement(wanted: str) -> str:
    """What pip is told: where this installation came from, by its record (PEP 610)."""
    origin = _origin()
    if origin is None:  # run from a folder of sources
        return f"{Path(__file__).parents[3]}[{wanted}]"
    url = origin.get("url")
    if url is None:
        return f"{_NAME}[{wanted}]=={__version__}"
    if (vcs := origin.get("vcs_info")) is not None:
        return f"{_NAME}[{wanted}] @ {vcs['vcs']}+{url}@{vcs['commit_id']}"
    path = _path(url)
    return f"{_NAME}[{wanted}] @ {url}" if path is None else f"{path}[{wanted}]"


def _checkout() -> Path | None:
    """The checkout in whose own `.venv` this runs."""
    path = _path((_origin() or {}).get("url", ""))
    if path is None or not (path / "Makefile").is_file():
        return None
    return path if Path(sys.prefix) == path / ".venv" else None


@cache
def _origin() -> dict[str, Any] | None:
    """The record of where this was installed from, empty for an index; None = it was not installed."""
    from importlib import metadata  # takes longer to load than the rest of a command

    try:
        record = metadata.distribution(_NAME).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    return dict(json.loads(record)) if record else {}


def _path(url: str) -> Path | None:
    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None
