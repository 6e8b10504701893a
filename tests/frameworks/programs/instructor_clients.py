"""instructor: forms in every mode of its OpenAI, Responses, Anthropic and Google clients."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import instructor
from anthropic import AsyncAnthropic
from google import genai
from instructor import Mode
from openai import AsyncOpenAI
from reporting import WHO, Feature, Person, failures, main, person

MESSAGES = [{"role": "user", "content": WHO}]


async def form(client: Any, model: str, **options: Any) -> Any:
    return person(
        await client.create(model=model, messages=MESSAGES, response_model=Person, max_retries=0, **options)
    )


async def form_streamed(client: Any, model: str, **options: Any) -> Any:
    last = None
    async for piece in client.create_partial(
        model=model, messages=MESSAGES, response_model=Person, max_retries=0, **options
    ):
        last = piece
    return last.model_dump() if last is not None else None


def kinds(url: str, own: str) -> dict[str, dict[str, Feature]]:
    @cache
    def openai(key: str) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    @cache
    def anthropic(key: str) -> AsyncAnthropic:
        return AsyncAnthropic(base_url=url, api_key=key, max_retries=0)

    @cache
    def google(key: str) -> genai.Client:
        return genai.Client(api_key=key, http_options={"base_url": url})

    makers = {
        "openai": lambda key, mode: instructor.from_openai(openai(key), mode=mode),
        "anthropic": lambda key, mode: instructor.from_anthropic(anthropic(key), mode=mode),
        "google": lambda key, mode: instructor.from_genai(google(key), mode=mode, use_async=True),
    }
    modes = {
        "openai": [
            *(Mode.TOOLS, Mode.TOOLS_STRICT, Mode.JSON, Mode.JSON_SCHEMA, Mode.MD_JSON),
            Mode.RESPONSES_TOOLS,
        ],
        "anthropic": [Mode.ANTHROPIC_TOOLS, Mode.ANTHROPIC_JSON, Mode.ANTHROPIC_REASONING_TOOLS],
        "google": [Mode.GENAI_TOOLS, Mode.GENAI_JSON],
    }

    async def errors(name: str, mode: Mode, options: dict[str, Any], model: str) -> Any:
        async def ask(model: str, key: str, question: str) -> Any:
            said = [{"role": "user", "content": question}]
            client: Any = makers[name](key, mode)
            return await client.create(
                model=model, messages=said, response_model=Person, max_retries=0, **options
            )

        return await failures(ask, model, own)

    def features(name: str) -> dict[str, Feature]:
        options = {"max_tokens": 2048} if name == "anthropic" else {}
        made: dict[str, Feature] = {}
        for mode in modes[name]:
            client = makers[name](own, mode)
            made[f"form {mode.name}"] = partial(form, client, **options)
            if mode is not Mode.RESPONSES_TOOLS:
                made[f"form {mode.name} streamed"] = partial(form_streamed, client, **options)
        made["errors"] = partial(errors, name, modes[name][0], options)
        return made

    return {name: features(name) for name in makers}


main(kinds)
