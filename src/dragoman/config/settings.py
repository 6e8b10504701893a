"""Every setting, stated once: name, type, default, unit, meaning and environment variable.

`load` makes the frozen `Config` of the program. `dragoman config schema`, the page of settings and the error
messages are made from the declarations here and in `answers`, `egress`, `lasting` and `serving`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec

from dragoman.config.answers import Answers
from dragoman.config.egress import Egress
from dragoman.config.lasting import Responses, Seals, Sessions, Stores
from dragoman.config.scalars import DialectName, Duration, FilePath, Moment, PathPrefix
from dragoman.config.section import Section, about
from dragoman.config.serving import Server
from dragoman.dialects.access import Scheme
from dragoman.dialects.resources import Resource
from dragoman.seams.secret import Secret

Strict: TypeAlias = bool | Literal["all"]
Json: TypeAlias = dict[str, Any]


class ClientKey(Section, frozen=True):
    """A key that clients call Dragoman with."""

    shorthand: ClassVar[str | None] = "key"

    key: Annotated[Secret, about("The key itself.")]
    name: Annotated[
        str | None,
        about(
            "The name of the client, shown in logs. Stored responses, conversations and sessions belong to "
            "it: a new key with the same name can use them. Several keys may have the same name, so that "
            "a new key works before the old one ends; they must have the same models and scopes.",
            default="`key` and eight digits that are derived from it",
        ),
    ] = None
    models: Annotated[
        tuple[str, ...] | None,
        about(
            "The models and aliases that this key may use, by the names that clients send. `*` matches any "
            "text: `anthropic/*`, `gpt-*`. An alias does not allow the model behind it under the "
            "model's own name.",
            default="all",
        ),
    ] = None
    expires: Annotated[
        Moment | None,
        about(
            "When the key expires: a date (the key is valid until the end of that day in UTC), or a time "
            "with a time zone. After it the key gets 401 (`expired_api_key`).",
            default="never",
        ),
    ] = None
    scopes: Annotated[
        tuple[Literal["inference", "admin"], ...],
        about(
            "What the key may call: `inference` (models and stored responses), `admin` "
            "(`/admin/…`), or both. While no keys are configured, clients on this machine may "
            "call both; with `auth.open`, clients without a key may call only `inference`."
        ),
    ] = ("inference",)


class Auth(Section, frozen=True):
    """The clients that may call the gateway."""

    keys: Annotated[
        tuple[ClientKey, ...],
        about(
            "The keys of clients: the key alone, or `{name, key, models, scopes, expires}`. In the "
            "environment several are separated by commas.",
            env="DRAGOMAN_API_KEY",
        ),
    ] = ()
    required: Annotated[
        bool | None,
        about(
            "Whether clients must send a key.",
            env="DRAGOMAN_AUTH_REQUIRED",
            default="true if a key is configured or the host is not loopback",
        ),
    ] = None
    open: Annotated[
        bool,
        about(
            "Answer requests without a key, also on a public address. Use it only behind a proxy "
            "that authenticates clients.",
            env="DRAGOMAN_AUTH_OPEN",
        ),
    ] = False


class Timeouts(Section, frozen=True):
    """How long to wait for a provider. 0 = no limit."""

    connect: Annotated[
        Duration,
        about(
            "How long to wait for a connection. A host that is running accepts one within a second or two."
        ),
    ] = Duration(10)
    first_byte: Annotated[
        Duration,
        about(
            "How long to wait from the request to the first byte of the response. Reasoning models may take "
            "minutes before they send anything; the providers' own clients wait ten minutes."
        ),
    ] = Duration(600)
    idle: Annotated[
        Duration,
        about(
            "How long to wait between two reads of a response. Providers send content or pings "
            "more often than this."
        ),
    ] = Duration(300)
    total: Annotated[
        Duration | None,
        about(
            "How long a whole attempt may take. No limit by default, because a long stream is not an error.",
            default="no limit",
        ),
    ] = None


_OverProvider: TypeAlias = Annotated[
    Duration | None, about("Overrides the provider's value.", default="the provider's")
]


class ModelTimeouts(Section, frozen=True):
    """Timeouts of one model, where they differ from its provider's. 0 = no limit."""

    connect: _OverProvider = None
    first_byte: _OverProvider = None
    idle: _OverProvider = None
    total: _OverProvider = None

    def over(self, provider: Timeouts) -> Timeouts:
        """The provider's timeouts, overridden by those that the model states."""
        own = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(provider, **own)


