"""Every setting, declared once: name, type, default, unit, meaning and environment variable.

`load` makes the frozen `Config` of the program. `dragoman config schema`, the page of settings and the error
messages are made from the declarations here and in the modules of its groups: `accounts`, `alerting`,
`answers`, `balancing`, `conditions`, `credential`, `discovery`, `egress`, `fallbacks`, `lasting`, `limits`,
`metrics`, `prices`, `realtime`, `serving` and `trace`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec

from dragoman.config.accounts import Auth, ClientKey, Team, Tenant, User
from dragoman.config.alerting import Alert
from dragoman.config.answers import Answers
from dragoman.config.balancing import Hedge, MaxCost, PolicyName, Rotate
from dragoman.config.conditions import When
from dragoman.config.credential import Credential
from dragoman.config.discovery import Discovery
from dragoman.config.egress import Egress
from dragoman.config.fallbacks import Fallbacks
from dragoman.config.lasting import Responses, Seals, Sessions, Stores, Usage
from dragoman.config.limits import Bounds, LimitEntry
from dragoman.config.metrics import Metrics
from dragoman.config.prices import Price, PriceEntry
from dragoman.config.realtime import Realtime
from dragoman.config.scalars import Amount, DialectName, Duration, FilePath, ListedPath, PathPrefix
from dragoman.config.section import Section, about
from dragoman.config.serving import Reload, Server
from dragoman.config.trace import Trace
from dragoman.dialects.access import Scheme
from dragoman.dialects.resources import Resource
from dragoman.seams.secret import Secret

Strict: TypeAlias = bool | Literal["all"]
Json: TypeAlias = dict[str, Any]
ToolMode: TypeAlias = Literal["native", "xml", "hermes", "json"]
ReasoningText: TypeAlias = Literal["apart", "tags", "open"]


class Timeouts(Section, frozen=True):
    """How long to wait for a provider. 0 = no limit."""

    connect: Duration = Duration(10)
    """How long to wait for a connection. A host that is running accepts one within a second or two."""
    first_byte: Duration = Duration(600)
    """How long to wait from the request to the first byte of the response. Reasoning models may take minutes
    before they send anything; the providers' own clients wait ten minutes."""
    idle: Duration = Duration(300)
    """How long to wait between two reads of a response. Providers send content or pings more often than this.
    """
    total: Annotated[Duration | None, about(default="no limit")] = None
    """How long a whole attempt may take. No limit by default, because a long stream is not an error."""


_OverProvider: TypeAlias = Annotated[Duration | None, about(default="the provider's")]


class ModelTimeouts(Section, frozen=True):
    """Timeouts of one model that differ from its provider's. None = the provider's; 0 = no limit."""

    connect: _OverProvider = None
    """Overrides the provider's value."""
    first_byte: _OverProvider = None
    """Overrides the provider's value."""
    idle: _OverProvider = None
    """Overrides the provider's value."""
    total: _OverProvider = None
    """Overrides the provider's value."""

    def over(self, provider: Timeouts) -> Timeouts:
        """Return the provider's timeouts, each replaced by the model's if the model states it."""
        own = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(provider, **own)


class Pool(Section, frozen=True):
    """Connections to one provider."""

    size: Annotated[int, about(ge=0)] = 0
    """The largest number of connections; further requests wait for a free one. 0 = no limit."""
    keep_alive: Duration = Duration(60)
    """How long an idle connection is kept open for the next request."""
    max_age: Annotated[Duration | None, about(default="no limit")] = None
    """How long a connection is used for new requests, so that a new address of the provider's name is found.
    It does not apply with `server.transport: aiohttp` or behind a `proxy`."""
    wait: Duration = Duration(30)
    """How long a request waits for a free connection. Then the next deployment is tried, or the request gets
    503 (`pool_exhausted`). 0 = no limit."""


