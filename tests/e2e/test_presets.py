"""Ready-made settings against running providers: OpenAI's names answered by Gemini, `qwen`, the alias `*`."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.testing.serving import serving
from tests.e2e.calls import Site
from tests.e2e.conftest import Provide, Visit
from tests.e2e.stubs import DIALECTS, Said

CLASSIC = [
    ("gpt-3.5-turbo", "gemini-1.5-flash"),
    ("gpt-4", "gemini-1.5-pro"),
    ("gpt-4-turbo", "gemini-2.5-pro-exp-03-25"),
    ("gpt-4-turbo-preview", "gemini-2.5-pro-exp-03-25"),
    (None, "gemini-2.5-pro-exp-03-25"),
]


def preset(name: str, url: str, **more: Any) -> dict[str, Any]:
    """A configuration that builds on a preset, with its provider on this machine."""
    return {"preset": name, "providers": {"gemini": {"base_url": url, "keys": ["g"]}}, **more}


@pytest.mark.parametrize(("asked", "called"), CLASSIC)
async def test_the_classic_names_reach_the_classic_models(
    provide: Provide, visit: Visit, asked: str | None, called: str
) -> None:
    """1.3, 1.4."""
    provider = await provide(DIALECTS["gemini"](Said("Hi!")))
    site = await visit(preset("openai-to-gemini-classic", provider.url))
    answer = await site.ask(asked)
    assert answer.status == 200, answer.raw
    assert provider.last.path == f"/v1beta/models/{called}:generateContent"
    assert provider.last.headers["x-goog-api-key"] == "g"
    if asked is not None:
        assert answer.body["model"] == asked


async def test_the_current_preset_names_models_that_are_known(provide: Provide, visit: Visit) -> None:
    """1.4: every name of the preset leads to a model of the catalogue."""
    provider = await provide(DIALECTS["gemini"](Said("Hi!")))
    site = await visit(preset("openai-to-gemini", provider.url))
    listed = {model["id"] for model in (await site.get("/v1/models")).body["data"]}
    assert {"gpt-3.5-turbo", "gpt-4", "gpt-4-turbo", "gpt-4-turbo-preview", "gpt-4o", "gpt-4o-mini"} <= listed
    for name in ("gpt-4", "gpt-4o-mini"):
        assert (await site.ask(name)).status == 200
        called = provider.last.path.rpartition("/")[2].partition(":")[0]
        assert f"gemini/{called}" in listed


async def test_a_preset_can_be_edited(provide: Provide, visit: Visit) -> None:
    provider = await provide(DIALECTS["gemini"](Said("Hi!")))
    site = await visit(
        preset("openai-to-gemini-classic", provider.url, aliases={"gpt-4": "gemini/gemini-2.5-pro"})
    )
    for asked, called in (("gpt-4", "gemini-2.5-pro"), ("gpt-3.5-turbo", "gemini-1.5-flash")):
        await site.ask(asked)
        assert provider.last.path == f"/v1beta/models/{called}:generateContent"


@pytest.mark.parametrize(("aliases", "status"), [({}, 404), ({"*": "gemini/gemini-2.5-flash"}, 200)])
async def test_an_unknown_name_falls_to_the_default_only_where_that_is_configured(
    provide: Provide, visit: Visit, aliases: dict[str, str], status: int
) -> None:
    """1.6."""
    provider = await provide(DIALECTS["gemini"](Said("Hi!")))
    site = await visit(preset("openai-to-gemini-classic", provider.url, aliases=aliases))
    answer = await site.ask("nobody-knows-me")
    assert answer.status == status
    assert len(provider.seen) == (status == 200)


async def test_a_conversation_arrives_in_order_with_its_fields(provide: Provide, visit: Visit) -> None:
    """1.7."""
    provider = await provide(DIALECTS["gemini"](Said("Hi!")))
    site = await visit(preset("openai-to-gemini-classic", provider.url))
    said = [("user", "one"), ("assistant", "two"), ("user", "three"), ("assistant", "four"), ("user", "five")]
    messages = [{"role": "system", "content": "Be brief."}] + [
        {"role": role, "content": text} for role, text in said
    ]
    answer = await site.ask("gpt-4", messages=messages, temperature=0.5, max_tokens=7, stream=True)
    assert answer.status == 200
    assert provider.last.path.endswith("gemini-1.5-pro:streamGenerateContent")
    assert provider.last.query == {"alt": "sse"}
    sent = provider.last.body
    roles = {"user": "user", "assistant": "model"}
    assert [(one["role"], one["parts"]) for one in sent["contents"]] == [
        (roles[role], [{"text": text}]) for role, text in said
    ]
    assert sent["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert sent["generationConfig"]["temperature"] == 0.5
    assert sent["generationConfig"]["maxOutputTokens"] == 7


@pytest.mark.parametrize("name", ["qwen", "openai-to-gemini"])
async def test_the_environment_chooses_a_preset(name: str) -> None:
    """3.1: DRAGOMAN_PRESET, with the vendor's key in the environment."""
    environ = {"DRAGOMAN_PRESET": name, "DASHSCOPE_API_KEY": "k", "GEMINI_API_KEY": "k"}
    async with serving(Gateway(load(None, environ))) as base, aiohttp.ClientSession() as session:
        rows = {row["id"]: row for row in (await Site(base, session).get("/v1/models")).body["data"]}
    if name != "qwen":
        assert "gpt-4" in rows
        return
    for model in ("qwen3-max", "qwen-max", "qwen-plus", "qwen-turbo"):
        assert rows[model]["owned_by"] == "qwen"
        assert (rows[model]["permission"], rows[model]["root"], rows[model]["parent"]) == ([], model, None)
