"""LlamaIndex: its OpenAI, OpenAI-like, Responses, Anthropic, Google and Ollama classes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from google.genai.types import HttpOptions
from llama_index.core.agent.workflow import AgentStream, FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.anthropic import Anthropic
from llama_index.llms.google_genai import GoogleGenAI
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai import OpenAI, OpenAIResponses
from llama_index.llms.openai_like import OpenAILike
from reporting import HELLO, QUESTION, TEXTS, WHO, Feature, Person, Weather, failures, main, person, streamed

Make = Callable[..., FunctionCallingLLM]
# These classes take the names of their own vendor alone, so the gateway has aliases of such names.
OPENAI = {
    "claude/claude-sonnet-4-5": "gpt-4.1",
    "google/gemini-2.5-flash": "gpt-4.1-mini",
    "compatible/gpt-4o": "gpt-4o",
    "simulate/echo": "gpt-4o-mini",
    "here/qwen3": "gpt-4.1-nano",
    "french/mistral-large-latest": "gpt-4",
    "responding/gpt-5": "gpt-4-turbo",
}
ANTHROPIC = {
    "claude/claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "google/gemini-2.5-flash": "claude-haiku-4-5-20251001",
    "compatible/gpt-4o": "claude-opus-4-1-20250805",
    "simulate/echo": "claude-opus-4-5-20251101",
    "here/qwen3": "claude-sonnet-4-5",
    "french/mistral-large-latest": "claude-haiku-4-5",
    "responding/gpt-5": "claude-opus-4-1",
}


def _said(text: str) -> list[ChatMessage]:
    return [ChatMessage(role="user", content=text)]


async def chat(make: Make, model: str) -> Any:
    return {"text": (await make(model).achat(_said(HELLO))).message.content}


async def stream(make: Make, model: str) -> Any:
    answer = await make(model).astream_chat(_said(HELLO))
    return streamed([piece.delta or "" async for piece in answer])


async def tools(make: Make, model: str, *, streaming: bool) -> Any:
    """The agent streams unless it is told not to."""
    weather = Weather()
    tool = FunctionTool.from_defaults(weather.look, name="get_weather")
    agent = FunctionAgent(tools=[tool], llm=make(model), streaming=streaming)
    run = agent.run(QUESTION)
    pieces = [event.delta async for event in run.stream_events() if isinstance(event, AgentStream)]
    done = await run
    if streaming and "".join(pieces) != done.response.content:
        raise AssertionError(f"{pieces} are not {done.response.content!r}")
    return weather.told(done.response.content)


async def form(make: Make, model: str) -> Any:
    return person((await make(model).as_structured_llm(Person).achat(_said(WHO))).raw)


async def form_streamed(make: Make, model: str) -> Any:
    last = None
    async for piece in await make(model).as_structured_llm(Person).astream_chat(_said(WHO)):
        last = piece.raw
    return last.model_dump()  # of a class that allows what is missing


async def errors(make: Make, key: str, model: str) -> Any:
    async def ask(model: str, key: str, question: str) -> Any:
        return await make(model, key=key).achat(_said(question))

    return await failures(ask, model, key)


def _features(make: Make, key: str) -> dict[str, Feature]:
    return {
        "chat": partial(chat, make),
        "stream": partial(stream, make),
        "tools": partial(tools, make, streaming=False),
        "tools streamed": partial(tools, make, streaming=True),
        "form": partial(form, make),
        "form streamed": partial(form_streamed, make),
        "errors": partial(errors, make, key),
    }


def kinds(url: str, own: str) -> dict[str, dict[str, Feature]]:
    @cache
    def like(model: str, key: str = own) -> OpenAILike:
        return OpenAILike(
            model=model, api_base=f"{url}/v1", api_key=key, max_retries=0,
            is_chat_model=True, is_function_calling_model=True,
        )  # fmt: skip

    @cache
    def openai(model: str, key: str = own) -> OpenAI:
        return OpenAI(OPENAI.get(model, model), api_base=f"{url}/v1", api_key=key, max_retries=0)

    @cache
    def responses(model: str, key: str = own) -> OpenAIResponses:
        return OpenAIResponses(OPENAI.get(model, model), api_base=f"{url}/v1", api_key=key, max_retries=0)

    @cache
    def anthropic(model: str, key: str = own) -> Anthropic:
        return Anthropic(ANTHROPIC.get(model, model), base_url=url, api_key=key, max_retries=0)

    @cache
    def google(model: str, key: str = own) -> GoogleGenAI:
        return GoogleGenAI(model, api_key=key, http_options=HttpOptions(base_url=url), max_retries=0)

    @cache
    def ollama(model: str, key: str = own) -> Ollama:
        return Ollama(model, base_url=url, headers={"authorization": f"Bearer {key}"})

    async def vectors(model: str) -> Any:
        made = OpenAILikeEmbedding(model_name=model, api_base=f"{url}/v1", api_key=own)
        return [len(one) for one in await made.aget_text_embedding_batch(TEXTS)]

    by_responses = _features(responses, own)
    # Empty with OpenAI too: it looks for calls where this class has put none (`additional_kwargs`).
    del by_responses["form streamed"]
    return {
        "like": _features(like, own) | {"vectors": vectors},
        "chat": _features(openai, own),
        "responses": by_responses,
        "anthropic": _features(anthropic, own),
        "google": _features(google, own),
        "ollama": _features(ollama, own),
    }


main(kinds)
