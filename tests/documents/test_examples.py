"""Every example of a configuration in the documents loads, and its names stand for something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import trustme

from dragoman.assembly.names import naming
from dragoman.config.load import load
from dragoman.errors import ConfigError
from dragoman.providers.catalog import CATALOG

ROOT: Final = Path(__file__).parents[2]
_BLOCK: Final = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
_VARIABLE: Final = re.compile(r"\$\{(\w+)")
_AUTHORITY: Final = re.compile(r"(?<=sslrootcert=)[^\s&\"]+")
_SECRET: Final = re.compile(r"file: ([\w./-]+)(?=[},])")
_FOREIGN: Final = ("# LiteLLM's", "# Prometheus'")
"""The first words of an example that is not ours."""
_VALUE: Final = "a-secret-of-{}-0123456789"
_SECTIONS: Final = "providers:\n  vllm: {base_url: 'http://10.0.0.5:8000'}\n"
"""What an example without providers of its own may name: a server, and every vendor with a key."""


def examples() -> Iterator[tuple[str, str]]:
    """Each YAML block of README.md and of the pages in docs, with its page and line."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text("utf-8")
        for block in _BLOCK.finditer(text):
            line = text.count("\n", 0, block.start()) + 1
            if not block[1].startswith(_FOREIGN):
                yield f"{page.relative_to(ROOT)}:{line}", block[1]


EXAMPLES: Final = dict(examples())


def loads(text: str, folder: Path) -> None:
    """Load a text as dragoman.yaml, with every key in the environment, and files in place of those that it
    names. Raises ConfigError.
    """
    if _AUTHORITY.search(text):
        trustme.CA().cert_pem.write_to_path(folder / "authority.pem")
        text = _AUTHORITY.sub(str(folder / "authority.pem"), text)
    for secret in _SECRET.findall(text):
        (folder / Path(secret).name).write_text(_VALUE.format("file"), "utf-8")
        text = text.replace(f"file: {secret}", f"file: {folder / Path(secret).name}")
    if not re.search(r"^providers:", text, re.MULTILINE):
        text = f"{_SECTIONS}{text}"
    keys = {vendor.keys[0]: _VALUE.format(vendor.name) for vendor in CATALOG.values() if vendor.keys}
    named = {name: _VALUE.format(name) for name in _VARIABLE.findall(text)}
    file = folder / "dragoman.yaml"
    file.write_text(text, "utf-8")
    naming(load(file, {"DRAGOMAN_HOME": str(folder / "home"), **keys, **named}))


@pytest.mark.parametrize("place", EXAMPLES)
def test_an_example_loads(place: str, tmp_path: Path) -> None:
    loads(EXAMPLES[place], tmp_path)


def test_an_example_that_is_wrong_does_not_load(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        loads("aliases: {fast: nobody/model}\n", tmp_path)


def test_the_documents_have_examples() -> None:
    assert {place.partition(":")[0] for place in EXAMPLES} >= {
        "README.md",
        "docs/routing.md",
        "docs/settings.md",
    }
