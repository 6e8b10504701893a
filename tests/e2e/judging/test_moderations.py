"""Row 2.31: judgements over plain HTTP: what is relayed, what is translated, refused and lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.testing.provider import Whole
from dragoman.upstreams.simulate.judging import WORDS
from tests.e2e.judging.conftest import Stage
from tests.e2e.judging.providers import MODERATORS

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPENAI, MISTRAL, SIMULATOR = MODERATORS
TEXTS = ["Good morning to you", "I will kill him"]
PARTS = [
    {"type": "text", "text": "I will kill him"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
]


@pytest.mark.parametrize("model", MODERATORS)
@pytest.mark.parametrize("path", ["/v1/moderations", "/moderations"])
async def test_every_text_is_judged(stage: Stage, model: str, path: str) -> None:
    told = await stage.ask(path, model=model, input=TEXTS)
    assert told.status == 200
    assert told.headers["x-dragoman-losses"] == "0"
    assert [result["flagged"] for result in told.body["results"]] == [False, True]
    for result in told.body["results"]:
        assert result["categories"].keys() == result["category_scores"].keys() == WORDS.keys()
    assert told.body["results"][1]["categories"]["violence"] is True
    assert told.body["model"] == model.partition("/")[2]
    assert told.body["id"]


async def test_a_relay_leaves_bytes_as_they_are(stage: Stage) -> None:
    """Numbers as they were written, unknown members and white space, both ways."""
    raw = (
        b'{ "id": "modr-1", "model":"m", "results": [{"flagged": true,"x": 1.50e-7}], "new": {"b":1, "a":2} }'
    )
    stage.says("openai", Whole(raw, headers={"openai-version": "2020-10-01"}))
    told = await stage.moderate(OPENAI, input=PARTS, vendor={"b": 1, "a": 2})
    assert told.raw == raw
    assert told.headers["openai-version"] == "2020-10-01"
    sent = {"model": "omni-moderation-latest", "input": PARTS, "vendor": {"b": 1, "a": 2}}
    assert stage.providers["openai"].last.body == sent
    assert stage.providers["openai"].last.headers["authorization"] == "Bearer up-key"


async def test_parts_are_one_input(stage: Stage) -> None:
    for model in (OPENAI, SIMULATOR):
        told = await stage.moderate(model, input=PARTS)
        (result,) = told.body["results"]
        assert result["flagged"] is True


async def test_mistral_judges_texts_only(stage: Stage) -> None:
    told = await stage.moderate(MISTRAL, input=PARTS)
    assert told.status == 400
    assert (told.error["param"], told.error["code"]) == ("input[1]", "unsupported_modality")
    assert stage.providers["mistral"].seen == []
    told = await stage.moderate(MISTRAL, {"x-dragoman-report": "1"}, input=[PARTS[0], PARTS[0]])
    assert stage.providers["mistral"].last.body["input"] == ["I will kill him\nI will kill him"]
    (change,) = json.loads(told.headers["x-dragoman-report"])["changes"]
    assert change["path"] == "$.input"


async def test_what_it_cost_is_noted(stage: Stage) -> None:
    await stage.moderate(MISTRAL, input="Hi")
    usage = stage.exchanges[-1].usage
    assert usage is not None
    assert usage.input == 7


async def test_members_of_another_protocol_are_a_loss(stage: Stage) -> None:
    told = await stage.moderate(MISTRAL, {"x-dragoman-report": "1"}, input="Hi", thorough=True)
    (loss,) = json.loads(told.headers["x-dragoman-report"])["losses"]
    assert (loss["path"], loss["severity"]) == ("$.thorough", "hint")
    refused = await stage.moderate(MISTRAL, {"x-dragoman-strict": "all"}, input="Hi", thorough=True)
    assert (refused.status, refused.error["param"]) == (400, "thorough")


async def test_a_request_without_a_model_gets_the_configured_one(stage: Stage) -> None:
    """OpenAI's clients need not name one. For rankings none is configured here."""
    told = await stage.ask("/v1/moderations", input="Hi")
    assert told.status == 200
    assert told.headers["x-dragoman-deployment"] == OPENAI
    assert stage.providers["openai"].last.body == {"model": "omni-moderation-latest", "input": "Hi"}
    told = await stage.ask("/v1/rerank", query="q", documents=["a"])
    assert (told.status, told.error["param"]) == (400, "model")


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "input", "missing_required_parameter"),
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": []}, "input", "empty_array"),
        ({"input": 5}, "input", "invalid_type"),
        ({"input": ["x", 5]}, "input[1]", "invalid_type"),
        ({"input": [5]}, "input[0]", "invalid_type"),
        ({"input": [{}]}, "input[0].type", "missing_required_parameter"),
        ({"input": [{"type": "video_url"}]}, "input[0].type", "invalid_value"),
        ({"input": [{"type": "text"}]}, "input[0].text", "missing_required_parameter"),
        ({"input": [PARTS[0], {"type": "image_url"}]}, "input[1].image_url", "missing_required_parameter"),
        (
            {"input": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,!"}}]},
            "input[0].image_url.url",
            "invalid_value",
        ),
        ({"input": [PARTS[0], "x"]}, "input[1]", "invalid_type"),
        ({"input": "x", "model": 5}, "model", "invalid_type"),
        ({"Input": "x", "input": "x"}, "Input", "unknown_parameter"),
    ],
)
async def test_a_mistake_is_named(stage: Stage, body: dict[str, Any], param: str, code: str) -> None:
    told = await stage.ask("/v1/moderations", None, **{"model": OPENAI, **body})
    assert told.status == 400
    assert (told.error["param"], told.error["code"]) == (param, code)
    assert stage.providers["openai"].seen == []


