"""A stage for the engine: everything is real but the network, the client and the time.

`Stage.plays` sends one request through `Engine.handle` and returns the transcript: a line for each thing that
a provider was asked, that the client was told, and that hooks or turns noted, in their order. The last line
begins with `=` and says how the exchange ended. A line such as `1 s later` stands where time has passed; the
clock jumps to the next timer as soon as nothing else can happen, so no test sleeps.
"""

from __future__ import annotations

import asyncio
import json
import selectors
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeAlias, cast

import msgspec
from yarl import URL

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.assembly.health import adopt
from dragoman.assembly.names import naming
from dragoman.assembly.providers import wire_upstream
from dragoman.config.load import load
from dragoman.dialects import reply as dialects_reply
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.table import DIALECTS
from dragoman.engine.asked import Inbound
from dragoman.engine.client import Headers
from dragoman.engine.engine import Engine
from dragoman.engine.runtime import Runtime
from dragoman.engine.sealing import Kept
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.hooks import Hooks
from dragoman.net.client import Head
from dragoman.net.connected import CONNECTED
from dragoman.net.fetch import Claim, Fetcher
from dragoman.net.transport import Transport
from dragoman.routing.attempts import Policy
from dragoman.routing.health import Health
from dragoman.routing.table import Table
from dragoman.seams.clock import Seams
from dragoman.seams.deadlines import Deadlines
from dragoman.stores.memory import MemoryStore
from dragoman.stores.seals import MemoryVault
from dragoman.upstreams.account import Account
from dragoman.upstreams.answers import AnswerLimits
from dragoman.upstreams.backend import backends, over_http
from dragoman.upstreams.form import SPLITTERS
from dragoman.upstreams.upstream import Call, Upstream
from dragoman.wire.multipart import Pieces

Piece: TypeAlias = bytes | float | Exception | None
"""What happens while an answer is read: bytes come, seconds pass, it breaks, or nothing more comes (None)."""
Batch: TypeAlias = Sequence[ir.Event] | float | Exception
"""The same of an upstream of one's own: events come, seconds pass, it fails."""
EPOCH = 1_700_000_000.0
ONE = {"dialect": "openai_chat", "base_url": "https://one.example/v1", "keys": "key-1"}
"""The settings of a provider that speaks chat."""
TWO_KEYS = {**ONE, "keys": ["key-1", "key-2"]}
CLAUDE = {"dialect": "anthropic", "base_url": "https://claude.example", "keys": "key-c"}
"""The settings of a provider that speaks Anthropic's protocol."""

CONNECTING: Piece = None
USED = ir.Usage(input=3, output=2)
CALL = ir.ToolCall("call_1", "look", "{}")


class Reply(msgspec.Struct):
    """What a provider does with one call. pieces: of its answer. connect: what happens before that, with the
    connection there before the last of it; `CONNECTING` as the last = no connection is ever made.
    """

    status: int = 200
    headers: Mapping[str, str] = {}
    pieces: Sequence[Piece] = ()
    connect: Sequence[Piece] = ()


# The clock ---------------------------------------------------------------------------------------------


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing: the time jumps to the end of the wait instead."""

    seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("the story hangs: nothing can happen any more")
        self.seconds += max(0.0, timeout)
        return super().select(0)


class _JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop without waits."""

    def __init__(self, seconds: float) -> None:
        self._jumping = _JumpingSelector()
        self._jumping.seconds = seconds
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.seconds


# The upstream side -------------------------------------------------------------------------------------


class _Answer:
    """A provider's answer, as `net.transport.Answer` is one."""

    def __init__(self, stage: Stage, name: str, reply: Reply) -> None:
        self._stage = stage
        self._name = name
        self._pieces = list(reply.pieces)
        self.status = reply.status
        self.headers = reply.headers

    async def chunk(self) -> bytes:
        while self._pieces:
            piece = self._pieces[0]
            if isinstance(piece, Exception):
                self._pieces.clear()
            found = await _happened(piece)
            self._pieces.pop(0)
            if found is not None:
                return found
        return b""

    async def read(self) -> bytes:
        data = b""
        while chunk := await self.chunk():
            data += chunk
        return data

    async def finish(self) -> None:
        self._pieces.clear()

    def close(self) -> None:
        if self._pieces:
            self._stage.note(f"break off {self._name}")
            self._pieces.clear()


