"""Vertex AI: Gemini, Claude by rawPredict, counting and embeddings, with strict checks; and the endpoint for
tokens of a service account.

Paths are those of the clients google-genai 3.4.0 and `anthropic` 2.12.0 (`lib/vertex`); answers have the form
of the recordings `vertex.*.jsonl`. The bodies of Gemini are held to what Gemini's own server takes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import msgspec

from dragoman.testing.provider import Answer, Seen, Whole
from tests.e2e.answers.anthropic import anthropic as claude
from tests.e2e.answers.gemini import gemini
from tests.e2e.answers.openai_chat import openai_chat
from tests.e2e.answers.said import Said
from tests.e2e.strict import anthropic as claude_rules
from tests.e2e.strict import gemini as gemini_rules
from tests.e2e.strict.typed import Refused

PROJECT: Final = "a-project"
LOCATION: Final = "europe-west4"
TOKEN: Final = "ya29.a-token"
SAID: Final = Said("Hello from Vertex AI.")
_PLACE: Final = rf"/projects/{PROJECT}/locations/{LOCATION}/publishers"
GEMINI: Final = re.compile(
    rf"/v1beta1(?:{_PLACE}/google|/publishers/google)/models/([^/:]+)"
    r":(generateContent|streamGenerateContent|countTokens|predict|embedContent)"
)
CLAUDE: Final = re.compile(rf"/v1{_PLACE}/anthropic/models/(claude-[^/:]+):(rawPredict|streamRawPredict)")
OPEN: Final = f"/v1beta1/projects/{PROJECT}/locations/{LOCATION}/endpoints/openapi/chat/completions"
_INSTANCE: Final = frozenset({"content", "task_type", "title", "mimeType"})


def account(url: str, file: Path) -> str:
    """The file of a service account whose tokens come from `url`."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    told = {"type": "service_account", "client_email": "sa@p", "token_uri": f"{url}/token"}
    file.write_text(json.dumps({**told, "private_key": pem.decode(), "private_key_id": "1"}))
    return str(file)


def refusal(status: int, kind: str, message: str) -> Whole:
    """An error in Google's form."""
    return Whole({"error": {"code": status, "message": message, "status": kind}}, status)


def vertex(seen: Seen) -> Answer:
    """What Vertex AI answers to an express key or to the token of the service account."""
    if seen.path == "/token":
        return Whole({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})
    express = "/projects/" not in seen.path
    if express != (seen.headers.get("x-goog-api-key") == "express-key"):
        return refusal(401, "UNAUTHENTICATED", "API keys are not supported by this API.")
    if not express and seen.headers.get("authorization") != f"Bearer {TOKEN}":
        return refusal(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
    try:
        if (found := GEMINI.fullmatch(seen.path)) is not None:
            return _google(seen, found[1], found[2])
        if (found := CLAUDE.fullmatch(seen.path)) is not None:
            return _anthropic(seen, found[1], found[2])
        if seen.path == OPEN:
            return _open(seen)
    except Refused as refused:
        return refusal(400, "INVALID_ARGUMENT", f"{refused.path}: {refused.message}")
    return refusal(404, "NOT_FOUND", f"no such path: {seen.path}")


def _google(seen: Seen, model: str, method: str) -> Answer:
    body = seen.body
    match method:
        case "countTokens":
            if unknown := body.keys() - {"contents", "systemInstruction", "tools", "generationConfig"}:
                return refusal(400, "INVALID_ARGUMENT", f"Unknown name {unknown}: Cannot find field.")
            return Whole({"totalTokens": 7, "totalBillableCharacters": 25})
        case "predict":
            return _predict(body, model)
        case "embedContent":
            if body.keys() - {"content", "embedContentConfig"} or "gemini" not in model:
                return refusal(400, "INVALID_ARGUMENT", "Cannot find field.")
            return Whole({"embedding": {"values": [0.5, 0.25]}, "usageMetadata": {"promptTokenCount": 3}})
    # The same rules as Gemini's own, but for the way that it is told who calls.
    headers = {name: value for name, value in seen.headers.items() if name != "authorization"}
    as_studio = f"/v1beta/models/{model}:{method}"
    query = {key: value for key, value in seen.query.items() if key != "$alt"}
    gemini_rules.judge(
        msgspec.structs.replace(
            seen, path=as_studio, query=query, headers={**headers, "x-goog-api-key": "some"}
        )
    )
    script = gemini(SAID)
    assert callable(script)
    return script(seen)


def _open(seen: Seen) -> Answer:
    """What models of other publishers answer in OpenAI's protocol."""
    if "/" not in seen.body["model"]:
        return refusal(400, "INVALID_ARGUMENT", f"Malformed publisher model {seen.body['model']}.")
    if odd := seen.body.keys() & {"functions", "max_completion_tokens"}:
        return refusal(400, "INVALID_ARGUMENT", f"Unknown name {odd}: Cannot find field.")
    script = openai_chat(SAID)
    assert callable(script)
    return script(seen)


def _predict(body: dict[str, Any], model: str) -> Answer:
    instances = body.get("instances")
    odd = body.keys() - {"instances", "parameters"}
    odd |= (body.get("parameters") or {}).keys() - {"outputDimensionality", "autoTruncate"}
    if odd or not instances or any(one.keys() - _INSTANCE or "content" not in one for one in instances):
        return refusal(400, "INVALID_ARGUMENT", f"Invalid instances or {odd}")
    if "gemini" in model and len(instances) > 1:
        return refusal(400, "INVALID_ARGUMENT", "gemini-embedding-001 supports one instance per request.")
    each = [
        {
            "embeddings": {
                "values": [float(len(one["content"])), 0.25],
                "statistics": {"token_count": 2, "truncated": False},
            }
        }
        for one in instances
    ]
    return Whole({"predictions": each, "metadata": {"billableCharacterCount": 4}})


def _anthropic(seen: Seen, model: str, method: str) -> Answer:
    body = seen.body
    if body.pop("anthropic_version", None) != "vertex-2023-10-16":
        return refusal(400, "INVALID_ARGUMENT", "anthropic_version: Field required")
    for name in ("model", "anthropic_beta"):
        if name in body:
            return refusal(400, "INVALID_ARGUMENT", f"{name}: Extra inputs are not permitted")
    if (method == "streamRawPredict") != bool(body.get("stream")):
        return refusal(400, "INVALID_ARGUMENT", "stream and method differ")
    plain = msgspec.json.encode({"model": model, **body})
    own = msgspec.structs.replace(
        seen,
        path="/v1/messages",
        raw=plain,
        headers={**{k: v for k, v in seen.headers.items() if k != "authorization"}, "x-api-key": "k"},
    )
    claude_rules.judge(own)
    script = claude(SAID)
    assert callable(script)
    return script(own)
