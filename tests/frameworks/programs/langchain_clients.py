"""LangChain: chat models of four packages, an agent with a tool, forms, vectors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI, GoogleGenerativeAIEmbeddings
from langchain_ollama import ChatOllama, OllamaEmbeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from reporting import HELLO, QUESTION, TEXTS, WHO, Feature, Person, Weather, failures, main, person, streamed

Make = Callable[..., BaseChatModel]
OPENAI = {
    "google-vectors/gemini-embedding-001": "text-embedding-3-small",
    "simulate/echo": "text-embedding-3-large",
}
"""Aliases whose vocabulary is known: tokens are written unless one says otherwise."""


async def chat(make: Make, model: str) -> Any:
    said = await make(model).ainvoke(HELLO)
    used = said.usage_metadata
    return {"text": said.text, "usage": [used["input_tokens"], used["output_tokens"]]}


async def stream(make: Make, model: str) -> Any:
    pieces: list[AIMessageChunk] = [chunk async for chunk in make(model).astream(HELLO)]
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    used = whole.usage_metadata
    told = streamed([piece.text for piece in pieces])
    return {**told, "usage": [used["input_tokens"], used["output_tokens"]]}


def _agent(llm: BaseChatModel, weather: Weather) -> Any:
    return create_agent(llm, [tool("get_weather")(weather.look)])


async def tools(make: Make, model: str, **options: Any) -> Any:
    weather = Weather()
    asked = {"messages": [{"role": "user", "content": QUESTION}]}
    done = await _agent(make(model, **options), weather).ainvoke(asked)
    thoughts = [
        block.get("reasoning", "")
        for message in done["messages"]
        if message.type == "ai"
        for block in message.content_blocks
        if block["type"] == "reasoning"
    ]
    more = {"thought": " ".join(thought for thought in thoughts if thought)} if options else {}
    return weather.told(done["messages"][-1].text, **more)


async def tools_streamed(make: Make, model: str, **options: Any) -> Any:
    weather = Weather()
    asked = {"messages": [{"role": "user", "content": QUESTION}]}
    pieces = []
    async for message, _ in _agent(make(model, **options), weather).astream(asked, stream_mode="messages"):
        if message.type == "AIMessageChunk":
            pieces.append(message.text)
    return weather.told("".join(pieces))


async def form(make: Make, model: str, **options: Any) -> Any:
    asked = f"{WHO} Answer in JSON." if options.get("method") == "json_mode" else WHO
    return person(await make(model).with_structured_output(Person, **options).ainvoke(asked))


async def errors(make: Make, key: str, model: str) -> Any:
    async def ask(model: str, key: str, question: str) -> Any:
        return await make(model, key=key).ainvoke(question)

    return await failures(ask, model, key)


def _features(
    make: Make, key: str, thinking: dict[str, Any], **methods: dict[str, Any]
) -> dict[str, Feature]:
    forms = {f"form {name}": partial(form, make, **options) for name, options in methods.items()}
    return {
        "chat": partial(chat, make),
        "stream": partial(stream, make),
        "tools": partial(tools, make),
        "tools streamed": partial(tools_streamed, make),
        "thinking": partial(tools, make, **thinking),
        "thinking streamed": partial(tools_streamed, make, **thinking),
        "form": partial(form, make),
        **forms,
        "errors": partial(errors, make, key),
    }


def kinds(url: str, own: str) -> dict[str, dict[str, Feature]]:
    def openai(model: str, key: str = own, **options: Any) -> ChatOpenAI:
        options = {"stream_usage": True, **options}
        return ChatOpenAI(model=model, base_url=f"{url}/v1", api_key=key, max_retries=0, **options)

    def responses(model: str, key: str = own, **options: Any) -> ChatOpenAI:
        return openai(model, key, use_responses_api=True, **options)

    def anthropic(model: str, key: str = own, **options: Any) -> ChatAnthropic:
        options = {"max_tokens": 4096, **options}
        return ChatAnthropic(model=model, base_url=url, api_key=key, max_retries=0, **options)

    def google(model: str, key: str = own, **options: Any) -> ChatGoogleGenerativeAI:
        return ChatGoogleGenerativeAI(model=model, base_url=url, api_key=key, max_retries=1, **options)

    def ollama(model: str, key: str = own, **options: Any) -> ChatOllama:
        headers = {"authorization": f"Bearer {key}"}
        return ChatOllama(model=model, base_url=url, client_kwargs={"headers": headers}, **options)

    async def openai_vectors(model: str) -> Any:
        made = OpenAIEmbeddings(
            model=model, base_url=f"{url}/v1", api_key=own, check_embedding_ctx_length=False, max_retries=0
        )
        return [len(one) for one in await made.aembed_documents(TEXTS)]

    async def openai_token_vectors(model: str) -> Any:
        made = OpenAIEmbeddings(model=OPENAI[model], base_url=f"{url}/v1", api_key=own, max_retries=0)
        return [len(one) for one in await made.aembed_documents(TEXTS)]

    async def google_vectors(model: str) -> Any:
        made = GoogleGenerativeAIEmbeddings(model=model, base_url=url, google_api_key=own)
        return [len(one) for one in await made.aembed_documents(TEXTS)]

    async def ollama_vectors(model: str) -> Any:
        headers = {"authorization": f"Bearer {own}"}
        made = OllamaEmbeddings(model=model, base_url=url, client_kwargs={"headers": headers})
        return [len(one) for one in await made.aembed_documents(TEXTS)]

    methods = {
        "by schema": {"method": "json_schema"},
        "by tool": {"method": "function_calling"},
        "as JSON": {"method": "json_mode"},
    }
    by = {name: methods[name] for name in ("by schema", "by tool")}
    return {
        "chat": _features(openai, own, {"reasoning_effort": "high"}, **methods)
        | {"vectors": openai_vectors, "vectors of tokens": openai_token_vectors},
        "responses": _features(
            responses, own, {"reasoning": {"effort": "high", "summary": "auto"}}, **methods
        ),
        "anthropic": _features(
            anthropic, own, {"thinking": {"type": "enabled", "budget_tokens": 1024}}, **by
        ),
        "google": _features(google, own, {"include_thoughts": True, "thinking_budget": 1024}, **by)
        | {"vectors": google_vectors},
        "ollama": _features(ollama, own, {"reasoning": True}, **methods) | {"vectors": ollama_vectors},
    }


main(kinds)