class Check(Section, frozen=True):
    """Checks in the background whether a provider answers.

    A check asks for the provider's list of models, which costs no tokens. One process checks for all workers.
    Any answer below 500 counts as good, also an error of the client's (4xx). No answer, a timeout or a 5xx
    counts as bad.
    """

    shorthand: ClassVar[str | None] = "every"

    every: Duration = Duration(0)
    """How often. At least 1s; 0 = never."""
    when: Literal["failing", "always"] = "failing"
    """`failing`: only while a deployment of the provider is asked last because it keeps failing (`breaker`).
    A good answer ends that pause, so that the next request tries the deployment again. `always`: at all
    times. Then a bad answer puts all deployments of the provider last, before a request has met the failure,
    until a check or a request gets an answer."""
    wait: Duration = Duration(10)
    """How long to wait for the answer. 0 = no limit."""


class Concurrency(Section, frozen=True):
    """How many requests run at once, how far apart they start, and how many may wait in a queue.

    It is stated for all requests to one provider, or for all requests for one model. A stream counts as
    running until its end.
    """

    shorthand: ClassVar[str | None] = "limit"

    limit: Annotated[int | None, about(unit="requests", default="no limit", ge=1, le=100_000)] = None
    """How many requests run at once, over all workers. Further ones are sent to other deployments of their
    model; if all are full, they wait in a queue, in which clients take turns."""
    queue: Annotated[int, about(unit="requests", ge=0)] = 100
    """How many requests may wait, in each worker. Beyond it, a new request gets 429 (`queue_full`), or in its
    place the last request of a client that has more requests waiting."""
    wait: Duration = Duration(60)
    """How long a request may wait. Then it gets 429 (`queue_timeout`). 0 = no limit."""
    delay: Duration = Duration(0)
    """The shortest time between the starts of two requests, over all workers."""


class Api(Section, frozen=True):
    """A further protocol that a provider speaks, at the same address and with the same keys."""

    shorthand: ClassVar[str | None] = "dialect"

    dialect: DialectName
    """The protocol."""
    path: Annotated[PathPrefix | None, about(default="from the known provider, otherwise the protocol's")] = (
        None
    )
    """The path of the chat endpoint, below base_url."""
    auth: Annotated[
        Scheme | None,
        about(default="from the known provider, otherwise as for the provider's first protocol"),
    ] = None
    """How the API key is sent."""
    quirks: Json = {}
    """The provider's `quirks`, for this protocol."""