async def _happened(piece: Piece) -> bytes | None:
    """Let one piece happen; its bytes, if it is some."""
    if piece is None:
        await asyncio.Event().wait()
    if isinstance(piece, Exception):
        raise piece
    if isinstance(piece, float):
        await asyncio.sleep(piece)
        return None
    return cast("bytes", piece)


class _Transport:
    """The way to one provider: its calls become lines, its answers come from the script."""

    def __init__(self, stage: Stage, name: str) -> None:
        self._stage = stage
        self._name = name
        self.replies: list[Reply] = []

    async def send(
        self, head: Head, body: bytes | Pieces | None, timers: Any, added: Mapping[str, str] | None = None
    ) -> _Answer:
        headers = {**head.headers, **(added or {})}
        stage, data = self._stage, b"".join(body.parts) if isinstance(body, Pieces) else body or b""
        stage.bodies.append(json.loads(data) if data.startswith(b"{") else data)
        stage.sent.append(data)
        stage.headers.append(headers)
        secret = headers.get("authorization") or headers.get("x-api-key") or headers.get("x-goog-api-key")
        key = "" if secret is None else f" with {secret.removeprefix('Bearer ')}"
        stage.note(f"ask {self._name}{key}: {head.url.path}")
        assert self.replies, f"the script says nothing more of {self._name}"
        reply = self.replies.pop(0)
        try:
            for piece in reply.connect[:-1]:
                await _happened(piece)
            if reply.connect[-1:] != [CONNECTING]:
                CONNECTED.get()()
            for piece in reply.connect[-1:]:
                await _happened(piece)
        except asyncio.CancelledError:
            stage.note(f"break off {self._name}")
            raise
        return _Answer(stage, self._name, reply)


class Own:
    """An upstream of one's own, whose answers are given as batches of events."""

    name = "own"

    def __init__(self, *answers: Sequence[Batch]) -> None:
        self.answers = list(answers)
        self.requests: list[ir.Request] = []
        self.note: Callable[[str], None] = print

    @asynccontextmanager
    async def chat(self, request: ir.Request, call: Call) -> Any:
        self.requests.append(request)
        self.note(f"ask own/{call.model}")
        try:
            async with aclosing(self._events()) as batches:
                yield batches
        finally:
            self.note("leave own")

    async def _events(self) -> AsyncGenerator[Sequence[ir.Event], None]:
        for batch in self.answers.pop(0):
            if isinstance(batch, Exception):
                raise batch
            if isinstance(batch, float):
                await asyncio.sleep(batch)
            else:
                yield batch


# The client side ---------------------------------------------------------------------------------------


class _Client:
    """Whoever waits for the answer. heartbeat: seconds of silence before a stream gets a ping."""

    def __init__(self, stage: Stage, face: Dialect, heartbeat: float | None, *, chats: bool) -> None:
        self._stage = stage
        self._face = face
        self._heartbeat = heartbeat
        self._beat: asyncio.TimerHandle | None = None
        self._chats = chats
        self._splitter = SPLITTERS[face.stream.framing](1_000_000)
        self._decoder = face.stream.decoder(STANDARD)
        self.begun = False
        self.gone = True  # a test cancels the task as a client does that disconnects
        self.headers: dict[str, str] = {}
        self.body = b""

    def _take(self, status: int, headers: Headers) -> None:
        self.begun, self.status = True, status
        self.headers = {name.decode(): value.decode() for name, value in headers}

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        self._stop()
        self._take(status, headers)
        self.body = body
        self._stage.note(f"answer {status} {self._whole(status, body)}")
        if self._stage.pace:
            await asyncio.sleep(self._stage.pace)

    def _whole(self, status: int, body: bytes) -> str:
        if status >= 400:
            fault = self._face.errors.decode(status, {}, body)
            return f"{fault.code or fault.kind}: {fault.message}"
        if not self._chats:
            return body.decode("utf-8", "backslashreplace")
        response = self._face.response.decode(json.loads(body), STANDARD)
        return " ".join(told for event in ir.unfold(response) if (told := _told(event)) not in _FRAME)

    def expect_stream(self) -> None:
        if self._heartbeat is not None:
            self._beat = asyncio.get_running_loop().call_later(self._heartbeat, self._ping)

    def _ping(self) -> None:
        if not self.begun:
            self.begun = True
            self._stage.note("begin 200 by heartbeat")
        self._stage.note("ping")
        self.expect_stream()

    def _stop(self) -> None:
        if self._beat is not None:
            self._beat.cancel()

    def close(self) -> None:
        self._stop()

    async def begin(self, status: int, headers: Headers) -> None:
        if self.begun:
            return
        self._take(status, headers)
        self._stage.note(f"begin {status}")

    async def write(self, data: bytes) -> None:
        self._rest()
        self._stage.note(f"write {self._heard(data)}")
        await asyncio.sleep(self._stage.pace)

    def _rest(self) -> None:
        if self._beat is not None:
            self._stop()
            self.expect_stream()

    async def end(self, data: bytes = b"") -> None:
        self._stop()
        self._stage.note(f"end {self._heard(data)}".rstrip())

    def _heard(self, data: bytes) -> str:
        """What a client of the face's protocol understands of these bytes."""
        self.body += data
        if not data or not self._chats:
            return data.decode("utf-8", "backslashreplace")
        frames = self._splitter.feed(data)
        events = [event for frame in frames for event in self._decoder.feed(frame)]
        return " ".join(told for event in events if (told := _told(event))) or "…"


