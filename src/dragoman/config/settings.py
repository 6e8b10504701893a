"""Every setting, stated once: name, type, default, unit, meaning and environment variable.

The value that the program runs with is one frozen `Config`. YAML files, environment variables and
command line options are adapters to it (`load`); `dragoman config schema`, the page of settings and
every error message are made from what stands here, and in `lasting` for what lasts between requests. This
module never reads a file or the environment.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec

from dragoman.config.about import about
from dragoman.config.answers import Answers
from dragoman.config.egress import Egress
from dragoman.config.lasting import Responses, Seals, Sessions, Stores
from dragoman.config.scalars import Duration, FilePath, Moment, PathPrefix
from dragoman.config.section import Section
from dragoman.config.serving import Server
from dragoman.providers.auth import Scheme
from dragoman.providers.catalog import DialectName
from dragoman.providers.resources import Resource
from dragoman.secret import Secret

Strict: TypeAlias = bool | Literal["all"]
Json: TypeAlias = dict[str, Any]


class ClientKey(Section, frozen=True):
    """A key that clients call Dragoman with."""

    shorthand: ClassVar[str | None] = "key"

    key: Annotated[Secret, about("The key itself.")]
    name: Annotated[
        str | None,
        about(
            "The name of the client in logs. Answers, conversations and sessions belong to it: a new key "
            "with the old name finds them. Several keys may have one name, so that a key's successor works "
            "before the key ends; they have the same models and scopes.",
            default="key and eight digits that it gives",
        ),
    ] = None
    models: Annotated[
        tuple[str, ...] | None,
        about(
            "The models and aliases that it may use, by the names that clients write. `*` in a name stands "
            "for any text: `anthropic/*`, `gpt-*`. An alias does not open the model behind it under the "
            "model's own name.",
            default="all",
        ),
    ] = None
    expires: Annotated[
        Moment | None,
        about(
            "When it ends: a date, whose last moment in UTC still counts, or a time with its zone. Then it "
            "is refused (401 `expired_api_key`).",
            default="never",
        ),
    ] = None
    scopes: Annotated[
        tuple[Literal["inference", "admin"], ...],
        about(
            "What it may call: `inference` (models and their stored answers), `admin` (`/admin/…`), or "
            "both. Without any keys, callers on this machine may do both; where `auth.open` lets "
            "everybody in, only inference."
        ),
    ] = ("inference",)


class Auth(Section, frozen=True):
    """Who may call."""

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
            "Whether a client needs a key.",
            env="DRAGOMAN_AUTH_REQUIRED",
            default="yes as soon as there is a key or the host is not loopback",
        ),
    ] = None
    open: Annotated[
        bool,
        about(
            "Answer everybody, on a public host too. Use it only behind something else that authenticates "
            "clients.",
            env="DRAGOMAN_AUTH_OPEN",
        ),
    ] = False


class Timeouts(Section, frozen=True):
    """How long to wait for a provider. 0 = no limit."""

    connect: Annotated[
        Duration, about("Until a connection is there. A host that is up answers within a second or two.")
    ] = Duration(10)
    first_byte: Annotated[
        Duration,
        about(
            "From the request to the first byte of the answer. Reasoning models think for minutes before "
            "they say anything, and the vendors' own clients wait ten."
        ),
    ] = Duration(600)
    idle: Annotated[
        Duration,
        about(
            "Between two reads of an answer. Vendors send pings or content more often than this; a dead line "
            "does not."
        ),
    ] = Duration(300)
    total: Annotated[
        Duration | None,
        about(
            "For a whole attempt. None by default: a long stream that still flows is a good stream.",
            default="no limit",
        ),
    ] = None


class ModelTimeouts(Section, frozen=True):
    """Timeouts of one model, where they differ from its provider's. 0 = no limit."""

    connect: Annotated[Duration | None, about("As in the provider.", default="the provider's")] = None
    first_byte: Annotated[Duration | None, about("As in the provider.", default="the provider's")] = None
    idle: Annotated[Duration | None, about("As in the provider.", default="the provider's")] = None
    total: Annotated[Duration | None, about("As in the provider.", default="the provider's")] = None

    def over(self, provider: Timeouts) -> Timeouts:
        """The provider's timeouts with these in their place."""
        own = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(provider, **own)


class Pool(Section, frozen=True):
    """Connections to one origin."""

    size: Annotated[int, about("Connections at most; further requests wait for one. 0 = no limit.", ge=0)] = 0
    keep_alive: Annotated[Duration, about("How long an idle connection is kept for the next request.")] = (
        Duration(60)
    )
    wait: Annotated[
        Duration,
        about(
            "How long a request waits for a connection while all are taken; then 503 (`pool_exhausted`), or "
            "the next deployment. 0 = no limit."
        ),
    ] = Duration(30)