class Provider(Section, frozen=True):
    """An account at a vendor, or any server that speaks one of the protocols."""

    enabled: bool = True
    """Whether the provider is used. `false` also ignores its keys in the environment."""
    catalog: Annotated[str | None, about(default="the known provider of the same name, if there is one")] = (
        None
    )
    """The known provider whose defaults apply: see [Known providers](#known-providers)."""
    dialect: Annotated[
        DialectName | None, about(default="from the known provider, otherwise openai_chat")
    ] = None
    """The protocol of the provider's API."""
    apis: Annotated[tuple[Api, ...] | None, about(default="from the known provider")] = None
    """Further protocols that the provider's API offers, best first: each the name of a protocol, or
    `{dialect, path, auth, quirks}`. A request in one of them is sent on in it, mostly without translation.
    `[]` for none."""
    region: Annotated[str | None, about(default="none")] = None
    """Where the provider works, in a word of your choice (`eu`), for keys that may use only some regions. For
    `bedrock` it is the AWS region (`eu-central-1`), which is put into the base URL and into signatures. For
    `vertex` it is the location (`global`, `eu`, `europe-west4`), which is put into the base URL."""
    project: Annotated[str | None, about(default="none; for `vertex` GOOGLE_CLOUD_PROJECT")] = None
    """For `vertex`: the id of the Google Cloud project, which is put into the base URL."""
    base_url: Annotated[
        str | None, about(default="from the known provider, or from its environment variable")
    ] = None
    """The base URL of the provider's API: with or without `/v1`, with or without a slash at the end."""
    base_path: Annotated[PathPrefix | None, about(default="found from base_url")] = None
    """The path prefix of the endpoints below base_url, if it is not the usual one; "" for none."""
    chat_path: Annotated[
        PathPrefix | None, about(default="from the known provider, otherwise the protocol's")
    ] = None
    """The path of the chat endpoint, below base_path."""
    api_version: Annotated[str | None, about(default="none")] = None
    """The version of the API, which is sent as `?api-version=`, for a known provider whose API has such
    versions (`azure`). With a date (`2024-10-21`) the paths name the deployment."""
    auth: Annotated[Scheme | None, about(default="from the known provider, otherwise the protocol's")] = None
    """How the API key is sent."""
    keys: Annotated[
        tuple[Secret, ...] | None, about(default="the keys in the known provider's environment variables")
    ] = None
    """The provider's API keys: one, or a list. Each is a string, `${VARIABLE}` or `{file: path}`. `[]` for a
    server that needs no key. For `bedrock` also an AWS access key, which is not sent but signs each request:
    `ID:SECRET` or `ID:SECRET:SESSION_TOKEN`."""
    credential: Annotated[
        Credential | None, about(default="none; the known provider `vertex` without keys: `google`")
    ] = None
    """Whose credential requests have, in place of `keys`. `google`, `entra`, `aws`, or a mapping: an identity
    in a cloud, see [credentials](credentials.md). `client`: the client's own, see
    [Clients with their own credential](pass-through.md#clients-with-their-own-credential)."""
    key_choice: Literal["health_aware", "round_robin", "least_used"] = "health_aware"
    """Which of several keys is asked first. `health_aware`: the first one that can be asked, so that the
    provider's prompt cache stays warm; the next one while it rests. `round_robin`: in turns. `least_used`:
    the one with the fewest running requests. With each of them, a key rests as long as the provider's rate
    limit lasts, and one that was refused comes last."""
    passthrough: Annotated[tuple[Resource, ...], about(default="none: 501")] = ()
    """Endpoints of this account that clients may call through the gateway: `files`, `uploads`, `batches`,
    `fine_tuning`, `vector_stores`, `containers`; for Anthropic `files` and `message_batches`; for Mistral
    `files`, `fine_tuning` and `batch_jobs`; for Gemini `google_files`. They use this provider's first API
    key. Each client sees only its own objects, by ids of the gateway. Clients whose key is limited
    to some models may only use files and uploads. If several providers offer one of them, the header
    `X-Dragoman-Provider` chooses the provider of what is made or listed."""
    passthrough_ids: Literal["minted", "upstream"] = "minted"
    """Who may use objects of `passthrough` that no client has made through the gateway. `minted`: nobody.
    `upstream`: all clients whose key is not limited to some models, by the ids of the provider. Objects that
    clients make through the gateway have its ids and one owner in any case."""
    paths: Annotated[tuple[ListedPath, ...], about(default="none")] = ()
    """Paths of this provider's server that clients may call as they are, below `/providers/NAME`: each a
    method and a path from the root of the server, such as `POST /v1/ocr` or `GET,DELETE /v1/jobs/*`. `*`
    stands for any text within one segment, `**` at the end for all further segments. The gateway's API key is
    used, and what is made there has no owner. See
    [Other paths of a provider](pass-through.md#other-paths-of-a-provider)."""
    models: tuple[str, ...] = ("*",)
    """The model names that the provider accepts: `*` for any, or a list. Requests for other names get 404."""
    base_models: dict[str, str] = {}
    """The model behind a name of the provider's, such as a deployment of Azure or an inference profile of
    an application at Bedrock: `{chat: gpt-5}`. What is known of this model counts, and its price in the
    packaged table."""
    headers: dict[str, Secret] = {}
    """Headers to add to each request. At most the last four characters of their values are shown."""
    body: Annotated[Json, about(secret=True)] = {}
    """JSON that is merged (deeply) into the body of each request, in any protocol. At most the last four
    characters of its strings are shown."""
    timeouts: Timeouts = Timeouts()
    """Timeouts for requests to this provider."""
    answers: Answers = Answers()
    """Size limits for responses of this provider."""
    pool: Pool = Pool()
    """The connections to this provider."""
    check: Check = Check()
    """How often the provider is asked if it answers: `30s`, or `{every, when, wait}`. By default never."""
    discovery: Discovery = Discovery()
    """The provider's own list of models: `false` to ignore it, or `{enabled, ttl, allow, deny}`."""
    concurrency: Concurrency = Concurrency()
    """How many requests for this provider's models run at once: a number, or `{limit, queue, wait,
    delay}`.
    """
    proxy: Annotated[Secret | None, about(default="none")] = None
    """The HTTP proxy for connections to this provider: `http://[user:password@]host:port`."""
    verify_tls: bool = True
    """Whether the server's TLS certificate is verified."""
    ca_file: Annotated[FilePath | None, about(default="the system's")] = None
    """A PEM file of CA certificates to trust, instead of the system's."""
    client_cert: Annotated[FilePath | None, about(default="none")] = None
    """A PEM file with the certificate (mTLS) that the gateway shows to the provider."""
    client_key: Annotated[FilePath | None, about(default="in `client_cert`")] = None
    """A PEM file with the key of `client_cert`, not encrypted."""
    limits: tuple[Bounds, ...] = ()
    """How much all requests together may use of this provider. Each attempt counts; if a limit is reached,
    the deployments of other providers are asked."""
    quirks: Json = {}
    """How the provider deviates from its protocol, in addition to what is known about it: see
    [Quirks](#quirks)."""


