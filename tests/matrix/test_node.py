"""Rows 3.2, 5.3: the official clients on Node over every upstream, by the same cells as those on Python.

They ask for what their own users come for: words, streams, tools, forms, pictures. What of it may be refused
or lost says `refusals.toml`. Then errors, streams that break off, and the list of models. The embedded model
is not asked: what it says through one client it says through all.
"""

from __future__ import annotations

from collections import deque

import pytest

from tests.e2e.answers.said import Said
from tests.e2e.sent import Sent
from tests.e2e.strict import held, worded
from tests.e2e.strict.typed import Refused as Worded
from tests.matrix.asked import PARIS, ROME
from tests.matrix.cell import ANSWERS, free, hold
from tests.matrix.conftest import Bench
from tests.matrix.features import FEATURES
from tests.matrix.heard import Heard
from tests.matrix.native import holds
from tests.matrix.node import ON_NODE, Program
from tests.matrix.permitted import Refused
from tests.matrix.upstreams import UPSTREAMS, Upstream

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="session")]
ASKED = ("text", "stream", "tools", "parallel tools", "tool results", "image in", "JSON schema")
LISTING = ("openai_chat", "anthropic", "gemini", "ollama")
_FACES = {face.name: face for face in ON_NODE}
_UPSTREAMS = {upstream.name: upstream for upstream in UPSTREAMS if upstream.name != "local"}
_FEATURES = {feature.name: feature for feature in FEATURES if feature.name in ASKED}
CELLS = [
    pytest.param(face, upstream, name, id=f"{face}-{upstream}-{name}".replace(" ", "_"))
    for face in _FACES
    for upstream in _UPSTREAMS
    for name in ASKED
    if name in _FACES[face].fields
]
SHOWN = {400: 400, 401: 502, 429: 429, 500: 502, 503: 503}
"""What the client is shown of a provider's status. A key that is refused is ours, not the client's.

Anthropic's protocol has a status of its own for a provider that has too much to do.
"""
SEAL = "c2VhbA=="
HALF = "Half an answer, "


@pytest.mark.parametrize(("asks", "answers", "what"), CELLS)
async def test_a_cell(bench: Bench, program: Program, asks: str, answers: str, what: str) -> None:
    await hold(bench, program, _FACES[asks], _UPSTREAMS[answers], _FEATURES[what])


@pytest.mark.parametrize("answers", [name for name in _UPSTREAMS if name != "openai_completions"])
@pytest.mark.parametrize("asks", [name for name in _FACES if name != "openai_completions"])
async def test_calls_and_their_results(bench: Bench, program: Program, asks: str, answers: str) -> None:
    """What a client made of an answer goes back, with all that the provider needs of it."""
    face, upstream = _FACES[asks], _UPSTREAMS[answers]
    first, last = Said("", (PARIS, ROME), seal=SEAL), Said("Sunny, at noon.")
    model = _says(bench, upstream, "simulate/tools:2", first, last)
    told = await program.ask(asks, "loop", free(face.asked("tools", model, "whole", None)))
    assert isinstance(told, Heard)
    assert (told.first.finish, told.first.calls) == ("stop", [])
    if upstream.dialect is None:
        return
    assert told.first.text == last.text
    sent = bench.providers[upstream.dialect].last
    assert Sent(upstream.dialect, sent).results == len(first.calls)
    if asks != answers:  # otherwise it is in the client's own form
        holds(sent.body, upstream.dialect, face.means.get("tool results", "tool results"))
    assert (SEAL in sent.raw.decode()) == (answers == "gemini")  # the others seal thoughts alone


@pytest.mark.parametrize("answers", _UPSTREAMS)
@pytest.mark.parametrize("asks", _FACES)
async def test_errors_of_the_provider(bench: Bench, program: Program, asks: str, answers: str) -> None:
    face, upstream = _FACES[asks], _UPSTREAMS[answers]
    overloaded = {503: 529} if asks == "anthropic" and upstream.dialect else {}
    for status, shown in {**SHOWN, **overloaded}.items():
        refusal = Worded("No, for a reason.", code="3000", status=status)
        model = _says(bench, upstream, f"simulate/fail:{status}", refusal)
        for way, ask in face.ways.items():
            told = await ask(program, face.asked("text", model, way, None))
            assert isinstance(told, Refused)
            assert told.status == shown, (status, way)


@pytest.mark.parametrize("answers", _UPSTREAMS)
@pytest.mark.parametrize("asks", _FACES)
async def test_a_stream_that_breaks_off(bench: Bench, program: Program, asks: str, answers: str) -> None:
    """The client gets what there was, and an error: never an end that looks like one."""
    upstream = _UPSTREAMS[answers]
    model = _says(bench, upstream, "simulate/lorem:50+die:5", Said(HALF, die=True))
    before = await program.broken(asks, _FACES[asks].asked("text", model, "streamed", None))
    assert before == HALF if upstream.dialect else before


@pytest.mark.parametrize("asks", _FACES)
async def test_a_model_that_nobody_has(program: Program, asks: str) -> None:
    face = _FACES[asks]
    for ask in face.ways.values():
        told = await ask(program, face.asked("text", "nobody/nothing", "whole", None))
        assert isinstance(told, Refused)
        assert told.status == 404


@pytest.mark.parametrize("answers", _UPSTREAMS)
@pytest.mark.parametrize("asks", LISTING)
async def test_models_are_listed_and_found(program: Program, asks: str, answers: str) -> None:
    told = await program.models(asks, f"over/{answers}")
    assert told.found == f"over/{answers}"
    assert told.found in told.listed
    assert len(set(told.listed)) == len(told.listed)


def _says(bench: Bench, upstream: Upstream, simulated: str, *said: Said | Worded) -> str:
    """Make the provider of this column answer so, in turn; gives the model to ask."""
    if upstream.dialect is None:
        return simulated
    bench.providers[upstream.dialect].answers = deque(
        held(upstream.dialect, ANSWERS[upstream.dialect](one))
        if isinstance(one, Said)
        else worded(upstream.dialect, one)
        for one in said
    )
    return upstream.model
