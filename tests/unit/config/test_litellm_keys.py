"""What LiteLLM's keys and teams become, and what is told of what they lose."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from dragoman.config.litellm_keys import AUTHOR, Conversion, Here, Imported, Theirs, converted, digest_of
from dragoman.config.litellm_permits import Names
from dragoman.config.stated import stated_bounds
from dragoman.state.directory import HolderEntry, KeyEntry, RowKind

TOKEN, OTHER = "ab" * 32, "cd" * 32
NOW = 1_000.0
NAMES = Names({"beta"}, {"fast", "gpt-4o", "o3", "a", "b", 'a "b"'})


def ours(theirs: Theirs, here: Here | None = None) -> Conversion:
    return converted(theirs, here or Here(names=NAMES), NOW, lambda: "0" * 24)


def key_of(**row: Any) -> KeyEntry:
    (made,) = ours(Theirs([{"token": TOKEN, **row}])).rows
    assert isinstance(made.entry, KeyEntry)
    return made.entry


def taken(*conversions: Conversion, names: tuple[str, ...] = ()) -> Here:
    """A gateway that has taken over these conversions, and has keys of these names."""
    holders: dict[tuple[RowKind, str], HolderEntry | None] = {}
    keys: dict[str, KeyEntry | None] = dict.fromkeys(names)
    for conversion in conversions:
        for row in conversion.rows:
            if isinstance(row.entry, HolderEntry):
                holders[row.kind, row.name] = row.entry
            else:
                keys[row.name] = row.entry
    return Here(keys, holders, NAMES)


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
    ids = {kind: row.entry.id for (kind, _), row in found.items()}
    assert (key.entry.team_id, key.entry.user_id) == (ids["teams"], ids["users"])
    team = found["teams", "research"].entry
    assert isinstance(team, HolderEntry)
    assert (team.tenant_id, team.metadata) == (ids["tenants"], {"litellm_id": "t"})


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
    rows += [{"token": "01" * 32, "key_alias": "anyone"}, {"token": "02" * 32, "key_alias": "uid 0"}]
    names = [row.name for row in ours(Theirs(rows), taken(names=("a",))).rows]
    assert names == ["litellm anyone", "litellm uid 0", "a-2", "a-3", "litellm-efefefef"]


def test_limits_of_a_shared_budget_count_unless_the_key_has_its_own() -> None:
    theirs = Theirs(
        keys=[{"token": TOKEN, "budget_id": "b", "rpm_limit": 5}],
        budgets=[{"budget_id": "b", "max_budget": 3.0, "budget_duration": "7d", "rpm_limit": 99}],
    )
    (made,) = ours(theirs).rows
    assert made.entry.limits == {"requests": ["5/min"], "money": ["3.000000000 USD/week"]}


def test_what_is_lost_is_told() -> None:
    theirs = Theirs(
        [{"token": "plain", "key_name": "x"}, {"token": TOKEN, "aliases": {"a": "b"}, "project_id": "p"}],
        end_users=[
            {"user_id": "c1", "budget_id": "b"},
            {"user_id": "c2", "blocked": True},
            {"user_id": "c3"},
        ],
        tags=[{"tag_name": "t1", "budget_id": "b"}, {"tag_name": "t2"}],
    )
    found = ours(theirs)
    assert [row.name for row in found.rows] == ["litellm-abababab"]
    assert found.notes == [
        "key litellm-abababab: not converted: aliases, project_id",
        "keys that are not kept as a SHA-256 were left out: x",
        "end users with a budget, or blocked, are not taken over (limits with scope: end_user): c1, c2",
        "tags with a budget are not taken over (limits with scope: tag): t1",
    ]
    assert isinstance(found.rows[0], Imported)


def test_aliases_of_a_team_and_required_parameters_are_told() -> None:
    team = {"team_id": "t", "model_id": 5, "metadata": {"enforced_params": ["user"]}}
    assert ours(Theirs([], [team])).notes == ["team t: not converted: enforced_params, aliases"]


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
    team, key = missing.rows
    assert (team.kind, team.name, team.entry.disabled) == ("teams", "gone", True)
    assert isinstance(key.entry, KeyEntry)
    assert isinstance(team.entry, HolderEntry)
    assert (key.entry.team, key.entry.team_id) == ("gone", team.entry.id)
    assert missing.notes == ["the team gone is not in the tables: it is made, and disabled with its keys"]
    unreadable = ours(Theirs([{"token": TOKEN, "expires": 1_700_000_000_000}]))
    assert unreadable.rows[0].entry.disabled
    assert "expiry" in unreadable.notes[0]
    assert key_of(models="gpt-4o, o3").models == ("gpt-4o", "o3")
    assert key_of(team_id="", expires="").team is None


def test_without_its_organisation_a_key_or_a_team_may_not_do_more() -> None:
    theirs = Theirs(
        [{"token": TOKEN, "organization_id": "gone"}], [{"team_id": "t", "organization_id": "gone"}]
    )
    conversion = ours(theirs)
    tenant, team, key = (row.entry for row in conversion.rows)
    assert (tenant.disabled, team.tenant, key.tenant) == (True, "gone", "gone")
    assert conversion.notes == [
        "the tenant gone is not in the tables: it is made, and disabled with its keys"
    ]


def test_credentials_of_logging_services_are_not_taken_over() -> None:
    """Whoever may look at keys sees their metadata."""
    variables = {"langfuse_secret_key": "sk-lf-1"}
    stated = {"logging": [{"callback_name": "langfuse", "callback_vars": variables}], "owner": "ann"}
    found = ours(Theirs([{"token": TOKEN, "metadata": stated}]))
    assert found.rows[0].entry.metadata == {"owner": "ann"}
    assert "metadata.logging" in found.notes[0]
    assert "sk-lf" not in repr(found)


def test_a_key_that_an_old_version_has_kept_as_it_is() -> None:
    assert digest_of({"token": "sk-plain"}) == hashlib.sha256(b"sk-plain").digest()
    assert digest_of({"token": TOKEN}) == bytes.fromhex(TOKEN)
    assert digest_of({"token": "other"}) is digest_of({}) is None


def test_sessions_of_their_pages_are_no_keys() -> None:
    found = ours(Theirs([{"token": TOKEN, "team_id": "litellm-dashboard"}]))
    assert (found.rows, found.notes) == ([], ["sessions of LiteLLM's own pages were left out: abababab"])


def test_a_key_for_administration_alone_asks_no_model() -> None:
    """LiteLLM's keys of this type may call no model."""
    found = ours(Theirs([{"token": TOKEN, "allowed_routes": ["management_routes"]}]))
    assert found.rows[0].entry.disabled
    assert "it may call no models: management_routes" in found.notes[0]
    narrow = key_of(allowed_routes="{/v1/embeddings}")
    assert (narrow.operations, narrow.disabled) == (("embed",), False)
    assert key_of(allowed_routes=["llm_api_routes"]).operations is None