class Local(Section, frozen=True):
    """Models that run on this machine: embedded models and GGUF files."""

    enabled: bool = True
    """Whether local models are offered, if their engine and weights are installed."""
    keep_alive: Duration | None = Duration(300)
    """How long an unused model stays in memory. null = no limit, 0 = unload at once."""
    queue: Annotated[int, about(unit="requests", ge=0)] = 16
    """How many requests may wait while a model is busy. Beyond it, a new request gets 503, or in its place
    the last request of a client that has more requests waiting."""
    threads: Annotated[int | None, about(default="one for each available core", ge=1)] = None
    """CPU threads for one generation."""


class Simulate(Section, frozen=True):
    """A simulated provider for demonstrations and tests. It generates text, tool calls, delays and errors."""

    enabled: Annotated[
        bool | None,
        about(default="true while no other provider is configured, or if a model or an alias uses it"),
    ] = None
    """Whether the simulator is offered."""
    seed: Annotated[int, about(ge=0)] = 0
    """The seed of the generated responses: the same request gets the same response."""
    first_token: Duration = Duration(0)
    """The time before the first token."""
    token_interval: Duration = Duration(0)
    """The time between two tokens of a stream."""


class Providers(Section, frozen=True):
    """The providers. Every entry except `local` and `simulate` has a name of your choice."""

    rest: ClassVar[str | None] = "named"

    local: Local = Local()
    """Models on this machine."""
    simulate: Simulate = Simulate()
    """The simulator."""
    named: dict[str, Provider] = {}
    """Providers by name; the name is the first part of `provider/model`."""


class Supports(Section, frozen=True):
    """What a model can do. Unset: not known, so requests for it are sent.

    `false`: a request that needs media or tools goes to another deployment; if there is none, it is refused
    (400). Any other feature is emulated or left out; but structured output is refused, if the model has no
    tools either.
    """

    tools: Annotated[bool | None, about(default="not known")] = None
    """Calls functions."""
    images: Annotated[bool | None, about(default="not known")] = None
    """Reads images."""
    audio: Annotated[bool | None, about(default="not known")] = None
    """Hears audio."""
    documents: Annotated[bool | None, about(default="not known")] = None
    """Accepts documents (PDF)."""
    structured: Annotated[bool | None, about(default="not known")] = None
    """Supports structured output by a JSON schema; with `false` the gateway emulates it."""
    reasoning: Annotated[bool | None, about(default="not known")] = None
    """Supports a reasoning effort."""
    prefill: Annotated[bool | None, about(default="not known")] = None
    """Continues a last message of the role `assistant`, without further fields, instead of answering it."""
    streams_tools: Annotated[bool | None, about(default="not known")] = None
    """Streams answers to requests with tools. With `false` the gateway asks for the whole answer instead, and
    sends it as a stream."""


