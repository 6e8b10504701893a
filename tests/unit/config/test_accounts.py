"""A key of the configuration, by itself or by its hash."""

from __future__ import annotations

from collections.abc import Callable

from dragoman.accounts.caller import Caller
from dragoman.accounts.keys import unnamed
from dragoman.accounts.minting import digest
from dragoman.assembly.keys import client_keys_of
from dragoman.config.accounts import ClientKey
from dragoman.config.load import Loaded
from dragoman.seams.clock import SYSTEM
from dragoman.seams.secret import Secret

THEIRS = "sk-a-key-of-litellms-clients"


def test_the_name_of_a_client() -> None:
    assert ClientKey(key=Secret("k"), name="ann").client == "ann"
    assert ClientKey(key=Secret("k")).client == unnamed("k")


def test_a_key_is_known_by_its_hash(loaded: Callable[..., Loaded]) -> None:
    stated = digest(THEIRS).hex()
    text = f"""
providers: {{far: {{dialect: openai_chat, base_url: "http://127.0.0.1:9", keys: [], region: eu}}}}
tenants: {{acme: {{regions: [eu], limits: [{{requests: 60/min}}, {{tokens: 5/min, soft: true}}]}}}}
auth: {{keys: [{{name: ci, hash: {stated}, tenant: acme, limits: {{money: 5 USD/day}}}}]}}
"""
    config = loaded(text).config
    caller = client_keys_of(config, SYSTEM).authenticate({"authorization": f"Bearer {THEIRS}"})
    assert isinstance(caller, Caller)
    assert (caller.name, caller.tenant, caller.may.regions) == ("ci", "acme", frozenset({"eu"}))
    assert [(one.name, one.resource, one.subject) for one in caller.limits] == [
        ("tenant acme", "requests", "tenant"),
        ("tenant acme", "tokens", "tenant"),
        ("key ci", "money", "key"),
    ]
    assert caller.may.providers is not None
    assert "far" in caller.may.providers
    assert stated not in repr(caller)
    assert stated not in repr(config)
    assert str(config.auth.keys[0].hash) == f"…{stated[-4:]}"


def test_the_digest_of_a_key() -> None:
    stated = digest(THEIRS)
    assert ClientKey(key=Secret(THEIRS)).digest == ClientKey(hash=Secret(stated.hex())).digest == stated
    assert ClientKey(hash=Secret("no hash")).digest is ClientKey().digest is None
