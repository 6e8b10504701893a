"""Requests that clients really sent, through a running gateway to strict providers of every other dialect.

Each is answered, or refused before anything is sent with a place in it; the gateway itself never fails, and
the provider never refuses what it is sent. Whatever the protocol can say and another one cannot is a loss.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.testing import corpus
from tests.conftest import RECORDED
from tests.e2e.generate_content.conftest import Opened
from tests.e2e.responses.speaking import DIALECTS
from tests.e2e.strict import JUDGES, held
from tests.e2e.stubs import Said

OTHERS = [name for name in DIALECTS if name != "gemini"]
CASES = Path(__file__).parents[2] / "cases"
NOT_ELSEWHERE = ("safetySettings", "cachedContent", "labels")
"""What no other protocol can say."""
APIS = ("gemini.generateContent", "gemini.streamGenerateContent")


def recorded(folder: Path) -> Iterator[tuple[str, bool, dict[str, Any]]]:
    """Id, whether it is a stream, and body of every request that the provider took."""
    for exchange in corpus.read(folder, *APIS):
        request, response = exchange.request, exchange.response
        if request is None or not isinstance(request.body, dict):
            continue
        if response is None or response.status < 400:
            yield exchange.id, exchange.api == APIS[1], request.body


async def hold(opened: Opened, dialect: str, folder: Path) -> dict[str, str]:
    """What became of each request, where that is not what may."""
    said = Said("Good.")
    script = DIALECTS[dialect](said)
    gate = await opened(dialect, held(dialect, script) if dialect in JUDGES else script)
    odd: dict[str, str] = {}
    count = 0
    for id_, stream, body in recorded(folder):
        count += 1
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        where = f"{gate.site.base}/v1beta/models/{gate.models.text}:{method}"
        before = len(gate.provider.seen)
        async with gate.site.session.post(where, json=body) as answer:
            raw = await answer.read()
        if answer.status == 400 and '"modalities[' in raw.decode():
            continue  # compatible servers draw pictures in the chat protocol; OpenAI itself says no
        if answer.status != 200 and (answer.status != 400 or len(gate.provider.seen) > before):
            odd[id_] = f"{answer.status}: {raw.decode()[:400]}"
        elif answer.status == 400 and "fieldViolations" not in raw.decode():
            odd[id_] = f"no place: {raw.decode()[:400]}"
        elif answer.status == 200:
            lost = json.dumps([loss.path for loss in gate.exchanges[-1].losses])
            if missing := [name for name in NOT_ELSEWHERE if name in body and name not in lost]:
                odd[id_] = f"{missing} were lost in silence: {lost}"
    assert count
    return odd


@pytest.mark.parametrize("dialect", OTHERS)
async def test_our_own_cases(opened: Opened, dialect: str) -> None:
    assert await hold(opened, dialect, CASES / "gemini") == {}


@pytest.mark.wire
@pytest.mark.parametrize("dialect", OTHERS)
async def test_recorded_requests(opened: Opened, dialect: str) -> None:
    assert await hold(opened, dialect, RECORDED) == {}