class Api(Section, frozen=True):
    """A further protocol that a provider speaks, at the same address and for the same keys."""

    shorthand: ClassVar[str | None] = "dialect"

    dialect: Annotated[DialectName, about("The protocol.")]
    path: Annotated[
        PathPrefix | None,
        about("Its chat endpoint below base_url.", default="the catalogue row's, else the dialect's"),
    ] = None
    auth: Annotated[
        Scheme | None,
        about("How a key travels.", default="the catalogue row's, else as for the provider's first protocol"),
    ] = None
    quirks: Annotated[Json, about("As the provider's, for this protocol.")] = {}


class Provider(Section, frozen=True):
    """An account at a vendor, or any server that speaks one of the dialects."""

    enabled: Annotated[
        bool, about("Whether it is used; `false` also ignores what the environment holds for it.")
    ] = True
    catalog: Annotated[
        str | None,
        about("The catalogue row of its vendor.", default="the row of the same name, if there is one"),
    ] = None
    dialect: Annotated[
        DialectName | None,
        about("The protocol that it speaks.", default="the catalogue row's, else openai_chat"),
    ] = None
    apis: Annotated[
        tuple[Api, ...] | None,
        about(
            "Further protocols that it speaks, best first: the name of a protocol, or `{dialect, path, "
            "auth, quirks}`. If one of them is the client's own, the request is relayed in it. `[]` for "
            "none.",
            default="the catalogue row's",
        ),
    ] = None
    base_url: Annotated[
        str | None,
        about(
            "Where it is: with or without `/v1`, with or without a slash at the end.",
            default="the catalogue row's, or the row's variable",
        ),
    ] = None
    base_path: Annotated[
        PathPrefix | None,
        about(
            'The path below base_url that its endpoints lie under, if it is not the usual one; "" for none.',
            default="found from base_url",
        ),
    ] = None
    chat_path: Annotated[
        PathPrefix | None,
        about("The chat endpoint below that.", default="the catalogue row's, else the dialect's"),
    ] = None
    auth: Annotated[
        Scheme | None, about("How a key travels.", default="the catalogue row's, else the dialect's")
    ] = None
    keys: Annotated[
        tuple[Secret, ...] | None,
        about(
            "Its API keys: one, or a list; each a text, `${VARIABLE}` or `{file: path}`. `[]` for a server "
            "without keys.",
            default="the keys in the row's environment variables",
        ),
    ] = None
    passthrough: Annotated[
        tuple[Resource, ...],
        about(
            "Resources of this account that clients may use through the gateway, passed through "
            "unchanged: `files`, `uploads`, `batches`, `fine_tuning`, `vector_stores`; for Anthropic "
            "`files` and `message_batches`. They use this provider's first key, so clients whose key is "
            "limited to some models are refused. Where several providers have a resource, the header "
            "`X-Dragoman-Provider` chooses one.",
            default="none: 501",
        ),
    ] = ()
    models: Annotated[
        tuple[str, ...], about("The model names that it takes: `*` for any, or a list; other names are 404.")
    ] = ("*",)
    headers: Annotated[
        dict[str, Secret], about("Headers to add to each request. Their values are never shown.")
    ] = {}
    body: Annotated[
        Json,
        about(
            "JSON to merge deeply into each request's body, in any protocol. Texts are not shown.",
            secret=True,
        ),
    ] = {}
    timeouts: Annotated[Timeouts, about("How long to wait.")] = Timeouts()
    answers: Annotated[Answers, about("Bounds on its answers.")] = Answers()
    pool: Annotated[Pool, about("Its connections.")] = Pool()
    proxy: Annotated[
        Secret | None,
        about("The HTTP proxy to reach it by, `http://[user:password@]host:port`.", default="none"),
    ] = None
    verify_tls: Annotated[bool, about("Whether its certificate is checked.")] = True
    ca_file: Annotated[
        FilePath | None,
        about("Certificates to trust, as PEM, instead of the system's.", default="the system's"),
    ] = None
    quirks: Annotated[
        Json,
        about("Where it deviates from its dialect, over the catalogue row's facts: see [Quirks](#quirks)."),
    ] = {}


class Local(Section, frozen=True):
    """Models that run on this machine: the embedded one and GGUF files."""

    enabled: Annotated[
        bool, about("Whether local models are offered, where their engine and weights are installed.")
    ] = True
    keep_alive: Annotated[
        Duration | None, about("How long an unused model stays in memory. null = for ever, 0 = not at all.")
    ] = Duration(300)
    queue: Annotated[
        int,
        about(
            "How many requests may wait for the one that runs. When there are more, the client that has "
            "most of them gets 503.",
            unit="requests",
            ge=0,
        ),
    ] = 16
    threads: Annotated[
        int | None, about("Threads for one generation.", default="one for each usable core", ge=1)
    ] = None


