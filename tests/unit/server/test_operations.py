"""Operations beside chat on OpenAI's and Cohere's paths, with and without their version."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.turns.asking import Asker

TEXT = {"model": "simulate/echo", "input": "a"}
RANKED = {"model": "simulate/echo", "query": "a", "documents": ["b", "a"]}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/embeddings", TEXT),
        ("/v1/embeddings", TEXT),
        ("/v1/engines/simulate/echo/embeddings", {"input": "a"}),
        ("/v1/moderations", TEXT),
        ("/rerank", RANKED),
        ("/v1/rerank", RANKED),
        ("/v2/rerank", RANKED),
    ],
)
async def test_an_operation_is_answered_at_all_its_paths(house: Asker, path: str, body: Any) -> None:
    answer = await house.ask("POST", path, body)
    assert answer.status == 200
    assert len(answer.body.get("data") or answer.body["results"]) >= 1


async def test_an_upstream_without_the_operation_is_a_fault_of_the_request(house: Asker) -> None:
    answer = await house.ask("POST", "/v1/embeddings", {"model": "own/m", "input": "a"})
    assert 400 <= answer.status < 500
    assert "embed" in answer.error["message"]
