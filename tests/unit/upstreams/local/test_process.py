"""The real model in its real process: streams, cancellation, queue, memory, death."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from dragoman.upstreams.local import protocol, weights
from dragoman.upstreams.local.process import ModelProcess, _environment
from dragoman.upstreams.local.protocol import (
    Delta,
    Done,
    Draw,
    Event,
    Failed,
    Generate,
    Job,
    Options,
    PromptTurn,
    Started,
    Transcribe,
)

PATH = str(weights.find(weights.WEIGHTS[0]))
SYSTEM = PromptTurn("system", "You are a helpful assistant.")
CAPITAL = "What is the capital of France?"
PARIS = "The capital of France is Paris."
ENDLESS = 'root ::= ("fox " | "dog ") root'
"""A grammar that never lets the model end."""


def ask(text: str = CAPITAL, **fields: object) -> Generate:
    request = Generate(
        0, Options(PATH, context=512), (SYSTEM, PromptTurn("user", text)), draw=Draw(temperature=0)
    )
    return msgspec.structs.replace(request, **fields)


async def run(process: ModelProcess, request: Job) -> list[Event]:
    return [event async for event in process.ask(request)]


def said(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def done(events: list[Event]) -> Done:
    assert isinstance(events[-1], Done), events[-1]
    return events[-1]


def failed(events: list[Event]) -> Failed:
    assert isinstance(events[-1], Failed), events[-1]
    return events[-1]


@pytest.fixture
async def process() -> AsyncIterator[ModelProcess]:
    """One that a test may end."""
    process = ModelProcess()
    yield process
    await process.close()
    assert process.pid is None


SHARED = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[ModelProcess]:
    """One for all tests that leave it as it is; they have the mark `SHARED`."""
    process = ModelProcess()
    yield process
    await process.close()


def living(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked for its status does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip() not in {"", "Z", "Z+", "Zs"}


async def until(true: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    """Wait until something is so in another process, which can only be asked."""
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def ended(pid: int) -> None:
    async def gone() -> bool:
        return not living(pid)

    await until(gone)


@SHARED
@pytest.mark.local_model
async def test_an_answer_streams_and_is_counted_by_the_tokenizer(shared: ModelProcess) -> None:
    events = await run(shared, ask())
    assert said(events) == PARIS
    assert len([event for event in events if isinstance(event, Delta)]) == 7
    # <|im_start|> system \n You are a helpful assistant . <|im_end|> \n, and so on
    assert isinstance(events[0], Started)
    assert events[0].prompt_tokens == 27
    assert (done(events).finish, done(events).tokens) == ("stop", 7)
    assert done(events).timings.load > 0
    again = await run(shared, ask())
    assert said(again) == PARIS
    assert done(again).timings.load < 0.01


@SHARED
@pytest.mark.local_model
async def test_a_stop_sequence_and_a_character_split_over_tokens_come_out_right(
    shared: ModelProcess,
) -> None:
    events = await run(shared, ask(stop=("tal of Fr",)))
    assert (said(events), done(events).finish, done(events).sequence) == ("The capi", "sequence", "tal of Fr")
    events = await run(shared, ask(grammar='root ::= "🦊é漢字"'))
    assert [event.text for event in events if isinstance(event, Delta)] == ["🦊", "é", "漢", "字"]
    assert done(events).tokens > 4


@SHARED
@pytest.mark.local_model
async def test_limits_and_the_context_end_an_answer_or_refuse_it(shared: ModelProcess) -> None:
    events = await run(shared, ask(grammar=ENDLESS, limit=5))
    assert (done(events).finish, done(events).tokens) == ("length", 5)
    small = Options(PATH, context=40)
    events = await run(shared, ask(grammar=ENDLESS, options=small))
    assert (done(events).finish, done(events).tokens) == ("context", 40 - 27)
    refused = failed(await run(shared, ask("fox " * 50, options=small)))
    assert refused.kind == "context_length"
    assert refused.message.startswith("this prompt has 7")
    assert refused.message.endswith("but the model's context window is 40 tokens")
    assert {model.context for model in (await shared.inspect()).models} >= {40, 512}


@SHARED
@pytest.mark.local_model
async def test_closing_an_answer_ends_its_computing(shared: ModelProcess) -> None:
    async def idle() -> bool:
        return (await shared.inspect()).running is None

    async def busy() -> bool:
        return not await idle()

    # It would compute for minutes.
    large = Options(PATH, context=4096)
    async with aclosing(shared.ask(ask(grammar=ENDLESS, options=large))) as events:
        async for event in events:
            if isinstance(event, Delta):
                break
    await until(idle)
    # Cancelled while a long prompt is read: the engine is interrupted in the middle of it.
    long = asyncio.ensure_future(run(shared, ask("fox " * 4000, options=large)))
    await until(busy)
    long.cancel()
    await until(idle)
    assert said(await run(shared, ask())) == PARIS


async def test_requests_that_are_large_together_wait_for_those_before(tmp_path: Path) -> None:
    """No model is needed for it: one that is not there is an answer too."""
    large = Transcribe(0, Options(str(tmp_path / "none"), engine="whisper"), bytes(3 << 20))
    process = ModelProcess("whisper", room=4 << 20)
    try:
        asked = [asyncio.ensure_future(run(process, large)) for _ in range(2)]
        first, second = [failed(events) for events in await asyncio.gather(*asked)]
        assert first.kind != "overloaded"
        assert (second.kind, second.message[-7:]) == ("overloaded", "(4 MiB)")
        assert failed(await run(process, large)).kind == first.kind  # what is over leaves its room
        alone = msgspec.structs.replace(large, data=bytes(5 << 20))
        assert failed(await run(process, alone)).kind == first.kind
    finally:
        await process.close()


async def waits(process: ModelProcess, count: int) -> bool:
    return (await process.inspect()).waiting == count


@pytest.mark.local_model
async def test_a_full_queue_refuses_and_a_cancelled_place_is_free_again() -> None:
    process = ModelProcess(queue=1)
    try:
        async with aclosing(process.ask(ask(grammar=ENDLESS))) as running:
            assert isinstance(await anext(running), Started)
            waiting = asyncio.ensure_future(run(process, ask()))
            await until(lambda: waits(process, 1))
            refused = failed(await run(process, ask()))
            assert (refused.kind, "(2)" in refused.message) == ("overloaded", True)
            waiting.cancel()
            await until(lambda: waits(process, 0))
            waiting = asyncio.ensure_future(run(process, ask()))
            await until(lambda: waits(process, 1))
        assert said(await waiting) == PARIS
    finally:
        await process.close()


@pytest.mark.local_model
async def test_an_idle_model_gives_its_memory_back(process: ModelProcess) -> None:
    async def freed() -> bool:
        return not (await process.inspect()).models

    await run(process, ask(limit=1))
    loaded = await process.inspect()
    assert [model.context for model in loaded.models] == [512]
    await run(process, ask(limit=1, keep_alive=0))
    await until(freed)
    resident = (await process.inspect()).resident
    if loaded.resident is not None:
        assert resident is not None
        assert loaded.resident - resident > 50 * 1024 * 1024
    await run(process, ask(limit=1))
    process.unload(PATH)
    await until(freed)


@pytest.mark.local_model
async def test_a_killed_process_fails_its_requests_and_the_next_starts_another(process: ModelProcess) -> None:
    first = asyncio.ensure_future(run(process, ask(grammar=ENDLESS)))
    second = asyncio.ensure_future(run(process, ask()))
    await until(lambda: waits(process, 1))
    pid = process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    for events in (await first, await second):
        assert failed(events).kind == "crashed"
        assert "signal 9" in failed(events).message
    assert said(await run(process, ask())) == PARIS
    assert process.pid not in {None, pid}
    await ended(pid)


@pytest.mark.local_model
async def test_a_slow_reader_costs_bounded_memory_and_loses_nothing() -> None:
    process = ModelProcess(buffer=20_000)
    try:
        request = ask(grammar=ENDLESS, limit=40, draw=Draw(temperature=0, top_logprobs=20))
        events = process.ask(request)
        seen = [await anext(events)]
        assert process._running is not None
        (inbox,) = process._running._inboxes.values()
        for _ in range(30):
            await asyncio.sleep(0.02)
            assert inbox._size < 20_000 + 2_000
        seen += [event async for event in events]
        assert done(seen).tokens == 40
        assert sum(len(event.logprobs) for event in seen if isinstance(event, Delta)) == 40
    finally:
        await process.close()


@pytest.mark.local_model
async def test_a_slow_reader_holds_up_neither_questions_nor_the_end() -> None:
    process = ModelProcess(buffer=200)
    events = process.ask(ask(grammar=ENDLESS, limit=300))
    assert isinstance(await anext(events), Started)
    assert process._running is not None
    (inbox,) = process._running._inboxes.values()
    async with asyncio.timeout(10):
        while not inbox._paused:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert (await process.inspect()).running is not None
        waiting = asyncio.ensure_future(run(process, ask()))
        await until(lambda: waits(process, 1))
        waiting.cancel()
        await until(lambda: waits(process, 0))
        await process.close()
    assert failed([event async for event in events]).kind == "crashed"


@SHARED
@pytest.mark.local_model
async def test_a_reader_that_stalls_does_not_hold_up_the_others(shared: ModelProcess) -> None:
    async with aclosing(shared.ask(ask())) as stalled:
        await anext(stalled)
        assert said(await run(shared, ask())) == PARIS
        assert "".join([event.text async for event in stalled if isinstance(event, Delta)]) == PARIS


@pytest.mark.local_model
async def test_the_process_ends_with_its_parent_however_that_ends() -> None:
    program = textwrap.dedent(f"""
        import asyncio
        from dragoman.upstreams.local.process import ModelProcess
        from dragoman.upstreams.local.protocol import Generate, Options, PromptTurn

        async def main():
            process = ModelProcess()
            request = Generate(0, Options({PATH!r}), (PromptTurn("user", "Hi"),), grammar={ENDLESS!r})
            async for event in process.ask(request):
                print(process.pid, flush=True)

        asyncio.run(main())
    """)
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert living(pid)
    parent.kill()
    await parent.communicate()
    await ended(pid)


@pytest.mark.local_model
@pytest.mark.parametrize("verbose", [False, True])
async def test_the_engines_log_is_silent_unless_asked_for(
    capfd: pytest.CaptureFixture[str], verbose: bool
) -> None:
    process = ModelProcess(verbose=verbose)
    await run(process, ask(limit=1))
    await process.close()
    out, err = capfd.readouterr()
    assert out == ""
    assert ("llama_model_loader" in err) is verbose
    assert verbose or not err


async def test_a_file_that_is_no_model_fails_with_its_name(process: ModelProcess, tmp_path: Path) -> None:
    refused = failed(await run(process, ask(options=Options(str(tmp_path / "absent.gguf")))))
    assert refused.kind == "model"


async def test_a_request_that_no_frame_holds_fails_alone(
    process: ModelProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(protocol, "MAX_FRAME", 1000)
        refused = failed(await run(process, ask("word " * 300)))
    assert refused.kind == "invalid"
    refused = failed(await run(process, ask(options=Options("absent.gguf"))))
    assert refused.kind == "model"


async def test_nothing_is_loaded_where_nothing_runs(process: ModelProcess) -> None:
    process.unload(PATH)
    assert (await process.inspect()).models == ()
    assert process.pid is None


def test_the_process_sees_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    environment = _environment()
    assert "sk-secret" not in environment.values()
    assert environment["LC_ALL"] == "C.UTF-8"
    assert {name for name in environment if "KEY" in name or "TOKEN" in name} == set()