class Deployment(Section, frozen=True):
    """One model at one provider (or one local model) to which the requests for a model can be sent."""

    shorthand: ClassVar[str | None] = "use"

    use: str
    """`provider/model`, or `local` with `file`."""
    file: Annotated[FilePath | None, about(default="none")] = None
    """The path of a GGUF file, with `use: local`."""
    context: Annotated[int | None, about(unit="tokens", default="4096, or the model's if smaller", ge=64)] = (
        None
    )
    """The context size of a local model, in tokens."""
    threads: Annotated[int | None, about(default="providers.local.threads", ge=1)] = None
    """CPU threads for a local model."""
    gpu_layers: Annotated[int | None, about(default="none", ge=-1)] = None
    """How many layers of a local model run on the GPU; -1 = all."""
    keep_alive: Annotated[Duration | None, about(default="providers.local.keep_alive")] = None
    """How long an unused local model stays in memory."""
    context_window: Annotated[int | None, about(unit="tokens", default="the model's", ge=1)] = None
    """Overrides the model's `context_window`. A prompt that is too long for one deployment is sent to a
    deployment with a larger context window."""
    supports: Annotated[Supports | None, about(default="the model's")] = None
    """Overrides the model's `supports`. A request that needs what one deployment lacks is sent to the others.
    """
    tool_mode: Annotated[ToolMode | None, about(default="the model's")] = None
    """Overrides the model's `tool_mode`."""
    reasoning_text: Annotated[ReasoningText | None, about(default="the model's")] = None
    """Overrides the model's `reasoning_text`."""
    weight: Amount = Amount(1)
    """The deployment's share of the requests, in proportion to the other weights, with `policy: weighted` or
    `affinity`. 0 = it is asked only after the deployments with a weight."""
    price: Annotated[Price | None, about(default="not known")] = None
    """What the deployment costs, instead of what `prices` and the packaged table say: [prices](prices.md)."""
    limits: tuple[Bounds, ...] = ()
    """How much all requests together may use of the deployment, for whichever model. Each attempt counts; if
    a limit is reached, the next deployment is asked."""
    when: When = When()
    """The requests that the deployment is for, by what they need, how long they are, and who sends them. For
    all others it is left out."""


