"""Every recorded API is read by the laws over chat, or named in `unread.toml` with its reason."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from dragoman.testing import corpus, hosted
from dragoman.testing.case import dialect_of

STATED: Final[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("unread.toml").read_text("utf-8"))
UNREAD: Final[list[str]] = [api for group in STATED["unread"] for api in group["apis"]]
ROOT: Final = Path(__file__).parents[2]
_REGION: Final = re.compile(r"(?:us|eu|apac)\.")


def test_every_group_has_a_reason() -> None:
    for group in [*STATED["unread"], *STATED["partly"]]:
        assert len(group["reason"]) > 20, group
        assert "test" not in group or (ROOT / group["test"]).is_file(), group
    assert len(UNREAD) == len(set(UNREAD))
    assert [api for api in UNREAD if dialect_of(api) is not None] == []


@pytest.mark.wire
def test_every_recorded_api_is_read_or_has_a_reason(recorded: Path) -> None:
    files = {path.stem.removesuffix(".samples") for path in recorded.glob("*.jsonl")}
    assert {api for api in files if dialect_of(api) is None} == set(UNREAD)


@pytest.mark.wire
def test_every_hosted_model_is_read_or_has_a_reason(recorded: Path) -> None:
    """Each exchange of InvokeModel that no law reads is of one family with a reason."""
    read: set[str] = set()
    unread: set[tuple[str, str]] = set()
    for exchange in corpus.read(recorded, *hosted.APIS):
        model = _REGION.sub("", exchange.model or "")
        if hosted.unwrapped(exchange) is not None:
            read.add(model)
            continue
        families = [
            family
            for group in STATED["partly"]
            if exchange.api in group["apis"]
            for family in group["families"]
            if model.startswith(family)
        ]
        assert len(families) == 1, (exchange.id, model, families)
        unread.add((exchange.api, families[0]))
    assert all(model.startswith("anthropic.claude") for model in read)
    assert {family for _, family in unread} == {
        family for group in STATED["partly"] for family in group["families"]
    }
