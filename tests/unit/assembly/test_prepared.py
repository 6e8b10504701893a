"""What is loaded before the first request of a gateway with limits."""

from __future__ import annotations

import pytest

from dragoman.assembly import accounts
from dragoman.config.load import load


@pytest.mark.parametrize(
    ("quota", "wanted"),
    [({"tokens": "9/min"}, 1), ({"money": "5 USD"}, 1), ({"requests": "9/min", "concurrency": 2}, 0)],
)
def test_the_vocabulary_is_loaded_if_prompts_are_counted(
    quota: dict[str, object], wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[int] = []
    monkeypatch.setattr(accounts, "load", lambda: loaded.append(1))
    for settings in (
        {"limits": {"all": {"scope": "global", **quota}}},
        {"auth": {"keys": [{"name": "ci", "key": "0123456789abcdef", "limits": quota}]}},
        {"tenants": {"acme": {"limits": quota}}},
    ):
        accounts.prepare(load(settings, {}).config)
    assert len(loaded) == 3 * wanted