class Simulate(Section, frozen=True):
    """A stand-in for a model: seeded text, tool calls, timing and faults, for demonstrations and tests."""

    enabled: Annotated[
        bool | None,
        about(
            "Whether it is offered.",
            default="while no other provider is configured, or a model or an alias names it",
        ),
    ] = None
    seed: Annotated[int, about("The seed of its answers: the same request gets the same answer.", ge=0)] = 0
    first_token: Annotated[Duration, about("How long it takes to begin.")] = Duration(0)
    token_interval: Annotated[Duration, about("The time between two tokens of a stream.")] = Duration(0)


class Providers(Section, frozen=True):
    """Who answers. Entries other than `local` and `simulate` have names of your choice."""

    rest: ClassVar[str | None] = "named"

    local: Annotated[Local, about("Models on this machine.")] = Local()
    simulate: Annotated[Simulate, about("The simulator.")] = Simulate()
    named: Annotated[
        dict[str, Provider], about("By name; the name is the first part of `provider/model`.")
    ] = {}


class Supports(Section, frozen=True):
    """What a model can do. A request for what it cannot do is refused (400)."""

    tools: Annotated[bool | None, about("Calls functions.", default="not known")] = None
    images: Annotated[bool | None, about("Reads images.", default="not known")] = None
    audio: Annotated[bool | None, about("Hears audio.", default="not known")] = None
    documents: Annotated[bool | None, about("Reads documents (PDF).", default="not known")] = None
    structured: Annotated[
        bool | None, about("Follows a JSON schema; `false` has it emulated.", default="not known")
    ] = None
    reasoning: Annotated[bool | None, about("Takes a reasoning effort.", default="not known")] = None


class Deployment(Section, frozen=True):
    """One upstream model that may answer."""

    shorthand: ClassVar[str | None] = "use"

    use: Annotated[str, about("`provider/model`, or `local` with `file`.")]
    file: Annotated[FilePath | None, about("A GGUF file, with `use: local`.", default="none")] = None
    context: Annotated[
        int | None,
        about(
            "The context to give a local model.",
            unit="tokens",
            default="4096, or the model's if smaller",
            ge=64,
        ),
    ] = None
    threads: Annotated[
        int | None, about("Threads for a local model.", default="providers.local.threads", ge=1)
    ] = None
    gpu_layers: Annotated[
        int | None, about("Layers of a local model to run on the GPU; -1 = all.", default="none", ge=-1)
    ] = None
    keep_alive: Annotated[
        Duration | None,
        about("How long a local model stays in memory unused.", default="providers.local.keep_alive"),
    ] = None
    context_window: Annotated[
        int | None,
        about(
            "As the model's. A prompt that is too long for one deployment goes to those with more room.",
            unit="tokens",
            default="the model's",
            ge=1,
        ),
    ] = None


class Model(Section, frozen=True):
    """A model under a name of your choice."""

    shorthand: ClassVar[str | None] = "use"

    use: Annotated[str | None, about("`provider/model`: short for one deployment.", default="none")] = None
    deployments: Annotated[
        tuple[Deployment, ...], about("What may answer, tried in this order until one does.")
    ] = ()
    context_window: Annotated[
        int | None,
        about(
            "Input and output together. A longer prompt is refused (400), or shortened where the client says "
            "`truncation: auto`.",
            unit="tokens",
            default="not known",
            ge=1,
        ),
    ] = None
    max_output: Annotated[
        int | None,
        about(
            "The longest answer. Sent as the bound where a protocol requires one.",
            unit="tokens",
            default="not known",
            ge=1,
        ),
    ] = None
    api: Annotated[
        DialectName | None,
        about(
            "The protocol to ask it in, where its provider has several.",
            default="the client's own where the provider has it, as far as the model and the request allow",
        ),
    ] = None
    supports: Annotated[Supports, about("What it can do.")] = Supports()
    timeouts: Annotated[ModelTimeouts, about("How long to wait, where it differs from the provider.")] = (
        ModelTimeouts()
    )
    strict: Annotated[Strict | None, about("As the general `strict`.", default="the general one")] = None
    check_output: Annotated[
        bool | None, about("As the general `check_output`.", default="the general one")
    ] = None
    headers: Annotated[
        dict[str, Secret], about("Headers to add, over the provider's. Their values are never shown.")
    ] = {}
    body: Annotated[Json, about("As the provider's `body`, merged over it.", secret=True)] = {}

    @property
    def targets(self) -> tuple[Deployment, ...]:
        """Its deployments, `use` included."""
        return self.deployments if self.use is None else (Deployment(use=self.use),)


