"""The record of one client request from its start to its end.

The server and the engine write the record. The log, metrics and traces read it when it is closed; hooks get
it before. Moments are seconds on the monotonic clock; only `created` is Unix seconds.
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
checks path, method and content type (`url`), reads the body (`body`), checks the body in the client's
protocol (`decode`), chooses a deployment or waits before the next attempt (`route`), writes the upstream
request (`encode`), waits for a connection (`connect`), waits for the answer (`first_byte`), sends a stream to
the client (`stream`), has been answered (`done`). An exchange that fails or is cut off keeps the step at
which this happened. An exchange may skip steps; one that needs no model may also skip `done`.
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
whole request unchanged; some members are for one provider only (`addressed`); earlier messages of a session,
a conversation or a stored response were added to the request (`continued`); the request contains seals of
another provider (`seals`); an alias or the model's settings add something (`alias`); a hook has changed the
request or reads answers (`hook`); the request is shortened to fit the window (`truncation`); the answer is
checked against the requested form (`output_check`); another deployment may have to go on with the answer
(`continuing`).
"""

_NOTHING: Final[tuple[tuple[Loss, ...], tuple[Change, ...]]] = ((), ())
_EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})
_REFUSED: Final = frozenset({Outcome.KEY_PERMANENT, Outcome.KEY_MODEL})
"""The outcomes after which the operator has to look at the key."""
_WEIGHTS: Final[dict[Severity, int]] = {"meaning": 0, "quality": 1, "hint": 2}


OVERTAKEN: Final = "overtaken"
"""The `outcome` of an attempt that the gateway ended because another attempt at the same request, which ran
at the same time, had content first.
"""


class AttemptRecord(msgspec.Struct, eq=False):
    """The record of one call to one deployment with one provider key: its times and its result.

    key_tail: the last characters of the key; "" = the key is too short to show any, None = no key. reasons:
    why the request was translated; () = it was relayed. started: when the attempt began. sent: when the
    latest upstream request of this attempt had got its connection. answered: when the response headers of
    that request came. first: when the first content of a stream, or the complete answer, came. ended: when
    the attempt ended; None = it is still running. status: the HTTP status of the provider's answer or, after
    a failure, the one that the fault states; None = there is no such status. fault: the failure; None = the
    call succeeded, is still running, or was cut off (by the client, for example). outcome: the class of
    `fault`, as the name of an `Outcome` in lower case, or `OVERTAKEN`; None = neither. key_source: the
    environment variable or the file that the key came from; set only if the provider refused the key, or if
    its quota is used up. key_id: the id of the key, "" = unknown. continues: True = this attempt goes on with
    the answer that earlier attempts have begun. usage: the tokens of this attempt alone; None = it has used
    none, or they are unknown. units: the amounts of everything else that the attempt has used (images, sound,
    searches, …), by the names in `ir.units`. guessed: True = `units` were counted in the request, because the
    provider has stated none. tier: the service tier that the provider has stated. cost: nano-USD. price: the
    price that `cost` was computed with, as text for people. priced: (deployment, the known part of its cost)
    for each model that was used, if there are several or if only a part of `cost` is known; otherwise empty.
    own: True = the key is the tenant's or the client's, so the call costs the operator nothing. Where this
    text does not explain None, it means unknown, or that it has not happened.
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
        """Set `outcome` from the fault; without a fault, do nothing. If the provider refused the key, if its
        quota is used up, or if it may not use the model, also set `key_source`. source: the environment
        variable or the file that the key came from; "" = unknown, which makes `key_source` None.
        """
        if self.fault is not None:
            outcome = classify(self.fault)
            self.outcome = outcome.name.lower()
            if outcome in _REFUSED:
                self.key_source = source or None


class Wait(msgspec.Struct, frozen=True):
    """A wait during an exchange, before an attempt. reason: `resting` (all keys were resting), `retry_after`
    (a provider stated the time), `backoff` (the gateway's own pause after a failure), or `queue` (for a place
    at a model or provider). began: when it began (monotonic seconds). seconds: its duration.
    """

    reason: str
    began: float
    seconds: float


class KeptBodies(msgspec.Struct, eq=False):
    """The first bytes of the bodies of one exchange. most: how many bytes of each body are stored.
    request_size, answer_size: the number of bytes of each complete body. The bodies may contain secrets.
    """

    most: int
    request: bytes = b""
    answer: bytearray = msgspec.field(default_factory=bytearray)
    request_size: int = 0
    answer_size: int = 0

    def asked(self, body: bytes) -> None:
        """Store the first `most` bytes of the request's body, and its size. body: the complete body."""
        self.request, self.request_size = body[: self.most], len(body)

    def told(self, data: bytes) -> None:
        """Add the next bytes of the answer's body: store those for which `most` has room, and count all in
        `answer_size`.
        """
        self.answer_size += len(data)
        if (room := self.most - len(self.answer)) > 0:
            self.answer += data[:room]


