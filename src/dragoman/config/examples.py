"""Complete example configurations for the page of settings.

A test loads each example, so every example is valid.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Example(NamedTuple):
    """One example. title: its purpose. text: an explanation in Markdown. yaml: the complete file."""

    title: str
    text: str
    yaml: str


EXAMPLES: Final = (
    Example(
        "Two providers, and one name that survives a failure",
        "`robust` goes to OpenAI, and to Anthropic where OpenAI fails ([routing](routing.md)).",
        """\
providers:
  openai: {keys: ["${OPENAI_API_KEY}", "${OPENAI_API_KEY_2}"]}    # the second key where the first fails
  anthropic: {keys: {file: /run/secrets/anthropic}}               # the file holds the key and nothing else
models:
  robust: {deployments: [openai/gpt-5, anthropic/claude-sonnet-5]}
default_model: robust                                             # for requests that name no model
""",
    ),
    Example(
        "Two teams with different models",
        "The log shows a key's name, and what is kept belongs to it. `dragoman config key` makes a key.",
        """\
providers:
  openai: {keys: "${OPENAI_API_KEY}"}
  anthropic: {keys: "${ANTHROPIC_API_KEY}"}
models:
  robust: {deployments: [openai/gpt-5, anthropic/claude-sonnet-5]}
auth:
  keys:
    - {name: search, key: "${SEARCH_KEY}", models: [robust, openai/text-embedding-3-small]}
    - {name: support, key: "${SUPPORT_KEY}", models: [robust]}
    - {name: ops, key: "${OPS_KEY}", scopes: [inference, admin]}  # all models, and /admin
""",
    ),
    Example(
        "Limits for all keys, and for one",
        "Each key is counted apart; a key's own limits come in addition ([limits](limits.md)).",
        """\
providers:
  openai: {keys: "${OPENAI_API_KEY}", limits: {tokens: 2M/min}}    # then the next deployment is asked
auth:
  keys:
    - {name: search, key: "${SEARCH_KEY}", limits: {money: 200 USD/month, warn_at: 80%}}
    - {name: trial, key: "${TRIAL_KEY}", limits: {requests: 20/day, concurrency: 1}}
limits:
  each-key: {scope: key, requests: 60/min, tokens: 200k/min}
  all: {scope: global, money: 2000 USD/month}
""",
    ),
    Example(
        "A server of your own",
        "Any server with OpenAI's protocol, such as vLLM, llama.cpp or LM Studio. `keys: []`: it needs none.",
        """\
providers:
  mine: {base_url: "http://10.0.0.5:8000", keys: [], timeouts: {connect: 2s}}
models:
  coder: {use: mine/qwen3-coder, context_window: 32768, supports: {images: false}}
aliases:
  "*": coder                                                      # whatever name a client sends
""",
    ),
    Example(
        "Old names, new models",
        "Clients keep their model names and their code. Defaults count where a request states nothing.",
        """\
providers:
  anthropic: {keys: "${ANTHROPIC_API_KEY}"}
aliases:
  gpt-4o: anthropic/claude-sonnet-5
  gpt-4o-mini: {route: anthropic/claude-haiku-4-5, defaults: {temperature: 0.2, max_tokens: 2000}}
""",
    ),
    Example(
        "Behind a load balancer",
        "Other machines may call, so keys are needed. Probes: `/health/ready` ([operations](operations.md)).",
        """\
server:
  host: 0.0.0.0
  port: 8080
  workers: 4                                                      # needs the extra sql
  drain_delay: 15s                                                # longer than the balancer's probes take
  drain: 5m
providers:
  openai: {keys: "${OPENAI_API_KEY}"}
auth:
  keys: [{name: team, key: {file: /run/secrets/team}}]
stores: {sql: "sqlite:////var/lib/dragoman/state.db"}
""",
    ),
    Example(
        "Nothing is kept, nothing is lost",
        "No answer is stored, and a request whose meaning would be changed by a translation is refused.",
        """\
providers:
  mistral: {keys: "${MISTRAL_API_KEY}"}
strict: true
responses: {retain: false}
sessions: {ttl: 0}
seals: {ttl: 0}
""",
    ),
)
