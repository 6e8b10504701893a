"""The settings of the server: where it listens, and the bounds on what clients send."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from dragoman.config.scalars import Duration, PathPrefix, Size
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
    """Where Dragoman listens and what it accepts."""

    in_environment: ClassVar[bool] = True

    host: Annotated[
        str, about("The address to listen on: 0.0.0.0 for every IPv4 address, :: for every address.")
    ] = "127.0.0.1"
    port: Annotated[int, about("The port to listen on; 0 chooses a free port.", ge=0, le=65535)] = 8080
    base_path: Annotated[PathPrefix, about("A path prefix for all endpoints of the gateway.")] = PathPrefix(
        ""
    )
    cors_origins: Annotated[
        tuple[str, ...] | None,
        about(
            "Origins whose web pages may call the gateway (CORS): `*` for all, `[]` for none. By "
            "default, while no client key is required, only pages of this machine (localhost, "
            "127.0.0.1, [::1]) and of apps (vscode-webview://, app://) may call.",
            default="`*` if a client key is required, otherwise this machine",
        ),
    ] = None
    max_body: Annotated[
        Size,
        about(
            "The largest request body; a larger one gets 413. A compressed body (gzip, zstd, br, "
            "deflate) is measured after decompression."
        ),
    ] = Size(64_000_000)
    body_space: Annotated[
        Size,
        about(
            "Memory for the bodies of all running requests, in each worker. Requests beyond it "
            "get 503 with `Retry-After`. A body is never refused while it is the only one."
        ),
    ] = Size(500_000_000)
    answer_space: Annotated[
        Size,
        about(
            "Memory for all provider responses that are read as a whole, in each worker. Responses beyond "
            "it become 503 with `Retry-After`. A response is never refused while it is the only one."
        ),
    ] = Size(1_000_000_000)
    max_upload: Annotated[
        Size,
        about(
            "The largest form with files, and the largest body that is passed through; a larger "
            "one gets 413. Providers accept audio of up to 25 MB (OpenAI) or 100 MB (Groq), and "
            "images of up to 50 MB each. Files above 1 MiB are stored in the system's folder for "
            "temporary files (`TMPDIR`) until their request ends."
        ),
    ] = Size(128_000_000)
    upload_space: Annotated[
        Size,
        about(
            "Disk space for the files of all forms, in each worker. Requests beyond it get 503 "
            "with `Retry-After`. A form is never refused while it is the only one."
        ),
    ] = Size(2_000_000_000)
    max_depth: Annotated[
        int,
        about(
            "How many levels deep the JSON of a request may be nested; a deeper one gets 400.",
            unit="levels",
            ge=8,
            le=500,
        ),
    ] = 200
    max_values: Annotated[
        int,
        about(
            "How many values the JSON of a request may hold; with more it gets 413. OpenAI "
            "accepts 300,000 tokens in one embeddings request, and each token is a value.",
            unit="values",
            ge=1000,
        ),
    ] = 320_000
    max_head: Annotated[
        Size,
        about("The largest size of all request headers, and of all trailers; larger ones get 431.", ge=4096),
    ] = Size(64_000)
    head_space: Annotated[
        Size,
        about(
            "Memory for all requests that have not started, in each worker: incomplete headers, "
            "and pipelined requests (sent before the previous response). When it is full, the "
            "connections that have waited longest for their client are closed.",
            ge=64_000,
        ),
    ] = Size(8_000_000)
    max_headers: Annotated[
        int, about("How many headers a request may have; with more it gets 431.", unit="headers", ge=16)
    ] = 200
    max_url: Annotated[Size, about("The longest URL of a request; a longer one gets 414.", ge=256)] = Size(
        16_000
    )
    head_timeout: Annotated[
        Duration,
        about(
            "How long a client may take to send the request headers, counted from the first byte, and how "
            "long a new connection may send nothing. Then the request gets 408. 0 = no limit."
        ),
    ] = Duration(20)
    body_timeout: Annotated[
        Duration,
        about(
            "How long a request body may make no progress; then the request gets 408. `min_rate` "
            "defines progress. 0 = no limit."
        ),
    ] = Duration(60)
    write_timeout: Annotated[
        Duration,
        about(
            "How long a client may stop reading the response once all buffers are full. Then the "
            "connection is closed and the request to the provider is cancelled. `min_rate` "
            "defines what counts as reading. 0 = no limit."
        ),
    ] = Duration(120)
    min_rate: Annotated[
        Size,
        about(
            "How many bytes per second a client must send of a request body, or read of a response, so that "
            "`body_timeout` or `write_timeout` starts again. 0 = any byte is enough.",
            unit="bytes per second",
        ),
    ] = Size(1000)
    keep_alive: Annotated[
        Duration,
        about(
            "How long an idle connection stays open after a response (HTTP keep-alive). Keep it longer than "
            "the keep-alive of your clients and load balancers, so that they close first. 0 = no limit."
        ),
    ] = Duration(75)
    max_connections: Annotated[
        int | None,
        about(
            "How many client connections each worker accepts. A further connection replaces an "
            "idle one; if all are busy, it gets 503.",
            unit="connections",
            default="half of the file descriptors that the process may open",
            ge=1,
        ),
    ] = None
    max_connections_per_address: Annotated[
        int | None,
        about(
            "How many connections each worker accepts from one address (for IPv6 from one /64 "
            "network). Further connections get 503. It does not apply to `shared_addresses`.",
            unit="connections",
            default="a quarter of `max_connections`",
            ge=1,
        ),
    ] = None
    shared_addresses: Annotated[
        tuple[str, ...],
        about(
            "Addresses and networks that many clients share, such as a proxy. Add your load "
            "balancer here if its address is public.",
            default="loopback, private and link-local networks",
        ),
    ] = SHARED
    heartbeat: Annotated[
        Duration,
        about(
            "After this time without content, the gateway sends a comment line in a stream, so "
            "that proxies and clients do not time out. If the response headers have not been "
            "sent yet, it sends them first. 0 = never."
        ),
    ] = Duration(15)
    drain: Annotated[
        Duration, about("How long running requests may continue after the gateway was told to stop.")
    ] = Duration(600)
    drain_delay: Annotated[
        Duration | None,
        about(
            "How long the port stays open after SIGTERM while `/health/ready` answers 503, so that load "
            "balancers stop sending requests. Ctrl-C, or a second signal, does not wait.",
            default="5s if `/health/ready` was requested within the last minute, otherwise 0",
        ),
    ] = None
    access_log: Annotated[bool, about("Whether to log one line for each request.")] = True
    workers: Annotated[
        int,
        about(
            "The number of worker processes. Several workers share their stored data, so they "
            "need a database (`stores.sql`). Each worker loads its own copy of an embedded "
            "model. On Windows only one worker is possible.",
            unit="processes",
            ge=1,
            le=256,
        ),
    ] = 1
    keyless_faces: Annotated[
        tuple[Literal["ollama"], ...],
        about(
            "Protocols whose clients on this machine need no key, although other clients do: for "
            "clients that cannot send one. Requests through a proxy, and from web pages of other "
            "origins, still need a key."
        ),
    ] = ()
    keyless_models: Annotated[
        tuple[str, ...] | None,
        about(
            "The models and aliases that clients of `keyless_faces` may use without a key, as in "
            "`auth.keys[].models`.",
            default="all",
        ),
    ] = None
    websocket: Annotated[
        bool,
        about(
            "Whether `/v1/responses` and `/v1/chat/completions` accept WebSocket connections; if "
            "not, they get 426."
        ),
    ] = True