def test_settings_in_metadata() -> None:
    found = key_of(metadata='{"tags": ["prod"], "model_rpm_limit": {"fast": 2}, "of": "ann"}')
    assert (found.tags, found.metadata) == (("prod",), {"of": "ann"})
    assert found.limits == {"requests": ["2/min"], "models": ["fast"]}


def test_grants_that_mean_nothing_here_are_told() -> None:
    found = ours(Theirs([{"token": TOKEN, "models": ["fast", "beta", "slow", "openai/*"]}]))
    assert found.rows[0].entry.models == ("fast", "group:beta", "slow", "openai/*")
    assert found.notes == [
        "may be used once the configuration here has such models, or groups of them: slow",
    ]


@pytest.mark.parametrize(
    ("user", "kept"),
    [
        ({"models": ["no-default-models"]}, False),
        ({"max_budget": 5}, False),
        ({"organization_id": "o2"}, False),
        ({"rpm_limit": 5}, True),
        ({}, True),
    ],
)
def test_a_users_models_and_budget_do_not_count_in_a_team(user: dict[str, Any], kept: bool) -> None:
    """As in LiteLLM. The key of a team would be refused for everything, if its user may use no model."""
    theirs = Theirs(
        keys=[
            {"token": TOKEN, "key_alias": "of-team", "team_id": "t", "user_id": "u"},
            {"token": OTHER, "key_alias": "own", "user_id": "u"},
        ],
        teams=[{"team_id": "t", "organization_id": "o1"}],
        users=[{"user_id": "u", **user}],
        organizations=[{"organization_id": "o1"}, {"organization_id": "o2"}],
    )
    found = ours(theirs)
    of_team, own = [row.entry for row in found.rows if row.kind == "keys"]
    assert isinstance(of_team, KeyEntry)
    assert isinstance(own, KeyEntry)
    assert (of_team.team, of_team.user, own.user) == ("t", "u" if kept else None, "u")
    assert [note.startswith("keys ") for note in found.notes] == ([] if kept else [True])


