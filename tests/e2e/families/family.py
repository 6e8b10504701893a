"""The families of providers, each as a strict provider that thinks, calls a tool, and answers its result.

A request to a cloud is held to the cloud's own rules (paths, keys, version members), and then, as a request
of the protocol that the cloud hosts, to the rules of this protocol. The forms of answers and of ids are those
of the recordings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from dragoman.testing.provider import Answer, Script, Seen, Streamed, Whole
from tests.e2e.answers.said import Said
from tests.e2e.families.returned import Told, returned
from tests.e2e.strict import azure, bedrock, held, vertex
from tests.e2e.strict.typed import Refused, demand
from tests.matrix.cell import ANSWERS

Wire = dict[str, Any]

NAME: Final = "get_weather"
THOUGHT: Final = "They ask of Oslo."
TEXT: Final = "I will look."
ARGUMENTS: Final = {"city": "Oslo", "days": 2}
RESULT: Final = "18 degrees, rain at noon"
LAST: Final = "Take an umbrella."


class Family(msgspec.Struct, frozen=True):
    """One family of providers.

    name: of the provider in the configuration, by which a known vendor is found. row: its settings. model: to
    ask. id: of the call, as the family makes ids ("" = it makes none). seal: the signature of the thought, in
    the family's alphabet ("" = it has none). plain: (the protocol's name, the request as the protocol's own
    vendor would get it); raises Refused.
    """

    name: str
    row: Wire
    model: str
    id: str
    plain: Callable[[Seen], tuple[str, Seen]]
    seal: str = ""

    @property
    def called(self) -> Said:
        """The first answer: a thought, a text and a call."""
        call = (self.id, NAME, json.dumps(ARGUMENTS))
        return Said(TEXT, (call,), thought=THOUGHT, seal=self.seal)

    def answer(self, seen: Seen, first: Script | None = None) -> Answer:
        """The provider's answer: a call, or after its result the last words. first: the answer with the call;
        None = `called`.
        """
        if seen.path == "/token":
            return Whole({"access_token": vertex.TOKEN, "expires_in": 3599, "token_type": "Bearer"})
        try:
            dialect, plain = self.plain(seen)
        except Refused as refused:
            return Whole({"error": {"message": refused.message}, "message": refused.message}, refused.status)
        if RESULT.encode() in seen.raw:
            first = ANSWERS[dialect](Said(LAST))
        script = held(dialect, first or ANSWERS[dialect](self.called))
        answer = script(plain) if callable(script) else script
        return _chunked(answer) if "/invoke" in seen.path and isinstance(answer, Streamed) else answer

    def protocol(self, seen: Seen) -> str:
        """The name of the protocol that this request is in."""
        return self.plain(seen)[0]

    def returned(self, seen: Seen) -> list[Told]:
        """What this request brings of the earlier turns."""
        dialect, plain = self.plain(seen)
        return returned(dialect, plain.body)


# --- Protocols at their own vendors -------------------------------------------------------------------


def _own(dialect: str) -> Callable[[Seen], tuple[str, Seen]]:
    return lambda seen: (dialect, seen)


# --- Clouds -------------------------------------------------------------------------------------------


def _as(seen: Seen, path: str, body: Wire, **headers: str) -> Seen:
    """The request with another path and body, and with these headers in place of the cloud's credential."""
    kept = {name: text for name, text in seen.headers.items() if name not in {"authorization", "api-key"}}
    raw = msgspec.json.encode(body)
    return msgspec.structs.replace(seen, path=path, query={}, raw=raw, headers={**kept, **headers})


_AZURE: Final = re.compile(r"/openai/(?:v1|deployments/prod)/(chat/completions|responses)")


def _azure(seen: Seen) -> tuple[str, Seen]:
    demand(seen.headers.get("api-key") == azure.KEY, "Access denied", status=401)
    found = _AZURE.fullmatch(seen.path)
    demand(found is not None, "Resource not found", status=404)
    assert found is not None
    dated = "/deployments/" in seen.path
    demand(dated == ("api-version" in seen.query), "Resource not found", status=404)
    demand(seen.body.get("model") == azure.DEPLOYMENT, "The API deployment does not exist.", status=404)
    dialect = "openai_responses" if found[1] == "responses" else "openai_chat"
    body = {**seen.body, "model": "gpt-5"}
    return dialect, _as(seen, f"/v1/{found[1]}", body, authorization="Bearer k")


_CLAUDE: Final = re.compile(r"/model/([^/]+)/(invoke(?:-with-response-stream)?)")


def _bedrock(seen: Seen) -> tuple[str, Seen]:
    if (found := _CLAUDE.fullmatch(seen.target)) is None:
        return "bedrock", seen
    demand(bedrock.unauthorized(seen) is None, "The request signature does not match", status=403)
    body = dict(seen.body)
    demand(body.pop("anthropic_version", None) == "bedrock-2023-05-31", "anthropic_version: Field required")
    for member in ("model", "stream"):
        demand(member not in body, f"extraneous key [{member}] is not permitted")
    betas = body.pop("anthropic_beta", None)
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    if betas:
        headers["anthropic-beta"] = ",".join(betas)
    streams = {"stream": True} if found[2] != "invoke" else {}
    whole = {"model": "claude-sonnet-4-5", **body, **streams}
    return "anthropic", _as(seen, "/v1/messages", whole, **headers)


