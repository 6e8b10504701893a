"""Settings of what lasts between requests: seals, stores, answers, sessions. A part of `settings`."""

from __future__ import annotations

from typing import Annotated, Literal

from dragoman.config.about import about
from dragoman.config.scalars import Duration, Size
from dragoman.config.section import Section


class Seals(Section, frozen=True):
    """What answers hold that clients cannot bring back: signatures, and reasoning that vendors want back."""

    ttl: Annotated[Duration, about("How long an entry is kept after its last use. `0`: nothing is kept.")] = (
        Duration(86400)
    )
    max_size: Annotated[
        Size,
        about(
            "Room for all entries. When it is full, the client that takes most loses its least recently "
            "used. `0`: nothing is kept."
        ),
    ] = Size(64_000_000)


class Stores(Section, frozen=True):
    """Where what lasts between requests is kept."""

    sql: Annotated[
        str | None,
        about(
            "`memory`: in this process, lost when it ends. `sqlite`: a file in Dragoman's own folder. Or "
            "a URL: `sqlite:////var/lib/dragoman/state.db`. Everything but `memory` needs the extra "
            "`sql`.",
            env="DRAGOMAN_SQL",
            default="`dragoman serve`: `sqlite` where the extra is installed; else `memory`",
        ),
    ] = None


class Responses(Section, frozen=True):
    """Answers of the Responses API, which clients continue by their id."""

    retain: Annotated[
        bool,
        about(
            "Whether answers may be kept at all. `false`: in Responses `store` is false whatever a client "
            "asks, and background answers are refused; `store` and `metadata` of chat completions go to "
            "the provider.",
            env="DRAGOMAN_RESPONSES_RETAIN",
        ),
    ] = True
    ttl: Annotated[
        Duration, about("How long an answer or a conversation is kept; what continues it extends that.")
    ] = Duration(30 * 86400)
    max_size: Annotated[
        Size,
        about(
            "Room for all answers, conversations and sessions. When it is full, the client that takes "
            "most loses its least recently used. A single one that is larger is not kept. On the disk the "
            "file stays below twice the sum of this and `seals.max_size`, and its log usually below 32 "
            "MB."
        ),
    ] = Size(500_000_000)
    max_background: Annotated[
        int,
        about(
            "Answers that may run in the background for one client key at the same time, in each worker; "
            "beyond it 429 and `Retry-After`.",
            unit="answers",
            ge=1,
        ),
    ] = 100
    max_background_total: Annotated[
        int,
        about(
            "Answers that may run in the background for all client keys, in each worker; beyond it 429.",
            unit="answers",
            ge=1,
        ),
    ] = 400


class Sessions(Section, frozen=True):
    """Conversations that the gateway remembers for clients that send `X-Session-Id` and only what is new."""

    ttl: Annotated[
        Duration, about("How long a session is kept after its last turn. `0`: the header is refused.")
    ] = Duration(1800)
    by: Annotated[
        tuple[Literal["session_id", "user", "history"], ...],
        about(
            "What else names a session, in order of preference: `session_id` or `user`, members of a "
            "request's body; `history`, the earlier messages that a client repeats.",
            default="only the header",
        ),
    ] = ()
    max_count: Annotated[
        int,
        about(
            "How many sessions are kept. The client that has most loses its least recently used.",
            unit="sessions",
            ge=1,
        ),
    ] = 10_000
    max_size: Annotated[
        Size, about("Room for one session. When it is full, the oldest turns are dropped.")
    ] = Size(4_000_000)
