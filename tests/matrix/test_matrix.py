"""Row 5.3: every feature of every face over every upstream, whole, streamed and over a WebSocket.

The official client asks the gateway, which asks a strict fake provider, an embedded model or the simulator. A
cell works without loss, or is named in `refusals.toml` with its reason; nothing else passes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.testing.provider import FakeProvider, Script
from tests.e2e import stubs
from tests.e2e.answers.openai_completions import openai_completions
from tests.e2e.answers.openai_responses import openai_responses
from tests.e2e.answers.said import Said
from tests.e2e.strict import held
from tests.matrix import permitted
from tests.matrix.asked import ASKED, asked
from tests.matrix.conftest import Bench
from tests.matrix.faces import FACES, Face, Fields, Way
from tests.matrix.features import FEATURES, Feature
from tests.matrix.heard import Heard
from tests.matrix.native import holds
from tests.matrix.page import cell, documented
from tests.matrix.permitted import Done, Outcome, Refused
from tests.matrix.upstreams import BY_NAME, UPSTREAMS, Upstream

ANSWERS: dict[str, Callable[[Said], Script]] = {
    **stubs.DIALECTS,
    "openai_responses": openai_responses,
    "openai_completions": openai_completions,
}
PERMITTED = permitted.load()
MOST = {"openai_chat": 31, "openai_responses": 17, "openai_completions": 6}
FREE = Done()
CELLS = [
    pytest.param(
        face,
        upstream,
        feature,
        id="-".join((face.name, upstream.name, feature.name.replace(" ", "_"))),
        marks=[pytest.mark.local_model] if upstream.name == "local" else [],
    )
    for face in FACES
    for upstream in UPSTREAMS
    for feature in FEATURES
    if feature.name in ASKED[face.name]
]


def test_permissions_only_become_fewer() -> None:
    """A ceiling is lowered with each that goes; each names a cell that exists, and says why."""
    for face, ceiling in PERMITTED.ceilings.items():
        assert len([key for key in PERMITTED.cells if key[0] == face]) == ceiling <= MOST[face]
    for (face, upstream, feature), permission in PERMITTED.cells.items():
        assert upstream in BY_NAME
        assert feature in ASKED[face]
        assert permission.reason


def test_what_a_face_cannot_ask_has_a_reason() -> None:
    every = {(face.name, feature.name) for face in FACES for feature in FEATURES}
    possible = {(face, feature) for face, features in ASKED.items() for feature in features}
    assert every - possible == PERMITTED.absent.keys()
    assert all(PERMITTED.absent.values())


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(("face", "upstream", "feature"), CELLS)
async def test_a_cell(
    bench: Bench, record_property: Any, update: bool, face: Face, upstream: Upstream, feature: Feature
) -> None:
    provider = None
    if upstream.dialect is not None:
        provider = bench.providers[upstream.dialect]
        provider.answers = deque([held(upstream.dialect, ANSWERS[upstream.dialect](feature.said))])
    permission = PERMITTED.cells.get((face.name, upstream.name, feature.name))
    expected = FREE if permission is None else permission.outcome
    texts: set[str] = set()
    for way in feature.ways:
        if way not in face.ways or (upstream.limit and way == "socket"):
            continue  # the socket carries what the stream does, and a real model takes its time
        told = await _asked(bench, provider, face, upstream, feature, way)
        assert _outcome(told, bench) == expected, (way, told)
        if isinstance(told, Refused):
            assert provider is None or provider.seen == []
            continue
        told.lost = expected != FREE
        feature.check(told, feature.said if provider else None, way)
        texts.add(told.first.text)
        if provider is not None and upstream.dialect is not None:
            holds(provider.last.body, upstream.dialect, feature.name)
    assert len(texts) <= 1 or feature.name != "seed"
    record_property("cell", [face.name, upstream.name, feature.name, permitted.written(expected)])
    assert update or documented()[face.name, upstream.name, feature.name] == cell(expected)


async def _asked(
    bench: Bench, provider: FakeProvider | None, face: Face, upstream: Upstream, feature: Feature, way: Way
) -> Heard | Refused:
    """What the client heard. Nothing of what went before is left to look at."""
    own: Fields = {"model": upstream.model_for(feature.name)}
    if upstream.limit is not None:
        own[face.limit] = upstream.limit
    if feature.continued:
        before = await face.ways["whole"](bench.client, {**asked(face.name, "text", streamed=False), **own})
        assert isinstance(before, Heard)
        own["previous_response_id"] = before.id
    bench.exchanges.clear()
    if provider is not None:
        provider.seen.clear()
    fields = {**asked(face.name, feature.name, streamed=way != "whole"), **own}
    return await face.ways[way](bench.client, fields)


def _outcome(told: Heard | Refused, bench: Bench) -> Outcome:
    if isinstance(told, Refused):
        return told
    lost = [loss for one in bench.exchanges for loss in one.losses if loss.direction == "request"]
    return Done({loss.path: loss.severity for loss in lost})
