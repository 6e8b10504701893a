"""What `dragoman check --live` asks: every key of every provider, by the cheapest call that needs one.

That is the list of models, which costs nothing. Where a provider has none, or shows it to anybody, a prompt
is counted; where it cannot count, it is asked for a chat of one token. The provider's own words are told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from dragoman import ir
from dragoman.assembly.assemble import assemble
from dragoman.dialects.facts import UNKNOWN
from dragoman.dialects.loss import Report
from dragoman.dialects.operation import Outgoing
from dragoman.errors import DragomanError, RequestFailed, WireError
from dragoman.routing.outcome import is_absent
from dragoman.routing.route import Timers
from dragoman.seams.clock import SYSTEM
from dragoman.seams.tasks import spawn
from dragoman.upstreams.local.weights import may_chat
from dragoman.upstreams.upstream import Call, Stopwatch
from dragoman.upstreams.wire import WireUpstream, is_success
from dragoman.wire.json import encode

if TYPE_CHECKING:
    from dragoman.assembly.assemble import Assembly
    from dragoman.config.load import Loaded

State: TypeAlias = Literal["ok", "refused", "not reached", "failed"]
Asked: TypeAlias = Literal["models", "count", "chat"]

_AT_ONCE: Final = 8
_PATIENCE: Final = Timers(connect=10.0, first_byte=20.0, idle=20.0)
_REFUSALS: Final = frozenset({"authentication", "permission", "quota"})
_UNREACHED: Final = frozenset({"connect_failed", "connect_timeout"})
"""What the transport says of a provider to which there is no connection. One that is silent was reached."""
_LONGEST: Final = 300
"""Characters of a provider's words that are shown."""
_HELLO: Final = (ir.Message("user", (ir.Text("Hi"),)),)


class Row(msgspec.Struct):
    """How one key of a provider fared.

    key: its last four characters, None = it has none, "" = it is too short for that. state: "refused" is
    about the key or its account, "failed" about anything else that a provider answered, or did not.
    """

    provider: str
    key: str | None
    asked: Asked = "models"
    state: State = "ok"
    message: str = ""
    ms: float = 0.0


class _Unproven(DragomanError):
    """The list of models tells nothing about a key: there is none, or anybody may read it."""


def asks(found: Loaded) -> Iterator[str]:
    """What will be asked first, a line each."""
    for name, provider in found.providers.items():
        keys = len(provider.credentials)
        whose = f"with {keys} key{'s' * (keys != 1)}" if keys else "without a key"
        yield f"asking {name} for its list of models, {whose}"


async def ask(found: Loaded, say: Callable[[str], None]) -> list[Row]:
    """Ask with every key, some at a time. say: told of calls that are more than a list of models, before."""
    assembly = await assemble(found, {}, (), SYSTEM)
    try:
        return await _Round(found, assembly, say).run()
    finally:
        await assembly.close()