def test_the_budget_of_a_member_belongs_to_its_only_key() -> None:
    theirs = Theirs(
        keys=[{"token": TOKEN, "team_id": "t", "user_id": "u", "rpm_limit": 5}],
        teams=[{"team_id": "t"}],
        users=[{"user_id": "u", "max_budget": 9}],
        budgets=[{"budget_id": "b", "max_budget": 3, "budget_duration": "1d"}],
        memberships=[{"user_id": "u", "team_id": "t", "budget_id": "b"}],
    )
    key = ours(theirs).rows[-1].entry
    assert key.limits == [{"requests": ["5/min"]}, {"money": ["3.000000000 USD/day"]}]
    assert stated_bounds(key.limits)[1] == []
    two = ours(theirs._replace(keys=[*theirs.keys, {**theirs.keys[0], "token": OTHER}]))
    assert [row.entry.limits for row in two.rows[-2:]] == [{"requests": ["5/min"]}] * 2
    assert sum("the limits of a member with several keys" in note for note in two.notes) == 2


def test_what_a_member_has_spent_of_a_budget_for_all_time_is_gone() -> None:
    theirs = Theirs(
        [{"token": TOKEN, "user_id": "u", "team_id": "t"}],
        [{"team_id": "t"}],
        [{"user_id": "u"}],
        budgets=[{"budget_id": "b", "max_budget": 5}],
        memberships=[{"user_id": "u", "team_id": "t", "budget_id": "b", "spend": 4.0}],
    )
    (key,) = [row.entry for row in ours(theirs).rows if isinstance(row.entry, KeyEntry)]
    assert key.limits == {"money": ["1.000000000 USD"]}


def test_an_empty_member_of_a_key_hides_nothing_of_its_shared_budget() -> None:
    budget = {"budget_id": "b", "model_max_budget": {"a": 5}}
    key = {"token": TOKEN, "budget_id": "b", "model_max_budget": {}}
    (made,) = ours(Theirs([key], budgets=[budget])).rows
    assert made.entry.limits == {"money": ["5.000000000 USD"], "models": ["a"]}


def test_a_budget_that_a_dump_does_not_have_is_told() -> None:
    member = {"user_id": "u", "team_id": "t", "budget_id": "gone"}
    theirs = Theirs(
        [{"token": TOKEN, "key_alias": "ann", "budget_id": "lost", "user_id": "u", "team_id": "t"}],
        [{"team_id": "t"}],
        [{"user_id": "u"}],
        memberships=[member],
    )
    told = [note for note in ours(theirs).notes if "budget is not in the tables" in note]
    assert [note.partition(":")[0] for note in told] == ["key ann", "key ann, within its team"]


def test_limits_of_a_user_who_stays_behind_are_told() -> None:
    user = {"user_id": "u", "max_budget": 5, "rpm_limit": 3}
    theirs = Theirs([{"token": TOKEN, "user_id": "u", "team_id": "t"}], [{"team_id": "t"}], [user])
    assert [note for note in ours(theirs).notes if "limits on requests" in note]
    poor = theirs._replace(users=[{**user, "rpm_limit": None}])
    assert not [note for note in ours(poor).notes if "limits on requests" in note]