class Pool(Section, frozen=True):
    """Connections to one origin."""

    size: Annotated[
        int,
        about("The largest number of connections; further requests wait for a free one. 0 = no limit.", ge=0),
    ] = 0
    keep_alive: Annotated[
        Duration, about("How long an idle connection is kept open for the next request.")
    ] = Duration(60)
    wait: Annotated[
        Duration,
        about(
            "How long a request waits for a free connection. Then the next deployment is tried, "
            "or the request gets 503 (`pool_exhausted`). 0 = no limit."
        ),
    ] = Duration(30)


class Api(Section, frozen=True):
    """A further protocol that a provider speaks, at the same address and for the same keys."""

    shorthand: ClassVar[str | None] = "dialect"

    dialect: Annotated[DialectName, about("The protocol.")]
    path: Annotated[
        PathPrefix | None,
        about(
            "The path of the chat endpoint, below base_url.",
            default="from the known provider, otherwise the protocol's",
        ),
    ] = None
    auth: Annotated[
        Scheme | None,
        about(
            "How the API key is sent.",
            default="from the known provider, otherwise as for the provider's first protocol",
        ),
    ] = None
    quirks: Annotated[Json, about("The provider's `quirks`, for this protocol.")] = {}


class Provider(Section, frozen=True):
    """An account at a vendor, or any server that speaks one of the dialects."""

    enabled: Annotated[
        bool, about("Whether the provider is used. `false` also ignores its keys in the environment.")
    ] = True
    catalog: Annotated[
        str | None,
        about(
            "The known provider whose defaults apply: see [Known providers](#known-providers).",
            default="the known provider of the same name, if there is one",
        ),
    ] = None
    dialect: Annotated[
        DialectName | None,
        about(
            "The protocol of the provider's API.", default="from the known provider, otherwise openai_chat"
        ),
    ] = None
    apis: Annotated[
        tuple[Api, ...] | None,
        about(
            "Further protocols that the provider's API offers, best first: each the name of a "
            "protocol, or `{dialect, path, auth, quirks}`. If the client uses one of them, the "
            "request is relayed in it without translation. `[]` for none.",
            default="from the known provider",
        ),
    ] = None
    base_url: Annotated[
        str | None,
        about(
            "The base URL of the provider's API: with or without `/v1`, with or without a slash at the end.",
            default="from the known provider, or from its environment variable",
        ),
    ] = None
    base_path: Annotated[
        PathPrefix | None,
        about(
            'The path prefix of the endpoints below base_url, if it is not the usual one; "" for none.',
            default="found from base_url",
        ),
    ] = None
    chat_path: Annotated[
        PathPrefix | None,
        about(
            "The path of the chat endpoint, below base_path.",
            default="from the known provider, otherwise the protocol's",
        ),
    ] = None
    auth: Annotated[
        Scheme | None,
        about("How the API key is sent.", default="from the known provider, otherwise the protocol's"),
    ] = None
    keys: Annotated[
        tuple[Secret, ...] | None,
        about(
            "The provider's API keys: one, or a list. Each is a string, `${VARIABLE}` or `{file: "
            "path}`. `[]` for a server that needs no key.",
            default="the keys in the known provider's environment variables",
        ),
    ] = None
    passthrough: Annotated[
        tuple[Resource, ...],
        about(
            "Endpoints of this account that clients may call through the gateway; requests and responses "
            "are passed through unchanged. `files`, `uploads`, `batches`, `fine_tuning`, `vector_stores`; "
            "for Anthropic `files` and `message_batches`. They use this provider's first API key, so "
            "clients whose key is limited to some models are refused. If several providers offer one of "
            "them, the header `X-Dragoman-Provider` chooses the provider.",
            default="none: 501",
        ),
    ] = ()
    models: Annotated[
        tuple[str, ...],
        about(
            "The model names that the provider accepts: `*` for any, or a "
            "list. Requests for other names get 404."
        ),
    ] = ("*",)
    headers: Annotated[
        dict[str, Secret], about("Headers to add to each request. Their values are never shown or logged.")
    ] = {}
    body: Annotated[
        Json,
        about(
            "JSON that is merged (deeply) into the body of each request, in any protocol. Its "
            "strings are not shown.",
            secret=True,
        ),
    ] = {}
    timeouts: Annotated[Timeouts, about("Timeouts for requests to this provider.")] = Timeouts()
    answers: Annotated[Answers, about("Size limits for responses of this provider.")] = Answers()
    pool: Annotated[Pool, about("Its connections.")] = Pool()
    proxy: Annotated[
        Secret | None,
        about(
            "The HTTP proxy for connections to this provider: `http://[user:password@]host:port`.",
            default="none",
        ),
    ] = None
    verify_tls: Annotated[bool, about("Whether the server's TLS certificate is verified.")] = True
    ca_file: Annotated[
        FilePath | None,
        about("A PEM file of CA certificates to trust, instead of the system's.", default="the system's"),
    ] = None
    quirks: Annotated[
        Json,
        about(
            "How the provider deviates from its protocol, in addition to what is known about "
            "it: see [Quirks](#quirks)."
        ),
    ] = {}


