"""The settings of the server: where it listens, the limits on what clients send, and when the configuration
is loaded again.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from dragoman.config.scalars import Duration, FilePath, PathPrefix, Size
from dragoman.config.section import Section, about

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
    """Where Dragoman listens, which requests and connections it accepts, and how it starts and stops."""

    in_environment: ClassVar[bool] = True

    host: str = "127.0.0.1"
    """The address to listen on: 0.0.0.0 for every IPv4 address, :: for every address."""
    port: Annotated[int, about(ge=0, le=65535)] = 8080
    """The port to listen on; 0 chooses a free port."""
    base_path: PathPrefix = PathPrefix("")
    """A path prefix for all endpoints of the gateway."""
    cors_origins: Annotated[
        tuple[str, ...] | None, about(default="`*` if a client key is required, otherwise this machine")
    ] = None
    """Origins whose web pages may call the gateway (CORS): `*` for all, `[]` for none. By default, while no
    client key is required, only pages of this machine (localhost, 127.0.0.1, [::1]) and of apps
    (vscode-webview://, app://) may call."""
    max_body: Size = Size(64_000_000)
    """The largest request body; a larger one gets 413. A compressed body (gzip, zstd, br, deflate) is
    measured after decompression."""
    body_space: Size = Size(500_000_000)
    """Memory for the bodies of all running requests, in each worker. Requests beyond it get 503 with
    `Retry-After`, unless theirs is the only body."""
    answer_space: Size = Size(1_000_000_000)
    """Memory for all provider responses that are read as a whole, in each worker. Responses beyond it become
    503 with `Retry-After`, unless there is only one."""
    max_upload: Size = Size(128_000_000)
    """The largest form with files, and the largest body that is passed through; a larger one gets 413.
    Providers accept audio of up to 25 MB (OpenAI) or 100 MB (Groq), and images of up to 50 MB each. A form's
    files above 1 MiB, or beyond 8 MiB in all, are temporary files (`TMPDIR`) until their request ends."""
    upload_space: Size = Size(2_000_000_000)
    """Disk space for the files of all forms, in each worker. Requests beyond it get 503 with `Retry-After`,
    unless theirs is the only form."""
    max_depth: Annotated[int, about(unit="levels", ge=8, le=500)] = 200
    """How many levels deep the JSON of a request may be nested; a deeper one gets 400."""
    max_values: Annotated[int, about(unit="values", ge=1000)] = 320_000
    """How many values the JSON of a request may hold; with more it gets 413. OpenAI accepts 300,000 tokens in
    one embeddings request, and each token is a value."""
    max_head: Annotated[Size, about(ge=4096)] = Size(64_000)
    """The largest size of all request headers, and of all trailers; larger ones get 431."""
    head_space: Annotated[Size, about(ge=64_000)] = Size(8_000_000)
    """Memory for all requests that have not started, in each worker: incomplete headers, and pipelined
    requests (sent before the previous response). When it is full, the connections that have waited longest
    for their client are closed."""
    max_headers: Annotated[int, about(unit="headers", ge=16)] = 200
    """How many headers a request may have; with more it gets 431."""
    max_url: Annotated[Size, about(ge=256)] = Size(16_000)
    """The longest URL of a request; a longer one gets 414."""
    head_timeout: Duration = Duration(20)
    """How long a client may take to send the request headers, counted from the first byte; then the request
    gets 408. A new connection that sends nothing for this time is closed. 0 = no limit."""
    body_timeout: Duration = Duration(60)
    """How long a request body may make no progress; then the request gets 408. `min_rate` defines progress. 0
    = no limit."""
    write_timeout: Duration = Duration(120)
    """How long a client may stop reading the response once all buffers are full. Then the connection is
    closed and the request to the provider is cancelled. `min_rate` defines what counts as reading. 0 = no
    limit."""
    min_rate: Annotated[Size, about(unit="bytes per second")] = Size(1000)
    """How many bytes per second a client must send of a request body, or read of a response, so that
    `body_timeout` or `write_timeout` starts again. 0 = any byte is enough."""
    transport: Literal["own", "aiohttp"] = "own"
    """The HTTP client for requests to providers: `own`, or `aiohttp`, which is slower and always used for a
    provider with a `proxy`."""
    keep_alive: Duration = Duration(75)
    """How long an idle connection stays open after a response (HTTP keep-alive). Keep it longer than the
    keep-alive of your clients and load balancers, so that they close first. 0 = no limit."""
    max_connections: Annotated[
        int | None,
        about(unit="connections", default="half of the file descriptors that the process may open", ge=1),
    ] = None
    """How many client connections each worker accepts. A further connection replaces an idle one; if all are
    busy, it gets 503."""
    max_connections_per_address: Annotated[
        int | None, about(unit="connections", default="a quarter of `max_connections`", ge=1)
    ] = None
    """How many connections each worker accepts from one address (for IPv6 from one /64 network). A further
    one replaces an idle one of them or gets 503. It does not apply to `shared_addresses`."""
    shared_addresses: Annotated[
        tuple[str, ...], about(default="loopback, private and link-local networks")
    ] = SHARED
    """Addresses and networks that many clients share, such as a proxy. Add your load balancer here if its
    address is public."""
    trusted_proxies: Annotated[tuple[str, ...], about(default="none")] = ()
    """Addresses and networks of proxies whose `X-Forwarded-For` is believed: `10.0.0.0/8`. A limit with
    `scope: address` counts the last address in this header that is not of a trusted proxy."""
    max_requests: Annotated[int, about(unit="requests", ge=1)] = 10_000
    """How many requests each worker works on at a time, including those that wait in queues. Further POST
    requests, except those for `/admin`, get 503 with `Retry-After` at once, before their body is read. An
    open WebSocket counts as one request. A waiting request takes about 20 kB beside its body."""
    heartbeat: Duration = Duration(15)
    """After this time without content, the gateway sends a comment, ping or blank in a stream, so that
    proxies and clients do not time out; not in Ollama's protocol, nor in Gemini's with `alt=sse`. If the
    response headers have not been sent yet, it sends them first. 0 = never."""
    drain: Duration = Duration(600)
    """How long running requests may continue after the gateway was told to stop and has closed its port
    (`drain_delay`); at least 1s."""
    drain_delay: Annotated[
        Duration | None,
        about(default="5s if `/health/ready` was requested within the last minute, otherwise 0"),
    ] = None
    """How long the port stays open after SIGTERM while `/health/ready` answers 503, so that load balancers
    stop sending requests. Ctrl-C, or a second signal, does not wait."""
    access_log: bool = True
    """Whether to log one line for each request."""
    workers: Annotated[int, about(unit="processes", ge=1, le=256)] = 1
    """The number of worker processes. Several workers share their stored data, so they need a database
    (`stores.sql`). Each worker loads its own copy of an embedded model. On Windows only one worker is
    possible."""
    keyless_faces: tuple[Literal["ollama"], ...] = ()
    """Protocols whose clients on this machine need no key, although other clients do: for clients that cannot
    send one. Requests through a proxy, and from web pages of other origins, still need a key."""
    keyless_models: Annotated[tuple[str, ...] | None, about(default="all")] = None
    """The models and aliases that clients of `keyless_faces` may use without a key, by the names that they
    send; `*` matches any text."""
    admin_port: Annotated[int | None, about(default="`/admin` is on the public port", ge=0, le=65535)] = None
    """A port of its own for `/admin/…` and other paths that need the scope `admin`: they, and the details of
    `/health`, are then on no other port. Clients need a key with that scope, as on the public port. 0 chooses
    a free port."""
    admin_host: str = "127.0.0.1"
    """The address on which `admin_port` listens."""
    admin_socket: Annotated[
        FilePath | None, about(default="`run/PORT.sock` in Dragoman's folder, if its path is short enough")
    ] = None
    """A Unix socket for `dragoman providers` and other commands of the operator. Only the user who runs the
    gateway can open it; no key is needed there. Windows has none."""
    websocket: bool = True
    """Whether `/v1/responses`, `/v1/chat/completions` and the paths of realtime sessions accept WebSocket
    connections; if not, they get 426."""


class Reload(Section, frozen=True):
    """When `dragoman serve` loads its configuration again, besides at SIGHUP and `POST /admin/reload`."""

    watch: Annotated[bool, about(env="DRAGOMAN_RELOAD_WATCH")] = True
    """Whether the configuration is loaded again within about two seconds after its file, or a file of a
    secret or certificate that it names, has changed."""
    poll: Annotated[Duration, about(env="DRAGOMAN_RELOAD_POLL")] = Duration(60)
    """How often the content of these files is compared, for changes that a file's time and size do not show,
    and for files that were missing. 0 = never."""
