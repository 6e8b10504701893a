"""The vault is asked only where something may come of it, and its failures stay its own."""

from __future__ import annotations

import logging
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.request import Target
from dragoman.dialects.table import DIALECTS
from dragoman.engine import sealing as sealing_module
from dragoman.engine.gathering import Gathered
from dragoman.engine.sealing import Sealing, begin, issues
from dragoman.state.marks import Marks, Scope
from dragoman.state.recall import ask
from dragoman.stores.open import open_store
from dragoman.stores.seals import MemoryVault
from dragoman.upstreams.backend import backend_of
from dragoman.upstreams.simulate import SimulateUpstream
from dragoman.upstreams.wire import WireUpstream

if TYPE_CHECKING:
    from dragoman.net.transport import Transport

HERE = Scope("up", "m")
USER = ir.Message("user", (ir.Text("hi"),))
CALL = ir.ToolCall("toolu_0123456789abcdef", "f", "{}")
SIGNED = ir.Thinking("hm", sealed=ir.Sealed("anthropic", "S"))
FIRST = ir.Request("openai_chat", "m", (USER,))
SECOND = msgspec.structs.replace(FIRST, messages=(USER, ir.Message("assistant", (CALL,)), USER))
ANSWER = ir.Response("t", candidates=(ir.Candidate((SIGNED, CALL), ir.Stop("tool")),))


class Counting(MemoryVault):
    """Counts how often it is asked; fails when it is told to."""

    def __init__(self) -> None:
        super().__init__(bytes(32), ttl=100, max_size=100_000, now=lambda: 0.0)
        self.kept = self.asked = 0
        self.broken = False

    async def keep(self, keys: Iterable[bytes], entry: bytes, *, owner: bytes) -> None:
        self.kept += 1
        if self.broken:
            raise OSError("gone")
        await super().keep(keys, entry, owner=owner)

    async def find(self, keys: Iterable[bytes]) -> Mapping[bytes, bytes]:
        self.asked += 1
        if self.broken:
            raise OSError("gone")
        return await super().find(keys)


def wire(dialect: str = "anthropic", quirks: Quirks = STANDARD) -> WireUpstream:
    unused = cast("Transport", None)  # nothing is sent
    return WireUpstream("up", DIALECTS[dialect], unused, chat_url="https://up.example/", quirks=quirks)


_P = ParamSpec("_P")
_T = TypeVar("_T")


async def at_once(step: Callable[_P, _T], /, *args: _P.args, **named: _P.kwargs) -> _T:
    return step(*args, **named)


def started(vault: MemoryVault, request: ir.Request, upstream: Any = None) -> Sealing:
    sealing = begin(vault, "t", upstream or wire(), request, at_once)
    assert sealing is not None
    return sealing


async def answered(vault: MemoryVault, response: ir.Response = ANSWER) -> None:
    keeper = started(vault, FIRST).keeper(wire(), HERE)
    assert keeper is not None
    await keeper.keep(response)


@pytest.mark.parametrize(
    ("dialect", "quirks", "expected"),
    [
        ("anthropic", STANDARD, True),
        ("openai_chat", STANDARD, False),
        ("openai_chat", Quirks(reasoning_replay="tool_turns"), True),
        ("openai_chat", Quirks(reasoning_replay="always"), True),
        ("anthropic", Quirks(signatures=False), True),
    ],
)
async def test_who_issues_seals(dialect: str, quirks: Quirks, expected: bool) -> None:
    assert issues(wire(dialect, quirks)) is expected


async def test_what_cannot_matter_costs_nothing() -> None:
    vault = Counting()
    plain, simulated = wire("openai_chat"), backend_of(SimulateUpstream())
    for upstream in (plain, simulated):
        assert begin(vault, "t", upstream, SECOND, at_once) is None  # the vault is empty
    await answered(vault)
    for upstream in (plain, simulated):
        assert begin(vault, "t", upstream, FIRST, at_once) is None  # nothing was answered
        assert started(vault, SECOND, upstream).keeper(upstream, HERE) is None
    assert vault.asked == 0