class Model(Section, frozen=True):
    """A model under a name of your choice.

    A name with one `*` (`gpt-*`, `team/*`) stands for all names that match it; see [Names by
    pattern](routing.md#names-by-pattern).
    """

    shorthand: ClassVar[str | None] = "use"

    use: Annotated[str | None, about(default="none")] = None
    """`provider/model`: the short form for a single deployment."""
    deployments: tuple[Deployment, ...] = ()
    """The deployments that serve this model, tried in this order until one answers, unless `policy` or
    `rotate` says another order."""
    policy: PolicyName = "ordered"
    """Which deployment is asked first. `ordered`: the first one. `round_robin`: each in turn. `weighted`:
    each as often as its `weight` says. `least_busy`: the one with the fewest running requests. `latency`: the
    faster one of two that are drawn at random. `cost`: the cheapest one. `affinity`: requests of one session,
    or with the same beginning of the prompt, go to the deployment and the API key that hold the provider's
    prompt cache."""
    rotate: Annotated[Rotate | None, about(default="none")] = None
    """The first deployment changes by time (`10m`) or by number (`{requests: 100}`)."""
    fallbacks: Fallbacks = Fallbacks()
    """The models that are asked when none of the deployments can answer: a list of names, or one list for
    each cause."""
    max_cost: Annotated[MaxCost | None, about(default="no limit")] = None
    """What a deployment or fallback may cost more than the first choice: `3` (three times as much) or `{usd:
    0.05}`. It needs the price of each."""
    switch_after: Annotated[
        Duration | None,
        about(default="1m for streams of models that are not known to think first, otherwise never"),
    ] = None
    """How long an attempt may run without content, if another deployment can be asked at once; then it is
    ended and the other deployment is asked. It does not apply once content of a stream has come. 0 = never.
    """
    hedge: Annotated[Hedge | None, about(default="none")] = None
    """When the first attempt is late, a second deployment is asked beside it, and whoever has content first
    answers: `p95`, a time such as `2s`, or `{after, at_most}`. See
    [Hedged requests](routing.md#hedged-requests)."""
    continue_streams: bool = False
    """When a stream of text breaks off, another deployment goes on with it. Such streams are translated and
    their requests kept until the end. See
    [Continuing a stream that breaks off](routing.md#continuing-a-stream-that-breaks-off)."""
    context_window: Annotated[int | None, about(unit="tokens", default="not known", ge=1)] = None
    """The context window in tokens, input and output together. A longer prompt gets 400, or is shortened if
    the request has `truncation: auto`."""
    max_output: Annotated[int | None, about(unit="tokens", default="not known", ge=1)] = None
    """The largest number of output tokens. It is sent as `max_tokens` if a protocol requires one and the
    request has none."""
    defaults: Json = {}
    """Default values for request parameters that the client did not send, as in `aliases.NAME.defaults`. The
    defaults of an alias that leads to this model are put over them."""
    api: Annotated[
        DialectName | None,
        about(
            default="the client's protocol, if the provider offers it and the model and the request allow it"
        ),
    ] = None
    """The protocol for requests to this model, if its provider offers several."""
    supports: Supports = Supports()
    """What the model supports."""
    tool_mode: ToolMode = "native"
    """How the model is told of tools, and calls them. `native`: by the protocol of its provider. The other
    modes are for models without tools: these are described in the system text, and the model writes its calls
    as text, which the gateway turns into calls. `xml`: a tag for each tool and parameter, as coding agents
    write them. `hermes`: JSON between `<tool_call>` tags. `json`: JSON in a code block. See
    [Tools for models without them](tools.md)."""
    reasoning_text: Annotated[ReasoningText | None, about(default="the provider's quirk")] = None
    """Where the model writes its reasoning. `apart`: in a field of its own. `tags`: at the beginning of its
    text, between `<think>` and `</think>`, as reasoning models do behind a server that does not parse it.
    `open`: the same, but without the opening tag, as with the chat templates that put it into the prompt. The
    gateway brings it to the client's form. With `tags`, a text that does not begin with the tag stays as it
    is."""
    timeouts: ModelTimeouts = ModelTimeouts()
    """Timeouts that differ from the provider's."""
    concurrency: Concurrency = Concurrency()
    """How many requests for this model run at once: a number, or `{limit, queue, wait, delay}`. Requests that
    name a deployment of it by `provider/model` do not count; `concurrency` of the provider limits them too.
    """
    limits: tuple[Bounds, ...] = ()
    """How much all requests for this model together may use, by whatever name they ask for it."""
    strict: Annotated[Strict | None, about(default="the general setting")] = None
    """Overrides the general `strict`."""
    check_output: Annotated[bool | None, about(default="the general setting")] = None
    """Overrides the general `check_output`."""
    headers: dict[str, Secret] = {}
    """Headers to add; they override the provider's. At most the last four characters of their values are
    shown."""
    body: Annotated[Json, about(secret=True)] = {}
    """Like the provider's `body`, and merged over it."""

    @property
    def targets(self) -> tuple[Deployment, ...]:
        """The deployments of the model. If `use` is set, only the deployment that it names."""
        return self.deployments if self.use is None else (Deployment(use=self.use),)


