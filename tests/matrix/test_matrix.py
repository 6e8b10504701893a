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
from tests.e2e.answers.ollama import ollama
from tests.e2e.answers.openai_completions import openai_completions
from tests.e2e.answers.openai_responses import openai_responses
from tests.e2e.answers.said import Said
from tests.e2e.strict import held
from tests.matrix import page, permitted
from tests.matrix.asked import Fields
from tests.matrix.conftest import Bench
from tests.matrix.faces import FACES
from tests.matrix.faces.face import Face, Way
from tests.matrix.features import FEATURES, Feature
from tests.matrix.heard import Heard
from tests.matrix.native import holds
from tests.matrix.permitted import FREE, Done, Outcome, Refused
from tests.matrix.upstreams import UPSTREAMS, Upstream

ANSWERS: dict[str, Callable[[Said], Script]] = {
    **stubs.DIALECTS,
    "openai_responses": openai_responses,
    "openai_completions": openai_completions,
    "ollama": ollama,
}
PERMITTED = permitted.load()
MOST = {
    "openai_chat": 36,
    "openai_responses": 16,
    "openai_completions": 7,
    "anthropic": 10,
    "gemini": 35,
    "ollama": 11,
}
CELLS = [
    pytest.param(
        *place,
        id="-".join(place).replace(" ", "_"),
        marks=[pytest.mark.local_model] if place[1] == "local" else [],
    )
    for place in page.cells()
]
_FACES = {face.name: face for face in FACES}
_UPSTREAMS = {upstream.name: upstream for upstream in UPSTREAMS}
_FEATURES = {feature.name: feature for feature in FEATURES}


def test_permissions_only_become_fewer() -> None:
    """A ceiling is lowered with each that goes; each names a cell that exists, and says why."""
    for face, ceiling in PERMITTED.ceilings.items():
        assert len([key for key in PERMITTED.cells if key[0] == face]) == ceiling <= MOST[face]
    assert PERMITTED.cells.keys() <= set(page.cells())
    assert all(permission.reason for permission in PERMITTED.cells.values())


def test_what_a_face_cannot_ask_has_a_reason() -> None:
    every = {(face.name, feature.name) for face in FACES for feature in FEATURES}
    possible = {(face, feature) for face in _FACES for feature in _FACES[face].fields}
    assert every - possible == PERMITTED.absent.keys()
    assert all(PERMITTED.absent.values())


def test_the_page_is_as_the_cells_are() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.render(PERMITTED), "make matrix"


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(("asks", "answers", "what"), CELLS)
async def test_a_cell(bench: Bench, record_property: Any, asks: str, answers: str, what: str) -> None:
    face, upstream, feature = _FACES[asks], _UPSTREAMS[answers], _FEATURES[what]
    provider = None
    if upstream.dialect is not None:
        provider = bench.providers[upstream.dialect]
        provider.answers = deque([held(upstream.dialect, ANSWERS[upstream.dialect](feature.said))])
    expected = PERMITTED.outcome((asks, answers, what))
    texts: set[str] = set()
    for way in _ways(face, upstream, feature):
        told = await _asked(bench, provider, face, upstream, feature, way)
        outcome = _outcome(told, bench)
        assert outcome == expected, (way, outcome, told)
        if isinstance(told, Refused):
            assert provider is None or provider.seen == []
            continue
        told.lost, told.free = expected != FREE, "tools" in face.means
        feature.check(told, feature.said if provider else None, way)
        texts.add(told.first.text)
        if provider is not None and upstream.dialect is not None:
            holds(provider.last.body, upstream.dialect, face.means.get(feature.name, feature.name))
    assert len(texts) <= 1 or feature.name != "seed"
    record_property("cell", (asks, answers, what))


def _ways(face: Face, upstream: Upstream, feature: Feature) -> list[Way]:
    """A real model takes its time: it is asked in one."""
    ways: list[Way] = [way for way in feature.ways if way in face.ways]
    if upstream.limit is None:
        return ways
    one: Way = "whole" if feature.name in {"parallel tools", "JSON schema"} else "streamed"
    return [one] if one in ways else ways[:1]


async def _asked(
    bench: Bench, provider: FakeProvider | None, face: Face, upstream: Upstream, feature: Feature, way: Way
) -> Heard | Refused:
    """What the client heard. Nothing of what went before is left to look at."""
    client, ask = bench.clients[face.name], face.ways[way]
    model, most = upstream.model_for(feature.name), upstream.limit_for(feature.name)
    own: Fields = {}
    if feature.continued:
        before = await face.ways["whole"](client, face.asked("text", model, "whole", most))
        assert isinstance(before, Heard)
        own["previous_response_id"] = before.id
    bench.exchanges.clear()
    if provider is not None:
        provider.seen.clear()
    return await ask(client, {**face.asked(feature.name, model, way, most), **own})


def _outcome(told: Heard | Refused, bench: Bench) -> Outcome:
    if isinstance(told, Refused):
        return told
    lost = [loss for one in bench.exchanges for loss in one.losses if loss.direction == "request"]
    return Done({loss.path: loss.severity for loss in lost})
