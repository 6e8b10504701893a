"""One cell of the matrix: a feature asked through a face, and what came of it on both sides."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from dragoman.testing.provider import FakeProvider, Script
from tests.e2e import stubs
from tests.e2e.answers.bedrock import bedrock
from tests.e2e.answers.cohere import cohere
from tests.e2e.answers.ollama import ollama
from tests.e2e.answers.openai_completions import openai_completions
from tests.e2e.answers.openai_responses import openai_responses
from tests.e2e.answers.said import Said
from tests.e2e.strict import held
from tests.matrix import permitted
from tests.matrix.asked import Fields
from tests.matrix.conftest import Bench
from tests.matrix.faces.face import Face, Way
from tests.matrix.features import Feature
from tests.matrix.heard import Heard
from tests.matrix.native import holds
from tests.matrix.permitted import FREE, Done, Outcome, Refused
from tests.matrix.upstreams import Upstream

ANSWERS: dict[str, Callable[[Said], Script]] = {
    **stubs.DIALECTS,
    "openai_responses": openai_responses,
    "openai_completions": openai_completions,
    "cohere": lambda said: cohere(said, overhead=0),
    "bedrock": bedrock,
    "ollama": ollama,
}
PERMITTED = permitted.load()
_FORCING = {"tool_choice", "toolConfig", "tool_config"}


async def hold(bench: Bench, client: Any, face: Face, upstream: Upstream, feature: Feature) -> None:
    """Assert that this client of the face gets what the matrix permits, in every way that it has."""
    provider = None
    if upstream.dialect is not None:
        provider = bench.providers[upstream.dialect]
        provider.answers = deque([held(upstream.dialect, ANSWERS[upstream.dialect](feature.said))])
    expected = PERMITTED.outcome((face.name, upstream.name, feature.name))
    texts: set[str] = set()
    freed = feature.name in upstream.unforced
    for way in _ways(face, upstream, feature):
        told = await _asked(bench, client, provider, face, upstream, feature, way)
        outcome = _outcome(told, bench)
        assert outcome == expected, (way, outcome, told)
        if isinstance(told, Refused):
            assert provider is None or provider.seen == []
            continue
        told.lost, told.free = expected != FREE, "tools" in face.means
        feature.check(told, feature.said if provider else None, way)
        texts.add(told.first.text)
        if provider is not None and upstream.dialect is not None:
            means = face.means.get(feature.name, feature.name)
            holds(provider.last.body, upstream.dialect, "offered tools" if freed else means)
    assert len(texts) <= 1 or feature.name != "seed"


def _ways(face: Face, upstream: Upstream, feature: Feature) -> list[Way]:
    """A real model takes its time: it is asked in one."""
    ways: list[Way] = [way for way in feature.ways if way in face.ways]
    if upstream.limit is None:
        return ways
    one: Way = "whole" if feature.name in {"parallel tools", "JSON schema"} else "streamed"
    return [one] if one in ways else ways[:1]


async def _asked(
    bench: Bench,
    client: Any,
    provider: FakeProvider | None,
    face: Face,
    upstream: Upstream,
    feature: Feature,
    way: Way,
) -> Heard | Refused:
    """What the client heard. Nothing of what went before is left to look at."""
    model, most = upstream.model_for(feature.name), upstream.limit_for(feature.name)
    own: Fields = {}
    if feature.continued:
        before = await face.ways["whole"](client, face.asked("text", model, "whole", most))
        assert isinstance(before, Heard)
        own["previous_response_id"] = before.id
    await bench.settled()
    bench.exchanges.clear()
    if provider is not None:
        provider.seen.clear()
    fields = {**face.asked(feature.name, model, way, most), **own}
    told = await face.ways[way](client, free(fields) if feature.name in upstream.unforced else fields)
    await bench.settled()
    return told


def free(fields: Fields) -> Fields:
    """The same request to a model that is free not to call anything."""
    if isinstance(config := fields.get("config"), dict):
        return {**fields, "config": free(config)}
    return {name: value for name, value in fields.items() if name not in _FORCING}


def _outcome(told: Heard | Refused, bench: Bench) -> Outcome:
    if isinstance(told, Refused):
        return told
    lost = [loss for one in bench.exchanges for loss in one.losses if loss.direction == "request"]
    return Done({loss.path: loss.severity for loss in lost})