async def test_the_vault_is_asked_once_for_all_attempts() -> None:
    vault = Counting()
    await answered(vault)
    sealing = started(vault, SECOND)
    other, here = Report("anthropic"), Report("anthropic")
    assert await sealing.restored(SECOND, Scope("up", "other"), other) is SECOND
    restored = await sealing.restored(SECOND, HERE, here)
    assert restored.messages[1].blocks == (SIGNED, CALL)
    assert vault.asked == 1
    assert [(loss.path, loss.severity) for loss in other.losses] == [("messages[1]", "quality")]
    assert (here.losses, len(here.changes)) == ([], 1)


class Shared(Counting):
    """A vault of several processes: entries may be there, but only of the owners that it names."""

    holds = True

    def __init__(self) -> None:
        super().__init__()
        self.owners: set[bytes] = set()

    async def has(self, owner: bytes) -> bool:
        return owner in self.owners

    async def keep(self, keys: Iterable[bytes], entry: bytes, *, owner: bytes) -> None:
        self.owners.add(owner)
        await super().keep(keys, entry, owner=owner)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tenant_without_seals_has_none_looked_for(
    stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, read = Shared(), list[ir.Request]()

    def reading(request: ir.Request, marks: Marks, *, search: bool) -> Any:
        read.append(request)
        return ask(request, marks, search=search)

    monkeypatch.setattr(sealing_module, "ask", reading)
    second = msgspec.structs.replace(SECOND, stream=stream)
    one = started(vault, second)
    assert await one.restored(second, HERE, Report("anthropic")) is second
    assert vault.asked == 0
    assert read == [second] * stream  # a stream's request is freed before its answer has ended
    keeper = one.keeper(wire(), HERE)
    assert keeper is not None
    await keeper.keep(ANSWER)
    assert (vault.kept, len(read)) == (1, 1)
    third = msgspec.structs.replace(
        second, messages=(*second.messages, ir.Message("assistant", (CALL,)), USER)
    )
    restored = await started(vault, third).restored(third, HERE, Report("anthropic"))
    assert SIGNED in restored.messages[1].blocks
    assert vault.asked == 1


async def test_models_that_answer_alike_are_told_apart() -> None:
    """What another was answered with later is found first; each attempt gets its own model's."""
    vault = Counting()
    said, scopes = ir.Text("Hello."), [HERE, Scope("up", "other")]
    for number, scope in enumerate(scopes):
        keeper = started(vault, FIRST).keeper(wire(), scope)
        assert keeper is not None
        signed = ir.Thinking("hm", sealed=ir.Sealed("anthropic", str(number)))
        await keeper.keep(ir.Response("t", candidates=(ir.Candidate((signed, said)),)))
    again = msgspec.structs.replace(FIRST, messages=(USER, ir.Message("assistant", (said,)), USER))
    sealing = started(vault, again)
    for number, scope in enumerate(scopes):
        report = Report("anthropic")
        restored = await sealing.restored(again, scope, report)
        expected = ir.Thinking("hm", sealed=ir.Sealed("anthropic", str(number)))
        assert (restored.messages[1].blocks, report.losses) == ((expected, said), [])
    assert vault.asked == 2


async def test_places_in_a_restored_message_are_the_message() -> None:
    """Its blocks are others than the client's, so their numbers would name the wrong ones."""
    vault = Counting()
    await answered(vault)
    sealing = started(vault, SECOND)
    places = ["messages[1].blocks[1].cache", "messages[0].blocks[0]", "messages[12].blocks[1]", "output"]
    assert [sealing.located(str)(place) for place in places] == places
    await sealing.restored(SECOND, HERE, Report("anthropic"))
    assert [sealing.located(str)(place) for place in places] == ["messages[1]", *places[1:]]
    assert sealing.located(str)("messages[1].content[2]") == "messages[1]"  # as codecs name it in errors
    await sealing.restored(SECOND, Scope("up", "other"), Report("anthropic"))
    assert [sealing.located(str)(place) for place in places] == places


async def test_what_the_providers_own_tools_did_comes_back_as_it_was() -> None:
    vault = Counting()
    search = ir.ToolCall("srv", "web_search", '{"query":"x"}', "builtin", "provider")
    page = {"type": "web_search_result", "url": "https://a.example/", "title": "A", "encrypted_content": "E"}
    found = {"type": "web_search_tool_result", "tool_use_id": "srv", "content": [page]}
    result = DIALECTS["anthropic"].response.decode({"content": [found]}, STANDARD).candidates[0].blocks
    await answered(vault, ir.Response("t", candidates=(ir.Candidate((search, *result, ir.Text("A."))),)))
    second = msgspec.structs.replace(FIRST, messages=(USER, ir.Message("assistant", (ir.Text("A."),)), USER))
    restored = await started(vault, second).restored(second, HERE, Report("anthropic"))
    body = DIALECTS["anthropic"].request.encode(restored, Target(Report("anthropic"), "m")).body
    use = {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {"query": "x"}}
    assert body["messages"][1]["content"] == [use, found, {"type": "text", "text": "A."}]


async def test_an_answer_without_seals_leaves_the_vault_alone() -> None:
    vault = Counting()
    await answered(vault, ir.Response("t", candidates=(ir.Candidate((CALL,)),)))
    assert vault.kept == 0


@pytest.mark.parametrize(
    ("quirks", "said", "kept"),
    [
        (Quirks(reasoning_replay="tool_turns"), CALL, 1),
        (Quirks(reasoning_replay="tool_turns"), ir.Text("So."), 0),
        (Quirks(reasoning_replay="always"), ir.Text("So."), 1),
        (Quirks(signatures=False), ir.Text("So."), 1),
    ],
)
async def test_reasoning_is_kept_as_far_as_the_vendor_wants_it_back(
    quirks: Quirks, said: ir.Block, kept: int
) -> None:
    vault = Counting()
    upstream = wire("openai_chat", quirks)
    keeper = started(vault, FIRST, upstream).keeper(upstream, HERE)
    assert keeper is not None
    await keeper.keep(ir.Response("t", candidates=(ir.Candidate((ir.Thinking("hm"), said)),)))
    assert vault.kept == kept


async def test_streams_are_kept_when_they_finish() -> None:
    vault = Counting()
    keeper = started(vault, FIRST).keeper(wire(), HERE)
    assert keeper is not None
    gathered = Gathered()
    for event in ir.unfold(ANSWER):
        assert vault.kept == 0
        if gathered.add([event]):
            assert isinstance(event, ir.Finish)
            await keeper.keep(gathered.response())
            break
    assert vault.kept == 1
    restored = await started(vault, SECOND).restored(SECOND, HERE, Report("anthropic"))
    assert restored.messages[1].blocks == (SIGNED, CALL)


async def test_a_vault_that_fails_is_missing_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    vault = Counting()
    await answered(vault)
    vault.broken = True
    with caplog.at_level(logging.CRITICAL, "dragoman.engine.sealing"):
        await answered(vault)
        sealing = started(vault, SECOND)
        for _ in range(2):
            assert await sealing.restored(SECOND, HERE, Report("anthropic")) is SECOND
    assert vault.asked == 1


async def test_a_conversation_without_answers_is_not_searched_and_its_answer_is_kept() -> None:
    vault = Counting()
    await answered(vault)
    sealing = started(vault, FIRST)
    assert await sealing.restored(FIRST, HERE, Report("anthropic")) is FIRST
    await sealing.left_behind(FIRST, HERE, Report("anthropic"))
    assert vault.asked == 0
    keeper = sealing.keeper(wire(), Scope("up", "other"))
    assert keeper is not None
    await keeper.keep(ANSWER)
    restored = await started(vault, SECOND).restored(SECOND, Scope("up", "other"), Report("anthropic"))
    assert restored.messages[1].blocks == (SIGNED, CALL)


@pytest.mark.parametrize("small", [False, True])
async def test_a_stream_identifies_its_conversation_before_it_frees_a_large_request(small: bool) -> None:
    vault = Counting()
    request = msgspec.structs.replace(FIRST, stream=True)
    sealing = begin(vault, "t", wire(), request, at_once, small=small)
    assert sealing is not None
    assert await sealing.restored(request, HERE, Report("anthropic")) is request
    assert (sealing._request is None) is not small
    keeper = sealing.keeper(wire(), HERE)
    assert keeper is not None
    await keeper.keep(ANSWER)
    restored = await started(vault, SECOND).restored(SECOND, HERE, Report("anthropic"))
    assert restored.messages[1].blocks == (SIGNED, CALL)


@pytest.mark.parametrize("stream", [False, True])
async def test_seals_in_a_database_outlive_the_process_that_kept_them(tmp_path: Path, stream: bool) -> None:
    told: list[ir.Request] = []
    for turn in (FIRST, SECOND):
        request = msgspec.structs.replace(turn, stream=stream)
        store = open_store("sqlite", tmp_path)
        assert store.seals is not None
        sealing = begin(store.seals, "t", wire(), request, at_once)
        assert sealing is not None
        told.append(await sealing.restored(request, HERE, Report("anthropic")))
        keeper = sealing.keeper(wire(), HERE)
        assert keeper is not None
        await keeper.keep(ANSWER)
        await store.close()
    assert told[1].messages[1].blocks == (SIGNED, CALL)


async def test_a_database_that_cannot_be_opened_is_a_vault_that_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store("sqlite", tmp_path / "file" / "home")
    (tmp_path / "file").write_text("no folder")
    assert store.seals is not None
    sealing = begin(store.seals, "t", wire(), SECOND, at_once)
    assert sealing is not None
    with caplog.at_level(logging.WARNING, "dragoman.engine.sealing"):
        assert await sealing.restored(SECOND, HERE, Report("anthropic")) is SECOND
        keeper = sealing.keeper(wire(), HERE)
        assert keeper is not None
        await keeper.keep(ANSWER)
    assert store.healthy is False
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "Traceback" not in caplog.text


BLOCKS: list[ir.Block] = [
    ir.Thinking("hm", sealed=ir.Sealed("t", "1")),
    ir.Thinking(summary=("a", "b")),
    ir.Thinking(sealed=ir.Sealed("t", "2"), redacted=True),
    ir.Text("Hello.", sealed=ir.Sealed("t", "3")),
    ir.Text(""),
    CALL,
    ir.Media("image", data="AAAA"),
]


@given(
    st.lists(st.lists(st.sampled_from(BLOCKS), max_size=6), min_size=1, max_size=3),
    st.randoms(use_true_random=False),
)
def test_what_is_gathered_is_the_answer(candidates: list[list[ir.Block]], random: Random) -> None:
    """Candidates may speak in turns, and texts come in pieces of one character."""
    response = ir.Response(
        "t",
        candidates=tuple(
            ir.Candidate(tuple(blocks), ir.Stop("end"), index) for index, blocks in enumerate(candidates)
        ),
    )
    waiting = [
        [event for event in ir.unfold(response) if getattr(event, "candidate", None) == candidate.index]
        for candidate in response.candidates
    ]
    gathered = Gathered()
    gathered.add([ir.Start("t")])
    finished = 0
    while any(waiting):
        event: Any = random.choice([one for one in waiting if one]).pop(0)
        if isinstance(event, ir.TextDelta | ir.ThinkDelta):
            pieces = [msgspec.structs.replace(event, text=character) for character in event.text]
            assert not gathered.add(pieces)
        else:
            finished += gathered.add([event])
    assert finished == len(candidates)
    assert gathered.response() == response


def test_a_summary_is_not_taken_for_the_thought_itself() -> None:
    gathered = Gathered()
    gathered.add([ir.Start("t"), ir.Open(0, ir.Thinking())])
    gathered.add([ir.ThinkDelta(0, "raw"), ir.ThinkDelta(0, "short", part=0), ir.ThinkDelta(0, "er", part=0)])
    [block] = gathered.response().candidates[0].blocks
    assert block == ir.Thinking("raw", ("shorter",))


def test_long_texts_are_joined_as_they_come() -> None:
    gathered = Gathered()
    gathered.add([ir.Start("t"), ir.Open(0, ir.Text(""))])
    for _ in range(1000):
        gathered.add([ir.TextDelta(0, "x")])
    assert gathered.response().candidates[0].blocks == (ir.Text("x" * 1000),)
    gathered.add([ir.TextDelta(0, "y"), ir.Close(0)])
    assert gathered.response().candidates[0].blocks == (ir.Text("x" * 1000 + "y"),)


def test_of_an_answer_without_an_end_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.engine.gathering._MOST", 5_000)
    gathered = Gathered()
    gathered.add([ir.Start("t"), ir.Open(0, ir.Text(""))])
    tracemalloc.start()
    try:
        for _ in range(20_000):
            gathered.add([ir.TextDelta(0, f"{_:0100d}")])
        assert tracemalloc.get_traced_memory()[0] < 50_000
    finally:
        tracemalloc.stop()
    assert not gathered.add([ir.Close(0), ir.Finish(ir.Stop("end"))])
