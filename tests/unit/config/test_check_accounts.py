"""Mistakes in keys, tenants, teams, users and groups are named where they are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dragoman.accounts.minting import digest
from dragoman.config.check_accounts import account_misfits, permissions_of
from dragoman.config.load import Loaded
from dragoman.errors import ConfigError

HASH = "ab" * 32
KEY = "key: a-key-of-sixteen-letters"
SAME = digest("a-key-of-sixteen-letters").hex()
OWNED = "tenants: {a: {}, b: {}}\nteams: {t: {tenant: a}}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("auth: {keys: [{name: a}]}", "auth.keys[0]: state either `key` or `hash`"),
        (f"auth: {{keys: [{{name: a, {KEY}, hash: {HASH}}}]}}", "auth.keys[0]: state either `key` or `hash`"),
        ("auth: {keys: [{name: a, hash: sk-1234}]}", "auth.keys[0].hash: expected the SHA-256 of the key"),
        (f"auth: {{keys: [{{hash: {HASH}}}]}}", "auth.keys[0].name: a key that is stated by its hash"),
        (f"auth: {{keys: [{{{KEY}, team: lab}}]}}", "auth.keys[0].team: `teams` has no lab"),
        (f"teams: {{lab: {{}}}}\nauth: {{keys: [{{{KEY}, team: lap}}]}}", "(did you mean lab?)"),
        ("teams: {lab: {tenant: acme}}", "teams.lab.tenant: `tenants` has no acme"),
        (
            f"{OWNED}\nauth: {{keys: [{{{KEY}, team: t, tenant: b}}]}}",
            "auth.keys[0].team: t belongs to the tenant a",
        ),
        (
            f"auth: {{keys: [{{name: a, {KEY}}}, {{name: b, hash: {SAME}}}]}}",
            "auth.keys[1]: the same key is listed twice",
        ),
        (
            f"auth: {{keys: [{{name: a, hash: {HASH}}}, {{name: b, hash: {HASH}}}]}}",
            "auth.keys[1]: the same key is listed twice",
        ),
        ("users: {u: {operations: []}}", "users.u.operations: an empty list allows no request"),
        (f"auth: {{keys: [{{{KEY}, scopes: []}}]}}", "auth.keys[0].scopes: an empty list allows no request"),
        ("tenants: {a: {models: [group:x]}}", "tenants.a.models[0]: `groups` has no x"),
        ("groups: {x: [group:x]}", "groups.x[0]: a group contains names and patterns, no other group"),
        ("server: {keyless_models: [group:x]}", "server.keyless_models[0]: `groups` has no x"),
        ("auth: {encryption_key: short}", "auth.encryption_key: a master key has at least 32 characters"),
        (
            f"auth: {{old_encryption_keys: [{HASH}]}}",
            "auth.old_encryption_keys: there is no `encryption_key`",
        ),
        ("tenants: {a: {limits: {requests: many}}}", "tenants.a.limits"),
        ("teams: {a: {colour: red}}", "teams.a.colour: unknown setting"),
    ],
)
def test_a_mistake_is_named(loaded: Callable[..., Loaded], text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    assert any(problem in str(one) for one in caught.value.problems), caught.value.problems


@pytest.mark.parametrize(
    "text",
    [
        f"teams: {{lab: 7}}\nauth: {{keys: [{{{KEY}, team: lab}}]}}",
        f"tenants: {{acme: {{limits: 7}}}}\nauth: {{keys: [{{{KEY}, tenant: acme}}]}}",
        f'groups: {{quick: {{a: 1}}}}\nauth: {{keys: [{{{KEY}, models: ["group:quick"]}}]}}',
    ],
)
def test_what_could_not_be_read_is_not_missing(loaded: Callable[..., Loaded], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    assert len(caught.value.problems) == 1, caught.value.problems


def test_what_fits_together(loaded: Callable[..., Loaded]) -> None:
    text = f"""
providers: {{simulate: {{enabled: true}}}}
groups: {{quick: [simulate/*]}}
tenants: {{acme: {{models: ["group:quick"], limits: {{requests: 60/min}}}}}}
teams: {{lab: {{tenant: acme}}}}
users: {{ann: {{tenant: acme}}}}
auth: {{keys: [{{name: a, hash: {HASH}, team: lab, user: ann}}]}}
"""
    config = loaded(text).config
    assert list(account_misfits(config)) == []
    assert [path for path, _ in permissions_of(config)] == [
        "auth.keys[0]",
        "tenants.acme",
        "teams.lab",
        "users.ann",
    ]


def test_names_that_permit_nothing_are_warned_of(loaded: Callable[..., Loaded]) -> None:
    text = """
providers: {ollama: {base_url: "http://127.0.0.1:9", region: eu}}
tenants: {acme: {providers: ["*", "oll*", local, simulate], regions: [eu], faces: [anthropic]}}
teams: {lab: {providers: [olama, "x-*"], regions: [eu, us], faces: [cohere]}}
"""
    found = {one.path: one.hint for one in loaded(text).warnings if one.path.startswith(("tenants", "teams"))}
    assert found == {
        "teams.lab.providers[0]": "did you mean ollama?",
        "teams.lab.providers[1]": "valid names: local, ollama, simulate",
        "teams.lab.regions[1]": "valid names: eu",
        "teams.lab.faces[0]": None,
    }
