"""The embedded models as an upstream: with the real model, and what becomes of failures and timers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from dragoman import ir
from dragoman.dialects.loss import Report as Losses
from dragoman.errors import RequestFailed
from dragoman.routing.route import Timers
from dragoman.upstreams.local import weights
from dragoman.upstreams.local.process import ModelProcess
from dragoman.upstreams.local.protocol import (
    Delta,
    Done,
    Draw,
    Embedded,
    EngineName,
    Event,
    Failed,
    FailureKind,
    Generate,
    Job,
    Options,
    PromptTurn,
    Started,
)
from dragoman.upstreams.local.upstream import LocalModel, LocalUpstream, embedded
from dragoman.upstreams.upstream import Call, Stopwatch, Upstream

MODEL = "smollm2:135m"
GREEDY = ir.Sampling(temperature=0)
WEATHER = ir.Function(
    "get_weather",
    "The weather in a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


def call(model: str = MODEL, timers: Timers = Timers()) -> Call:  # noqa: B008
    return Call("attempt", model, Losses("local"), Stopwatch(time.monotonic), timers)


def ask(text: str, **fields: Any) -> ir.Request:
    return ir.Request(
        "openai_chat", "m", (ir.Message("user", (ir.Text(text),)),), **{"sampling": GREEDY} | fields
    )


async def answered(upstream: Upstream, request: ir.Request, call: Call) -> tuple[list[ir.Event], ir.Response]:
    """The events, checked against the grammar, and the answer that they add up to."""
    checker, events = ir.Checker(), list[ir.Event]()
    async with upstream.chat(request, call) as batches:
        async for batch in batches:
            for event in batch:
                checker.add(event)
                events.append(event)
    assert checker.state == "over"
    return events, ir.fold(events)


@pytest.fixture(scope="module")
def models() -> dict[str, LocalModel]:
    return embedded(keep_alive=-1)


SHARED = pytest.mark.asyncio(loop_scope="module")
"""Of tests that have the one process with the real model."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real(models: dict[str, LocalModel]) -> AsyncIterator[LocalUpstream]:
    upstream = LocalUpstream(models)
    yield upstream
    await upstream.close()


@SHARED
@pytest.mark.local_model
async def test_a_question_is_answered(real: LocalUpstream) -> None:
    events, response = await answered(real, ask("What is the capital of France?"), call())
    (candidate,) = response.candidates
    assert candidate.blocks == (ir.Text("The capital of France is Paris."),)
    assert candidate.stop == ir.Stop("end")
    assert response.usage == ir.Usage(input=27, output=7)
    assert response.model == MODEL
    assert sum(isinstance(event, ir.TextDelta) for event in events) == 7


@SHARED
@pytest.mark.local_model
async def test_a_prompt_is_counted_as_the_model_reads_it(real: LocalUpstream) -> None:
    asked = (ask("What is the capital of France?"), ask("Rain in Oslo?", tools=(WEATHER,), max_output=1))
    for request in asked:
        told = await real.count_tokens(request, call())
        _, response = await answered(real, request, call())
        assert response.usage is not None
        assert told == ir.TokenCount(response.usage.input or 0, MODEL)


@SHARED
@pytest.mark.local_model
async def test_an_answer_keeps_to_a_schema_and_a_call_to_its_tool(real: LocalUpstream) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    request = ask("John is 25 years old.", output=ir.Output("schema", schema, name="person"))
    _, response = await answered(real, request, call())
    (block,) = response.candidates[0].blocks
    assert isinstance(block, ir.Text)
    assert json.loads(block.text).keys() == {"name", "age"}

    forced = ask(
        "What is the weather in Paris?", tools=(WEATHER,), tool_choice=ir.ToolChoice("tool", ("get_weather",))
    )
    _, response = await answered(real, forced, call())
    (tool_call,) = response.candidates[0].blocks
    assert isinstance(tool_call, ir.ToolCall)
    assert tool_call.name == "get_weather"
    assert json.loads(tool_call.arguments)["city"]
    assert (tool_call.id or "").startswith("call_")
    assert response.candidates[0].stop == ir.Stop("tool")


@SHARED
@pytest.mark.local_model
async def test_several_candidates_share_one_prompt(real: LocalUpstream) -> None:
    sampling = ir.Sampling(n=2, seed=1, temperature=1.0, logprobs=True, top_logprobs=1)
    _, response = await answered(real, ask("Tell a story.", sampling=sampling, max_output=4), call())
    assert [candidate.index for candidate in response.candidates] == [0, 1]
    texts = [candidate.blocks[0] for candidate in response.candidates]
    assert texts[0] != texts[1]
    for block in texts:
        assert isinstance(block, ir.Text)
        assert block.logprobs is not None
        assert "".join(prob.token for prob in block.logprobs) == block.text
        assert all(prob.top is not None and len(prob.top) == 1 for prob in block.logprobs)
    assert response.usage is not None
    assert response.usage.output == 8
    assert {candidate.stop for candidate in response.candidates} == {ir.Stop("length")}


