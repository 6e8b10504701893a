"""Settings for data that is stored between requests: seals, stores, responses, sessions and usage."""

from __future__ import annotations

from typing import Annotated, Literal

from dragoman.config.scalars import Duration, FilePath, Size
from dragoman.config.section import Section, about
from dragoman.seams.secret import Secret


class Seals(Section, frozen=True):
    """Signatures and encrypted reasoning of providers that the gateway stores.

    They are stored because a client whose protocol has no place for them cannot send them back.
    """

    ttl: Duration = Duration(86400)
    """How long an entry is kept after its last use. `0` keeps nothing."""
    max_size: Size = Size(64_000_000)
    """The total size of all entries. When it is reached, the client with the most data loses its least
    recently used entries. `0` keeps nothing."""


class Stores(Section, frozen=True):
    """Where data is stored between requests, and where limits are counted."""

    sql: Annotated[
        str | None,
        about(
            env="DRAGOMAN_SQL",
            default="for `dragoman serve`, `sqlite` if the extra is installed and Dragoman's own folder is "
            "writable, or if its `state.db` exists; otherwise `memory`",
        ),
    ] = None
    """`memory` keeps the data in this process until it ends. `sqlite` keeps it in a file in Dragoman's own
    folder; a URL chooses the file: `sqlite:////var/lib/dragoman/state.db`. A URL
    `postgresql://user:password@host:5432/name` keeps it in a PostgreSQL server, which several machines share;
    the parameters are those of libpq, such as `?sslmode=verify-full`. SQLite needs the extra `sql`,
    PostgreSQL the extra `postgres`."""
    journal: Annotated[
        str | None,
        about(
            env="DRAGOMAN_JOURNAL", default="`journal` in Dragoman's own folder; with `sql: memory`, `memory`"
        ),
    ] = None
    """The folder in which usage waits until the database has it, so that neither a crash nor a database that
    is down loses any. It should be on a local disk, and belong to one database. `memory` keeps what waits in
    the processes: a crash loses it."""
    journal_size: Annotated[Size, about(ge=1_000_000)] = Size(1_000_000_000)
    """How large the journal may become while the database is down. About 1,000,000 requests take 1 GB. What
    comes after that waits in memory, as when the disk is full."""
    valkey: Annotated[
        Secret | None,
        about(
            env="DRAGOMAN_VALKEY",
            default="one worker counts in its memory; several share a server of their own",
        ),
    ] = None
    """The Valkey or Redis server (version 7 or later) in which several gateways count limits together:
    `redis://host:6379`, `rediss://` with TLS, `unix:///path`, or `sentinel+redis://host1,host2/name`. A user
    and a password may stand in the URL; `/2` at its end chooses a database. A Redis Cluster is refused. It
    needs the extra `valkey`, as does more than one worker with limits."""
    valkey_password: Annotated[Secret | None, about(default="the password in the URL")] = None
    """The password for `valkey`, if its URL has none."""
    valkey_ca: Annotated[FilePath | None, about(default="the system's certificates")] = None
    """A file with the certificates that `rediss://` trusts, instead of the system's."""
    valkey_prefix: str = "dragoman:"
    """The beginning of all keys in `valkey`. Gateways that share limits have the same one."""
    when_lost: Literal["open", "closed"] = "open"
    """What happens to requests while `valkey` does not answer, or while their usage cannot be written to the
    journal, as when its disk is full. `open`: they go on. Each process then limits them by its equal share of
    each limit; up to 20,000 records of usage wait in the memory of each worker, further ones are lost; and
    `/health` and metrics say so. `closed`: they get 503 before a provider is called. The same holds after a
    start while it cannot be read how far limits were used before: `open` begins at 0 and adds it later."""


class Responses(Section, frozen=True):
    """Responses and conversations that the gateway stores, and that clients continue by their ids."""

    retain: Annotated[bool, about(env="DRAGOMAN_RESPONSES_RETAIN")] = True
    """Whether the gateway may store responses. With `false`, the Responses API treats `store` as false and
    refuses background responses; `store` and `metadata` of chat completions are passed on to the provider."""
    ttl: Duration = Duration(30 * 86400)
    """How long a response or a conversation is stored. A request that continues it starts this time again."""
    max_size: Size = Size(500_000_000)
    """The total size of all stored responses, conversations and sessions. When it is reached, the client with
    the most data loses its least recently used ones. A single one that is larger is not stored. The database
    file stays below twice the sum of this and `seals.max_size`, and its write-ahead log usually below 32 MB.
    """
    max_background: Annotated[int, about(unit="responses", ge=1)] = 100
    """How many background responses one client key may run at the same time, in each worker. Further requests
    get 429 with `Retry-After`."""
    max_background_total: Annotated[int, about(unit="responses", ge=1)] = 400
    """How many background responses all client keys together may run at the same time, in each worker.
    Further requests get 429."""


class Sessions(Section, frozen=True):
    """Conversations that the gateway stores and continues.

    A client that sends `X-Session-Id` needs to send only new messages. `by` adds other ways to recognise a
    conversation.
    """

    ttl: Duration = Duration(1800)
    """How long a session is kept after its last request. With `0`, requests that name one are refused."""
    by: Annotated[tuple[Literal["session_id", "user", "history"], ...], about(default="only the header")] = ()
    """What identifies a session besides the header, in order of preference: `session_id` or `user`, fields of
    the request body; `history`, the earlier messages that the client repeats."""
    max_count: Annotated[int, about(unit="sessions", ge=1)] = 10_000
    """How many sessions are kept. When there are more, the client with the most sessions loses its least
    recently used one."""
    max_size: Size = Size(4_000_000)
    """The largest size of one session. Above it the oldest turns are dropped. A turn that is larger by itself
    is not stored."""


class Usage(Section, frozen=True):
    """How long the store (`stores.sql`) keeps usage, and how many tags and end users its sums tell apart.

    Reports are made from sums, which stay when the records of single requests are deleted.
    """

    keep: Duration = Duration(90 * 86400)
    """How long the record of each request is kept."""
    keep_hours: Annotated[Duration | None, about(default="for ever")] = None
    """How long sums by hour are kept. Reports on older times are rounded to whole days."""
    keep_days: Annotated[Duration | None, about(default="for ever")] = None
    """How long sums by day are kept. Reports on older times are rounded to whole months."""
    keep_months: Annotated[Duration | None, about(default="for ever")] = None
    """How long sums by month are kept."""
    max_values: Annotated[int, about(unit="values", ge=1)] = 1_000
    """How many tags, and how many end users, sums tell apart in an hour, day or month that is over. Those
    with the smallest cost are added up as `(other)`."""