async def test_the_next_deployment_answers_when_one_fails(stage: Stage) -> None:
    """One that only chats is passed over, one that fails is left."""
    told = await stage.moderate("judge", input="Hi")
    assert (told.status, told.body["model"]) == (200, "judge")
    assert told.headers["x-dragoman-deployment"] == OPENAI
    assert [seen.path for seen in stage.providers["bad"].seen] == ["/v1/moderations"]


async def test_a_provider_that_only_chats_is_refused(stage: Stage) -> None:
    told = await stage.moderate("anthropic/claude-x", input="Hi")
    assert told.status == 400
    assert (told.error["param"], told.error["code"]) == ("model", "unsupported_value")
    assert stage.providers["bad"].seen == []


async def test_a_server_without_the_endpoint_is_told_as_that(stage: Stage) -> None:
    stage.says("openai", Whole({"detail": "Not Found"}, 404))
    told = await stage.moderate(OPENAI, input="Hi")
    assert (told.status, told.error["code"]) == (501, "not_implemented")


@pytest.mark.parametrize("model", [OPENAI, MISTRAL])
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"error": {"message": "Slow down", "type": "requests", "code": 429}}, 429),
        ({"message": "broken"}, 502),
        ({"results": None}, 502),
        (b"no JSON", 502),
    ],
)
async def test_what_is_no_answer_is_a_failure(stage: Stage, model: str, answer: Any, status: int) -> None:
    """An error inside a 200, and what is nothing of the kind."""
    stage.says(model.partition("/")[0], Whole(answer))
    told = await stage.moderate(model, input="Hi")
    assert told.status == status, told.raw
    assert told.error["message"]


async def test_fewer_judgements_than_inputs_are_no_answer(stage: Stage) -> None:
    stage.says("mistral", Whole({"id": "mod-1", "model": "m", "results": []}))
    assert (await stage.moderate(MISTRAL, input="Hi")).status == 502


@pytest.mark.parametrize("path", ["/v1/moderations", "/moderations", "/v1/rerank", "/v2/rerank", "/rerank"])
async def test_there_is_nothing_to_get(stage: Stage, path: str) -> None:
    async with stage.session.get(stage.base + path) as response:
        assert response.status == 405


async def test_the_simulator_fails_as_told(stage: Stage) -> None:
    told = await stage.moderate("simulate/fail:413", input="Hi")
    assert told.status == 413
    told = await stage.rank("simulate/nonsense", query="q", documents=["a"])
    assert (told.status, told.error["code"]) == (404, "model_not_found")