@SHARED
@pytest.mark.local_model
async def test_a_models_memory_can_be_seen_and_freed(real: LocalUpstream) -> None:
    await answered(real, ask("Hi", max_output=1), call())
    (loaded,) = (await real.loaded()).models
    assert (loaded.context, loaded.expires) == (4096, None)
    real.unload(MODEL)
    real.unload("absent")
    async with asyncio.timeout(20):
        while (await real.loaded()).models:  # noqa: ASYNC110 - another process, which can only be asked
            await asyncio.sleep(0.01)


@pytest.mark.local_model
def test_an_embedded_model_has_the_facts_and_settings_of_its_row(models: dict[str, LocalModel]) -> None:
    row = weights.WEIGHTS[0]
    assert {name for name, model in models.items() if model.operation == "chat"} == {row.id, *row.aliases}
    model = models[MODEL]
    assert (model.draw, model.limit, model.system) == (row.draw, row.limit, row.system)
    assert (model.facts.context, model.facts.images, model.facts.forced_tool) == (4096, False, True)


class Script(ModelProcess):
    """A model process that says what it is told to, each event after so many seconds."""

    def __init__(self, *events: tuple[float, Event]) -> None:
        super().__init__()
        self.events = events
        self.orders: list[Job] = []
        self.closed = 0

    async def ask(self, request: Job) -> AsyncGenerator[Event, None]:
        self.orders.append(request)
        try:
            for seconds, event in self.events:
                await asyncio.sleep(seconds)
                yield event
        finally:
            self.closed += 1


STARTED, DELTA, DONE = Started(0, 3), Delta(0, "a"), Done(0, "stop", 1)
OWN = LocalModel(Options("own.gguf"), 7.0, Draw(temperature=0.5), limit=9, system="Be kind.")


def scripted(*events: Event | tuple[float, Event]) -> tuple[Script, LocalUpstream]:
    timed = [event if isinstance(event, tuple) else (0.0, event) for event in events]
    process = Script(*timed)
    return process, LocalUpstream({"own": OWN}, process)


async def test_what_a_request_leaves_open_is_the_models_own() -> None:
    process, upstream = scripted(STARTED, DELTA, DONE)
    await answered(upstream, ask("Hi", sampling=ir.Sampling()), call("own"))
    (order,) = process.orders
    assert order == Generate(
        0,
        OWN.options,
        (PromptTurn("system", "Be kind."), PromptTurn("user", "Hi")),
        draw=OWN.draw,
        limit=9,
        keep_alive=7.0,
    )


async def test_what_a_request_states_goes_first() -> None:
    process, upstream = scripted(STARTED, DELTA, DONE)
    system = (ir.Text("Be brief."),)
    sampling = ir.Sampling(temperature=1.0, seed=5, n=2)
    request = ask("Hi", system=system, max_output=2, sampling=sampling)
    await answered(upstream, request, call("own"))
    orders = [order for order in process.orders if isinstance(order, Generate)]
    assert [order.draw.seed for order in orders] == [5, 6]
    for order in orders:
        assert order.turns == (PromptTurn("system", "Be brief."), PromptTurn("user", "Hi"))
        assert (order.limit, order.draw.temperature) == (2, 1.0)


async def fault(upstream: LocalUpstream, request: ir.Request, call: Call) -> ir.Fault:
    with pytest.raises(RequestFailed) as caught:
        await answered(upstream, request, call)
    return caught.value.fault


@pytest.mark.parametrize(
    ("kind", "status", "code", "blame"),
    [
        ("overloaded", 503, "overloaded", "gateway"),
        ("context_length", 400, "context_length_exceeded", "client"),
        ("invalid", 400, None, "client"),
        ("model", 503, "model_unusable", "gateway"),
        ("crashed", 502, "model_process_died", "upstream"),
        ("internal", 500, None, "gateway"),
    ],
)
@pytest.mark.parametrize("before", [[], [STARTED, DELTA]])
async def test_every_failure_is_a_fault_of_its_own(
    kind: FailureKind, status: int, code: str | None, blame: str, before: Sequence[Event]
) -> None:
    process, upstream = scripted(*before, Failed(0, kind, "something happened"))
    found = await fault(upstream, ask("Hi"), call("own"))
    assert (found.http_status, found.code, found.blame) == (status, code, blame)
    assert found.message == "Something happened."
    assert process.closed == 1


async def test_a_schema_that_cannot_be_held_is_refused_before_anything_runs() -> None:
    process, upstream = scripted()
    output = ir.Output("schema", {"properties": {"a": {"pattern": "x"}}})
    found = await fault(upstream, ask("Hi", output=output), call("own"))
    assert (found.kind, found.param, found.code) == (
        "invalid_request",
        "output.schema.properties.a.pattern",
        "invalid_json_schema",
    )
    assert process.orders == []


