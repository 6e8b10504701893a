"""An upstream of one's own in the shape in which the engine sees every upstream."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.request import Operation
from dragoman.net.connected import CONNECTED
from dragoman.upstreams.backend import OwnUpstream, backend_of, backends, serves
from dragoman.upstreams.simulate import SimulateUpstream
from dragoman.upstreams.upstream import Call, Stopwatch

FAULT = ir.Fault("invalid_request", "It is wrong.", param="messages[0]")


@pytest.fixture
def own() -> OwnUpstream:
    backend = backend_of(SimulateUpstream())
    assert isinstance(backend, OwnUpstream)
    return backend


def call() -> Call:
    return Call("a", "echo", Report("own"), Stopwatch(iter((1.0, 3.0)).__next__))


def test_it_is_asked_in_one_way_and_learns_nothing(own: OwnUpstream) -> None:
    assert own.spoken("anthropic", "echo", UNKNOWN, lambda: ir.Request("own", "echo")) is own
    assert own.facts("echo", UNKNOWN) is UNKNOWN
    assert not own.learns("echo", FAULT)
    assert not own.learns_thoughtless("echo", FAULT)


def test_it_has_the_operations_that_it_has_methods_for(own: OwnUpstream) -> None:
    assert own.able("embed", "openai_chat", "echo") is own
    assert own.able("realtime", "openai_chat", "echo") is None
    assert own.able("chat", "openai_chat", "echo") is None

    class Chat:
        name = "chat"
        chat = SimulateUpstream.chat

    assert OwnUpstream(Chat()).able("embed", "openai_chat", "echo") is None
    assert serves(Chat(), "chat", "echo", UNKNOWN)
    assert serves(Chat(), "count", "echo", UNKNOWN)
    assert not serves(Chat(), "embed", "echo", UNKNOWN)
    assert not serves(Chat(), "chat", "echo", Facts(chat=False))


def test_it_chats_with_the_models_of_which_it_says_so() -> None:
    class Some(SimulateUpstream):
        def performs(self, operation: Operation, model: str) -> bool:
            return (operation == "chat") == (model == "words")

    some = Some()
    asked: tuple[Operation, ...] = ("chat", "count", "embed")
    assert [serves(some, operation, "words", UNKNOWN) for operation in asked] == [True, True, False]
    assert [serves(some, operation, "vectors", UNKNOWN) for operation in asked] == [False, False, True]


def test_a_place_of_its_request_is_told_in_the_clients_words(own: OwnUpstream) -> None:
    assert own.told(FAULT, call(), lambda fault: ir.Fault(fault.kind, "located")).message == "located"


async def test_the_wait_begins_when_it_is_asked(own: OwnUpstream) -> None:
    connected: list[int] = []
    token = CONNECTED.set(lambda: connected.append(1))
    asked = call()
    message = ir.Message("user", (ir.Text("hello"),))
    try:
        answer = await own.complete(ir.Request("own", "echo", (message,)), asked)
    finally:
        CONNECTED.reset(token)
    assert (connected, answer.candidates[0].blocks) == ([1], (ir.Text("hello"),))
    assert asked.watch.take() == 2.0


def test_all_upstreams_keep_their_names() -> None:
    first, second = SimulateUpstream(), SimulateUpstream()
    found = backends({"a": first, "b": second})
    assert {name: one.upstream for name, one in found.items() if isinstance(one, OwnUpstream)} == {
        "a": first,
        "b": second,
    }
