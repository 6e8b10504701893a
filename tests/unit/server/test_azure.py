"""Azure's paths: the deployment in the path is the model, whatever the body names."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.turns.asking import Asker

ROOT = "/openai/deployments/simulate/echo"
MESSAGES = [{"role": "user", "content": "One"}]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat/completions", {"messages": MESSAGES}),
        ("/completions", {"prompt": "One"}),
        ("/embeddings", {"input": "a"}),
        ("/images/generations", {"prompt": "a"}),
        ("/audio/speech", {"input": "a", "voice": "alloy"}),
        ("/moderations", {"input": "a"}),
        ("/rerank", {"query": "a", "documents": ["b", "a"]}),
    ],
)
@pytest.mark.parametrize("model", [None, "other/model", 7])
async def test_each_operation_asks_the_deployment(house: Asker, path: str, body: Any, model: Any) -> None:
    stated = {} if model is None else {"model": model}
    answer = await house.ask("POST", f"{ROOT}{path}?api-version=2024-10-21", {**body, **stated})
    assert answer.status == 200


async def test_errors_have_azures_codes(house: Asker) -> None:
    answer = await house.ask("POST", "/openai/deployments/nobody/chat/completions", {"messages": MESSAGES})
    assert (answer.status, answer.error["code"]) == (404, "DeploymentNotFound")
    answer = await house.ask("POST", "/v1/chat/completions", {"model": "nobody", "messages": MESSAGES})
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("body", [[], "text"])
async def test_a_body_that_is_no_object_is_refused(house: Asker, body: Any) -> None:
    answer = await house.ask("POST", f"{ROOT}/chat/completions", body)
    assert answer.status == 400


async def test_a_deployment_has_no_other_paths(house: Asker) -> None:
    for path in ("/openai/deployments", f"{ROOT}/nothing"):
        assert (await house.ask("POST", path, {})).status == 404