class Alias(Section, frozen=True):
    """Another name for a model, with defaults. The name `*` answers for every unknown name."""

    shorthand: ClassVar[str | None] = "route"

    route: Annotated[str, about("The model, alias or `provider/model` that it stands for.")]
    defaults: Annotated[
        Json,
        about(
            "Request fields to fill in where the client sent none, in the words of the chat API: "
            "temperature, top_p, frequency_penalty, presence_penalty, max_tokens, seed, stop, user, …"
        ),
    ] = {}
    system_prompt: Annotated[
        str | None, about("Put before the messages, unless they begin with a system message.", default="none")
    ] = None
    strict: Annotated[Strict | None, about("As the general `strict`.", default="the model's")] = None
    check_output: Annotated[bool | None, about("As the general `check_output`.", default="the model's")] = (
        None
    )
    context_window: Annotated[
        int | None,
        about("As the model's, where it is to be less.", unit="tokens", default="the model's", ge=1),
    ] = None
    api: Annotated[DialectName | None, about("As the model's `api`.", default="the model's")] = None


class Retries(Section, frozen=True):
    """What to do when an attempt fails before its first content."""

    attempts: Annotated[
        int,
        about(
            "How often the last candidate is tried, the first time included. Every other key and deployment "
            "is tried before, once and at once.",
            unit="attempts",
            ge=1,
            le=10,
        ),
    ] = 2
    backoff: Annotated[
        Duration,
        about(
            "The wait before the second attempt; it doubles each time. A provider's Retry-After goes first."
        ),
    ] = Duration(0.25)
    backoff_max: Annotated[
        Duration, about("The longest wait; a Retry-After beyond it ends the attempts.")
    ] = Duration(8)


class Config(Section, frozen=True):
    """All settings of one gateway."""

    server: Annotated[Server, about("Where it listens.")] = Server()
    auth: Annotated[Auth, about("Who may call.")] = Auth()
    providers: Annotated[Providers, about("Who answers.")] = Providers()
    models: Annotated[dict[str, Model], about("Models under names of your choice.")] = {}
    aliases: Annotated[
        dict[str, Alias],
        about(
            "Other names, with defaults; `name: target` is the short form. `*` takes every name that nothing "
            "else has; with the target `PROVIDER/*` the provider gets that very name."
        ),
    ] = {}
    default_model: Annotated[
        str | None,
        about("The model for requests that name none.", env="DRAGOMAN_DEFAULT_MODEL", default="none: 400"),
    ] = None
    default_models: Annotated[
        dict[Literal["embed", "image", "speech", "transcription", "moderation", "rerank"], str],
        about(
            "The model for requests of another kind that name none: `{image: openai/gpt-image-2}`.",
            default="none: 400",
        ),
    ] = {}
    preset: Annotated[
        tuple[str, ...], about("Ready-made settings to build on, by name.", env="DRAGOMAN_PRESET")
    ] = ()
    strict: Annotated[
        Strict,
        about(
            "Whether a request is refused (400) when something in it cannot be carried to the model: "
            "`true` for what changes the meaning, `all` for hints too.",
            env="DRAGOMAN_STRICT",
        ),
    ] = False
    check_output: Annotated[
        bool,
        about(
            "Whether answers that were asked for as JSON are checked against the request's schema. A wrong "
            "one counts as a failed attempt. Needs the extra `schema`.",
            env="DRAGOMAN_CHECK_OUTPUT",
        ),
    ] = False
    retries: Annotated[Retries, about("What to do when an attempt fails.")] = Retries()
    egress: Annotated[Egress, about("Where requests may lead.")] = Egress()
    seals: Annotated[Seals, about("What is kept of an answer for its next turn.")] = Seals()
    stores: Annotated[Stores, about("Where what lasts is kept.")] = Stores()
    responses: Annotated[Responses, about("Answers that clients continue by their id.")] = Responses()
    sessions: Annotated[Sessions, about("Conversations by `X-Session-Id`.")] = Sessions()
    discover: Annotated[
        bool | None,
        about(
            "Whether `dragoman serve` looks for Ollama, LM Studio, vLLM and llama.cpp's server at their "
            "usual ports of this machine. `true`: what is there when it starts is used, its models under "
            "their own names. `false`: nobody is looked for.",
            env="DRAGOMAN_DISCOVER",
            default="while no provider is configured, what is there is shown, but not used",
        ),
    ] = None
    count_upstream: Annotated[
        bool, about("Whether providers are asked to count a prompt's tokens.", env="DRAGOMAN_COUNT_UPSTREAM")
    ] = True
    stream_usage: Annotated[
        Literal["asked", "always"],
        about(
            "When a stream ends with its usage: if the client asked for it, or always.",
            env="DRAGOMAN_STREAM_USAGE",
        ),
    ] = "asked"
