"""Names of models as Ollama's clients write them: with a tag, and in any capitals."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dragoman.accounts.caller import Caller, Permits
from dragoman.accounts.grants import Grants
from dragoman.errors import RequestFailed
from dragoman.routing.route import Provider
from dragoman.routing.table import Table
from dragoman.server.ollama.naming import find_granted, missing, new, tagged, untagged
from tests.unit.server.admin.office import CHAT, SETTINGS, started


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("llama", "llama:latest"),
        ("llama:8b", "llama:8b"),
        ("team/llama", "team/llama:latest"),
        ("host:1/llama", "host:1/llama:latest"),
    ],
)
def test_a_name_without_a_tag_gets_one_and_loses_it_again(name: str, shown: str) -> None:
    assert tagged(name) == shown
    assert untagged(shown) == name


def test_the_tag_may_be_in_capitals() -> None:
    assert untagged("Llama:LATEST") == "Llama"


def test_a_new_name_is_stored_without_its_tag() -> None:
    assert new("my/model:latest") == "my/model"


@pytest.mark.parametrize("stated", ["", "a b", "/a", "a//b", "a:b:c", "größe", "a" * 129])
def test_an_invalid_new_name_is_refused(stated: str) -> None:
    with pytest.raises(RequestFailed, match="invalid model name"):
        new(stated)


def test_a_missing_model_is_told_in_ollamas_words_and_within_bounds() -> None:
    assert missing("m").message == "model 'm' not found"
    assert len(missing("m" * 10_000).message) < 200


async def test_a_default_model_of_one_tenant_is_none_for_others(tmp_path: Path) -> None:
    ann, bob = "the-key-of-ann-0123", "the-key-of-bob-0123"
    more: dict[str, Any] = {
        "auth": {"keys": [{"name": "a", "key": ann, "tenant": "acme"}, {"name": "b", "key": bob}]},
        "aliases": {"plan": {"route": "fast", "tenant": "acme"}},
        "tenants": {"acme": {}},
        "stores": {"sql": "memory"},
        "default_model": "plan",
    }
    office = started(tmp_path, {**SETTINGS, **more})
    await office.gateway.start()
    for path in ("/v1/chat/completions", "/api/chat"):
        answers = [await office.ask("POST", path, {**CHAT, "model": ""}, key=key) for key in (ann, bob)]
        assert [one.status for one in answers] == [200, 400]
        assert b"plan" not in answers[1].data
    await office.gateway.close()


def test_a_model_is_missing_for_a_key_that_may_call_none_of_its_providers() -> None:
    named = Table.build([Provider("one", "one"), Provider("two", "two")])
    running = SimpleNamespace(serves=lambda *_: True)
    gateway = cast("Any", SimpleNamespace(engine=SimpleNamespace(table=named), assembly=running))
    may = Permits(providers=Grants(["one"]))
    assert find_granted(gateway, Caller("ann", may=may), "one/gpt").asked == "one/gpt"
    for caller in (Caller("ann", may=may), Caller("bob", Grants(["one/*"]))):
        with pytest.raises(RequestFailed, match="not found"):
            find_granted(gateway, caller, "two/gpt")