class Local(Section, frozen=True):
    """Models that run on this machine: the embedded one and GGUF files."""

    enabled: Annotated[
        bool, about("Whether local models are offered, if their engine and weights are installed.")
    ] = True
    keep_alive: Annotated[
        Duration | None,
        about("How long an unused model stays in memory. null = no limit, 0 = unload at once."),
    ] = Duration(300)
    queue: Annotated[
        int,
        about(
            "How many requests may wait while a model is busy. When there are more, a request of "
            "the client with the most waiting requests gets 503.",
            unit="requests",
            ge=0,
        ),
    ] = 16
    threads: Annotated[
        int | None, about("CPU threads for one generation.", default="one for each available core", ge=1)
    ] = None


class Simulate(Section, frozen=True):
    """A stand-in for a model: seeded text, tool calls, timing and faults, for demonstrations and tests."""

    enabled: Annotated[
        bool | None,
        about(
            "Whether the simulator is offered.",
            default="true while no other provider is configured, or if a model or an alias uses it",
        ),
    ] = None
    seed: Annotated[
        int, about("The seed of the generated responses: the same request gets the same response.", ge=0)
    ] = 0
    first_token: Annotated[Duration, about("The time before the first token.")] = Duration(0)
    token_interval: Annotated[Duration, about("The time between two tokens of a stream.")] = Duration(0)


class Providers(Section, frozen=True):
    """The providers. Entries other than `local` and `simulate` have names of your choice."""

    rest: ClassVar[str | None] = "named"

    local: Annotated[Local, about("Models on this machine.")] = Local()
    simulate: Annotated[Simulate, about("The simulator.")] = Simulate()
    named: Annotated[
        dict[str, Provider], about("Providers by name; the name is the first part of `provider/model`.")
    ] = {}


class Supports(Section, frozen=True):
    """What a model can do. False: a request that needs it is refused (400) or emulated. Unset: not known."""

    tools: Annotated[bool | None, about("Calls functions.", default="not known")] = None
    images: Annotated[bool | None, about("Reads images.", default="not known")] = None
    audio: Annotated[bool | None, about("Hears audio.", default="not known")] = None
    documents: Annotated[bool | None, about("Accepts documents (PDF).", default="not known")] = None
    structured: Annotated[
        bool | None,
        about(
            "Supports structured output by a JSON schema; with `false` the gateway emulates it.",
            default="not known",
        ),
    ] = None
    reasoning: Annotated[bool | None, about("Supports a reasoning effort.", default="not known")] = None