class _Round:
    def __init__(self, found: Loaded, assembly: Assembly, say: Callable[[str], None]) -> None:
        self._found = found
        self._say = say
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._upstreams: dict[str, WireUpstream] = {
            name: upstream
            for name in found.providers
            if isinstance(upstream := assembly.upstreams[name], WireUpstream)
        }
        self._public: dict[str, asyncio.Task[bool]] = {}
        self._listed: dict[str, list[str]] = {}
        self._said: set[str] = set()

    async def run(self) -> list[Row]:
        """First all lists, which say whether more has to be asked."""
        every = [
            (Row(name, account.tail), number)
            for name, upstream in self._upstreams.items()
            for number, account in enumerate(upstream.accounts)
        ]
        proven = await asyncio.gather(*(self._list(row, number) for row, number in every))
        further: list[Awaitable[None]] = []
        for (row, number), done in zip(every, proven, strict=True):
            if not done and (question := self._question(row, number)) is not None:
                further.append(question)
        await asyncio.gather(*further)
        return [row for row, _ in every]

    async def _list(self, row: Row, number: int) -> bool:
        """Ask for the list of models. False = it tells nothing about the key."""
        upstream = self._upstreams[row.provider]
        if not upstream.lists_models:
            return False
        try:
            await self._timed(row, lambda: self._read_list(row, number))
        except _Unproven:
            return False
        return True

    async def _read_list(self, row: Row, number: int) -> str:
        upstream = self._upstreams[row.provider]
        try:
            names = _names(await upstream.listed(_call(upstream, "", number)))
        except RequestFailed as failed:
            if is_absent(failed.fault):
                raise _Unproven from failed
            raise
        self._listed[row.provider] = names
        if upstream.accounts[number].secrets and await self._is_public(row.provider):
            raise _Unproven
        return f"{len(names)} models"

    async def _is_public(self, provider: str) -> bool:
        """Whether this provider gives its list without a key. It is asked once."""
        if provider not in self._public:
            self._public[provider] = spawn(self._ask_without_key(provider), "list of models")
        return await self._public[provider]

    async def _ask_without_key(self, provider: str) -> bool:
        upstream = self._upstreams[provider]
        try:
            _names(await upstream.listed(_call(upstream, "", 0), signed=False))
        except (RequestFailed, WireError):
            return False
        return True

    def _question(self, row: Row, number: int) -> Awaitable[None] | None:
        """What is asked instead, and said before."""
        upstream = self._upstreams[row.provider]
        model = self._model(row.provider)
        if model is None:
            row.state = "failed"
            row.message = (
                "no list of models proves its key, and no model of it is known to ask: name one in `models`"
            )
            return None
        counter = upstream.able("count", upstream.dialect.name)
        row.asked = "chat" if counter is None else "count"
        what = "for a chat of one token" if counter is None else "to count a prompt"
        if row.provider not in self._said:
            self._said.add(row.provider)
            self._say(f"asking {row.provider} {what}: {model}")
        if counter is None:
            return self._timed(row, lambda: _chat(upstream, model, number))
        return self._timed(row, lambda: _count(counter, model, number))

    def _model(self, provider: str) -> str | None:
        """A model to ask: one that the configuration names, else one that the provider lists and is known."""
        settings, row = self._found.config.models.values(), self._found.providers[provider]
        named = [target.use.partition("/") for model in settings for target in model.targets]
        listed = self._listed.get(provider, [])
        known = row.vendor.known if row.vendor is not None else ()
        choices: Sequence[str] = (
            *(model for name, _, model in named if name == provider and model),
            *(row.models or ()),
            *(model for model in known if model in listed),
            *(listed or known),
        )
        return next(filter(may_chat, choices), None)

    async def _timed(self, row: Row, question: Callable[[], Awaitable[str]]) -> None:
        """Ask, and note how it went. Raises _Unproven."""
        async with self._turns:
            began = SYSTEM.monotonic()
            try:
                row.message = await question()
            except RequestFailed as failed:
                upstream, fault = self._upstreams[row.provider], failed.fault
                for account in upstream.accounts:
                    fault = account.discreet(fault)
                row.state = _state(fault)
                row.message = fault.message[:_LONGEST]
            except WireError as error:
                row.state, row.message = "failed", f"the answer is no list of models: {error.message}"
            finally:
                row.ms = round((SYSTEM.monotonic() - began) * 1000, 1)


def _state(fault: ir.Fault) -> State:
    if fault.kind in _REFUSALS:
        return "refused"
    return "not reached" if fault.code in _UNREACHED else "failed"


def _names(raw: bytes) -> list[str]:
    """The models' names in a list of any protocol. Raises WireError if it is no list of models."""
    try:
        value: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise WireError("it is not JSON") from None
    rows = value if isinstance(value, list) else None
    if isinstance(value, Mapping):
        rows = value.get("data", value.get("models"))
    if not isinstance(rows, list):
        raise WireError("it holds no `data` and no `models`")
    found = [row.get("id") or row.get("name") for row in rows if isinstance(row, Mapping)]
    return [name.removeprefix("models/") for name in found if isinstance(name, str)]


def _call(upstream: WireUpstream, model: str, number: int) -> Call:
    report, watch = Report(upstream.dialect.name), Stopwatch(SYSTEM.monotonic)
    return Call(SYSTEM.random_id(), model, report, watch, _PATIENCE, account=number)


async def _count(upstream: WireUpstream, model: str, number: int) -> str:
    call = _call(upstream, model, number)
    wire = upstream.encode_operation("count", ir.Request("", model, _HELLO), call)
    answer = await upstream.ask(Outgoing(wire.path, encode(wire.body)), call, wire.headers, "count")
    try:
        if not is_success(answer):
            raise await upstream.refused(answer)
    finally:
        answer.close()
    return f"{model} counts"


async def _chat(upstream: WireUpstream, model: str, number: int) -> str:
    request = ir.Request("", model, _HELLO, max_output=1)
    asked = upstream.spoken("", model, UNKNOWN, lambda: request)
    answer = await asked.complete(request, _call(asked, model, number))
    if isinstance(answer, bytes):
        asked.decode(answer)
    return f"{model} answers"
