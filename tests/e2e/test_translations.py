"""Every chat request that a provider once took, translated, is one that the other providers take.

The recorded requests of all chat APIs, as each other dialect writes them, before the strict fake provider.
What cannot be said is refused beforehand, by a code that is expected: nothing fails at the provider.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.emulate import emulate
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.providers.models import facts_for
from dragoman.testing import corpus
from dragoman.testing.case import Case, dialect_of
from dragoman.testing.provider import Seen
from tests.e2e.strict import JUDGES
from tests.e2e.strict.typed import Refused
from tests.e2e.stubs import PATHS

CHAT = DIALECTS["openai_chat"]
HEADERS = {
    "anthropic": {"x-api-key": "k"},
    "gemini": {"x-goog-api-key": "k"},
    "mistral": {"authorization": "Bearer k"},
}
MODELS = [
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-3-5-haiku-20241022"),
    ("anthropic", "claude-opus-4-8"),
    ("anthropic", "claude-opus-5-5"),
    ("gemini", "gemini-2.5-flash"),
    ("gemini", "gemini-3.1-pro-preview"),
    ("mistral", "mistral-large-latest"),
    ("mistral", "magistral-medium-latest"),
]
REFUSALS = {"unsupported_value", "unsupported_modality"}
"""The codes of what a dialect cannot say at all: n, sound, files of another account."""


@pytest.mark.wire
@pytest.mark.parametrize(("name", "model"), MODELS)
def test_what_one_provider_took_the_other_takes(recorded: Path, name: str, model: str) -> None:
    came: Counter[str] = Counter()
    for exchange in corpus.read(recorded, "*.chat", "*.openai_chat"):
        if dialect_of(exchange.api) != CHAT.name or exchange.response is None:
            continue
        case = Case(exchange, CHAT, ())
        if "request" not in case.subjects or not case.accepted:
            continue
        try:
            CHAT.request.check(WireRequest("chat", case.body))
            request = _fetched(case.request)
        except WireError:
            continue  # what a vendor beside the specification takes is no client's of ours
        came[_verdict(request, name, model, exchange.id)] += 1
    assert came["taken"] > 500
    assert came.total() - came["taken"] < 20
    assert {outcome.removeprefix("refused: ") for outcome in came} <= {"taken", *REFUSALS}


def _verdict(request: ir.Request, name: str, model: str, which: str) -> str:
    """What becomes of one request."""
    dialect, facts, report = DIALECTS[name], facts_for(name, model), Report(name)
    try:
        emulation = emulate(request, dialect.abilities, facts, STANDARD, report)
        wire = dialect.request.encode(emulation.request, Target(report, model, STANDARD, facts))
    except WireError as error:
        return f"refused: {error.code}"
    path = PATHS[name]
    if name == "gemini":
        method = "streamGenerateContent" if request.stream else "generateContent"
        path = f"/v1beta/models/{model}:{method}"
    query = {"alt": "sse"} if path.endswith("streamGenerateContent") else {}
    headers = {**HEADERS[name], **wire.headers}
    try:
        JUDGES[name](Seen("POST", path, query, headers, json.dumps(wire.body).encode()))
    except Refused as refused:
        pytest.fail(f"{which}: {refused.path}: {refused.message}")
    return "taken"


_PIXEL = "iVBORw0KGgo="


def _fetched(request: ir.Request) -> ir.Request:
    """A request whose media came by data, as the gateway would have fetched them."""
    return msgspec.structs.replace(
        request,
        messages=tuple(
            msgspec.structs.replace(message, blocks=tuple(_by_data(block) for block in message.blocks))
            for message in request.messages
        ),
    )


def _by_data(block: ir.Block) -> ir.Block:
    if isinstance(block, ir.Media) and block.url is not None:
        mime = {"image": "image/png", "document": "application/pdf"}.get(block.kind)
        return msgspec.structs.replace(block, url=None, data=_PIXEL, mime=block.mime or mime)
    return block