class Deployment(Section, frozen=True):
    """One upstream model that may answer."""

    shorthand: ClassVar[str | None] = "use"

    use: Annotated[str, about("`provider/model`, or `local` with `file`.")]
    file: Annotated[FilePath | None, about("The path of a GGUF file, with `use: local`.", default="none")] = (
        None
    )
    context: Annotated[
        int | None,
        about(
            "The context size of a local model, in tokens.",
            unit="tokens",
            default="4096, or the model's if smaller",
            ge=64,
        ),
    ] = None
    threads: Annotated[
        int | None, about("CPU threads for a local model.", default="providers.local.threads", ge=1)
    ] = None
    gpu_layers: Annotated[
        int | None, about("How many layers of a local model run on the GPU; -1 = all.", default="none", ge=-1)
    ] = None
    keep_alive: Annotated[
        Duration | None,
        about("How long an unused local model stays in memory.", default="providers.local.keep_alive"),
    ] = None
    context_window: Annotated[
        int | None,
        about(
            "Overrides the model's `context_window`. A prompt that is too long for one "
            "deployment is sent to a deployment with a larger context window.",
            unit="tokens",
            default="the model's",
            ge=1,
        ),
    ] = None


class Model(Section, frozen=True):
    """A model under a name of your choice."""

    shorthand: ClassVar[str | None] = "use"

    use: Annotated[
        str | None, about("`provider/model`: the short form for a single deployment.", default="none")
    ] = None
    deployments: Annotated[
        tuple[Deployment, ...],
        about("The deployments that serve this model, tried in this order until one answers."),
    ] = ()
    context_window: Annotated[
        int | None,
        about(
            "The context window in tokens, input and output together. A longer prompt gets 400, "
            "or is shortened if the request has `truncation: auto`.",
            unit="tokens",
            default="not known",
            ge=1,
        ),
    ] = None
    max_output: Annotated[
        int | None,
        about(
            "The largest number of output tokens. It is sent as `max_tokens` if a protocol "
            "requires one and the request has none.",
            unit="tokens",
            default="not known",
            ge=1,
        ),
    ] = None
    api: Annotated[
        DialectName | None,
        about(
            "The protocol for requests to this model, if its provider offers several.",
            default="the client's protocol, if the provider offers it and the model and the request allow it",
        ),
    ] = None
    supports: Annotated[Supports, about("What the model supports.")] = Supports()
    timeouts: Annotated[ModelTimeouts, about("Timeouts that differ from the provider's.")] = ModelTimeouts()
    strict: Annotated[
        Strict | None, about("Overrides the general `strict`.", default="the general setting")
    ] = None
    check_output: Annotated[
        bool | None, about("Overrides the general `check_output`.", default="the general setting")
    ] = None
    headers: Annotated[
        dict[str, Secret],
        about("Headers to add; they override the provider's. Their values are never shown or logged."),
    ] = {}
    body: Annotated[Json, about("Like the provider's `body`, and merged over it.", secret=True)] = {}

    @property
    def targets(self) -> tuple[Deployment, ...]:
        """The deployments of the model; `use` counts as one deployment."""
        return self.deployments if self.use is None else (Deployment(use=self.use),)


class Alias(Section, frozen=True):
    """Another name for a model, with defaults. The name `*` answers for every unknown name."""

    shorthand: ClassVar[str | None] = "route"

    route: Annotated[str, about("The target of the alias: a model, another alias or `provider/model`.")]
    defaults: Annotated[
        Json,
        about(
            "Default values for request parameters that the client did not send, by their names "
            "in the Chat Completions API: temperature, top_p, frequency_penalty, "
            "presence_penalty, max_tokens, seed, stop, user, …"
        ),
    ] = {}
    system_prompt: Annotated[
        str | None,
        about(
            "A system message that is put before the messages, unless they already begin with one.",
            default="none",
        ),
    ] = None
    strict: Annotated[Strict | None, about("Overrides the general `strict`.", default="the model's")] = None
    check_output: Annotated[
        bool | None, about("Overrides the general `check_output`.", default="the model's")
    ] = None
    context_window: Annotated[
        int | None,
        about(
            "The context window in tokens, if it should be smaller than the model's.",
            unit="tokens",
            default="the model's",
            ge=1,
        ),
    ] = None
    api: Annotated[DialectName | None, about("Overrides the model's `api`.", default="the model's")] = None