class Alias(Section, frozen=True):
    """Another name for a model, with default values for requests.

    The alias with the name `*` stands for every unknown name.
    """

    shorthand: ClassVar[str | None] = "route"

    route: str
    """The target of the alias: a model, another alias or `provider/model`."""
    defaults: Json = {}
    """Default values for request parameters that the client did not send, by their names in the Chat
    Completions API: temperature, top_p, frequency_penalty, presence_penalty, max_tokens, seed, stop, user, …
    `null` takes away the default of an alias that this one leads to."""
    system_prompt: Annotated[str | None, about(default="none")] = None
    """A system message that is put before the messages, unless they already begin with one."""
    strict: Annotated[Strict | None, about(default="the model's")] = None
    """Overrides the model's `strict`."""
    check_output: Annotated[bool | None, about(default="the model's")] = None
    """Overrides the model's `check_output`."""
    context_window: Annotated[int | None, about(unit="tokens", default="the model's", ge=1)] = None
    """The context window in tokens, if it should be smaller than the model's."""
    api: Annotated[DialectName | None, about(default="the model's")] = None
    """Overrides the model's `api`."""
    fallbacks: Annotated[Fallbacks | None, about(default="the model's")] = None
    """Overrides the model's `fallbacks`."""
    messages: tuple[Json, ...] = ()
    """Messages, in the form of the Chat Completions API, that are put before those of the client, unless
    these already begin with a system message: examples of how the model should answer."""
    tenant: Annotated[str | None, about(default="all")] = None
    """The tenant whose keys alone may use and list this name; keys with the scope `admin` may, too."""
    owner: Annotated[str | None, about(default="nobody")] = None
    """The name of the client key that may change and delete this alias by Ollama's `cp`, `create` and `rm`.
    The alias can then be used only by keys that may use its `route`, too. Set by `cp` and `create`."""


class Retries(Section, frozen=True):
    """What to do when an attempt fails before the first content of its response.

    `max_attempts` and `max_time` are bounds on all attempts of a request together.
    """

    attempts: Annotated[int, about(unit="attempts", ge=1, le=10)] = 2
    """One more than the number of retries. Every API key and deployment is tried before the first retry, once
    and without waiting. A retry goes to the last one whose failure may pass, or to one whose `Retry-After`
    ends earlier."""
    backoff: Duration = Duration(0.25)
    """The wait before the first retry; it doubles with each retry, and is shortened by up to a quarter at
    random. A provider's `Retry-After` takes precedence."""
    backoff_max: Duration = Duration(8)
    """The longest wait before a retry. If a `Retry-After` would make it longer, the attempts end."""
    max_attempts: Annotated[int | None, about(unit="attempts", default="no limit", ge=1)] = None
    """The most attempts of one request, with all API keys, deployments, fallbacks and retries. It also bounds
    the cost: each attempt can cost what the request costs."""
    max_time: Annotated[Duration | None, about(default="no limit")] = None
    """The time for all attempts of one request, without its waits in queues. After it none begins, and one
    that runs is ended, unless its first content has come. 0 = no limit."""


class Breaker(Section, frozen=True):
    """When a deployment that keeps failing is asked after the others of its model."""

    failures: Annotated[int, about(unit="attempts", ge=0, le=1000)] = 3
    """So many failed attempts in a row (no answer, a timeout, 5xx) put a deployment last. 0 = never."""
    pause: Duration = Duration(5)
    """How long the deployment is asked last; then one request tries it again. If that fails, the next pause
    is twice as long.
    """
    pause_max: Duration = Duration(300)
    """The longest pause."""


