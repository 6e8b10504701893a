"""Tests keys of providers with the cheapest request that needs a key.

The cheapest request is the list of models, which costs nothing. If a provider has no list, or shows it
without a key, the key is tested by counting the tokens of a prompt; if the provider cannot count tokens, by a
chat request with one output token. The provider's own error message is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from dragoman import ir
from dragoman.config.load import Loaded
from dragoman.dialects.facts import UNKNOWN
from dragoman.dialects.loss import Report
from dragoman.dialects.operation import Outgoing
from dragoman.errors import DragomanError, RequestFailed, WireError
from dragoman.routing.outcome import is_absent
from dragoman.routing.route import Timers
from dragoman.seams.clock import SYSTEM
from dragoman.seams.tasks import spawn
from dragoman.upstreams.form import is_success
from dragoman.upstreams.local.weights import may_chat
from dragoman.upstreams.upstream import Call, Stopwatch
from dragoman.upstreams.wire import WireUpstream
from dragoman.wire.json import encode

State: TypeAlias = Literal["ok", "refused", "not reached", "failed"]
Asked: TypeAlias = Literal["models", "count", "chat"]

_AT_ONCE: Final = 8
_PATIENCE: Final = Timers(connect=10.0, first_byte=20.0, idle=20.0)
_REFUSALS: Final = frozenset({"authentication", "permission", "quota"})
_UNREACHED: Final = frozenset({"connect_failed", "connect_timeout"})
"""Error codes of a provider to which no connection was possible."""
_LONGEST: Final = 300
"""The largest number of characters of a provider's message that is shown."""
_HELLO: Final = (ir.Message("user", (ir.Text("Hi"),)),)


class Row(msgspec.Struct):
    """The test result of one key of a provider.

    key: the last four characters of the key, None = the provider has no key, "" = the key is too short to
    show a part of it. asked: the last request; ms: its milliseconds. state: "refused" = the provider refused
    key or account; "failed" = any other error. message: the provider's words, or ours ("5 models").
    """

    provider: str
    key: str | None
    asked: Asked = "models"
    state: State = "ok"
    message: str = ""
    ms: float = 0.0


class _Unproven(DragomanError):
    """The list of models cannot test a key: the provider has no list, or shows it without a key."""


class Probe:
    """Tests keys of providers, at most eight requests at once. found: the configuration. upstreams: the
    providers that may be tested, by name. say: called with a line before a provider gets other requests than
    for its list of models: these may cost something, one token at most.
    """

    def __init__(
        self, found: Loaded, upstreams: Mapping[str, WireUpstream], say: Callable[[str], None]
    ) -> None:
        self._found = found
        self._say = say
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._upstreams = upstreams
        self._public: dict[str, asyncio.Task[bool]] = {}
        self._listed: dict[str, list[str]] = {}
        self._said: set[str] = set()

    async def run(self, accounts: Mapping[str, Sequence[int]] | None = None) -> list[Row]:
        """Request all lists of models, then test the keys that the lists did not test by other requests.
        Returns a row for each account, in their order: for each key, or one for a provider without keys.
        accounts: the places of those to test, by provider; None = all of all providers.
        """
        if accounts is None:
            accounts = {name: range(len(one.accounts)) for name, one in self._upstreams.items()}
        every = [
            (Row(name, self._upstreams[name].accounts[number].tail), number)
            for name, numbers in accounts.items()
            for number in numbers
        ]
        proven = await asyncio.gather(*(self._list(row, number) for row, number in every))
        further: list[Awaitable[None]] = []
        for (row, number), done in zip(every, proven, strict=True):
            if not done and (question := self._question(row, number)) is not None:
                further.append(question)
        await asyncio.gather(*further)
        return [row for row, _ in every]

    async def _list(self, row: Row, number: int) -> bool:
        """Test a key with the list of models; the result is put into `row`. False = the list is no test."""
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
        """True if the provider shows its list without a key; a failed request means no. It is asked once."""
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
        """The request that tests a key which the list of models could not test, not yet sent. It is announced
        once per provider, and its result will be put into `row`. None = no model is known to ask, which `row`
        then says.
        """
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
        """The first model that may chat of the configured ones, the well-known ones that the provider lists,
        all that it lists or, if no list was read, all well-known ones. None = no model is known.
        """
        settings, row = self._found.config.models.values(), self._found.providers[provider]
        named = [target.use.partition("/") for model in settings for target in model.targets]
        listed = self._listed.get(provider, [])
        known = row.vendor.known if row.vendor is not None else ()
        choices: Sequence[str] = (
            *(model for name, _, model in named if name == provider and model and "*" not in model),
            *(row.models or ()),
            *(model for model in known if model in listed),
            *(listed or known),
        )
        return next(filter(may_chat, choices), None)

    async def _timed(self, row: Row, question: Callable[[], Awaitable[str]]) -> None:
        """Call `question` (at most eight run at once); put its result or failure, and its milliseconds, into
        `row`. Raises its _Unproven.
        """
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
    """The model names in a model list of any protocol. Raises WireError if `raw` is no such list."""
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
    spoken = upstream.spoken("", model, UNKNOWN, lambda: request)
    answer = await spoken.complete(request, _call(spoken, model, number))
    if isinstance(answer, bytes):
        spoken.decode(answer)
    return f"{model} answers"