class Retries(Section, frozen=True):
    """What to do when an attempt fails before its first content."""

    attempts: Annotated[
        int,
        about(
            "How many times the last candidate is tried, including the first attempt. Every "
            "other API key and deployment is tried before it, once and without waiting.",
            unit="attempts",
            ge=1,
            le=10,
        ),
    ] = 2
    backoff: Annotated[
        Duration,
        about(
            "The wait before the second attempt of the last candidate; it doubles with each "
            "attempt. A provider's `Retry-After` takes precedence."
        ),
    ] = Duration(0.25)
    backoff_max: Annotated[
        Duration, about("The longest wait between attempts. A longer `Retry-After` ends the attempts.")
    ] = Duration(8)


class Config(Section, frozen=True):
    """All settings of one gateway."""

    server: Annotated[Server, about("The gateway's own HTTP server.")] = Server()
    auth: Annotated[Auth, about("Who may call the gateway.")] = Auth()
    providers: Annotated[Providers, about("Who answers.")] = Providers()
    models: Annotated[dict[str, Model], about("Models, under names of your choice.")] = {}
    aliases: Annotated[
        dict[str, Alias],
        about(
            "Further names for models, with default values; `name: target` is the short form. "
            "The alias `*` matches every name that no model or other alias has; with the target "
            "`PROVIDER/*` the provider gets the name as requested."
        ),
    ] = {}
    default_model: Annotated[
        str | None,
        about(
            "The model for chat requests that name no model.",
            env="DRAGOMAN_DEFAULT_MODEL",
            default="none: 400",
        ),
    ] = None
    default_models: Annotated[
        dict[Literal["embed", "image", "speech", "transcription", "moderation", "rerank"], str],
        about(
            "The models for other operations, for requests that name no model: `{image: "
            "openai/gpt-image-2}`.",
            default="none: 400",
        ),
    ] = {}
    preset: Annotated[
        tuple[str, ...], about("Presets (ready-made settings) to start from, by name.", env="DRAGOMAN_PRESET")
    ] = ()
    strict: Annotated[
        Strict,
        about(
            "Whether a request gets 400 if a part of it cannot be translated for the model's "
            "provider: `true` for parts that change the meaning, `all` for hints too.",
            env="DRAGOMAN_STRICT",
        ),
    ] = False
    check_output: Annotated[
        bool,
        about(
            "Whether structured output is validated against the JSON schema of the request. An "
            "invalid response counts as a failed attempt. Needs the extra `schema`.",
            env="DRAGOMAN_CHECK_OUTPUT",
        ),
    ] = False
    retries: Annotated[Retries, about("How failed attempts are retried.")] = Retries()
    egress: Annotated[Egress, about("Which addresses the gateway may contact for files in requests.")] = (
        Egress()
    )
    seals: Annotated[
        Seals,
        about("Encrypted reasoning and signatures of providers, kept for the next turn of a conversation."),
    ] = Seals()
    stores: Annotated[Stores, about("Where stored data is kept.")] = Stores()
    responses: Annotated[
        Responses, about("Stored responses and conversations, which clients continue by their id.")
    ] = Responses()
    sessions: Annotated[
        Sessions, about("Sessions: conversations that the gateway continues by the header `X-Session-Id`.")
    ] = Sessions()
    discover: Annotated[
        bool | None,
        about(
            "Whether `dragoman serve` looks for Ollama, LM Studio, vLLM and llama.cpp's server "
            "on their usual ports of this machine. `true`: servers that run when the gateway "
            "starts are used, with their models under their own names. `false`: it does not look.",
            env="DRAGOMAN_DISCOVER",
            default="while no provider is configured, servers that are found are shown but not used",
        ),
    ] = None
    count_upstream: Annotated[
        bool,
        about("Whether providers are asked to count the tokens of a prompt.", env="DRAGOMAN_COUNT_UPSTREAM"),
    ] = True
    stream_usage: Annotated[
        Literal["asked", "always"],
        about(
            "When a stream ends with token usage: if the client asked for it, or always.",
            env="DRAGOMAN_STREAM_USAGE",
        ),
    ] = "asked"
