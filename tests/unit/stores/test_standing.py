"""Which databases a version can use, by their schemas."""

from __future__ import annotations

import pytest

from dragoman.stores import standing
from dragoman.stores.standing import SchemaRefused, Standing


@pytest.fixture(autouse=True)
def head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "HEAD", "0007")


@pytest.mark.parametrize("itself", [True, False])
@pytest.mark.parametrize(
    "found",
    [Standing(None), Standing("0007"), Standing("0008"), Standing("0009", "0007"), Standing("0009", "0006")],
)
def test_a_newer_schema_may_be_used_unless_it_says_otherwise(found: Standing, *, itself: bool) -> None:
    found.check(upgrades_itself=itself)
    assert not found.is_older


def test_a_newer_schema_that_needs_newer_code_is_refused() -> None:
    with pytest.raises(SchemaRefused, match=r"schema 0009; .* that know the schema 0008"):
        Standing("0009", "0008").check(upgrades_itself=True)


def test_an_older_schema_is_refused_unless_the_database_upgrades_itself() -> None:
    Standing("0006").check(upgrades_itself=True)
    with pytest.raises(SchemaRefused, match=r"schema 0006, .* needs 0007: run `dragoman db upgrade`"):
        Standing("0006").check(upgrades_itself=False)
