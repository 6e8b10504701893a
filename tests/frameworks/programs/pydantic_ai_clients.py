"""pydantic-ai: its models of four protocols, an agent with a tool, forms in three ways, vectors."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from pydantic_ai import Agent, Embedder, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.messages import ModelResponse, ThinkingPart
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
from pydantic_ai.models.google import GoogleModel, GoogleModelSettings
from pydantic_ai.models.openai import (
    OpenAIChatModel,
    OpenAIChatModelSettings,
    OpenAIResponsesModel,
    OpenAIResponsesModelSettings,
)
from pydantic_ai.profiles.anthropic import anthropic_model_profile
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from reporting import HELLO, QUESTION, TEXTS, WHO, Feature, Person, Weather, failures, main, person, streamed

Make = Callable[..., Model]
CLAUDE = anthropic_model_profile("claude-sonnet-4-5")


async def chat(make: Make, model: str) -> Any:
    done = await Agent(make(model)).run(HELLO)
    return {"text": done.output, "usage": [done.usage.input_tokens, done.usage.output_tokens]}


async def stream(make: Make, model: str) -> Any:
    async with Agent(make(model)).run_stream(HELLO) as answer:
        pieces = [piece async for piece in answer.stream_text(delta=True, debounce_by=None)]
        return {**streamed(pieces), "usage": [answer.usage.input_tokens, answer.usage.output_tokens]}


async def tools(make: Make, model: str, settings: ModelSettings | None = None) -> Any:
    weather = Weather()
    agent = Agent(make(model), model_settings=settings)
    agent.tool_plain(name="get_weather")(weather.look)
    done = await agent.run(QUESTION)
    thoughts = [
        part.content
        for message in done.all_messages()
        if isinstance(message, ModelResponse)
        for part in message.parts
        if isinstance(part, ThinkingPart)
    ]
    more = {"thought": " ".join(thought for thought in thoughts if thought)} if settings else {}
    return weather.told(done.output, **more)


async def tools_streamed(make: Make, model: str, settings: ModelSettings | None = None) -> Any:
    weather = Weather()
    agent = Agent(make(model), model_settings=settings)
    agent.tool_plain(name="get_weather")(weather.look)
    async with agent.run_stream(QUESTION) as answer:
        return weather.told(await answer.get_output())


async def form(make: Make, model: str, way: Any) -> Any:
    return person((await Agent(make(model), output_type=way).run(WHO)).output)


async def form_streamed(make: Make, model: str) -> Any:
    async with Agent(make(model), output_type=Person).run_stream(WHO) as answer:
        return person(await answer.get_output())


async def errors(make: Make, key: str, model: str) -> Any:
    async def ask(model: str, key: str, question: str) -> Any:
        return (await Agent(make(model, key)).run(question)).output

    return await failures(ask, model, key)


def _features(make: Make, key: str, thinking: ModelSettings) -> dict[str, Feature]:
    return {
        "chat": partial(chat, make),
        "stream": partial(stream, make),
        "tools": partial(tools, make),
        "tools streamed": partial(tools_streamed, make),
        "thinking": partial(tools, make, settings=thinking),
        "thinking streamed": partial(tools_streamed, make, settings=thinking),
        "form": partial(form, make, way=Person),
        "form by tool": partial(form, make, way=ToolOutput(Person)),
        "form by schema": partial(form, make, way=NativeOutput(Person)),
        "form by prompt": partial(form, make, way=PromptedOutput(Person)),
        "form streamed": partial(form_streamed, make),
        "errors": partial(errors, make, key),
    }


def kinds(url: str, own: str) -> dict[str, dict[str, Feature]]:
    @cache
    def openai(key: str) -> OpenAIProvider:
        provider = OpenAIProvider(base_url=f"{url}/v1", api_key=key)
        provider.client.max_retries = 0
        return provider

    @cache
    def anthropic_at(key: str) -> AnthropicProvider:
        provider = AnthropicProvider(base_url=url, api_key=key)
        provider.client.max_retries = 0
        return provider

    @cache
    def google_at(key: str) -> GoogleProvider:
        return GoogleProvider(api_key=key, base_url=url)

    def chat_model(model: str, key: str = own) -> Model:
        return OpenAIChatModel(model, provider=openai(key))

    def responses(model: str, key: str = own) -> Model:
        # Unless it is told, only models of OpenAI's think, and thoughts go back as text.
        thinks = OpenAIModelProfile(
            openai_supports_reasoning=True, openai_supports_encrypted_reasoning_content=True
        )
        return OpenAIResponsesModel(model, provider=openai(key), profile=thinks)

    def anthropic(model: str, key: str = own) -> Model:
        # Unless it is told, only models of Anthropic's are asked for forms by schema.
        return AnthropicModel(model, provider=anthropic_at(key), profile=CLAUDE)

    def google(model: str, key: str = own) -> Model:
        return GoogleModel(model, provider=google_at(key))

    async def vectors(model: str) -> Any:
        made = await Embedder(OpenAIEmbeddingModel(model, provider=openai(own))).embed_documents(TEXTS)
        return [len(one) for one in made.embeddings]

    # `thinking` means nothing where the name of the model is none of the vendor's own.
    effort = OpenAIChatModelSettings(openai_reasoning_effort="high")
    shown = OpenAIResponsesModelSettings(openai_reasoning_effort="high", openai_reasoning_summary="auto")
    budget = AnthropicModelSettings(anthropic_thinking={"type": "enabled", "budget_tokens": 1024})
    config = GoogleModelSettings(google_thinking_config={"include_thoughts": True, "thinking_budget": 1024})
    return {
        "chat": _features(chat_model, own, effort) | {"vectors": vectors},
        "responses": _features(responses, own, shown),
        "anthropic": _features(anthropic, own, budget),
        "google": _features(google, own, config),
    }


main(kinds)
