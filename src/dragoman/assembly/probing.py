"""Tests keys of providers, each with the cheapest request that needs a key.

The cheapest request is the list of models, which costs nothing. If a provider has no list, or shows the list
without a key, the key is tested by counting the tokens of a prompt; if the gateway cannot have the provider
count, by a chat request with one output token.
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
from dragoman.wire.json import UNDECODABLE, encode

State: TypeAlias = Literal["ok", "refused", "not reached", "failed"]
Asked: TypeAlias = Literal["models", "count", "chat"]

_AT_ONCE: Final = 8
_PATIENCE: Final = Timers(connect=10.0, first_byte=20.0, idle=20.0)
_REFUSALS: Final = frozenset({"authentication", "permission", "quota"})
_UNREACHED: Final = frozenset({"connect_failed", "connect_timeout"})
"""The fault codes of a provider to which no connection was possible."""
_LONGEST: Final = 300
"""The most characters of a provider's message that are shown."""
_HELLO: Final = (ir.Message("user", (ir.Text("Hi"),)),)


class Row(msgspec.Struct):
    """The test result of one key of a provider.

    key: the last four characters of the key or token, or of the id of an access key; None = there is none; ""
    = the key is too short to show a part of it. asked: the request that was sent last; "models" also if none
    was sent. ms: how many milliseconds the last test took; 0.0 = there was none. state: "ok"; "refused" = the
    provider refused the key or the account; "not reached" = no connection was possible; "failed" = any other
    error, or nothing could be asked. message: for people; a provider's message is cut to 300 characters.
    """

    provider: str
    key: str | None
    asked: Asked = "models"
    state: State = "ok"
    message: str = ""
    ms: float = 0.0


class _Unproven(DragomanError):
    """The list of models cannot test a key: the provider has no list, or shows the list without a key."""


class Probe:
    """Tests keys of providers, with at most eight requests at once. found: the configuration. upstreams: the
    providers that may be tested, by name. say: called with a line of text before a provider first gets
    another request than that for its list of models, because a chat costs something.
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
        """Test keys with the lists of models, and with other requests those that a list could not test.
        Returns one row for each account: one for each key, or one for a provider without keys. accounts:
        {name of a provider: the indexes of its accounts to test}; None = all accounts of all providers.
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
        """Test a key with the list of models; `row` gets the result. Returns True if this is the final
        result, also after an error; False if the list cannot test the key. number: the index of the account.
        """
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
        """Return whether the provider shows its list of models without a key. If that request fails, or the
        answer is no list, return False. Each provider is asked once.
        """
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
        """Return an awaitable that tests a key which the list of models could not test; `row` will get the
        result. None = there is no model to ask, which is in `row`. number: the index of the account.
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
        """Return the name of a model of this provider that may chat: if possible one that the configuration
        names, else a well-known one, else any that the provider lists. None = no such model is known.
        """
        settings, row = self._found.config.models.values(), self._found.providers[provider]
        named = [target.use.partition("/") for model in settings for target in model.targets]
        listed = self._listed.get(provider, [])
        known = row.vendor.known if row.vendor is not None else ()
        choices: Sequence[str] = (
            *(model for name, _, model in named if name == provider and model and "*" not in model),
            *(model for model in row.models or () if "*" not in model),
            *(model for model in known if model in listed),
            *(listed or known),
        )
        return next(filter(may_chat, choices), None)

    async def _timed(self, row: Row, question: Callable[[], Awaitable[str]]) -> None:
        """Await `question`. `row` gets the text that it returns, or its failure; and the milliseconds. Raises
        _Unproven if `question` does.
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
    """Return the model names in a list of models. Raises WireError if `raw` is not such a list."""
    try:
        value: Any = msgspec.json.decode(raw)
    except UNDECODABLE:
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
