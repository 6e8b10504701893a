"""The record of one client request from its start to its end.

The server and the engine write it; observers (log, metrics, traces) read it when it is closed. Times are
seconds on the monotonic clock; only `created` is Unix seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import msgspec

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.dialects.loss import Change, Loss
from dragoman.dialects.request import Operation
from dragoman.dialects.severity import Severity
from dragoman.routing.outcome import Outcome, classify
from dragoman.routing.reasons import Weighed
from dragoman.routing.route import Deployment

Mode: TypeAlias = Literal["relay", "translate"]
Phase: TypeAlias = Literal[
    "head", "auth", "url", "body", "decode", "route", "encode", "connect", "first_byte", "stream", "done"
]
"""The current step of an exchange: it reads the request's headers (`head`), identifies the client (`auth`),
checks path, method and content type (`url`), reads the body (`body`), checks it in the client's protocol
(`decode`), chooses a deployment or waits before the next attempt (`route`), writes the upstream request
(`encode`), waits for a connection (`connect`), waits for the first byte of the answer (`first_byte`), sends a
stream to the client (`stream`), has been answered (`done`). An exchange that fails or is cut off keeps the
step at which this happened, and one that needs no model may skip steps, `done` too.
"""

Reason: TypeAlias = Literal[
    "protocol",
    "operation",
    "vendor",
    "model",
    "addressed",
    "continued",
    "seals",
    "alias",
    "hook",
    "truncation",
    "output_check",
    "continuing",
]
"""Why a request is translated instead of relayed: the provider speaks another protocol (`protocol`); this
operation cannot be relayed (`operation`); the vendor (`vendor`) or the model (`model`) does not accept the
whole request unchanged; some members are for one provider only (`addressed`); the request continues a session
(`continued`); it holds seals of another provider (`seals`); an alias adds something (`alias`); a hook has
changed the request or reads answers (`hook`); the request is shortened to fit the window (`truncation`); the
answer is checked against a schema (`output_check`); another deployment may have to go on with the answer
(`continuing`).
"""

_NOTHING: Final[tuple[tuple[Loss, ...], tuple[Change, ...]]] = ((), ())
_EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})
_REFUSED: Final = frozenset({Outcome.KEY_PERMANENT, Outcome.KEY_MODEL})
"""The outcomes after which the operator has to look at the key."""
_WEIGHTS: Final[dict[Severity, int]] = {"meaning": 0, "quality": 1, "hint": 2}


OVERTAKEN: Final = "overtaken"
"""The outcome of an attempt that was ended because another one, which ran beside it, had content first."""


class AttemptRecord(msgspec.Struct, eq=False):
    """The record of one call to one deployment with one provider key: its times and its result. key_tail: the
    key's last characters, "" = too short, None = no key. reasons: why it was translated; () = relayed. first:
    when the first content of a stream, or a whole answer, came; None = neither did. ended: None = the call is
    still running. status: of the provider's answer, None = no HTTP answer. fault: None = the call succeeded,
    is still running, or was cut off by the client, a hook or an error of the gateway. sent: when the latest
    request had got its connection. answered: when the head of the latest answer came. outcome: the class of
    the fault, the name of an `Outcome` in lower case, or `OVERTAKEN`. key_source: the environment variable or
    the file that the key came from, if the provider has refused the key. key_id: the key's id, "" = unknown.
    continues: it goes on with the answer that the attempts before it have begun. usage: the tokens of this
    attempt alone; None = it has used none, or they are unknown. units: what it has used besides tokens (of
    images, sound, searches, …), by the names in `ir.units`. guessed: `units` were counted in the request, as
    the provider has stated none. tier: the service tier that the provider has
    stated. cost: nano-USD; None = unknown, or not known yet. price: which price the cost was made with, for
    people. own: the client's tenant has brought the key, so the call costs the operator nothing. priced:
    (deployment, what is known of its cost) for each model that was used, if there are several, or if only a
    part of `cost` is known; otherwise empty.
    """

    id: str
    deployment: str
    key_tail: str | None
    mode: Mode
    started: float
    reasons: tuple[Reason, ...] = ()
    first: float | None = None
    ended: float | None = None
    status: int | None = None
    fault: ir.Fault | None = None
    sent: float | None = None
    answered: float | None = None
    outcome: str | None = None
    key_source: str | None = None
    key_id: str = ""
    continues: bool = False
    usage: ir.Usage | None = None
    units: dict[str, int] | None = None
    guessed: bool = False
    tier: str | None = None
    cost: int | None = None
    price: str = ""
    own: bool = False
    priced: tuple[tuple[str, int], ...] = ()

    def classify(self, source: str) -> None:
        """Set `outcome` if the attempt has failed, and `key_source` to `source` ("" = unknown) if the key was
        refused.
        """
        if self.fault is not None:
            outcome = classify(self.fault)
            self.outcome = outcome.name.lower()
            if outcome in _REFUSED:
                self.key_source = source or None


class Wait(msgspec.Struct, frozen=True):
    """A wait before an attempt. reason: `resting` (all keys rested), `retry_after` (a provider stated the
    time), `backoff`, or another word. began: monotonic seconds.
    """

    reason: str
    began: float
    seconds: float


class KeptBodies(msgspec.Struct, eq=False):
    """The bodies of one exchange as its client sent and got them. most: the bytes of each that are kept.
    request_size, answer_size: bytes of the whole bodies. The bodies may contain secrets.
    """

    most: int
    request: bytes = b""
    answer: bytearray = msgspec.field(default_factory=bytearray)
    request_size: int = 0
    answer_size: int = 0

    def asked(self, body: bytes) -> None:
        """Keep the beginning of the request's body."""
        self.request, self.request_size = body[: self.most], len(body)

    def told(self, data: bytes) -> None:
        """Keep a piece of the answer's body, as far as there is room."""
        self.answer_size += len(data)
        if (room := self.most - len(self.answer)) > 0:
            self.answer += data[:room]