class Exchange(msgspec.Struct, eq=False):
    """Everything that is recorded of one client request: ids, decisions, attempts, usage, losses, times and
    the end.

    request_id: the id that the client sent, or one made from `id`. path: the path as logs show it, usually
    the template of the endpoint. client: the name of `caller`, usually that of a key. caller: who asks, and
    what it may do. end_user: the person or thing on whose behalf the client asks, as the client names them.
    address: the peer address of the connection; at the operators' Unix socket, the name of the user there.
    forwarded: the addresses that proxies state (x-forwarded-for), at most the last 1000 characters. agent:
    the client's User-Agent, cut to 200 characters. face: the name of the client's protocol. began: when the
    request came in; `created` is about the same moment in Unix seconds. mode: of the latest attempt. asked:
    the model name that the client sent. answered: the deployment that was called last. taken: losses and
    changes that hold for every attempt: from reading headers and body, and those of the attempts whose answer
    is continued. losses, changes: those in `taken`, and those of the latest attempt. tags: the client's tags
    of this request. metadata: values that the client sent for the gateway to keep. deployments: the
    deployments of the model's route, and of the fallbacks that were tried. dropped: pairs of a deployment
    that cannot answer this request, and the reason. weighed: the candidates (deployments with a key) in the
    order in which they could be called, and what was known of each; () = no order was made. waits: the waits
    before attempts. bodies: the stored bodies; None = they are not stored. fault: why the exchange failed;
    None = it did not fail. status: the HTTP status that the client got. tier: the service tier that the
    request asks for. cost: the cost of all attempts, in nano-USD; None = at least a part of it is unknown.
    priced: the part of the cost that is known; None = no cost was computed. refused_by: the name of the limit
    that has refused the request, or one of its attempts. waited: seconds of waiting for upstreams, between
    attempts, in queues, and for the client's body. queued: the part of `waited` that was spent in the queues
    of models and providers. first: when the first content of a stream came. end: how it ended, see `ending`.
    Where this text does not explain None, it means unknown, or that it has not happened yet.
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

    @property
    def tenant(self) -> str | None:
        """The name of the tenant that the caller belongs to; None = to none, or the caller is unknown."""
        return None if self.caller is None else self.caller.tenant

    def called_by(self, caller: Caller) -> None:
        """Set `caller`, and set `client` to the caller's name."""
        self.caller = caller
        self.client = caller.name

    def account(self, losses: tuple[Loss, ...], changes: tuple[Change, ...]) -> None:
        """Set `losses` and `changes` to those in `taken`, followed by the arguments: what the running attempt
        has lost and changed. What earlier attempts have reported is dropped, unless it is in `taken`.
        """
        before_losses, before_changes = self.taken
        self.losses, self.changes = before_losses + losses, before_changes + changes

    def connected(self, now: Callable[[], float]) -> None:
        """Set the phase to `first_byte`, and the time `sent` of the latest attempt, if there is one, to now:
        the connection to the provider is open, and the request is being sent. now: returns monotonic seconds.
        """
        self.phase = "first_byte"
        if self.attempts:
            self.attempts[-1].sent = now()

    def waits_for(self, seconds: float, now: float, reason: str | None = None) -> None:
        """Add a wait to `waits`. seconds: its duration. now: when the wait begins or began, in monotonic
        seconds. reason: as in `Wait`; None = `resting` if there was no attempt; else, by the fault of the
        latest attempt, `retry_after` if it states when to try again, or `backoff`.
        """
        if reason is None:
            fault = self.attempts[-1].fault if self.attempts else None
            told = fault is not None and fault.retry_after is not None
            reason = "resting" if not self.attempts else "retry_after" if told else "backoff"
        self.waits += (Wait(reason, now, seconds),)

    def overhead(self, now: float) -> float:
        """Return the seconds that the gateway itself has needed until `now` (monotonic seconds), at least 0:
        the time since the start, minus `waited`. For a stream, the time after its first content is not
        counted.
        """
        until = now if self.first is None else min(now, self.first)
        return max(0.0, until - self.began - self.waited)

    def foremost_losses(self, most: int) -> Sequence[Loss]:
        """Return at most `most` losses: first those with the severity `meaning`, then `quality`, then `hint`.
        Losses of the same severity stay in order.
        """
        return sorted(self.losses, key=lambda loss: _WEIGHTS[loss.severity])[:most]

    def close(self, now: float, *, gone: bool = False) -> None:
        """End the exchange: set `ended` and `end` (see `ending`). A `usage` whose token counts are impossible
        (`Usage.plausible`) becomes None. now: monotonic seconds. gone: True = the client disconnected before
        its answer was complete.
        """
        self.ended = now
        if self.usage is not None and not self.usage.plausible():
            self.usage = None
        self.end = self.ending(gone=gone)

    def ending(self, *, gone: bool = False) -> str:
        """Return the value that `end` would get if the exchange ended now: "done" if there is no fault; else
        who is to blame, the phase, and the fault's code, or its kind if it has no code
        ("upstream/first_byte/server_error"). gone: True = the client disconnected before its answer was
        complete; the value is then "client/" and the phase, unless there is a fault that blames the gateway.
        """
        fault = self.fault
        if gone and (fault is None or fault.blame != "gateway"):
            return f"client/{self.phase}"
        return "done" if fault is None else f"{fault.blame}/{self.phase}/{fault.code or fault.kind}"