def _told(event: ir.Event) -> str:
    """An event of a stream in a few words."""
    match event:
        case ir.Start():
            return "start"
        case ir.Open(block=ir.ToolCall() as call):
            return f"call {call.name}"
        case ir.Open(block=ir.Thinking() as thinking):
            return f"think {thinking.text}".rstrip()
        case ir.Open(block=ir.Text() as text):
            return f'"{text.text}"' if text.text else ""
        case ir.TextDelta() | ir.ThinkDelta() | ir.ArgsDelta():
            return f'"{event.text}"'
        case ir.Finish(stop=stop):
            return "finish" if stop is None or stop.reason == "end" else f"finish:{stop.reason}"
        case ir.Tally(usage=usage):
            return f"usage {usage.input}+{usage.output}"
        case ir.End():
            return "done"
        case ir.Error(fault):
            return f"error {fault.code or fault.kind}: {fault.message}"
        case _:
            return ""


_FRAME = ("", "start", "finish", "done")
"""What every whole answer has."""


# The stage ---------------------------------------------------------------------------------------------


class Fetching(Fetcher):
    """Fetches nothing: each address has the first bytes of a picture or a sound."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self.claims: list[Claim] = []
        """What exchanges have held."""

    def claim(self, client: str) -> Claim:
        claim = super().claim(client)
        self.claims.append(claim)
        return claim

    async def _hops(self, url: URL, budget: Any) -> tuple[bytearray, str | None]:
        self._stage.note(f"fetch {url}")
        if "missing" in url.path:
            raise OSError("there is nothing")
        if url.path.endswith(".wav"):
            return bytearray(b"RIFF\0\0\0\0WAVE"), "audio/wav"
        return bytearray(b"\x89PNG\r\n\x1a\n"), "image/png"


class Stage:
    """One gateway's engine with scripted providers.

    providers: settings by name. settings: the configuration beside them. own: an upstream of one's own.
    hooks: as the gateway takes them. pace: seconds that the client needs for each write. more: fields of the
    Runtime.
    """

    def __init__(
        self,
        providers: Mapping[str, Any] | None = None,
        *,
        own: Own | None = None,
        hooks: Sequence[Any] = (),
        limits: AnswerLimits = AnswerLimits(),  # noqa: B008 - frozen
        pace: float = 0.0,
        policy: Policy = Policy(retries=2, backoff=1.0, jitter=0.0),  # noqa: B008 - frozen
        settings: Mapping[str, Any] = {},
        **more: Any,
    ) -> None:
        self.lines: list[str] = []
        self.bodies: list[Any] = []
        """What providers were sent, decoded; `sent` has the bytes."""
        self.sent: list[bytes] = []
        self.headers: list[Mapping[str, str]] = []
        """The headers that providers were sent."""
        self.pace = pace
        self.exchange: Exchange
        self.engine: Engine
        """That of the request that is played."""
        self.caller = Caller("team")
        """Whose requests are played."""
        self.client: _Client
        self.fetcher = Fetching(self)
        self._seconds = self._told = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ids = 0
        self.seams = Seams(lambda: EPOCH + self._time(), self._time, self._id, lambda: 0.0)
        self.store = MemoryStore(seams=self.seams)
        self.vault = MemoryVault(bytes(32), ttl=1000, max_size=100_000, now=self.seams.now)
        self._hooks, self._policy, self._more = Hooks(hooks), policy, more
        self._own: dict[str, Upstream] = {}
        if own is not None:
            self._own, own.note = {own.name: own}, self.note
        found = {"one": ONE} if providers is None and not self._own else providers or {}
        loaded = load({"providers": dict(found), **settings}, {}, own=self._own)
        self._kept = Kept()
        self._renamed: Table | None = None
        self._table = naming(loaded, self._own, (), ()).table
        self._transports = {name: _Transport(self, name) for name in loaded.providers}
        upstreams = {
            name: wire_upstream(provider, cast("Transport", self._transports[name]), limits)
            for name, provider in loaded.providers.items()
        }
        self.backends = backends({**upstreams, **self._own})
        self.health = Health()
        adopt(self.health, loaded.config, upstreams, 0.0)

    def script(self, name: str, *replies: Reply) -> None:
        """What a provider does with its next calls."""
        self._transports[name].replies += replies

    def lend(self, name: str, key: str, *, lent: bool = False) -> None:
        """Call a provider with another's key: that of the client's tenant, or (lent) the client's own."""
        upstream = over_http(self.backends[name])
        account = Account({"authorization": f"Bearer {key}"}, secrets=(key,), own=True, lent=lent)
        spoken = dict.fromkeys(DIALECTS, account)
        self.backends[name] = upstream.using(spoken, lambda *_: None)

    def replies(self, name: str) -> list[Reply]:
        """What is left of a provider's script."""
        return self._transports[name].replies

    def rename(self, table: Table) -> None:
        """Let names stand for something else in the requests that follow."""
        self._renamed = table

    def note(self, line: str) -> None:
        """Add a line to the transcript."""
        now = self._time()
        if (passed := round(now - self._told, 1)) > 0:
            self.lines.append(f"{passed:g} s later")
            self._told = now
        self.lines.append(line)

    def plays(
        self,
        body: bytes,
        face: str = "openai_chat",
        *,
        heartbeat: float | None = None,
        leave: float | None = None,
        **inbound: Any,
    ) -> list[str]:
        """The transcript of one request. leave: seconds after which the client goes away. inbound: fields of
        the request as the server hands it over.
        """
        self.lines, self._told = [], self._seconds
        with asyncio.Runner(loop_factory=lambda: _JumpingLoop(self._seconds)) as runner:
            self._loop = runner.get_loop()
            asked = Inbound(DIALECTS[face], body, inbound.pop("headers", {}), **inbound)
            runner.run(self._play(asked, heartbeat, leave))
            self._seconds = self._time()
        self._loop = None
        return self.lines

    async def _play(self, asked: Inbound, heartbeat: float | None, leave: float | None) -> None:
        seams = self.seams
        self.exchange = exchange = Exchange(
            f"ex_{self._id()}", "req_1", asked.face.name, "POST", "/", began=seams.monotonic(), created=EPOCH
        )
        exchange.called_by(self.caller)
        self.client = client = _Client(self, asked.face, heartbeat, chats=asked.operation == "chat")
        runtime = Runtime(
            table=self._table,
            backends=self.backends,
            deadlines=Deadlines(asyncio.get_running_loop()),
            fetcher=self.fetcher,
            store=self.store,
            hooks=self._hooks,
            policy=self._policy,
            seams=seams,
            vault=self.vault,
            kept=self._kept,
            health=self.health,
            **self._more,
        )
        engine = self.engine = Engine(runtime)
        if self._renamed is not None:
            engine.rename(self._renamed)
        assert engine.table is (self._renamed or self._table)
        task = asyncio.get_running_loop().create_task(engine.handle(exchange, asked, client))
        if leave is not None:
            asyncio.get_running_loop().call_later(leave, task.cancel)
        try:
            await asyncio.wait([task])
        finally:
            client.close()
        exchange.close(seams.monotonic(), gone=task.cancelled())
        self.note(f"= {exchange.end}")
        if not task.cancelled():
            task.result()

    @property
    def attempts(self) -> list[str]:
        """How observers read the attempts: deployment, mode with its reasons, status, error."""
        return [
            " ".join(
                word
                for word in (
                    record.deployment,
                    record.mode + (f"({' '.join(record.reasons)})" if record.reasons else ""),
                    "" if record.status is None else str(record.status),
                    "" if record.fault is None else record.fault.code or record.fault.kind,
                )
                if word
            )
            for record in self.exchange.attempts
        ]

    @property
    def usage(self) -> str:
        """What the exchange cost, as observers read it."""
        usage = self.exchange.usage
        return "" if usage is None else f"{usage.input}+{usage.output}" + " estimated" * usage.estimated

    @property
    def losses(self) -> list[str]:
        """What was lost, as observers read it."""
        return [f"{loss.path}: {loss.reason}" for loss in self.exchange.losses]

    def _time(self) -> float:
        return self._seconds if self._loop is None else self._loop.time()

    def _id(self) -> str:
        self._ids += 1
        return f"{self._ids:032x}"