class Config(Section, frozen=True):
    """All settings of one gateway."""

    server: Server = Server()
    """The gateway's own HTTP server."""
    reload: Reload = Reload()
    """When a changed configuration is used."""
    auth: Auth = Auth()
    """Who may call the gateway."""
    tenants: dict[str, Tenant] = {}
    """Tenants, by name: what all keys of a company or a department together may use ([keys](keys.md))."""
    teams: dict[str, Team] = {}
    """Teams, by name."""
    users: dict[str, User] = {}
    """Users, by name: people or services with several keys."""
    groups: dict[str, tuple[str, ...]] = {}
    """Groups of model names and patterns, by name, for the lists of models that keys may use (`group:NAME`):
    `{small: [gpt-5-mini, anthropic/claude-haiku-*]}`."""
    providers: Providers = Providers()
    """The accounts and servers that answer requests."""
    models: dict[str, Model] = {}
    """Models, under names of your choice."""
    prices: dict[str, PriceEntry] = {}
    """What models cost, where it is not what the packaged table says, by `provider/model`, `vendor/model`, or
    a pattern such as `openai/*`: [prices](prices.md)."""
    aliases: dict[str, Alias] = {}
    """Further names for models, with default values; `name: target` is the short form. The alias `*` matches
    every name that no model or other alias has; with the target `PROVIDER/*` the provider gets the name as
    requested."""
    default_model: Annotated[str | None, about(env="DRAGOMAN_DEFAULT_MODEL", default="none: 400")] = None
    """The model for chat requests that name no model."""
    default_models: Annotated[
        dict[Literal["embed", "image", "speech", "transcription", "moderation", "rerank", "realtime"], str],
        about(default="none: 400"),
    ] = {}
    """The models for other operations, for requests that name no model: `{image: openai/gpt-image-2}`."""
    realtime: Realtime = Realtime()
    """Realtime sessions over WebSockets."""
    limits: dict[str, LimitEntry] = {}
    """Limits, under names of your choice: `{per-key: {scope: key, requests: 60/min}}`. The name keeps their
    counters when other settings of a limit change. See [limits](limits.md)."""
    preset: Annotated[tuple[str, ...], about(env="DRAGOMAN_PRESET")] = ()
    """Presets (ready-made settings) to start from, by name."""
    strict: Annotated[Strict, about(env="DRAGOMAN_STRICT")] = False
    """Whether a request gets 400 if a part of it cannot be translated for the model's provider: `true` for
    parts that change the meaning, `all` for every part."""
    check_output: Annotated[bool, about(env="DRAGOMAN_CHECK_OUTPUT")] = False
    """Whether structured output is validated against the JSON schema of the request. An invalid response
    counts as a failed attempt. Needs the extra `schema`."""
    retries: Retries = Retries()
    """How failed attempts are retried."""
    breaker: Breaker = Breaker()
    """When a deployment that keeps failing is asked last."""
    alerts: tuple[Alert, ...] = ()
    """Receivers of alerts (webhooks): each `{url, secret, events, every}`."""
    egress: Egress = Egress()
    """Files that requests name by URL: allowed hosts and limits."""
    seals: Seals = Seals()
    """Encrypted reasoning and signatures of providers, kept for the next turn of a conversation."""
    metrics: Metrics = Metrics()
    """Counts for Prometheus, at `/metrics`."""
    stores: Stores = Stores()
    """Where stored data is kept."""
    usage: Usage = Usage()
    """How long usage records and their sums are kept."""
    responses: Responses = Responses()
    """Stored responses and conversations, which clients continue by their id."""
    sessions: Sessions = Sessions()
    """Sessions: conversations that the gateway continues by the header `X-Session-Id`."""
    trace: Trace = Trace()
    """The traces of the latest requests."""
    discover: Annotated[
        bool | None,
        about(
            env="DRAGOMAN_DISCOVER",
            default="while no provider is configured, servers that are found are shown but not used",
        ),
    ] = None
    """Whether `dragoman serve` looks for Ollama, LM Studio, vLLM and llama.cpp's server on their usual ports
    of this machine. `true`: servers that run when the gateway starts are used, with their models under their
    own names. `false`: it does not look, and fetches no provider's list of models (`discovery`)."""
    count_upstream: Annotated[bool, about(env="DRAGOMAN_COUNT_UPSTREAM")] = True
    """Whether providers are asked to count the tokens of a prompt."""
    stream_usage: Annotated[Literal["asked", "always"], about(env="DRAGOMAN_STREAM_USAGE")] = "asked"
    """When a stream ends with token usage: if the client asked for it, or always."""

    def tenant_of(self, key: ClientKey) -> str | None:
        """Return the name of the tenant that a client key belongs to: the tenant that the key states, else
        that of its user, else that of its team. None = it belongs to none.
        """
        owners = self.users.get(key.user or ""), self.teams.get(key.team or "")
        return key.tenant or next((one.tenant for one in owners if one is not None and one.tenant), None)
