"""Each law fails for a codec that breaks it. The codecs are ours with one function made wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.testing import case as case_module
from dragoman.testing.case import Case
from dragoman.testing.corpus import Exchange, Request, Response
from dragoman.testing.laws import LAWS, hold, leftovers, rendered

CHAT, OTHER = DIALECTS["openai_chat"], DIALECTS["anthropic"]
change = msgspec.structs.replace

ASKED = Request(
    body={
        "model": "m",
        "messages": [{"role": "user", "content": "What is 1 + 2?"}],
        "temperature": 0.5,
        "max_tokens": 10,
        "odd": {"x": 1.50},
        "tools": [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}],
    }
)
HEAD = {"id": "chatcmpl-1", "created": 1, "model": "m-1"}
ANSWER = Response(
    body={
        **HEAD,
        "object": "chat.completion",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Three."}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }
)


def chunk(**more: Any) -> str:
    body = {**HEAD, "object": "chat.completion.chunk", "choices": [], **more}
    return f"data: {msgspec.json.encode(body).decode()}\n\n"


def delta(finish: str | None = None, **more: Any) -> str:
    return chunk(choices=[{"index": 0, "delta": more, "finish_reason": finish}])


STREAM = Response(
    sse=delta(role="assistant", content="")
    + delta(content="Thr\u2028ee")
    + delta(content=".")
    + delta("stop")
    + chunk(usage={"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7})
    + "data: [DONE]\n\n"
)
BROKEN_STREAM = Response(
    sse=delta(role="assistant", content="Thr") + 'data: {"error":{"message":"Late."}}\n\n'
)
REFUSED = Response(
    401, body={"error": {"message": "No key.", "type": "invalid_request_error", "code": "invalid_api_key"}}
)


def case(dialect: Dialect = CHAT, other: Dialect = OTHER, answer: Response = ANSWER) -> Case:
    return Case(Exchange("one", "openai.chat", request=ASKED, response=answer), dialect, [other])


def broken(case: Case) -> dict[str, tuple[str, ...]]:
    return {found.law: found.how for found in hold(case)}


@pytest.mark.parametrize("answer", [ANSWER, STREAM, BROKEN_STREAM, REFUSED])
def test_a_codec_that_is_right_breaks_none(answer: Response) -> None:
    assert broken(case(answer=answer)) == {}


# --- Codecs made wrong -------------------------------------------------------------------------


def wrong(dialect: Dialect, field: str, value: Any) -> Dialect:
    """The dialect with another value in one field of one group, written `group.field`."""
    group, _, member = field.partition(".")
    return change(dialect, **{group: change(getattr(dialect, group), **{member: value})})


def after(dialect: Dialect, field: str, spoil: Callable[[Any], Any]) -> Dialect:
    """The dialect with what one of its functions returns spoilt."""
    right = attrgetter(field)(dialect)
    return wrong(dialect, field, lambda *args: spoil(right(*args)))


def drop(dialect: Dialect, key: str) -> Dialect:
    """The dialect without one key in the requests that it writes."""
    return after(dialect, "request.encode", lambda wire: change(wire, body=_without(wire.body, key)))


def drop_in_answer(dialect: Dialect, key: str) -> Dialect:
    return after(dialect, "response.encode", lambda body: _without(body, key))


def _without(body: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != key}


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


def giving(value: Any) -> Callable[..., Any]:
    return lambda *_: value


def losing(dialect: Dialect, where: str) -> Dialect:
    def encode(request: ir.Request, target: Target) -> WireRequest:
        target.report.lose(where, "for the test")
        return dialect.request.encode(request, target)

    return wrong(dialect, "request.encode", encode)


class Encoder:
    """Leaves out the events of one class."""

    def __init__(self, dialect: Dialect, reply: Reply, without: type) -> None:
        self.right, self.without = dialect.stream.encoder(reply), without

    def feed(self, event: ir.Event) -> bytes:
        return b"" if type(event) is self.without else self.right.feed(event)


def mute(dialect: Dialect, without: type) -> Dialect:
    return wrong(dialect, "stream.encoder", lambda reply: Encoder(dialect, reply, without))


class Decoder:
    """Gives its events in the wrong order, or not the last ones."""

    def __init__(
        self, dialect: Dialect, quirks: Quirks, spoil: Callable[[list[ir.Event]], list[ir.Event]]
    ) -> None:
        self.right, self.spoil = dialect.stream.decoder(quirks), spoil

    def feed(self, frame: bytes) -> list[ir.Event]:
        return self.spoil(self.right.feed(frame))

    def close(self) -> list[ir.Event]:
        return self.spoil(self.right.close())


def garbled(dialect: Dialect, spoil: Callable[[list[ir.Event]], list[ir.Event]]) -> Dialect:
    return wrong(dialect, "stream.decoder", lambda quirks: Decoder(dialect, quirks, spoil))


class Relay:
    """Relays, but for one thing that it does wrong."""

    def __init__(self, **mistakes: Any) -> None:
        self.mistakes = mistakes

    def __getattr__(self, name: str) -> Any:
        return self.mistakes.get(name) or getattr(CHAT.relay, name)


class StreamRelay:
    def __init__(self, reply: Reply, wrong: str) -> None:
        self.right, self.wrong = CHAT.relay.stream(reply), wrong

    @property
    def usage(self) -> ir.Usage | None:
        return None if self.wrong == "usage" else self.right.usage

    @property
    def done(self) -> bool:
        return self.wrong != "done" and self.right.done

    def feed(self, frame: bytes) -> bytes:
        if self.wrong == "blind":
            return b"data: %b\n\n" % frame
        return self.right.feed(b"{}" if self.wrong == "frames" and b"Thr" in frame else frame)

    def close(self) -> bytes:
        return b"" if self.wrong == "blind" else self.right.close()


def relaying(**mistakes: Any) -> Dialect:
    return change(CHAT, relay=Relay(**mistakes))


def relaying_streams(wrong: str) -> Dialect:
    return relaying(stream=lambda reply: StreamRelay(reply, wrong))


def unsorted(response: ir.Response) -> ir.Response:
    return change(response, candidates=(ir.Candidate(index=1), *response.candidates))


def odd(spoilt: Case) -> Case:
    """The same with some odd forms of it."""
    spoilt.mutants = 6
    return spoilt


SPOILT: list[tuple[str, Case, str]] = [
    ("request.check", case(wrong(CHAT, "request.check", raising(WireError("no")))), "WireError in fail"),
    ("request.identity", case(drop(CHAT, "temperature")), "temperature: 0.5 became nothing"),
    ("request.identity", case(losing(CHAT, "sampling.temperature")), "names a loss to itself"),
    ("request.identity", case(wrong(CHAT, "request.decode", raising(KeyError("x")))), "KeyError in fail"),
    ("request.ir", case(drop(CHAT, "max_tokens")), "max_output: 10 became nothing"),
    (
        "request.maps",
        case(wrong(CHAT, "request.members", frozenset({"odd"}))),
        "odd is mapped, yet it is in extra",
    ),
    (
        "request.maps",
        case(after(CHAT, "request.decode", lambda r: change(r, extra={"other": {"a": 1}}))),
        "leftovers under another dialect's name: other",
    ),
    ("request.brief", case(after(CHAT, "request.brief", lambda r: change(r, model="x"))), "'x' in brief"),
    ("request.cross", case(other=drop(OTHER, "tools")), "to anthropic: lost in silence: tools[0]: tool"),
    (
        "request.cross",
        case(wrong(CHAT, "request.locate_in", giving("a[0].b"))),
        "is located at a[0].b, which is not",
    ),
    (
        "request.cross",
        case(other=wrong(OTHER, "request.encode", raising(WireError("no")))),
        "refused without naming a place",
    ),
    ("request.quirks", case(drop(CHAT, "temperature")), "to groq: lost in silence: sampling.temperature"),
    ("request.relay", case(relaying(request=giving(b'{"model":"renamed"}'))), "messages: "),
    ("response.identity", case(drop_in_answer(CHAT, "usage")), "usage: "),
    ("response.ir", case(drop_in_answer(CHAT, "usage")), "usage: "),
    ("response.unfold", case(after(CHAT, "response.decode", unsorted)), "candidates"),
    ("response.stream", case(mute(CHAT, ir.TextDelta)), "choices[0].message.content: "),
    ("response.cross", case(other=drop_in_answer(OTHER, "stop_reason")), "to anthropic: lost in silence: "),
    ("response.relay", case(relaying(response=lambda body, _: (body, None))), "became null"),
    ("response.relay", case(relaying(response=giving((b"{}", None)))), "id: "),
    ("stream.grammar", case(garbled(CHAT, lambda events: events[::-1]), answer=STREAM), "GrammarError"),
    (
        "stream.grammar",
        case(garbled(CHAT, lambda events: [e for e in events if type(e) is not ir.End]), answer=STREAM),
        "the stream ends in state",
    ),
    ("stream.identity", case(mute(CHAT, ir.TextDelta), answer=STREAM), "choices[0].message.content: "),
    ("stream.identity", case(mute(CHAT, ir.Error), answer=BROKEN_STREAM), "message: 'Late.' became"),
    ("stream.cross", case(other=mute(OTHER, ir.TextDelta), answer=STREAM), "to anthropic: lost in silence: "),
    ("stream.relay", case(relaying_streams("frames"), answer=STREAM), "frame 1 of 6: "),
    ("stream.relay", case(relaying_streams("usage"), answer=STREAM), "became null"),
    ("stream.relay", case(relaying_streams("done"), answer=STREAM), "the end is not seen"),
    ("stream.relay", case(relaying_streams("blind"), answer=BROKEN_STREAM), "an error went by unseen"),
    ("stream.cut", case(relaying_streams("blind"), answer=STREAM), "nobody is told that it is broken"),
    (
        "stream.cut",
        case(garbled(CHAT, lambda events: [e for e in events if type(e) is not ir.Error]), answer=STREAM),
        "it is broken for the relay, not for the decoder",
    ),
    (
        "error.faces",
        case(after(CHAT, "errors.encode", lambda e: (200, *e[1:])), answer=REFUSED),
        "status 200",
    ),
    (
        "error.faces",
        case(other=after(OTHER, "errors.decode", lambda f: change(f, message="?")), answer=REFUSED),
        "in anthropic: message: 'No key.' became '?'",
    ),
    ("request.mutants", odd(case(wrong(CHAT, "request.decode", raising(KeyError("x"))))), "KeyError in fail"),
    (
        "request.mutants",
        odd(case(wrong(CHAT, "request.decode", raising(WireError("odd", "messages[0]"))))),
        "accepted by the check, yet it cannot be read: messages[0]: ",
    ),
    ("response.mutants", odd(case(drop_in_answer(CHAT, "usage"))), "lost in silence: usage"),
    (
        "stream.mutants",
        odd(case(garbled(CHAT, lambda events: events[::-1]), answer=STREAM)),
        "GrammarError",
    ),
    (
        "error.mutants",
        odd(case(wrong(CHAT, "errors.encode", raising(KeyError("x"))), answer=REFUSED)),
        "KeyError in fail",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("law", "spoilt", "said"), SPOILT)
def test_a_codec_that_is_wrong_breaks_its_law(law: str, spoilt: Case, said: str) -> None:
    assert any(said in how for how in broken(spoilt)[law]), broken(spoilt)


def test_a_splitter_that_is_wrong_breaks_its_law(monkeypatch: pytest.MonkeyPatch) -> None:
    class Naive:
        def feed(self, chunk: bytes) -> list[bytes]:
            return [
                line[6:].encode() for line in chunk.decode(errors="replace").splitlines() if "data: " in line
            ]

        def close(self) -> list[bytes]:
            return []

    monkeypatch.setattr(case_module, "SSESplitter", Naive)
    how = broken(case(answer=STREAM))["stream.split"]
    assert how[0] == "other frames when fed byte by byte"
    assert how[1].endswith("the seed one-0")


def test_every_law_is_seen_to_fail() -> None:
    """`stream.unfold` is `response.unfold` for another source of answers."""
    assert {law for law, *_ in SPOILT} | {"stream.split", "stream.unfold"} == set(LAWS)


def test_a_fault_that_renders_as_another_is_seen() -> None:
    fault = ir.Fault("overloaded", "Later.")
    other_kind = after(CHAT, "errors.decode", lambda f: change(f, kind="internal"))
    assert list(rendered(fault, other_kind)) == ["kind: 'overloaded' became 'internal'"]


def test_leftovers_are_counted_by_where_they_are() -> None:
    request = ir.Request(
        "a",
        None,
        (ir.Message("user", (ir.Text("x", extra={"a": {"k": 1}}), ir.Text("y", extra={"a": {"k": 2}}))),),
        output=ir.Output(extra={"a": {"z": 1}}),
        extra={"a": {"k": 1, "l": 2}},
    )
    assert leftovers(request) == {"Text.k": 2, "Output.z": 1, "Request.k": 1, "Request.l": 1}