# What clients ask, and what providers say --------------------------------------------------------------


def chat(text: str = "Hi", model: str = "one/gpt", **members: Any) -> bytes:
    """A request in OpenAI's or Anthropic's words for chat."""
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}], **members}).encode()


def events(*words: str, usage: ir.Usage | None = None) -> list[ir.Event]:
    """A stream of one text."""
    said: list[ir.Event] = [ir.Start("", "id-1", "gpt", 1), ir.Open(0, ir.Text(""))]
    said += [ir.TextDelta(0, word) for word in words]
    said += [ir.Close(0), ir.Finish(ir.Stop("end"))]
    return [*said, *(() if usage is None else (ir.Tally(usage),)), ir.End()]


def streamed(
    *words: str, dialect: str = "openai_chat", usage: ir.Usage | None = None, told: Sequence[ir.Event] = ()
) -> list[bytes]:
    """The frames of a provider's stream. told: other events than those of a text."""
    asked = ir.Request(dialect, "gpt", stream=True, stream_usage=usage is not None)
    encoder = DIALECTS[dialect].stream.encoder(_reply(asked))
    return [data for event in told or events(*words, usage=usage) if (data := encoder.feed(event))]


def stream(*pieces: Piece, **headers: str) -> Reply:
    """A stream of server-sent events."""
    return Reply(200, {"content-type": "text/event-stream", **headers}, pieces)