def test_paths_that_pass_through_are_granted_together_and_that_is_told() -> None:
    conversion = ours(Theirs([{"token": TOKEN, "key_alias": "ann", "allowed_routes": ["/v1/batches"]}]))
    assert conversion.rows[0].entry.operations == ("pass_through",)
    assert [note for note in conversion.notes if note.endswith("(pass_through): ann")]


def test_a_user_that_a_dump_does_not_have_is_told() -> None:
    found = ours(
        Theirs([{"token": TOKEN, "key_alias": "k", "user_id": "u"}, {"token": OTHER, "user_id": ""}])
    )
    assert [row.kind for row in found.rows] == ["keys", "keys"]
    (note,) = found.notes
    assert note.startswith("keys come without their user, who is not in the tables")
    assert note.endswith(": k")


def test_keys_of_administrators_lose_their_rights_aloud() -> None:
    theirs = Theirs([{"token": TOKEN, "user_id": "u"}], users=[{"user_id": "u", "user_role": "proxy_admin"}])
    found = ours(theirs)
    assert isinstance(found.rows[-1].entry, KeyEntry)
    assert found.rows[-1].entry.scopes == ("inference",)
    assert "scope inference alone" in found.notes[0]


TWO = Theirs(
    keys=[{"token": TOKEN, "key_alias": "k", "team_id": "t2"}],
    teams=[{"team_id": "t2", "team_alias": "ops"}, {"team_id": "t1", "team_alias": "ops", "models": ["a"]}],
)


def test_another_import_finds_what_the_first_has_made() -> None:
    """Two teams have the same alias, and the tables have no order."""
    first = ours(TWO)
    assert [(row.kind, row.name) for row in first.rows] == [
        ("teams", "ops"),
        ("teams", "ops-2"),
        ("keys", "k"),
    ]
    later = TWO._replace(
        keys=[{"token": OTHER, "team_id": "t2"}, {"token": "ef" * 32, "team_id": "t0"}],
        teams=[*reversed(TWO.teams), {"team_id": "t0", "team_alias": "ops"}],
    )
    second = ours(later, taken(first))
    assert [(row.kind, row.name) for row in second.rows[:1]] == [("teams", "ops-3")]
    teams = [row.entry.team for row in second.rows[1:] if isinstance(row.entry, KeyEntry)]
    assert teams == ["ops-2", "ops-3"]
    assert second.notes == []


def test_what_is_here_already_stays() -> None:
    mine = HolderEntry(id="1" * 24, created=1.0, created_by="ops", models=("b",))
    declared: RowKind = "teams"
    here = Here({}, {("teams", "ops"): mine, (declared, "lab"): None}, NAMES)
    theirs = Theirs(
        keys=[{"token": TOKEN, "team_id": "t1"}, {"token": OTHER, "team_id": "t2"}],
        teams=[{"team_id": "t1", "team_alias": "ops"}, {"team_id": "t2", "team_alias": "lab"}],
    )
    found = ours(theirs, here)
    first, second = [row.entry for row in found.rows]
    assert isinstance(first, KeyEntry)
    assert isinstance(second, KeyEntry)
    assert (first.team, first.team_id, second.team, second.team_id) == ("ops", "1" * 24, "lab", None)
    assert found.notes == ["teams that are here already stay as they are, and get their keys: ops, lab"]


def test_a_key_that_was_rotated_here_does_not_come_back() -> None:
    """Its old hash is not known here any more. With it the old key would be valid again."""
    earlier = KeyEntry(id="key_1", shown="…", created=1.0, created_by=AUTHOR, rotated=2.0)
    theirs = Theirs([{"token": TOKEN, "key_alias": "ci"}])
    found = ours(theirs, Here({"ci": earlier}))
    assert (found.rows, found.notes) == ([], ["keys that were rotated here keep their new key: ci"])
    own = msgspec.structs.replace(earlier, created_by="ops")
    assert [row.name for row in ours(theirs, Here({"ci": own})).rows] == ["ci-2"]
