"""One client request's whole life, as the record that everything else reads.

The engine writes it, observers (log, metrics, traces) read it when it is closed. It holds no socket and
no store. Times are seconds on the monotonic clock; `created` is Unix seconds.
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
"""What an exchange does: it reads the head of the request (`head`), finds out who calls (`auth`) and what
for (`url`: path, method, content type), reads the body (`body`), checks it in the client's protocol
(`decode`), chooses a deployment or waits before the next attempt (`route`), writes the request for it
(`encode`), waits for a connection (`connect`), has sent the request and nothing of the answer yet
(`first_byte`), sends a stream to the client (`stream`), is over (`done`). Requests that ask no model go from
`url` or `decode` to `done`.
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
"""Why a request is translated instead of relayed: its provider speaks another protocol (`protocol`), or
this operation cannot be relayed (`operation`); the vendor (`vendor`) or the model (`model`) does not take
all of it as it stands; it has members for one provider (`addressed`); a session goes before it
(`continued`); it holds seals of another provider (`seals`); an alias adds something (`alias`); a hook takes
part (`hook`); it is shortened to fit the window (`truncation`); its answer is held to a schema
(`output_check`).
"""

_NOTHING: Final[tuple[tuple[Loss, ...], tuple[Change, ...]]] = ((), ())
_EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})
_WEIGHTS: Final[dict[Severity, int]] = {"meaning": 0, "quality": 1, "hint": 2}


class AttemptRecord:
    """One call to one deployment with one key: when it ran and how it ended.

    reasons: why it was translated, () = it was relayed. status None = no HTTP answer.
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
    """Ids, decisions, attempts, usage, losses, timings, and how it ended.

    client: the name of the key that called. address: the other side of the connection. forwarded: for whom a
    proxy says that it asks, in its words. agent: what the client calls itself. operation: what was asked for.
    asked: the model name that the client sent; answered: the deployment that served it. waited: seconds spent
    waiting for upstreams, so that everything else is our own time. end: who ended it in which phase with
    which code ("done", "client/stream", "upstream/first_byte/server_error"). taken: losses and changes that
    hold for every attempt, because the body's reading made them. tags: what the client tags this request
    with. metadata: what it sent for the gateway to keep.
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
        """What the running attempt loses and changes, after what was taken out before it."""
        before_losses, before_changes = self.taken
        self.losses, self.changes = before_losses + losses, before_changes + changes

    def connected(self) -> None:
        """A connection to the upstream is there, and gets the request."""
        self.phase = "first_byte"

    def overhead(self, now: float) -> float:
        """Seconds of our own so far: everything but the waiting for upstreams."""
        return max(0.0, now - self.began - self.waited)

    def foremost_losses(self, most: int) -> Sequence[Loss]:
        """The losses that matter most, `most` of them at most; alike ones in their order."""
        return sorted(self.losses, key=lambda loss: _WEIGHTS[loss.severity])[:most]

    def close(self, now: float, *, gone: bool = False) -> None:
        """The exchange is over. gone: the client left before its answer was complete.

        Counts that cannot be are a provider's mistake, and no sum or rate may have them in it.
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
