"""Row 5.3: every feature of every face over every upstream, whole, streamed and over a WebSocket.

The official client asks the gateway, which asks a strict fake provider, an embedded model or the simulator. A
cell works without loss, or is named in `refusals.toml` with its reason; nothing else passes.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.matrix import page
from tests.matrix.cell import PERMITTED, hold
from tests.matrix.conftest import Bench
from tests.matrix.faces import FACES
from tests.matrix.features import FEATURES
from tests.matrix.upstreams import UPSTREAMS

MOST = {
    "openai_chat": 46,
    "openai_responses": 20,
    "openai_completions": 12,
    "anthropic": 10,
    "gemini": 46,
    "ollama": 14,
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
    await hold(bench, bench.clients[asks], _FACES[asks], _UPSTREAMS[answers], _FEATURES[what])
    record_property("cell", (asks, answers, what))
