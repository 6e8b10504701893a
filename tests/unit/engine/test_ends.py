"""The end of an answer: it is kept before its client reads the last of it, and says where that failed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from dragoman import ir
from dragoman.config.lasting import Responses, Sessions
from dragoman.dialects.streaming import Ending
from dragoman.engine.asked import AnswerContext
from dragoman.engine.ends import Ends
from dragoman.errors import RequestFailed
from dragoman.routing.attempts import Policy
from dragoman.seams.deadlines import Deadlines
from dragoman.state.store import StoredResponse, StoreFailed
from dragoman.turns.keeping import Keeping
from dragoman.turns.sessions import Remembering, SessionTurn
from dragoman.turns.turn import ResponseTurn
from dragoman.upstreams.answers import PART, AnswerLimits
from tests.unit.engine.stage import CLAUDE, ONE, USED, Reply, Stage, broken, chat, stream, streamed, whole

RESPONSES = {"dialect": "openai_responses", "base_url": "https://r.example/v1", "keys": "key-r"}
FACE = "openai_responses"
ASK_R = "ask r with key-r: /v1/responses"
ASK_C = "ask claude with key-c: /v1/messages"
ASKS = {"r/gpt": ASK_R, "claude/opus": ASK_C}
MODELS = list(ASKS)


class Turn(ResponseTurn):
    """A turn of the Responses API that notes when it keeps. seconds: how long the store takes."""

    def __init__(self, stage: Stage, seconds: float = 0.0) -> None:
        super().__init__(Keeping(stage.store, Responses(), stage.seams), "team")
        self._stage = stage
        self._seconds = seconds

    async def kept(self, answer: AnswerContext, ending: Ending) -> bool:
        await asyncio.sleep(self._seconds)
        stored = await super().kept(answer, ending)
        self._stage.note("kept" if stored else "not kept")
        return stored


class Slow:
    """A hook that ends a request after some time."""

    async def before(self, *_: Any) -> None:
        await asyncio.sleep(9.0)
        raise RequestFailed(ir.Fault("content_policy", "Not here."))


class Session(SessionTurn):
    """A session that notes when it has remembered a turn."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(Remembering(stage.store, Sessions(), stage.seams, print), "team", "s")
        self._stage = stage

    async def heard(self, answer: AnswerContext, response: ir.Response) -> None:
        await super().heard(answer, response)
        self._stage.note(f"remembered {len(await self._stage.store.sessions.turns('team', 's'))}")


def asked(model: str, **members: Any) -> bytes:
    """A request of the Responses API."""
    return json.dumps({"model": model, "input": "Hi", **members}).encode()


def said(model: str, *, streams: bool) -> Any:
    """What the model's provider answers with."""
    dialect = FACE if model == "r/gpt" else "anthropic"
    if streams:
        return stream(*streamed("Hel", "lo.", dialect=dialect, usage=USED))
    return whole("Hello.", dialect=dialect)


