"""Row 5.3, the chat face: every feature of a chat over every upstream, whole and streamed.

The official client asks the gateway, which asks a strict fake provider, an embedded model or the simulator. A
cell works without loss, or is named in `refusals.toml` with its reason; nothing else passes.
"""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.e2e import stubs
from tests.e2e.conftest import Provide, Visit
from tests.e2e.strict import held
from tests.matrix import permitted
from tests.matrix.features import FEATURES, Feature, holds
from tests.matrix.heard import Heard, streamed, whole
from tests.matrix.page import cell, documented
from tests.matrix.permitted import Done, Outcome, Refused
from tests.matrix.upstreams import BY_NAME, UPSTREAMS, Upstream

CEILING, PERMITTED = permitted.load()
FREE = Done()
CELLS = [
    pytest.param(
        upstream,
        feature,
        id=f"{upstream.name}-{feature.name.replace(' ', '_')}",
        marks=[pytest.mark.local_model] if upstream.name == "local" else [],
    )
    for upstream in UPSTREAMS
    for feature in FEATURES
]


def test_permissions_only_become_fewer() -> None:
    """`ceiling` is lowered with each that goes; each names a cell that exists, and says why."""
    assert len(PERMITTED) == CEILING <= 17
    names = {feature.name for feature in FEATURES}
    for (upstream, feature), permission in PERMITTED.items():
        assert upstream in BY_NAME
        assert feature in names
        assert permission.reason


@pytest.mark.parametrize(("upstream", "feature"), CELLS)
async def test_a_cell(
    visit: Visit, provide: Provide, record_property: Any, update: bool, upstream: Upstream, feature: Feature
) -> None:
    exchanges: list[Any] = []
    config: dict[str, Any] = {"retries": {"attempts": 1}}
    model = upstream.model_for(feature.name)
    provider = None
    if upstream.dialect is not None:
        provider = await provide(held(upstream.dialect, stubs.DIALECTS[upstream.dialect](feature.said)))
        config["providers"] = {model.partition("/")[0]: {"base_url": provider.url, "keys": ["up-key"]}}
    site = await visit(config, observers=[exchanges.append])

    permission = PERMITTED.get((upstream.name, feature.name))
    expected = FREE if permission is None else permission.outcome
    texts: set[str] = set()
    async with AsyncOpenAI(base_url=f"{site.base}/v1", api_key="any", max_retries=0, timeout=60) as client:
        for stream in feature.ways:
            fields = {**upstream.fields, **feature.request(stream=stream)}
            heard = await _asked(client, model=model, **fields)
            assert _outcome(heard, exchanges) == expected, (stream, heard)
            if isinstance(heard, openai.APIStatusError):
                assert provider is None or provider.seen == []
                continue
            feature.check(heard, feature.said if provider else None, stream)
            texts.add(heard.first.text)
            if provider is not None and upstream.dialect is not None:
                holds(provider.last.body, feature.native[upstream.dialect])
    assert len(texts) <= 1 or feature.name != "seed"
    record_property("cell", [upstream.name, feature.name, permitted.written(expected)])
    assert update or documented()[upstream.name, feature.name] == cell(expected)


def _outcome(heard: Heard | openai.APIStatusError, exchanges: list[Any]) -> Outcome:
    if isinstance(heard, openai.APIStatusError):
        return Refused(heard.status_code, heard.code, heard.param)
    lost = [loss for loss in exchanges[-1].losses if loss.direction == "request"]
    return Done({loss.path: loss.severity for loss in lost})


async def _asked(client: AsyncOpenAI, **fields: Any) -> Heard | openai.APIStatusError:
    """What the client heard, or the error that it raised."""
    try:
        told: Any = await client.chat.completions.create(**fields)
        return streamed([chunk async for chunk in told]) if "stream" in fields else whole(told)
    except openai.APIStatusError as error:
        return error
