"""A configuration of LiteLLM's, converted: it answers under the same names, for the same key."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from dragoman.config.litellm import convert
from dragoman.config.load import as_written, load
from dragoman.gateway import Gateway
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.conftest import Provide
from tests.e2e.stubs import Said

THEIRS = """
model_list:
  - model_name: first
    litellm_params:
      model: openai/gpt-x
      api_base: os.environ/FIRST_URL
      api_key: os.environ/FIRST_KEY
      extra_body: {{mark: 1}}
  - model_name: second
    litellm_params: {{model: anthropic/claude-x, api_base: "{second}", api_key: key-two, temperature: 0.5}}
router_settings:
  fallbacks: [{{first: [second]}}]
  model_group_alias: {{gpt-4: second}}
litellm_settings: {{num_retries: 0}}
general_settings: {{master_key: the-master-key-of-all}}
environment_variables: {{FIRST_URL: "{first}"}}
"""


async def test_a_converted_configuration_answers(provide: Provide, tmp_path: Path) -> None:
    first = await provide(stubs.refusal("openai_chat", 503, "busy", "Busy."))
    second = await provide(stubs.anthropic(Said("From the second.")))
    file = tmp_path / "litellm.yaml"
    file.write_text(THEIRS.format(first=first.url, second=second.url), "utf-8")
    settings, _ = convert(as_written(file))
    gateway = Gateway(load(settings, {"FIRST_KEY": "key-one-of-them"}))
    headers = {"authorization": "Bearer the-master-key-of-all"}
    async with serving(gateway) as base, aiohttp.ClientSession(base, headers=headers) as session:
        for model in ("first", "second", "gpt-4"):
            asked = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
            async with session.post("/v1/chat/completions", json=asked) as response:
                body = await response.json()
                assert response.status == 200, body
                assert body["choices"][0]["message"]["content"] == "From the second."
        async with session.get("/admin/requests") as response:
            assert response.status == 200
    (refused,) = first.seen
    assert refused.headers["authorization"] == "Bearer key-one-of-them"
    assert (refused.body["model"], refused.body["mark"]) == ("gpt-x", 1)
    assert [seen.body["model"] for seen in second.seen] == ["claude-x"] * 3
    assert [seen.body.get("temperature") for seen in second.seen] == [None, 0.5, 0.5]
    assert {seen.headers["x-api-key"] for seen in second.seen} == {"key-two"}
