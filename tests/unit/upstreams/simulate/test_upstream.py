"""Time and faults, with a clock that only counts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.errors import RequestFailed
from dragoman.routing.outcome import Outcome, classify
from dragoman.routing.route import Timers
from dragoman.upstreams.simulate import SimulateUpstream
from dragoman.upstreams.upstream import Call, Stopwatch


class Slept:
    """Counts the seconds that would have been slept."""

    def __init__(self) -> None:
        self.naps: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.naps.append(seconds)
        await asyncio.sleep(0)

    @property
    def total(self) -> float:
        return sum(self.naps)


def call(model: str, timers: Timers | None = None) -> Call:
    return Call("a1", model, Report("simulate"), Stopwatch(lambda: 0.0), timers or Timers())


def request(text: str = "Hello", *, stream: bool = True, **more: Any) -> ir.Request:
    return ir.Request("chat", "m", (ir.Message("user", (ir.Text(text),)),), stream=stream, **more)


async def batches(
    model: str, asked: ir.Request | None = None, timers: Timers | None = None, **options: Any
) -> tuple[list[Sequence[ir.Event]], Slept]:
    slept = Slept()
    upstream = SimulateUpstream(sleep=slept, **options)
    async with upstream.chat(asked or request(), call(model, timers)) as arriving:
        return [batch async for batch in arriving], slept


def flat(got: Sequence[Sequence[ir.Event]]) -> list[ir.Event]:
    return [event for batch in got for event in batch]


def texts(events: Sequence[ir.Event]) -> int:
    return sum(isinstance(event, ir.TextDelta) for event in events)


async def test_it_answers_in_text_alone() -> None:
    with pytest.raises(RequestFailed) as caught:
        await batches("lorem", request(output=ir.Output(modalities=("text", "audio"))))
    fault = caught.value.fault
    assert (fault.kind, fault.code, fault.param) == (
        "unsupported",
        "unsupported_modality",
        "output.modalities",
    )
    assert await batches("lorem", request(output=ir.Output(modalities=("text",))))


async def test_a_whole_answer_is_one_batch_and_takes_as_long_as_its_stream() -> None:
    got, slept = await batches("lorem:30", request(stream=False), first_token=1.0, token_interval=0.1)
    assert len(got) == 1
    assert slept.total == pytest.approx(1.0 + 30 * 0.1)
    streamed, also = await batches("lorem:30", first_token=1.0, token_interval=0.1)
    assert also.total == pytest.approx(1.0 + 29 * 0.1)
    assert ir.fold(flat(streamed)) == ir.fold(flat(got))


async def test_a_stream_brings_token_by_token_when_it_takes_time() -> None:
    got, slept = await batches("lorem:10+wait:2+rate:4")
    assert len(got) == 10
    assert [texts(batch) for batch in got] == [1] * 10
    assert slept.naps == [2.0, *[0.25] * 9]


async def test_a_stream_without_time_comes_in_larger_pieces() -> None:
    got, slept = await batches("lorem:40")
    assert [texts(batch) for batch in got] == [16, 16, 8]
    assert slept.total == 0


async def test_slow_is_slow() -> None:
    _, slept = await batches("slow+lorem:3")
    assert slept.naps == [2.0, 0.2, 0.2]


async def test_the_models_name_is_the_calls() -> None:
    got, _ = await batches("echo")
    assert got[0][0] == ir.Start("simulate", model="echo", usage=ir.Usage(input=5))
    checker = ir.Checker()
    for event in flat(got):
        checker.add(event)


async def test_seeds() -> None:
    async def said(seed: int, **more: Any) -> Any:
        got, _ = await batches("lorem", request(**more), seed=seed)
        return ir.fold(flat(got)).candidates

    assert await said(1) != await said(2)
    stated = ir.Sampling(seed=7)
    assert await said(1, sampling=stated) == await said(2, sampling=stated)


@pytest.mark.parametrize(
    ("model", "kind", "outcome", "retry_after"),
    [
        ("fail:400", "invalid_request", Outcome.CALLER, None),
        ("fail:401", "authentication", Outcome.KEY_PERMANENT, None),
        ("fail:402", "quota", Outcome.KEY_PERMANENT, None),
        ("fail:403", "permission", Outcome.KEY_MODEL, None),
        ("fail:404", "model_not_found", Outcome.DEPLOYMENT, None),
        ("fail:413", "too_large", Outcome.CALLER, None),
        ("fail:422", "invalid_request", Outcome.CALLER, None),
        ("fail:429", "rate_limit", Outcome.KEY_TRANSIENT, 1.0),
        ("fail:429:30", "rate_limit", Outcome.KEY_TRANSIENT, 30.0),
        ("fail", "upstream", Outcome.SERVER, None),
        ("fail:502", "upstream", Outcome.SERVER, None),
        ("fail:503", "unavailable", Outcome.SERVER, 1.0),
        ("fail:504", "timeout", Outcome.SERVER, None),
        ("fail:529:0", "overloaded", Outcome.SERVER, 0.0),
    ],
)
async def test_failing_before_anything_is_said(
    model: str, kind: ir.Kind, outcome: Outcome, retry_after: float | None
) -> None:
    with pytest.raises(RequestFailed) as failed:
        await batches(f"{model}+wait:0.5")
    fault = failed.value.fault
    assert (fault.kind, fault.retry_after, classify(fault)) == (kind, retry_after, outcome)
    assert (fault.blame == "client") is (outcome is Outcome.CALLER)
    assert str(fault.status) in fault.message


async def test_failing_by_a_line_of_the_user() -> None:
    with pytest.raises(RequestFailed) as failed:
        await batches("echo", request("Hello\nsimulate: fail:503"))
    assert failed.value.fault.status == 503


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("model", "pieces"), [("die", 5), ("die:0", 0), ("die:20", 20), ("die:3+rate:10", 3)]
)
async def test_dying_in_the_middle(model: str, pieces: int, stream: bool) -> None:
    got, _ = await batches(model, request(stream=stream))
    *said, last = flat(got)
    assert texts(said) == pieces
    assert isinstance(last, ir.Error)
    assert (last.fault.kind, last.fault.code, last.fault.blame) == (
        "upstream",
        "connection_broken",
        "upstream",
    )
    checker = ir.Checker()
    for event in (*said, last):
        checker.add(event)


async def test_an_answer_shorter_than_its_end_is_complete() -> None:
    got, _ = await batches("echo+die:9")
    assert isinstance(flat(got)[-1], ir.End)


async def test_silence_from_the_beginning_runs_into_the_first_timer() -> None:
    with pytest.raises(RequestFailed) as failed:
        await batches("silence", timers=Timers(first_byte=7.0))
    assert (failed.value.fault.kind, failed.value.fault.code) == ("timeout", "first_byte_timeout")


async def test_waiting_too_long_is_silence() -> None:
    with pytest.raises(RequestFailed) as failed:
        await batches("wait:8", timers=Timers(first_byte=7.0))
    assert failed.value.fault.code == "first_byte_timeout"
    _, slept = await batches("wait:6", timers=Timers(first_byte=7.0))
    assert slept.naps[0] == 6.0


async def test_silence_in_the_middle_runs_into_the_other_timer() -> None:
    slept = Slept()
    said: list[ir.Event] = []

    async def listen() -> None:
        silent = call("silence:20", Timers(idle=9.0))
        async with SimulateUpstream(sleep=slept).chat(request(), silent) as arriving:
            async for batch in arriving:
                said.extend(batch)

    with pytest.raises(RequestFailed) as failed:
        await listen()
    assert texts(said) == 20
    assert failed.value.fault.code == "idle_timeout"
    assert slept.naps[-1] == 9.0


@pytest.mark.parametrize("model", ["silence", "silence:2"])
async def test_silence_without_a_timer_lasts_until_the_client_goes(model: str) -> None:
    said: list[ir.Event] = []

    async def listen() -> None:
        silent = Timers(first_byte=None, idle=None)
        async with SimulateUpstream().chat(request(), call(model, silent)) as arriving:
            async for batch in arriving:
                said.extend(batch)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(listen(), 0.05)
    assert texts(said) == (2 if model == "silence:2" else 0)


async def test_a_name_that_is_no_plan_is_a_model_that_does_not_exist() -> None:
    with pytest.raises(RequestFailed) as failed:
        await batches("ecko")
    fault = failed.value.fault
    assert (fault.kind, fault.code, fault.blame) == ("model_not_found", "model_not_found", "client")
    assert "echo" in fault.message


async def test_it_stops_when_its_listener_leaves() -> None:
    slept = Slept()
    async with SimulateUpstream(sleep=slept).chat(request(), call("lorem:50+rate:1")) as arriving:
        async for _ in arriving:
            break
    assert slept.total < 2