class Exchange(msgspec.Struct, eq=False):
    """Ids, decisions, attempts, usage, losses, times and the end of one exchange.

    client: the name of the client's key. caller: whose key it is, and what it may do. end_user: the person or
    thing on whose behalf the client asks, as it names them. address: the peer address of the connection.
    forwarded: the client address that a proxy states, agent: the client's User-Agent, both cut to 200
    characters. asked: the model name that the client sent. answered: the deployment that was called last.
    taken: losses and changes from reading headers and body, which therefore hold for every attempt. tags: the
    client's tags of this request. metadata: values that the client sent for the gateway to keep. deployments:
    those of the model's route, and of the fallbacks that the request has turned to. dropped: which of them
    cannot answer this request, and why. weighed: the candidates in the order in which they could be called,
    and what was known of each; () = nothing was known against any, and the first one has answered. waits:
    between attempts. bodies: None = they are not kept. fault: why the exchange failed, None = it did not.
    status: the HTTP status that the client got. tier: the service tier that the request asks for. cost: of
    all attempts, in nano-USD; None = unknown, also if only a part of it is. priced: the part of the cost that
    is known, None = nobody has looked. refused_by: the name of the limit that has refused the request, or one
    of its attempts. waited: seconds of waiting for upstreams, between attempts, in queues, and for the
    client's body. queued: those of them in the queues of models and providers. first: when the first content
    of a stream came. end: who ended it, in which phase, with which code ("done", "client/stream",
    "upstream/first_byte/server_error"). None anywhere = unknown, or not yet.
    """

    id: str
    request_id: str
    face: str
    method: str
    path: str
    began: float
    created: float
    client: str | None = None
    address: str | None = None
    forwarded: str | None = None
    agent: str | None = None
    operation: Operation = "chat"
    asked: str | None = None
    answered: str | None = None
    mode: Mode | None = None
    streamed: bool = False
    phase: Phase = "head"
    attempts: list[AttemptRecord] = []
    losses: tuple[Loss, ...] = ()
    changes: tuple[Change, ...] = ()
    taken: tuple[tuple[Loss, ...], tuple[Change, ...]] = _NOTHING
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = _EMPTY
    deployments: Sequence[Deployment] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    weighed: tuple[Weighed, ...] = ()
    waits: tuple[Wait, ...] = ()
    bodies: KeptBodies | None = None
    caller: Caller | None = None
    end_user: str | None = None
    tier: str | None = None
    usage: ir.Usage | None = None
    cost: int | None = None
    priced: int | None = None
    refused_by: str | None = None
    fault: ir.Fault | None = None
    status: int | None = None
    waited: float = 0.0
    queued: float = 0.0
    first: float | None = None
    ended: float | None = None
    end: str | None = None

    def called_by(self, caller: Caller) -> None:
        """Note whose request it is."""
        self.caller = caller
        self.client = caller.name

    def account(self, losses: tuple[Loss, ...], changes: tuple[Change, ...]) -> None:
        """Set `losses` and `changes` to those in `taken`, followed by these, the running attempt's."""
        before_losses, before_changes = self.taken
        self.losses, self.changes = before_losses + losses, before_changes + changes

    def connected(self, now: Callable[[], float]) -> None:
        """Set the phase `first_byte`, and note the time: the connection to the provider is open, the request
        is being sent. now: the monotonic clock.
        """
        self.phase = "first_byte"
        if self.attempts:
            self.attempts[-1].sent = now()

    def waits_for(self, seconds: float, now: float, reason: str | None = None) -> None:
        """Note a wait of so many seconds that begins at `now`, or began then. reason: as in `Wait`; None =
        the wait is before an attempt, and the reason follows from the latest failure.
        """
        if reason is None:
            fault = self.attempts[-1].fault if self.attempts else None
            told = fault is not None and fault.retry_after is not None
            reason = "resting" if not self.attempts else "retry_after" if told else "backoff"
        self.waits += (Wait(reason, now, seconds),)

    def overhead(self, now: float) -> float:
        """Seconds that the gateway itself has needed until `now`, at least 0: the time since the start, less
        the time in `waited`. For a stream only the time until its first content counts, because afterwards it
        mostly waits for the provider.
        """
        until = now if self.first is None else min(now, self.first)
        return max(0.0, until - self.began - self.waited)

    def foremost_losses(self, most: int) -> Sequence[Loss]:
        """At most `most` losses: first those of meaning, then of quality, then hints, each in their order."""
        return sorted(self.losses, key=lambda loss: _WEIGHTS[loss.severity])[:most]

    def close(self, now: float, *, gone: bool = False) -> None:
        """End the exchange at `now`: set `ended` and `end`, and remove a usage with impossible token counts.
        gone: True = the client disconnected before its answer was complete.
        """
        self.ended = now
        if self.usage is not None and not self.usage.plausible():
            self.usage = None
        self.end = self.ending(gone=gone)

    def ending(self, *, gone: bool = False) -> str:
        """Who ended the exchange, in which phase, with which code, if it ends now. gone: as for `close`."""
        if gone:
            return f"client/{self.phase}"
        if (fault := self.fault) is not None:
            return f"{fault.blame}/{self.phase}/{fault.code or fault.kind}"
        return "done"
