"""The models on this machine as an upstream: requests in the IR, answered by one model process for each
engine.

If a request wants several candidates (alternative answers), they are written one after another. A candidate
with a forced tool call has one call.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from copy import copy
from itertools import chain
from typing import Final, TypeVar

import msgspec

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.dialects.request import Operation
from dragoman.errors import RequestFailed, WireError
from dragoman.routing.route import Timers
from dragoman.seams.clock import SYSTEM
from dragoman.upstreams.counts import hold_to_counts
from dragoman.upstreams.local import operations, protocol, weights
from dragoman.upstreams.local.answering import CandidateDecoder
from dragoman.upstreams.local.conversation import ModelRequest, translate
from dragoman.upstreams.local.process import ModelProcess
from dragoman.upstreams.upstream import Batches, Call, Native

KEEP_ALIVE = 300.0
"""The default number of seconds for which an idle model stays in memory."""


_CHATS: Final = Facts(
    tools=True,
    images=False,
    audio=False,
    documents=False,
    structured=True,
    reasoning=False,
    forced_tool=True,
    sampling=True,
    prefill=True,
    mid_system=True,
    draws=False,
)


class LocalModel(msgspec.Struct, frozen=True):
    """A model that this machine can run.

    options: its engine, file, context, threads and layers on the GPU. keep_alive: seconds for which it stays
    in memory when idle; 0 = it does not stay, negative = for ever. draw: the default sampling. limit: the
    default for the most tokens of an answer, None = no limit but the context. system: the system message for
    a request without one, None = none. facts: what the model can do in chat. operation: the operation that it
    is for.
    """

    options: protocol.Options
    keep_alive: float = KEEP_ALIVE
    draw: protocol.Draw = protocol.Draw()
    limit: int | None = None
    system: str | None = None
    facts: Facts = _CHATS
    operation: Operation = "chat"


def embedded(*, keep_alive: float = KEEP_ALIVE, threads: int = 0) -> dict[str, LocalModel]:
    """Return the embedded models (`weights`) whose files and engines are installed: {id or alias: model}.
    keep_alive: as for `LocalModel`. threads: the number of threads of each model for chat or transcription, 0
    = one for each usable physical core. The models for embeddings and speech do not use it.
    """
    models: dict[str, LocalModel] = {}
    for row in weights.WEIGHTS:
        # The engine is looked for first: that is the faster question.
        if not weights.lacks(row) and (path := weights.find(row)) is not None:
            facts = Facts()
            if row.operation == "chat":
                context = min(row.context or protocol.DEFAULT_CONTEXT, protocol.DEFAULT_CONTEXT)
                facts = msgspec.structs.replace(_CHATS, context=context)
            options = protocol.Options(str(path), threads=threads, engine=row.engine)
            model = LocalModel(options, keep_alive, row.draw, row.limit, row.system, facts, row.operation)
            models |= dict.fromkeys((row.id, *row.aliases), model)
    return models


_Answer = TypeVar("_Answer", protocol.Counted, protocol.Embedded, protocol.Spoken, protocol.Transcribed)

_DOES: dict[Operation, str] = {
    "chat": "chats",
    "embed": "gives embeddings",
    "speech": "speaks",
    "transcription": "transcribes speech",
}


class LocalUpstream:
    """The models on this machine. If a fault names a value of the request, it names the path in the IR.

    models: {name that a call uses: model}. process: runs the chat models, None = a new `ModelProcess` is
    made. name: the provider's name. new_id: returns an id for a tool call. queue: how many requests may wait
    while another one runs, in each process that is made here.
    """

    native = Native(frozenset({"schema", "json", "forced_tool", "forced_thinking", "single_call"}))
    """The features that need no emulation. Tools with free text are emulated, because a grammar makes each
    call JSON.
    """

    def __init__(
        self,
        models: Mapping[str, LocalModel],
        process: ModelProcess | None = None,
        *,
        name: str = "local",
        new_id: Callable[[], str] = lambda: f"call_{SYSTEM.random_id()}",
        queue: int = protocol.QUEUE,
    ) -> None:
        self.name = name
        self.models = models
        self._processes: dict[protocol.EngineName, ModelProcess] = {
            "llama": process or ModelProcess(queue=queue)
        }
        self._new_id = new_id
        self._queue = queue

    def offering(self, models: Mapping[str, LocalModel]) -> LocalUpstream:
        """Return an upstream for other models. It uses the same model processes as this upstream."""
        other = copy(self)
        other.models = models
        return other

    def performs(self, operation: Operation, model: str) -> bool:
        """Return whether the model is for this operation. A chat model is for `chat` and `count`; any other
        model is for one operation. True for an unknown name: a model of this name may be installed later.
        """
        known = self.models.get(model) or weights.known(model)
        return known is None or known.operation == ("chat" if operation == "count" else operation)

    @asynccontextmanager
    async def chat(self, request: ir.Request, call: Call) -> AsyncIterator[Batches]:
        model = self._model(call.model, "chat")
        hold_to_counts(request)
        prepared = _prepared(request, model, call)
        async with aclosing(self._batches(request, prepared, model, call)) as batches:
            yield batches

    async def count_tokens(self, request: ir.Request, call: Call) -> ir.TokenCount:
        """Count the tokens of the prompt with the model's own chat template and vocabulary. If the request
        has no system message, the model's default one is included. The model is loaded into memory if it is
        not there. Raises RequestFailed, for example if there is no such chat model, if it cannot take the
        request, or if too many requests wait.
        """
        model = self._model(call.model, "chat")
        order = _order(_prepared(request, model, call), model, 0, call.client)
        counted = protocol.Count(0, order.options, order.turns, order.tools, order.keep_alive)
        answer = await self._one(counted, protocol.Counted, call, "messages")
        return ir.TokenCount(answer.tokens, call.model)

    async def embed(self, request: ir.EmbedRequest, call: Call) -> ir.EmbedResponse:
        model = self._model(call.model, "embed")
        order = operations.embed_order(request, model.options, model.keep_alive, call.report)
        answer = await self._one(order, protocol.Embedded, call, "inputs")
        return operations.vectors(answer, request, call.model, call.report)

    async def speak(self, request: ir.SpeechRequest, call: Call) -> ir.SpeechResponse:
        model = self._model(call.model, "speech")
        encodes = importlib.util.find_spec("av") is not None
        order = operations.speak_order(request, model.options, model.keep_alive, call.report, encodes=encodes)
        return operations.sound(await self._one(order, protocol.Spoken, call, "text"), order, call.model)

    async def transcribe(self, request: ir.TranscriptionRequest, call: Call) -> ir.TranscriptionResponse:
        model = self._model(call.model, "transcription")
        answer = await self._one(  # the job has no name here, so that `_one` can let go of the recording
            operations.transcribe_order(request, model.options, model.keep_alive, call.report),
            protocol.Transcribed,
            call,
            "audio",
        )
        return operations.transcript(answer, call.model)

    async def loaded(self) -> protocol.Report:
        """Return one report on all engines: all loaded models, the sum of the waiting jobs, and the sum of
        the physical memory that is known. running: the id of one running job, None = no engine runs a job.
        """
        reports = [await process.inspect() for process in tuple(self._processes.values())]
        resident = [report.resident for report in reports if report.resident is not None]
        return protocol.Report(
            0,
            tuple(chain.from_iterable(report.models for report in reports)),
            waiting=sum(report.waiting for report in reports),
            running=next((report.running for report in reports if report.running is not None), None),
            resident=sum(resident) if resident else None,
        )

    def unload(self, name: str) -> None:
        """Free the memory of the loaded models that have the same file as this model, as soon as they are
        idle. A model for which a request waits stays in memory. This call does not wait. name: a key of
        `models`; does nothing for an unknown name.
        """
        if (model := self.models.get(name)) is not None:
            self._process(model.options.engine).unload(model.options.path)

    async def close(self) -> None:
        """End the model processes, and wait until they have ended. Requests that run or wait fail."""
        await asyncio.gather(*(process.close() for process in self._processes.values()))

    def _process(self, engine: protocol.EngineName) -> ModelProcess:
        """Return the process of an engine. If there is none, make it; it starts when it gets its first
        request.
        """
        if (process := self._processes.get(engine)) is None:
            process = self._processes[engine] = ModelProcess(engine, queue=self._queue)
        return process

    def _model(self, name: str, operation: Operation) -> LocalModel:
        if (model := self.models.get(name)) is not None:
            if model.operation == operation:
                return model
            message = f"{name} {_DOES[model.operation]}; it is not a model that {_DOES[operation]}."
            raise operations.refused(message, "model")
        if (row := weights.known(name)) is not None:
            message = f"{row.id} is not installed; install it with {weights.remedy(row)}."
            raise RequestFailed(ir.Fault("unavailable", message, code="model_not_installed", blame="gateway"))
        message = f"There is no local model {name!r}."
        raise RequestFailed(ir.Fault("model_not_found", message, code="model_not_found", param="model"))

    async def _one(self, order: protocol.Job, kind: type[_Answer], call: Call, param: str) -> _Answer:
        """Send a job that is answered with one message, and return this message, which has the type `kind`.
        Raises RequestFailed if the job fails or exceeds a timer of the call, or if strict mode refuses the
        reported losses. param: the path in the IR that the fault names if the client is to blame.
        """
        call.ready()
        process = self._process(order.options.engine)
        generator = process.ask(msgspec.structs.replace(order, client=call.client))
        del order  # a recording may be large, and the job may wait for long
        async with aclosing(generator) as events:
            async for event in _timed(events, call, self.name):
                if isinstance(event, protocol.Failed):
                    raise RequestFailed(_fault(event, param))
                if isinstance(event, kind):
                    return event
        raise AssertionError(f"{kind.__name__} was not given")

    async def _batches(
        self, request: ir.Request, prepared: ModelRequest, model: LocalModel, call: Call
    ) -> AsyncGenerator[Sequence[ir.Event], None]:
        usage = ir.Usage()
        for candidate in range(request.sampling.n or 1):
            answer = CandidateDecoder(
                candidate, forced=prepared.forced, chosen=prepared.chosen, new_id=self._new_id
            )
            order = _order(prepared, model, candidate, call.client)
            async with aclosing(self._process(model.options.engine).ask(order)) as events:
                async for event in _timed(events, call, self.name):
                    match event:
                        case protocol.Started():
                            usage = msgspec.structs.replace(usage, input=event.prompt_tokens)
                            if candidate == 0:
                                yield [ir.Start(self.name, model=call.model, usage=usage)]
                        case protocol.Delta():
                            if batch := answer.feed(event):
                                yield batch
                        case protocol.Done():
                            output = (usage.output or 0) + event.tokens
                            usage = msgspec.structs.replace(usage, output=output)
                            yield answer.finish(event)
                        case protocol.Failed():
                            raise RequestFailed(_fault(event, "messages"))
        yield [ir.Tally(usage), ir.End()]


def _prepared(request: ir.Request, model: LocalModel, call: Call) -> ModelRequest:
    """Return the request in the form of the model process. Raises RequestFailed if it cannot be expressed in
    this form.
    """
    try:
        return translate(request, call.report, model.draw)
    except WireError as error:
        fault = ir.Fault("invalid_request", error.message, code=error.code, param=error.path or None)
        raise RequestFailed(fault) from error


def _order(prepared: ModelRequest, model: LocalModel, candidate: int, client: str) -> protocol.Generate:
    turns, draw = prepared.turns, prepared.draw
    if model.system is not None and not any(turn.role == "system" for turn in turns):
        turns = (protocol.PromptTurn("system", model.system), *turns)
    if draw.seed is not None and candidate:
        draw = msgspec.structs.replace(draw, seed=draw.seed + candidate)
    return protocol.Generate(
        id=0,
        options=model.options,
        turns=turns,
        tools=prepared.tools,
        draw=draw,
        limit=model.limit if prepared.limit is None else prepared.limit,
        stop=prepared.stop,
        grammar=prepared.grammar,
        keep_alive=model.keep_alive,
        client=client,
    )


async def _timed(
    events: AsyncGenerator[protocol.Event, None], call: Call, name: str
) -> AsyncGenerator[protocol.Event, None]:
    """Yield the same events; `call.watch` measures the waits for them. Raises RequestFailed if the first text
    comes later than `first_byte`, or the next event after a text later than `idle` (`call.timers`). An answer
    without text events must be complete within `first_byte`. name: the provider's name, for the error.
    """
    timers, speaking = call.timers, False
    loop = asyncio.get_running_loop()
    first_due = None if timers.first_byte is None else loop.time() + timers.first_byte
    while True:
        due = first_due
        if speaking:
            due = None if timers.idle is None else loop.time() + timers.idle
        call.watch.start()
        try:
            async with asyncio.timeout_at(due):
                event = await anext(events)
        except TimeoutError:
            raise RequestFailed(_late(timers, name, speaking=speaking)) from None
        finally:
            call.watch.stop()
        yield event
        if isinstance(event, protocol.End):
            return
        speaking = speaking or isinstance(event, protocol.Delta)


def _late(timers: Timers, name: str, *, speaking: bool) -> ir.Fault:
    if speaking:
        message, code = f"The provider {name!r} sent no data for {timers.idle:g} s.", "idle_timeout"
    else:
        message = f"The provider {name!r} did not start to respond within {timers.first_byte:g} s."
        code = "first_byte_timeout"
    return ir.Fault("timeout", message, code=code, blame="upstream")


_FAULTS: dict[protocol.FailureKind, ir.Fault] = {
    "overloaded": ir.Fault("overloaded", "", code="overloaded", retry_after=1.0, blame="gateway"),
    "context_length": ir.Fault("context_length", "", code="context_length_exceeded"),
    "invalid": ir.Fault("invalid_request", ""),
    "model": ir.Fault("unavailable", "", code="model_unusable", blame="gateway"),
    "crashed": ir.Fault("upstream", "", code="model_process_died", blame="upstream"),
    "internal": ir.Fault("internal", "", blame="gateway"),
}


def _fault(failed: protocol.Failed, param: str) -> ir.Fault:
    """Return the fault for a failure of the model process. param: the path in the IR that the fault names if
    the client is to blame.
    """
    fault = _FAULTS[failed.kind]
    message = failed.message[:1].upper() + failed.message[1:]
    place = param if fault.blame == "client" else None
    return fault.changed(message=f"{message}.", param=place)
