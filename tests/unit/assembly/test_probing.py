"""Keys are tested with the cheapest request that proves them. All cases: tests/e2e/test_check_live.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from dragoman.assembly.assemble import Assembly, assemble
from dragoman.assembly.probing import Probe
from dragoman.config.load import Loaded
from dragoman.testing.provider import FakeProvider, Seen, Whole

GOOD, BAD = "sk-good-0123456789-good", "sk-bad-0123456789-evil"


def listed(seen: Seen) -> Whole:
    if seen.headers.get("authorization") != f"Bearer {GOOD}":
        return Whole({"error": {"message": f"Wrong: {BAD}", "code": "invalid_api_key"}}, 401)
    return Whole({"object": "list", "data": [{"id": "m-1"}, {"id": "m-2"}]})


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    async with FakeProvider(listed) as started:
        yield started


@pytest.fixture
async def house(
    provider: FakeProvider, loaded: Callable[..., Loaded]
) -> AsyncIterator[tuple[Loaded, Assembly]]:
    row = f"{{base_url: {provider.url}, keys: [{BAD}, {GOOD}]}}"
    found = loaded(f"providers: {{up: {row}, other: {row}}}\nstores: {{sql: memory}}")
    assembly = await assemble(found, {}, ())
    yield found, assembly
    await assembly.close()


async def test_every_key_of_every_provider(house: tuple[Loaded, Assembly]) -> None:
    found, assembly = house
    rows = await Probe(found, assembly.providers, lambda _line: None).run()
    assert [(row.provider, row.key, row.state, row.asked) for row in rows] == [
        ("up", "evil", "refused", "models"),
        ("up", "good", "ok", "models"),
        ("other", "evil", "refused", "models"),
        ("other", "good", "ok", "models"),
    ]
    assert rows[0].message == "Wrong: [redacted]"
    assert rows[1].message == "2 models"


async def test_only_the_keys_that_are_wanted(house: tuple[Loaded, Assembly], provider: FakeProvider) -> None:
    found, assembly = house
    probe = Probe(found, {"up": assembly.providers["up"]}, lambda _line: None)
    rows = await probe.run({"up": [1]})
    assert [(row.provider, row.key, row.state) for row in rows] == [("up", "good", "ok")]
    assert {seen.headers.get("authorization") for seen in provider.seen} == {f"Bearer {GOOD}", None}


async def test_no_pattern_is_asked_as_a_model(loaded: Callable[..., Loaded]) -> None:
    found = loaded("providers: {up: {base_url: 'http://127.0.0.1:9', keys: [k], models: ['gpt-*', a]}}")
    assert Probe(found, {}, lambda _line: None)._model("up") == "a"
