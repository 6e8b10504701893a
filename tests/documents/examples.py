"""The Python examples of a page, by the heading that they stand under."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
MODEL = '"default_model": "simulate/lorem"'
"""What the examples have in the place of a real model."""
_SECTION = re.compile(r"^## (.+?)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def examples(page: str) -> dict[str, str]:
    """The source below each heading that has one; several blocks of a heading belong together."""
    found: dict[str, str] = {}
    for heading, text in _SECTION.findall((DOCS / page).read_text("utf-8")):
        blocks = [
            re.sub(rf"^{indent}", "", source, flags=re.MULTILINE) for indent, source in _BLOCK.findall(text)
        ]
        if blocks:
            found[heading] = "\n".join(blocks)
    return found


def run(source: str, configuration: dict[str, Any] | None = None) -> dict[str, Any]:
    """What an example defines. configuration: takes the place of the simulator."""
    if configuration is not None:
        assert MODEL in source
        source = source.replace(MODEL, "**CONFIGURATION")
    names: dict[str, Any] = {"__name__": "example", "CONFIGURATION": configuration}
    exec(compile(source, "example", "exec"), names)
    return names
