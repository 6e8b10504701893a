"""The configurations that the documents show can be used, and quickstarts stay short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trustme

from dragoman.config.load import load
from tests.documents.examples import DOCS

_YAML = re.compile(r"^( *)```yaml\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
QUICKSTARTS = sorted(DOCS.glob("quickstart*.md"))
SHOWN = [
    pytest.param(re.sub(rf"^{indent}", "", text, flags=re.MULTILINE), id=f"{page.stem}-{place}")
    for page in [*QUICKSTARTS, DOCS / "deployment.md"]
    for place, (indent, text) in enumerate(_YAML.findall(page.read_text("utf-8")))
]
ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-1",
    "ANTHROPIC_API_KEY": "sk-2",
    "CURSOR_KEY": "a-key-of-sixteen-characters",
    "DB_PASSWORD": "a-password",
}


@pytest.mark.parametrize("text", SHOWN)
def test_a_configuration_is_good(text: str, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    for name in re.findall(r"file: (secrets/[\w-]+)", text):
        (tmp_path / name).write_text("a-secret-of-sixteen-characters")
    authorities = tmp_path / "authorities.pem"
    trustme.CA().cert_pem.write_to_path(authorities)
    text = re.sub(r"(?<=sslrootcert=)[^\s&\"]+", str(authorities), text)
    file = tmp_path / "dragoman.yaml"
    file.write_text(text, encoding="utf-8")
    assert load(file, ENVIRONMENT).warnings == ()


@pytest.mark.parametrize("page", QUICKSTARTS, ids=lambda page: page.stem)
def test_a_quickstart_is_short(page: Path) -> None:
    assert len(page.read_text("utf-8").splitlines()) < 40