async def test_what_would_be_lost_may_be_refused_before_anything_runs() -> None:
    process = Script()
    voice = msgspec.structs.replace(OWN, options=Options("voice"), operation="speech")
    upstream = LocalUpstream({"voice": voice}, process)
    losing = call("voice")
    refusal = RequestFailed(ir.Fault("untranslatable", "lossy"))

    def refuse() -> None:
        assert [loss.path for loss in losing.report.located(str)[0]] == ["instructions"]
        raise refusal

    request = ir.SpeechRequest("openai_chat", "voice", "Hi", instructions="sadly", output="wav")
    with pytest.raises(RequestFailed) as caught:
        await upstream.speak(request, msgspec.structs.replace(losing, ready=refuse))
    assert caught.value is refusal
    assert process.orders == []


async def test_an_unknown_model_is_told_from_one_that_is_not_installed() -> None:
    _, upstream = scripted()
    assert (await fault(upstream, ask("Hi"), call("other"))).http_status == 404
    absent = await fault(upstream, ask("Hi"), call(MODEL))
    assert (absent.http_status, absent.code) == (503, "model_not_installed")
    assert "dragoman models install smollm2:135m" in absent.message


@pytest.mark.parametrize(
    ("events", "timers", "code"),
    [
        ([(9.0, STARTED)], Timers(first_byte=0.05), "first_byte_timeout"),
        ([STARTED, (9.0, DELTA)], Timers(first_byte=0.05), "first_byte_timeout"),
        ([STARTED, DELTA, (9.0, DELTA)], Timers(first_byte=0.05, idle=0.1), "idle_timeout"),
    ],
)
async def test_a_model_that_takes_too_long_is_stopped(
    events: list[Event | tuple[float, Event]], timers: Timers, code: str
) -> None:
    process, upstream = scripted(*events)
    found = await fault(upstream, ask("Hi"), call("own", timers))
    assert (found.kind, found.code) == ("timeout", code)
    assert process.closed == 1


async def test_a_model_that_is_slow_but_in_time_is_not() -> None:
    _, upstream = scripted((0.05, STARTED), (0.05, DELTA), (0.05, DELTA), (0.05, DONE))
    calling = call("own", Timers(first_byte=1.0, idle=1.0))
    await answered(upstream, ask("Hi"), calling)
    assert calling.watch.take() >= 0.15


async def test_leaving_an_answer_ends_its_work() -> None:
    process, upstream = scripted(STARTED, DELTA, (9.0, DELTA))
    async with upstream.chat(ask("Hi"), call("own")) as batches:
        await anext(batches)
    assert process.closed == 1


VECTORS = LocalModel(Options("v.zip", engine="minilm"), operation="embed")
WORDS = LocalModel(Options("w.bin", engine="whisper"), operation="transcription")


class Apart(LocalUpstream):
    """Every engine's process says the same."""

    def __init__(self, process: Script) -> None:
        super().__init__({"own": OWN, "vectors": VECTORS, "words": WORDS}, process)
        self.script = process

    def _process(self, engine: EngineName) -> ModelProcess:
        return self.script


async def refusal(asked: Awaitable[Any]) -> ir.Fault:
    with pytest.raises(RequestFailed) as caught:
        await asked
    return caught.value.fault


async def test_a_model_does_what_it_is_for_and_refuses_the_rest_before_anything_runs() -> None:
    upstream = Apart(Script())
    assert upstream.performs("embed", "vectors")
    assert upstream.performs("count", "own")
    assert not upstream.performs("count", "vectors")
    assert not upstream.performs("chat", "vectors")
    assert upstream.performs("embed", "all-minilm"), "it may be installed"
    assert not upstream.performs("chat", "hibari")
    found = await refusal(upstream.embed(ir.EmbedRequest("d", "m", ("a",)), call("own")))
    assert (found.http_status, found.code, found.param) == (400, "unsupported_value", "model")
    assert found.message == "own chats; it is not a model that gives embeddings."
    found = await fault(upstream, ask("Hi"), call("vectors"))
    assert (found.http_status, found.param) == (400, "model")
    assert upstream.script.orders == []


async def test_a_failure_names_the_clients_part_of_the_request() -> None:
    upstream = Apart(Script((0.0, Failed(0, "invalid", "it is no sound"))))
    sound = ir.TranscriptionRequest("d", "m", ir.File(b"?"))
    found = await refusal(upstream.transcribe(sound, call("words")))
    assert (found.http_status, found.param, found.message) == (400, "audio", "It is no sound.")
    upstream = Apart(Script((0.0, Failed(0, "overloaded", "wait"))))
    found = await refusal(upstream.transcribe(sound, call("words")))
    assert (found.http_status, found.param) == (503, None)


async def test_other_work_has_its_time_too() -> None:
    upstream = Apart(Script((9.0, Embedded(0, (b"1234",), 1))))
    request = ir.EmbedRequest("d", "m", ("a",))
    found = await refusal(upstream.embed(request, call("vectors", Timers(first_byte=0.05))))
    assert (found.kind, found.code) == ("timeout", "first_byte_timeout")
    assert upstream.script.closed == 1


async def test_a_process_of_its_own_waits_for_each_engine_and_starts_with_its_first_work() -> None:
    upstream = LocalUpstream({"own": OWN, "vectors": VECTORS})
    upstream.unload("vectors")
    report = await upstream.loaded()
    assert (report.models, report.waiting, report.running, report.resident) == ((), 0, None, None)
    await upstream.close()
