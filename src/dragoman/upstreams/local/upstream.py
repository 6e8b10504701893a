"""The embedded models as an upstream: `ir.Request` in, events out, the model process between.

Text in, text out: tools, JSON by schema, stop sequences, log probabilities and several candidates, which
are written one after the other. `tool_choice` "auto" depends on the model: one of 135 million parameters
seldom calls a tool of its own accord; a forced call is held by a grammar. Parallel calls are not claimed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager

import msgspec

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.errors import RequestFailed, WireError
from dragoman.routing.route import Timers
from dragoman.seams import SYSTEM
from dragoman.upstreams.local import weights
from dragoman.upstreams.local.answering import Answer
from dragoman.upstreams.local.conversation import Asked, ask
from dragoman.upstreams.local.process import ModelProcess
from dragoman.upstreams.local.protocol import (
    DEFAULT_CONTEXT,
    Delta,
    Done,
    Draw,
    Event,
    Failed,
    FailureKind,
    Generate,
    Options,
    Report,
    Started,
    Turn,
)
from dragoman.upstreams.upstream import Batches, Call, Native

KEEP_ALIVE = 300.0
"""Seconds that an idle model stays in memory, unless the configuration says otherwise."""


class LocalModel(msgspec.Struct, frozen=True):
    """A model that this machine can run.

    options: its file, context and threads. keep_alive: seconds in memory when idle; 0 = not at all,
    negative = for ever. draw, limit, system: sampling, tokens of an answer and system message for a request
    that leaves them open. facts: what it can do.
    """

    options: Options
    keep_alive: float = KEEP_ALIVE
    draw: Draw = Draw()
    limit: int | None = None
    system: str | None = None
    facts: Facts = Facts(
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
    )


def embedded(*, keep_alive: float = KEEP_ALIVE, threads: int = 0) -> dict[str, LocalModel]:
    """The embedded models whose weights are installed, by id and alias."""
    models: dict[str, LocalModel] = {}
    for row in weights.WEIGHTS:
        if (path := weights.find(row)) is not None:
            options = Options(str(path), threads=threads)
            model = LocalModel(options, keep_alive, row.draw, row.limit, row.system)
            facts = msgspec.structs.replace(model.facts, context=min(row.context, DEFAULT_CONTEXT))
            model = msgspec.structs.replace(model, facts=facts)
            models |= dict.fromkeys((row.id, *row.aliases), model)
    return models


class LocalUpstream:
    """Models on this machine.

    models: by the name that a call uses. process: runs them. name: the provider's. new_id: makes ids of
    tool calls.
    """

    native = Native(frozenset({"schema", "json", "forced_thinking"}))
    """All but tools with free text: a call is JSON, held by a grammar."""

    def __init__(
        self,
        models: Mapping[str, LocalModel],
        process: ModelProcess | None = None,
        *,
        name: str = "local",
        new_id: Callable[[], str] = lambda: f"call_{SYSTEM.random_id()}",
    ) -> None:
        self.name = name
        self._models = models
        self._process = process or ModelProcess()
        self._new_id = new_id

    @asynccontextmanager
    async def chat(self, request: ir.Request, call: Call) -> AsyncIterator[Batches]:
        """Answer one chat request. Raises RequestFailed, with places in IR terms."""
        model = self._model(call.model)
        try:
            asked = ask(request, call.report, model.draw)
        except WireError as error:
            raise RequestFailed(
                ir.Fault("invalid_request", error.message, code=error.code, param=error.path or None)
            ) from error
        async with aclosing(self._batches(request, asked, model, call)) as batches:
            yield batches

    @property
    def models(self) -> Mapping[str, LocalModel]:
        """What can be run, by the name that a call uses."""
        return self._models

    async def loaded(self) -> Report:
        """What is in memory and what waits."""
        return await self._process.inspect()

    def unload(self, name: str) -> None:
        """Free a model's memory as soon as it is idle."""
        if (model := self._models.get(name)) is not None:
            self._process.unload(model.options.path)

    async def close(self) -> None:
        """End the model process. Requests in flight fail."""
        await self._process.close()

    def _model(self, name: str) -> LocalModel:
        if (model := self._models.get(name)) is not None:
            return model
        if (row := weights.known(name)) is not None:
            message = f"{row.id} is not installed here; `dragoman models install {row.id}` does it."
            raise RequestFailed(ir.Fault("unavailable", message, code="model_not_installed", blame="gateway"))
        message = f"There is no local model {name!r}."
        raise RequestFailed(ir.Fault("model_not_found", message, code="model_not_found", param="model"))

    async def _batches(
        self, request: ir.Request, asked: Asked, model: LocalModel, call: Call
    ) -> AsyncGenerator[Sequence[ir.Event], None]:
        usage = ir.Usage()
        for candidate in range(request.sampling.n or 1):
            answer = Answer(candidate, forced=asked.forced, chosen=asked.chosen, new_id=self._new_id)
            order = _order(asked, model, candidate)
            async with aclosing(self._process.generate(order)) as events:
                async for event in _timed(events, call, self.name):
                    match event:
                        case Started():
                            usage = msgspec.structs.replace(usage, input=event.prompt_tokens)
                            if candidate == 0:
                                yield [ir.Start(self.name, model=call.model, usage=usage)]
                        case Delta():
                            if batch := answer.feed(event):
                                yield batch
                        case Done():
                            output = (usage.output or 0) + event.tokens
                            usage = msgspec.structs.replace(usage, output=output)
                            yield answer.finish(event)
                        case Failed():
                            raise RequestFailed(_fault(event))
        yield [ir.Tally(usage), ir.End()]


