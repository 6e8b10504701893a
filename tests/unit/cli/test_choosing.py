"""Which model is asked: the operator's choice first, then what is free, and what does not chat last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dragoman.cli.choosing import choice
from dragoman.config.load import load

MODELS = """
providers:
  paid: {base_url: "https://paid.example", keys: [sk-0123456789abcdef]}
  near: {base_url: "http://127.0.0.1:9999"}
"""
ROUTES = (
    MODELS
    + """
models:
  embeds: {use: paid/text-embedding-9}
  robust: {use: paid/gpt}
aliases: {quick: near/llama, fast: quick}
"""
)


def listed(*ids: str, **owners: str) -> list[dict[str, Any]]:
    return [{"id": one, "owned_by": one.partition("/")[0]} for one in ids] + [
        {"id": name, "owned_by": owner} for name, owner in owners.items()
    ]


@pytest.mark.parametrize(
    ("text", "names", "model", "why", "free"),
    [
        (
            ROUTES + "default_model: quick",
            ["paid/a", "quick", "robust"],
            "quick",
            "the default_model of dragoman.yaml",
            True,
        ),
        (ROUTES, ["a", "embeds", "fast", "local/smollm2:135m", "quick", "robust"], "robust",
         "a model of dragoman.yaml", False),
        (ROUTES, ["fast", "local/smollm2:135m"], "fast", "an alias of dragoman.yaml", True),
        (MODELS, ["a", "local/smollm2:135m", "near/x"], "local/smollm2:135m",
         "which the gateway runs itself", True),
        (MODELS, ["paid/text-embedding-9", "paid/z"], "paid/z", "the first of the list", False),
    ],
)  # fmt: skip
def test_with_its_configuration(
    tmp_path: Path, text: str, names: list[str], model: str, why: str, free: bool
) -> None:
    (tmp_path / "dragoman.yaml").write_text(text)
    found = load(tmp_path / "dragoman.yaml", {"DRAGOMAN_HOME": str(tmp_path)})
    assert choice(listed(*names), found) == (model, why, free)


@pytest.mark.parametrize(
    ("rows", "model", "free"),
    [
        (listed("whisper-1", "text-embedding-3-small", "gpt-4o"), "gpt-4o", False),
        (listed("gpt-4o", "local/smollm2:135m"), "local/smollm2:135m", True),
        (listed(zebra="simulate", ape="openai"), "zebra", True),
        (listed("text-embedding-3-small"), "text-embedding-3-small", False),
    ],
)
def test_without_it_what_is_free_comes_first(rows: list[dict[str, Any]], model: str, free: bool) -> None:
    one = choice(rows)
    assert one is not None
    assert (one.model, one.free) == (model, free)


def test_nothing_listed_is_no_choice() -> None:
    assert choice([]) is None
