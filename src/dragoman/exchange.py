"""The record of one client request from its start to its end.

The server and the engine write the record. Observers (log, metrics, traces) read it when it is closed. It
holds no socket and no store. Times are seconds on the monotonic clock; `created` is Unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from dragoman import ir
from dragoman.dialects.loss import Change, Loss
from dragoman.dialects.request import Operation
from dragoman.dialects.severity import Severity

Mode: TypeAlias = Literal["relay", "translate"]
Phase: TypeAlias = Literal[
    "head", "auth", "url", "body", "decode", "route", "encode", "connect", "first_byte", "stream", "done"
]
"""The current step of an exchange: it reads the request's headers (`head`), identifies the client (`auth`)
and checks path, method and content type (`url`), reads the body (`body`), checks it in the client's protocol
(`decode`), chooses a deployment or waits before the next attempt (`route`), writes the upstream request
(`encode`), waits for a connection (`connect`), waits for the first byte of the answer (`first_byte`), sends a
stream to the client (`stream`), has ended (`done`). Requests that need no model go from `url` or `decode` to
`done`.
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
]
"""Why a request is translated instead of relayed: the provider speaks another protocol (`protocol`); this
operation cannot be relayed (`operation`); the vendor (`vendor`) or the model (`model`) does not accept the
whole request unchanged; some members are for one provider only (`addressed`); the request continues a session
(`continued`); it holds seals of another provider (`seals`); an alias adds something (`alias`); a hook takes
part (`hook`); the request is shortened to fit the window (`truncation`); the answer is checked against a
schema (`output_check`).
"""

_NOTHING: Final[tuple[tuple[Loss, ...], tuple[Change, ...]]] = ((), ())
_EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})
_WEIGHTS: Final[dict[Severity, int]] = {"meaning": 0, "quality": 1, "hint": 2}


class AttemptRecord:
    """The record of one call to one deployment with one provider key: its times and its result. key_tail: the
    key's last characters, None = no key. reasons: why the request was translated; () = it was relayed. first:
    when the answer's first byte came. status: None = no HTTP answer. fault: None = it succeeded.
    """

    __slots__ = (
        *("deployment", "ended", "fault", "first", "id", "key_tail", "mode", "reasons", "started", "status"),
    )

    def __init__(
        self,
        attempt: str,
        deployment: str,
        key_tail: str | None,
        mode: Mode,
        started: float,
        *,
        reasons: tuple[Reason, ...] = (),
    ) -> None:
        self.id = attempt
        self.deployment = deployment
        self.key_tail = key_tail
        self.mode: Mode = mode
        self.reasons = reasons
        self.started = started
        self.first: float | None = None
        self.ended: float | None = None
        self.status: int | None = None
        self.fault: ir.Fault | None = None


class Exchange:
    """Ids, decisions, attempts, usage, losses, times and the end of one exchange.

    client: the name of the client's key. address: the peer address of the connection. forwarded: the client
    address that a proxy states, unchanged. agent: the client's User-Agent. operation: the requested
    operation. asked: the model name that the client sent. answered: the deployment that answered. waited:
    seconds of waiting for upstreams; the remaining time is the gateway's own. end: who ended the exchange, in
    which phase, with which code ("done", "client/stream", "upstream/first_byte/server_error"). taken: losses
    and changes from reading the body, which therefore hold for every attempt. tags: the client's tags of this
    request. metadata: values that the client sent for the gateway to keep.
    """

    __slots__ = (
        "address",
        "agent",
        "answered",
        "asked",
        "attempts",
        "began",
        "changes",
        "client",
        "created",
        "end",
        "ended",
        "face",
        "fault",
        "first",
        "forwarded",
        "id",
        "losses",
        "metadata",
        "method",
        "mode",
        "operation",
        "path",
        "phase",
        "request_id",
        "status",
        "streamed",
        "tags",
        "taken",
        "usage",
        "waited",
    )

    def __init__(
        self, id_: str, request_id: str, face: str, method: str, path: str, *, began: float, created: float
    ) -> None:
        self.id = id_
        self.request_id = request_id
        self.face = face
        self.method = method
        self.path = path
        self.began = began
        self.created = created
        self.client: str | None = None
        self.address: str | None = None
        self.forwarded: str | None = None
        self.agent: str | None = None
        self.operation: Operation = "chat"
        self.asked: str | None = None
        self.answered: str | None = None
        self.mode: Mode | None = None
        self.streamed = False
        self.phase: Phase = "head"
        self.attempts: list[AttemptRecord] = []
        self.losses: tuple[Loss, ...] = ()
        self.changes: tuple[Change, ...] = ()
        self.taken: tuple[tuple[Loss, ...], tuple[Change, ...]] = _NOTHING
        self.tags: tuple[str, ...] = ()
        self.metadata: Mapping[str, Any] = _EMPTY
        self.usage: ir.Usage | None = None
        self.fault: ir.Fault | None = None
        self.status: int | None = None
        self.waited = 0.0
        self.first: float | None = None
        self.ended: float | None = None
        self.end: str | None = None

    def account(self, losses: tuple[Loss, ...], changes: tuple[Change, ...]) -> None:
        """Set the losses and changes: those of reading the body (`taken`), then the running attempt's."""
        before_losses, before_changes = self.taken
        self.losses, self.changes = before_losses + losses, before_changes + changes

    def connected(self) -> None:
        """Note that the connection to the provider is open and the request is being sent."""
        self.phase = "first_byte"

    def overhead(self, now: float) -> float:
        """Seconds of the gateway's own time so far: without waiting for providers and the client's body."""
        return max(0.0, now - self.began - self.waited)

    def foremost_losses(self, most: int) -> Sequence[Loss]:
        """The most important losses, at most `most` of them. Losses of equal weight keep their order."""
        return sorted(self.losses, key=lambda loss: _WEIGHTS[loss.severity])[:most]

    def close(self, now: float, *, gone: bool = False) -> None:
        """End the exchange: set `ended` and `end`. gone: the client disconnected before its answer was
        complete. Impossible token counts are a provider's mistake. They are removed, so that no sum contains
        them.
        """
        self.ended = now
        if self.usage is not None and not self.usage.plausible:
            self.usage = None
        if gone:
            self.end = f"client/{self.phase}"
        elif self.fault is not None:
            fault = self.fault
            self.end = f"{fault.blame}/{self.phase}/{fault.code or fault.kind}"
        else:
            self.end = "done"