def _chunked(answer: Streamed) -> Streamed:
    """Claude's events as InvokeModelWithResponseStream frames them."""
    return bedrock.stream([bedrock.chunk(frame) for frame in answer.frames if isinstance(frame, dict)])


def _vertex(seen: Seen) -> tuple[str, Seen]:
    demand(seen.headers.get("authorization") == f"Bearer {vertex.TOKEN}", "invalid credentials", status=401)
    if (found := vertex.CLAUDE.fullmatch(seen.path)) is not None:
        body = dict(seen.body)
        demand(
            body.pop("anthropic_version", None) == "vertex-2023-10-16", "anthropic_version: Field required"
        )
        for member in ("model", "anthropic_beta"):
            demand(member not in body, f"{member}: Extra inputs are not permitted")
        demand((found[2] == "streamRawPredict") == bool(body.get("stream")), "stream and method differ")
        headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
        return "anthropic", _as(seen, "/v1/messages", {"model": "claude-sonnet-4-5", **body}, **headers)
    found = vertex.GEMINI.fullmatch(seen.path)
    demand(found is not None, f"no such path: {seen.path}", status=404)
    assert found is not None
    path = f"/v1beta/models/{found[1]}:{found[2]}"
    plain = _as(seen, path, seen.body, **{"x-goog-api-key": "k"})
    query = {key: value for key, value in seen.query.items() if key != "$alt"}
    return "gemini", msgspec.structs.replace(plain, query=query)


# --- The families ---------------------------------------------------------------------------------------

_KEY: Wire = {"keys": ["up-key"], "apis": []}
_AWS: Wire = {"keys": [f"{bedrock.ID}:{bedrock.SECRET}"], "region": bedrock.REGION}
_OPENAI_SEAL: Final = "gAAAAABpO4kPwQpF3hVb-K0jzXYVfW_7tE1vG6mH8u0Qm2q5cN4="
_CLAUDE_SEAL: Final = "EtMCCkgIBxABGAIqQJYoIFKmLSXBJrqTpj6nvCrZfYVUvOBRtHJFo8X6vUiY+/w=="
_GEMINI_SEAL: Final = "CqoBAXLI2nwXs+zbZIKHXRIXlFXbZVR8mBTfYVk/Yq0zqvTtSoXBbqBKZAo4Zy5T"

FAMILIES: Final = {
    "openai_chat": Family("openai", _KEY, "gpt-5", "call_Vq7mWJFmEcaEQVVtYqrTvPxy", _own("openai_chat")),
    "openai_responses": Family(
        "responses",
        {**_KEY, "dialect": "openai_responses"},
        "gpt-5",
        "call_Vq7mWJFmEcaEQVVtYqrTvPxy",
        _own("openai_responses"),
        _OPENAI_SEAL,
    ),
    "anthropic": Family(
        "anthropic",
        _KEY,
        "claude-sonnet-4-5",
        "toolu_01JVKhQ7RzdsZ4ZdWvVhRZ8a",
        _own("anthropic"),
        _CLAUDE_SEAL,
    ),
    "gemini": Family("gemini", _KEY, "gemini-2.5-flash", "", _own("gemini"), _GEMINI_SEAL),
    "mistral": Family("mistral", _KEY, "mistral-small-latest", "gEAHtWhMy", _own("mistral")),
    "ollama": Family("machine", {"dialect": "ollama", **_KEY}, "qwen3", "call_ej7rzfhd", _own("ollama")),
    "cohere": Family(
        "cohere",
        _KEY,
        "command-a-reasoning-08-2025",
        "get_weather_tf4dywn8wgnk",
        _own("cohere"),
    ),
    "azure": Family(
        "azure", {"keys": [azure.KEY]}, "prod", "call_Vq7mWJFmEcaEQVVtYqrTvPxy", _azure, _OPENAI_SEAL
    ),
    "azure_dated": Family(
        "azure",
        {"keys": [azure.KEY], "api_version": "2024-10-21"},
        "prod",
        "call_Vq7mWJFmEcaEQVVtYqrTvPxy",
        _azure,
    ),
    "bedrock_converse": Family(
        "bedrock",
        {**_AWS, "apis": []},
        bedrock.CLAUDE,
        "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q",
        _bedrock,
        bedrock.SIGNATURE,
    ),
    "bedrock": Family(
        "bedrock", _AWS, bedrock.CLAUDE, "toolu_bdrk_01KZJMlvQmRJ6eAyJE5GIl7Q", _bedrock, bedrock.SIGNATURE
    ),
    "vertex_gemini": Family("vertex", {}, "gemini-2.5-flash", "", _vertex, _GEMINI_SEAL),
    "vertex_claude": Family(
        "vertex",
        {},
        "claude-sonnet-4-5@20250929",
        "toolu_vrtx_01JVKhQ7RzdsZ4ZdWvVhRZ8a",
        _vertex,
        _CLAUDE_SEAL,
    ),
}
