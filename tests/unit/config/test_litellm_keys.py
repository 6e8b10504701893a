"""What LiteLLM's keys and teams become, and what is told of what they lose."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dragoman.config.litellm_keys import Conversion, Imported, Theirs, converted
from dragoman.config.stated import stated_bounds
from dragoman.state.directory import KeyEntry

TOKEN = "ab" * 32
NOW = 1_000.0


def ours(theirs: Theirs, taken: tuple[str, ...] = ()) -> Conversion:
    return converted(theirs, taken, NOW, lambda: "0" * 24)


def key_of(**row: Any) -> KeyEntry:
    (made,) = ours(Theirs([{"token": TOKEN, **row}])).rows
    assert isinstance(made.entry, KeyEntry)
    return made.entry


def test_a_key_keeps_its_hash_its_name_and_whom_it_belongs_to() -> None:
    theirs = Theirs(
        keys=[
            {
                "token": TOKEN,
                "key_alias": "ci/agent",
                "key_name": "sk-...abcd",
                "team_id": "t",
                "user_id": "u",
            }
        ],
        teams=[{"team_id": "t", "team_alias": "research", "organization_id": "o", "models": ["fast"]}],
        users=[{"user_id": "u", "user_alias": None}],
        organizations=[{"organization_id": "o", "organization_alias": "acme"}],
    )
    found = {(row.kind, row.name): row for row in ours(theirs).rows}
    assert set(found) == {("tenants", "acme"), ("teams", "research"), ("users", "u"), ("keys", "ci-agent")}
    key = found["keys", "ci-agent"]
    assert key.digest == bytes.fromhex(TOKEN)
    assert isinstance(key.entry, KeyEntry)
    assert (key.entry.team, key.entry.user, key.entry.shown) == ("research", "u", "sk-...abcd")
    assert found["teams", "research"].entry.tenant == "acme"
    assert found["teams", "research"].entry.models == ("fast",)


@pytest.mark.parametrize(
    ("stated", "models"),
    [
        ([], None),
        (None, None),
        (["all-proxy-models"], None),
        (["all-team-models"], None),
        (["no-default-models"], ()),
        (["openai/*", "gpt-4o"], ("openai/*", "gpt-4o")),
        ('{openai/*,"a \\"b\\""}', ("openai/*", 'a "b"')),
        ('["a", "b"]', ("a", "b")),
    ],
)
def test_models(stated: Any, models: tuple[str, ...] | None) -> None:
    assert key_of(models=stated).models == models


@pytest.mark.parametrize(
    ("row", "limits"),
    [
        ({}, None),
        ({"rpm_limit": 60, "tpm_limit": "1000"}, {"requests": ["60/min"], "tokens": ["1000/min"]}),
        ({"max_parallel_requests": 3}, {"concurrency": 3}),
        ({"max_budget": 20.5, "budget_duration": "30d"}, {"money": ["20.500000000 USD/month"]}),
        ({"max_budget": 2, "budget_duration": "24h"}, {"money": ["2.000000000 USD/day"]}),
        ({"max_budget": 10, "spend": 4}, {"money": ["6.000000000 USD"]}),
        ({"max_budget": 10, "budget_duration": "10d"}, {"money": ["30.437500000 USD/month"]}),
        ({"max_budget": None, "rpm_limit": ""}, None),
    ],
)
def test_limits(row: dict[str, Any], limits: dict[str, Any] | None) -> None:
    found = key_of(**row).limits
    assert found == limits
    if found is not None:
        assert stated_bounds(found)[1] == []


@pytest.mark.parametrize(
    ("stated", "expires"),
    [
        (None, None),
        (datetime(2030, 1, 1, 0, 0, 0), datetime(2030, 1, 1, tzinfo=UTC).timestamp()),  # noqa: DTZ001
        ("2030-01-01 00:00:00", datetime(2030, 1, 1, tzinfo=UTC).timestamp()),
        ("2030-01-01T01:00:00+01:00", datetime(2030, 1, 1, tzinfo=UTC).timestamp()),
    ],
)
def test_an_expiry_without_a_zone_is_in_utc(stated: Any, expires: float | None) -> None:
    assert key_of(expires=stated).expires == expires


@pytest.mark.parametrize(("stated", "disabled"), [(True, True), ("t", True), (False, False), (None, False)])
def test_a_blocked_key_is_disabled(stated: Any, disabled: bool) -> None:
    assert key_of(blocked=stated).disabled is disabled


def test_names_are_unique() -> None:
    rows = [{"token": TOKEN, "key_alias": "a"}, {"token": "cd" * 32, "key_alias": "a"}, {"token": "ef" * 32}]
    names = [row.name for row in ours(Theirs(rows), ("a",)).rows]
    assert names == ["a-2", "a-3", "litellm-efefefef"]


def test_limits_of_a_shared_budget_count_unless_the_key_has_its_own() -> None:
    theirs = Theirs(
        keys=[{"token": TOKEN, "budget_id": "b", "rpm_limit": 5}],
        budgets=[{"budget_id": "b", "max_budget": 3.0, "budget_duration": "7d", "rpm_limit": 99}],
    )
    (made,) = ours(theirs).rows
    assert made.entry.limits == {"requests": ["5/min"], "money": ["3.000000000 USD/week"]}


def test_what_is_lost_is_told() -> None:
    theirs = Theirs([{"token": "sk-plain", "key_name": "x"}, {"token": TOKEN, "aliases": {"a": "b"}}])
    found = ours(theirs)
    assert [row.name for row in found.rows] == ["litellm-abababab"]
    assert found.notes == [
        "a key is not kept as a SHA-256 and was left out: x",
        "key litellm-abababab: not converted: aliases",
    ]
    assert isinstance(found.rows[0], Imported)


@pytest.mark.parametrize(
    ("row", "limits", "note"),
    [
        ({"rpm_limit": -1, "max_budget": 5}, {"requests": ["0/min"], "money": ["5.000000000 USD"]}, None),
        ({"rpm_limit": float("nan"), "max_budget": float("inf")}, None, None),
        ({"tpm_limit": 10**20, "rpm_limit": 2}, {"requests": ["2/min"]}, "a limit of tokens cannot be kept"),
    ],
)
def test_an_odd_limit_takes_no_other_with_it(row: dict[str, Any], limits: Any, note: str | None) -> None:
    found = ours(Theirs([{"token": TOKEN, **row}]))
    assert found.rows[0].entry.limits == limits
    assert stated_bounds(limits or {})[1] == []
    assert [note in one for one in found.notes if note] == [True] * (note is not None)


def test_an_odd_row_may_not_do_more_than_before() -> None:
    """A team that is missing, an expiry in another form, and models that are no list."""
    missing = ours(Theirs([{"token": TOKEN, "team_id": "gone", "models": ["all-team-models"]}]))
    assert isinstance(missing.rows[0].entry, KeyEntry)
    assert missing.rows[0].entry.team == "gone"
    assert "it is refused" in missing.notes[0]
    unreadable = ours(Theirs([{"token": TOKEN, "expires": 1_700_000_000_000}]))
    assert unreadable.rows[0].entry.disabled
    assert "expiry" in unreadable.notes[0]
    assert key_of(models="gpt-4o, o3").models == ("gpt-4o", "o3")
    assert key_of(team_id="", expires="").team is None


def test_credentials_of_logging_services_are_not_taken_over() -> None:
    """Whoever may look at keys sees their metadata."""
    variables = {"langfuse_secret_key": "sk-lf-1"}
    stated = {"logging": [{"callback_name": "langfuse", "callback_vars": variables}], "owner": "ann"}
    found = ours(Theirs([{"token": TOKEN, "metadata": stated}]))
    assert found.rows[0].entry.metadata == {"owner": "ann"}
    assert "metadata.logging" in found.notes[0]
    assert "sk-lf" not in repr(found)