def told(stage: Stage) -> dict[str, Any]:
    """The answer's object, as the client reads it at its end."""
    objects = [line.removeprefix(b"data: ") for line in stage.client.body.splitlines()]
    found: dict[str, Any] = json.loads([line for line in objects if line.startswith(b"{")][-1])
    return found.get("response", found)


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets the store of a stage fail."""

    def failing(stage: Stage) -> None:
        async def save(_: StoredResponse) -> None:
            raise StoreFailed("gone")

        monkeypatch.setattr(stage.store.responses, "save", save)

    return failing


# A turn of the Responses API ---------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_a_whole_answer_is_kept_before_it_is_told(model: str) -> None:
    stage = Stage({"r": RESPONSES, "claude": CLAUDE})
    stage.script(model.partition("/")[0], said(model, streams=False))
    assert stage.plays(asked(model), FACE, turn=Turn(stage)) == [
        ASKS[model],
        "kept",
        'answer 200 "Hello." usage 3+2',
        "= done",
    ]
    assert told(stage)["store"] is True
    assert stage.exchange.mode == ("relay" if model == "r/gpt" else "translate")


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_is_kept_before_its_last_event(model: str) -> None:
    stage = Stage({"r": RESPONSES, "claude": CLAUDE})
    stage.script(model.partition("/")[0], said(model, streams=True))
    lines = stage.plays(asked(model, stream=True), FACE, turn=Turn(stage))
    assert lines[:2] == [ASKS[model], "begin 200"]
    assert lines[-3:] == ["kept", "end usage 3+2 finish done", "= done"]
    assert 'write "lo."' in lines
    assert told(stage)["store"] is True


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_where_the_store_fails_the_answer_says_that_it_is_not_kept(
    model: str, streams: bool, fails: Any
) -> None:
    stage = Stage({"r": RESPONSES, "claude": CLAUDE})
    fails(stage)
    stage.script(model.partition("/")[0], said(model, streams=streams))
    lines = stage.plays(asked(model, stream=streams), FACE, turn=Turn(stage))
    assert lines[-1] == "= done"
    assert lines[-3] == "not kept"
    assert told(stage)["store"] is False


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_a_client_that_leaves_while_its_answer_is_kept(model: str, streams: bool) -> None:
    stage = Stage({"r": RESPONSES, "claude": CLAUDE})
    stage.script(model.partition("/")[0], said(model, streams=streams))
    lines = stage.plays(asked(model, stream=streams), FACE, turn=Turn(stage, 60.0), leave=2.0)
    assert lines[-2:] == ["2 s later", f"= client/{'stream' if streams else 'first_byte'}"]
    assert "kept" not in lines
    assert stage.usage == "3+2"


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_the_next_turn_has_this_one_before_it(model: str, streams: bool) -> None:
    stage = Stage({"r": RESPONSES, "claude": CLAUDE})
    name = model.partition("/")[0]
    stage.script(name, said(model, streams=streams), said(model, streams=False))
    stage.plays(asked(model, stream=streams), FACE, turn=Turn(stage))
    before = told(stage)["id"]
    stage.plays(asked(model, previous_response_id=before), FACE, turn=Turn(stage))
    assert stage.sent[1].count(b'"Hi"') == 2
    assert b"Hello." in stage.sent[1]
    assert b"previous_response_id" not in stage.sent[1]


def test_a_last_event_that_waits_is_no_silence() -> None:
    stage = Stage({"r": RESPONSES}, limits=AnswerLimits(silence=5.0))
    *first, last = streamed("Hello.", dialect=FACE, usage=USED)
    stage.script("r", stream(*first, b": ping\n\n", 9.0, last))
    lines = stage.plays(asked("r/gpt", stream=True), FACE, turn=Turn(stage))
    assert lines[-4:] == ["9 s later", "kept", "end usage 3+2 finish done", "= done"]


def test_a_failure_behind_a_heartbeat_repeats_what_was_asked() -> None:
    stage = Stage({"r": RESPONSES}, hooks=[Slow()])
    request = asked("r/gpt", stream=True, metadata={"a": "b"})
    lines = stage.plays(request, FACE, heartbeat=5.0, turn=Turn(stage))
    assert lines[-3:] == ["kept", "end error content_filter: Not here.", "= client/route/content_policy"]
    assert told(stage)["metadata"] == {"a": "b"}


@pytest.mark.parametrize("begun", [False, True])
def test_a_failure_that_is_kept_begins_no_limit_anew(begun: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Deadlines] = []

    class Noted(Deadlines):
        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            super().__init__(loop)
            seen.append(self)

    monkeypatch.setattr("tests.unit.engine.stage.Deadlines", Noted)
    limits = AnswerLimits(silence=60.0)
    stage = Stage({"r": RESPONSES}, limits=limits, policy=Policy(retries=0))
    failing = (
        stream(*streamed("Hel", dialect=FACE)[:3], broken()) if begun else Reply(connect=[9.0, broken()])
    )
    stage.script("r", failing)
    lines = stage.plays(asked("r/gpt", stream=True), FACE, heartbeat=5.0, turn=Turn(stage))
    assert lines[-3:-1] == ["kept", "end error connection_broken: It broke."]
    assert told(stage)["status"] == "failed"
    assert [len(deadlines.entries) for deadlines in seen] == [0]
    assert stage.attempts == ["r/gpt relay connection_broken"]


def test_what_came_before_an_end_that_cannot_be_kept_is_told() -> None:
    class Full(Turn):
        async def kept(self, answer: AnswerContext, ending: Ending) -> bool:
            if ending.response["status"] == "completed":
                raise RequestFailed(ir.Fault("too_large", "The conversation is full."))
            return await super().kept(answer, ending)

    stage = Stage({"claude": CLAUDE})
    stage.script("claude", said("claude/opus", streams=True))
    lines = stage.plays(asked("claude/opus", stream=True), FACE, turn=Full(stage))
    assert lines[-3:-1] == ["kept", "end error request_too_large: The conversation is full."]
    objects = [line.removeprefix(b"data: ") for line in stage.client.body.splitlines()]
    numbers = [json.loads(line)["sequence_number"] for line in objects if line.startswith(b"{")]
    assert numbers == list(range(len(numbers)))
    assert told(stage)["status"] == "failed"


def test_a_turn_that_needs_no_model_is_answered_by_the_gateway() -> None:
    stage = Stage({"r": RESPONSES})
    assert stage.plays(asked("r/gpt", generate=False), FACE, turn=Turn(stage)) == [
        "kept",
        "answer 200 usage 0+0",
        "= done",
    ]
    assert stage.plays(asked("r/gpt", generate=False, stream=True), FACE, turn=Turn(stage)) == [
        "begin 200",
        "kept",
        "end start usage 0+0 finish done",
        "= done",
    ]


def test_a_failed_answer_is_not_continued() -> None:
    stage = Stage({"r": RESPONSES})
    stage.script("r", *[stream()] * 3)
    assert "kept" not in stage.plays(asked("r/gpt"), FACE, turn=Turn(stage))


# A session ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", [False, True])
def test_a_session_has_heard_the_answer_before_its_end(streams: bool) -> None:
    stage = Stage({"one": ONE})
    first = stream(*streamed("Hel", "lo.")) if streams else whole("Hello.")
    stage.script("one", first, whole("Bye."))
    lines = stage.plays(chat(stream=streams), turn=Session(stage))
    assert lines[-3] == "remembered 1"
    assert stage.attempts == ["one/gpt translate(continued) 200"]
    assert stage.plays(chat("And?"), turn=Session(stage))[1] == "remembered 2"
    assert [message["content"] for message in stage.bodies[1]["messages"]] == ["Hi", "Hello.", "And?"]


def test_what_broke_off_is_not_remembered() -> None:
    stage = Stage({"one": ONE})
    stage.script("one", stream(*streamed("Hel")[:2]))
    assert not any(
        line.startswith("remembered") for line in stage.plays(chat(stream=True), turn=Session(stage))
    )


# The writer of the last events -------------------------------------------------------------------------


class Telling:
    """Tells its last event in pieces. Implements `TellsInPieces`."""

    def __init__(self, ending: Ending | None) -> None:
        self.waits = False
        self.ending = ending
        self.pieces: list[list[bytes]] = []

    def end(self, *, stored: bool) -> bytes:
        self.pieces.append([b"long ", b"text"])
        return b"end " if stored else b"not stored "


class Writes:
    """A client that remembers what it was sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    async def write(self, data: bytes) -> None:
        self.sent.append(data)


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("stored", [False, True])
async def test_pieces_follow_the_events_own_bytes(lines: bool, stored: bool) -> None:
    async def keep(ending: Ending) -> bool:
        return stored

    client = Writes()
    ends = Ends(client, teller := Telling(Ending({})), keep, waits=True, lines=lines)
    assert teller.waits
    last = await ends.last(b"before ")
    word = b"end " if stored else b"not stored "
    assert b"".join([*client.sent, last]) == b"before " + word + b"long text"
    assert client.sent == ([] if lines else [b"before " + word, b"long ", b"text"])


@pytest.mark.parametrize("lines", [False, True])
async def test_long_events_go_out_a_part_at_a_time_and_lines_whole(lines: bool) -> None:
    async def keep(ending: Ending) -> bool:
        raise AssertionError

    client = Writes()
    ends = Ends(client, Telling(None), keep, waits=False, lines=lines)
    ends.pieces.append([b"a" * PART + b"b", b"c"])
    await ends.write(b"before ")
    parts = [b"a" * PART + b"bc"] if lines else [b"a" * PART, b"b", b"c"]
    assert client.sent == [b"before ", *parts]
    assert ends.pieces == []


async def test_without_an_ending_nothing_is_kept() -> None:
    async def keep(ending: Ending) -> bool:
        raise AssertionError

    for teller in (Telling(None), object()):
        assert await Ends(Writes(), teller, keep, waits=False, lines=False).last(b"data") == b"data"