def _order(asked: Asked, model: LocalModel, candidate: int) -> Generate:
    turns, draw = asked.turns, asked.draw
    if model.system is not None and not any(turn.role == "system" for turn in turns):
        turns = (Turn("system", model.system), *turns)
    if draw.seed is not None and candidate:
        draw = msgspec.structs.replace(draw, seed=draw.seed + candidate)
    return Generate(
        id=0,
        options=model.options,
        turns=turns,
        tools=asked.tools,
        draw=draw,
        limit=model.limit if asked.limit is None else asked.limit,
        stop=asked.stop,
        grammar=asked.grammar,
        keep_alive=model.keep_alive,
    )


async def _timed(events: AsyncGenerator[Event, None], call: Call, name: str) -> AsyncGenerator[Event, None]:
    """The events, each in time: the first text within `first_byte`, the rest within `idle` of each other."""
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
        if isinstance(event, Done | Failed):
            return
        speaking = speaking or isinstance(event, Delta)


def _late(timers: Timers, name: str, *, speaking: bool) -> ir.Fault:
    if speaking:
        message, code = f"{name} fell silent for {timers.idle:g} s.", "idle_timeout"
    else:
        message, code = f"{name} said nothing within {timers.first_byte:g} s.", "first_byte_timeout"
    return ir.Fault("timeout", message, code=code, blame="upstream")


_FAULTS: dict[FailureKind, ir.Fault] = {
    "overloaded": ir.Fault("overloaded", "", code="overloaded", retry_after=1.0, blame="gateway"),
    "context_length": ir.Fault("context_length", "", code="context_length_exceeded", param="messages"),
    "invalid": ir.Fault("invalid_request", "", param="messages"),
    "model": ir.Fault("unavailable", "", code="model_unusable", blame="gateway"),
    "crashed": ir.Fault("upstream", "", code="model_process_died", blame="upstream"),
    "internal": ir.Fault("internal", "", blame="gateway"),
}


def _fault(failed: Failed) -> ir.Fault:
    message = failed.message[:1].upper() + failed.message[1:]
    return msgspec.structs.replace(_FAULTS[failed.kind], message=f"{message}.")