def whole(*blocks: str | ir.Block, dialect: str = "openai_chat", usage: ir.Usage | None = USED) -> Reply:
    """A whole answer."""
    said = tuple(ir.Text(block) if isinstance(block, str) else block for block in blocks)
    calls = any(isinstance(block, ir.ToolCall) for block in said)
    candidate = ir.Candidate(said, ir.Stop("tool" if calls else "end"))
    response = ir.Response("", "id-1", "gpt", 1, (candidate,), usage)
    body = DIALECTS[dialect].response.encode(response, _reply(ir.Request(dialect, "gpt")))
    return json_reply(msgspec.json.encode(body))


def json_reply(body: bytes | Any, status: int = 200) -> Reply:
    """A whole answer as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, {"content-type": "application/json"}, [data])


def refusal(status: int, message: str = "No.", dialect: str = "openai_chat", **headers: str) -> Reply:
    """An answer of failure."""
    fault = ir.Fault(_KINDS.get(status, "invalid_request"), message)
    body = DIALECTS[dialect].errors.encode(fault, None)[2]
    return Reply(status, {"content-type": "application/json", **headers}, [body])


_KINDS: dict[int, ir.Kind] = {
    401: "authentication",
    404: "not_found",
    429: "rate_limit",
    500: "upstream",
    503: "overloaded",
    529: "overloaded",
}


def broken(message: str = "It broke.", code: str = "connection_broken") -> RequestFailed:
    """What the transport raises for a connection that breaks."""
    return RequestFailed(ir.Fault("upstream", message, code=code, blame="upstream"))


def _reply(asked: ir.Request) -> dialects_reply.Reply:
    """What a provider's answer is encoded for."""
    return dialects_reply.Reply(asked, Report(asked.dialect), "id-1", 1)
