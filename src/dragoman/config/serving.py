"""The settings of the server: where it listens, and the bounds on what clients send."""

from __future__ import annotations

from typing import Annotated, Literal

from dragoman.config.about import about
from dragoman.config.scalars import Duration, PathPrefix, Size
from dragoman.config.section import Section

SHARED = (
    "127.0.0.0/8",
    "::1",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "fe80::/10",
)
"""Networks in which a proxy usually stands: loopback, private (RFC 1918, 4193, 6598) and link-local ones."""


class Server(Section, frozen=True):
    """Where Dragoman listens and what it accepts."""

    host: Annotated[
        str,
        about("The address to listen on; 0.0.0.0 for every IPv4 one, :: for every one.", env="DRAGOMAN_HOST"),
    ] = "127.0.0.1"
    port: Annotated[
        int, about("The port to listen on; 0 takes a free one.", env="DRAGOMAN_PORT", ge=0, le=65535)
    ] = 8080
    base_path: Annotated[
        PathPrefix, about("A path below which all paths of the gateway lie.", env="DRAGOMAN_BASE_PATH")
    ] = PathPrefix("")
    cors_origins: Annotated[
        tuple[str, ...] | None,
        about(
            "Origins whose web pages may call; `*` for all, `[]` for none. Without a key only pages of this "
            "machine (localhost, 127.0.0.1, [::1]) and of apps (vscode-webview://, app://) may, unless this "
            "says otherwise.",
            default="`*`, without a key this machine",
            env="DRAGOMAN_CORS_ORIGINS",
        ),
    ] = None
    max_body: Annotated[
        Size,
        about(
            "The largest request body; above it 413. One that comes compressed (gzip, zstd, br, deflate) is "
            "measured unpacked.",
            env="DRAGOMAN_MAX_BODY",
        ),
    ] = Size(64_000_000)
    body_space: Annotated[
        Size,
        about(
            "Memory for the bodies of all running requests together, in each worker; beyond it 503 and "
            "`Retry-After`. A single body is never refused for this.",
            env="DRAGOMAN_BODY_SPACE",
        ),
    ] = Size(500_000_000)
    answer_space: Annotated[
        Size,
        about(
            "Memory for all providers' answers that are read whole, together, in each worker; beyond it "
            "503 and `Retry-After`. A single answer is never refused for this.",
            env="DRAGOMAN_ANSWER_SPACE",
        ),
    ] = Size(1_000_000_000)
    max_upload: Annotated[
        Size,
        about(
            "The largest form with files, and the largest body that is passed through; above it 413. "
            "Providers take audio of up to 25 MB (OpenAI) or 100 MB (Groq), and images of up to 50 MB "
            "each. A form's files above 1 MiB are stored in the system's folder for temporary files "
            "(`TMPDIR`) until their request ends.",
            env="DRAGOMAN_MAX_UPLOAD",
        ),
    ] = Size(128_000_000)
    upload_space: Annotated[
        Size,
        about(
            "Disk space for the files of all forms together, in each worker; beyond it 503 and "
            "`Retry-After`. A single form is never refused for this.",
            env="DRAGOMAN_UPLOAD_SPACE",
        ),
    ] = Size(2_000_000_000)
    max_depth: Annotated[
        int,
        about(
            "How deep JSON may nest in a request; beyond it 400.",
            unit="levels",
            env="DRAGOMAN_MAX_DEPTH",
            ge=8,
            le=500,
        ),
    ] = 200
    max_values: Annotated[
        int,
        about(
            "How many values JSON may hold in a request; beyond it 413. OpenAI takes 300,000 tokens in one "
            "request for embeddings, each a value.",
            unit="values",
            env="DRAGOMAN_MAX_VALUES",
            ge=1000,
        ),
    ] = 320_000
    max_head: Annotated[
        Size,
        about(
            "The largest head of a request, and the largest trailers; above it 431.",
            env="DRAGOMAN_MAX_HEAD",
            ge=4096,
        ),
    ] = Size(64_000)
    head_space: Annotated[
        Size,
        about(
            "Memory for all requests that have not begun, together, in each worker: incomplete heads, and "
            "requests that were sent before the answer to the one before them. Beyond it the connections "
            "that have waited longest for their client are closed.",
            env="DRAGOMAN_HEAD_SPACE",
            ge=64_000,
        ),
    ] = Size(8_000_000)
    max_headers: Annotated[
        int,
        about(
            "How many headers a request may have; above it 431.",
            unit="headers",
            env="DRAGOMAN_MAX_HEADERS",
            ge=16,
        ),
    ] = 200
    max_url: Annotated[
        Size,
        about("The longest URL of a request; above it 414.", env="DRAGOMAN_MAX_URL", ge=256),
    ] = Size(16_000)
    head_timeout: Annotated[
        Duration,
        about(
            "How long a client may take to send the head of a request, from its first byte, and how long a "
            "new connection may send nothing; after it 408. 0 = for ever.",
            env="DRAGOMAN_HEAD_TIMEOUT",
        ),
    ] = Duration(20)
    body_timeout: Annotated[
        Duration,
        about(
            "How long the body of a request may stand still; after it 408. `min_rate` says what counts as "
            "standing still. 0 = for ever.",
            env="DRAGOMAN_BODY_TIMEOUT",
        ),
    ] = Duration(60)
    write_timeout: Annotated[
        Duration,
        about(
            "How long a client may leave its answer unread, once all buffers on the way are full; after it "
            "the connection is cut and the provider's call is ended. `min_rate` says what counts as "
            "reading. 0 = for ever.",
            env="DRAGOMAN_WRITE_TIMEOUT",
        ),
    ] = Duration(120)
    min_rate: Annotated[
        Size,
        about(
            "How many bytes a second a client must send of a body, or read of an answer, so that the time of "
            "`body_timeout` or `write_timeout` does not pass. 0 = any byte will do.",
            unit="bytes a second",
            env="DRAGOMAN_MIN_RATE",
        ),
    ] = Size(1000)
    keep_alive: Annotated[
        Duration,
        about(
            "How long a connection without a request stays open after an answer. Usual clients keep theirs "
            "for less time, and it should be they who close first. 0 = for ever.",
            env="DRAGOMAN_KEEP_ALIVE",
        ),
    ] = Duration(75)
    max_connections: Annotated[
        int | None,
        about(
            "Connections of clients in each worker. A further one takes the place of an idle one; where all "
            "are busy, it gets 503.",
            unit="connections",
            default="half of the descriptors that the process may open",
            env="DRAGOMAN_MAX_CONNECTIONS",
            ge=1,
        ),
    ] = None
    max_connections_per_address: Annotated[
        int | None,
        about(
            "Connections of one address (of IPv6 one /64 network) in each worker, but for those of "
            "`shared_addresses`; beyond it 503.",
            unit="connections",
            default="a quarter of `max_connections`",
            env="DRAGOMAN_MAX_CONNECTIONS_PER_ADDRESS",
            ge=1,
        ),
    ] = None
    shared_addresses: Annotated[
        tuple[str, ...],
        about(
            "Addresses and networks that stand for many clients, as a proxy's does. Name your load "
            "balancer's here where its address is public.",
            env="DRAGOMAN_SHARED_ADDRESSES",
            default="loopback, private and link-local networks",
        ),
    ] = SHARED
    heartbeat: Annotated[
        Duration,
        about(
            "After this silence a stream gets a comment line that keeps proxies and clients waiting; "
            "before the first content it also sends the headers. 0 = never.",
            env="DRAGOMAN_HEARTBEAT",
        ),
    ] = Duration(15)
    drain: Annotated[
        Duration,
        about("How long running requests may go on after a stop is asked for.", env="DRAGOMAN_DRAIN"),
    ] = Duration(600)
    drain_delay: Annotated[
        Duration | None,
        about(
            "How long the port stays open after SIGTERM while `/health/ready` answers 503, so that load "
            "balancers notice and send no more requests. Ctrl-C, and a second signal, do not wait.",
            default="5s if somebody asked `/health/ready` within the last minute, else 0",
            env="DRAGOMAN_DRAIN_DELAY",
        ),
    ] = None
    access_log: Annotated[bool, about("Log one line for each request.", env="DRAGOMAN_ACCESS_LOG")] = True
    workers: Annotated[
        int,
        about(
            "Processes that answer. More than one share what lasts, so they need a database (`stores.sql`). "
            "Each that is asked for an embedded model runs its own. Windows runs one.",
            unit="processes",
            env="DRAGOMAN_WORKERS",
            ge=1,
            le=256,
        ),
    ] = 1
    keyless_faces: Annotated[
        tuple[Literal["ollama"], ...],
        about(
            "Protocols whose clients on this machine need no key although others do, because they send none. "
            "What a proxy passes on, and pages of foreign origins, still need one.",
            env="DRAGOMAN_KEYLESS_FACES",
        ),
    ] = ()
    keyless_models: Annotated[
        tuple[str, ...] | None,
        about(
            "The models and aliases that these clients may use, as in `auth.keys[].models`.",
            default="all",
            env="DRAGOMAN_KEYLESS_MODELS",
        ),
    ] = None
    websocket: Annotated[
        bool,
        about(
            "Whether `/v1/responses` and `/v1/chat/completions` may be opened as a WebSocket; otherwise 426.",
            env="DRAGOMAN_WEBSOCKET",
        ),
    ] = True
