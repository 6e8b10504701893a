"""The OpenAI Agents SDK: Responses and chat, a tool, a handoff to another agent, a form."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from agents import (
    Agent,
    Model,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from openai.types.shared import Reasoning
from reporting import (
    HANDOFF,
    HELLO,
    QUESTION,
    WHO,
    Feature,
    Person,
    Weather,
    failures,
    main,
    person,
    streamed,
)

Make = Callable[..., Model]


def _weather_agent(model: Model, weather: Weather, settings: ModelSettings | None) -> Agent:
    tool = function_tool(weather.look, name_override="get_weather")
    return Agent("Weather", model=model, tools=[tool], model_settings=settings or ModelSettings())


async def chat(make: Make, model: str) -> Any:
    done = await Runner.run(Agent("Greeter", model=make(model), instructions="Be polite."), HELLO)
    used = done.context_wrapper.usage
    return {"text": done.final_output, "usage": [used.input_tokens, used.output_tokens]}


async def stream(make: Make, model: str) -> Any:
    run = Runner.run_streamed(
        Agent("Greeter", model=make(model), model_settings=ModelSettings(include_usage=True)), HELLO
    )
    pieces = [
        event.data.delta
        async for event in run.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    used = run.context_wrapper.usage
    return {**streamed(pieces), "usage": [used.input_tokens, used.output_tokens]}


async def _run(agent: Agent, question: str, *, streaming: bool) -> Any:
    if not streaming:
        return await Runner.run(agent, question)
    run = Runner.run_streamed(agent, question)
    async for _ in run.stream_events():
        pass
    return run


async def tools(
    make: Make, model: str, *, streaming: bool = False, settings: ModelSettings | None = None
) -> Any:
    weather = Weather()
    done = await _run(_weather_agent(make(model), weather, settings), QUESTION, streaming=streaming)
    return weather.told(done.final_output)


async def handoff(
    make: Make, model: str, *, streaming: bool = False, settings: ModelSettings | None = None
) -> Any:
    weather = Weather()
    other = _weather_agent(make(model), weather, settings)
    first = Agent("Triage", model=make(model), handoffs=[other], model_settings=settings or ModelSettings())
    done = await _run(first, HANDOFF, streaming=streaming)
    return weather.told(done.final_output, agent=done.last_agent.name)


async def form(make: Make, model: str) -> Any:
    return person(
        (await Runner.run(Agent("Reader", model=make(model), output_type=Person), WHO)).final_output
    )


async def errors(make: Make, key: str, model: str) -> Any:
    async def ask(model: str, key: str, question: str) -> Any:
        return (await Runner.run(Agent("Asker", model=make(model, key)), question)).final_output

    return await failures(ask, model, key)


def _features(make: Make, key: str) -> dict[str, Feature]:
    thinking = ModelSettings(reasoning=Reasoning(effort="high", summary="auto"))
    sealed = ModelSettings(
        reasoning=Reasoning(effort="high", summary="auto"),
        store=False,
        response_include=["reasoning.encrypted_content"],
    )
    return {
        "chat": partial(chat, make),
        "stream": partial(stream, make),
        "tools": partial(tools, make),
        "tools streamed": partial(tools, make, streaming=True),
        "thinking": partial(tools, make, settings=thinking),
        "thinking sealed": partial(tools, make, settings=sealed),
        "thinking sealed, streamed": partial(tools, make, settings=sealed, streaming=True),
        "handoff": partial(handoff, make),
        "handoff streamed": partial(handoff, make, streaming=True),
        "handoff thinking": partial(handoff, make, settings=sealed),
        "form": partial(form, make),
        "errors": partial(errors, make, key),
    }


def kinds(url: str, own: str) -> dict[str, dict[str, Feature]]:
    set_tracing_disabled(disabled=True)

    @cache
    def client(key: str) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    def chat_model(model: str, key: str = own) -> Model:
        return OpenAIChatCompletionsModel(model, openai_client=client(key))

    def responses(model: str, key: str = own) -> Model:
        return OpenAIResponsesModel(model, openai_client=client(key))

    return {"chat": _features(chat_model, own), "responses": _features(responses, own)}


main(kinds)
