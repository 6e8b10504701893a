"""What every face says to a body that is no JSON, and to a request that names no model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.testing.serving import serving

ASKED = [{"role": "user", "content": "Hi"}]
GEMINI = "/v1beta/models/simulate/echo:generateContent"
PATHS = [
    "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/images/generations",
    "/v1/conversations", "/v1/messages", "/v1/messages/count_tokens", GEMINI, "/api/chat", "/api/generate",
    "/api/embed", "/api/show",
]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    gateway = Gateway(load(None, {"DRAGOMAN_CONFIG": ""}, cwd=Path("/")))
    async with serving(gateway) as base, aiohttp.ClientSession(base) as session:
        yield session


pytestmark = pytest.mark.asyncio(loop_scope="module")


def message(body: Any) -> str:
    """The sentence of an error, in whichever face's form."""
    error = body["error"]
    said = error if isinstance(error, str) else error["message"]
    assert isinstance(said, str)
    return said


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b'{"model": ', "line 1, column 11: the text ends"),
        (b"'{}'", "the text begins with a single quote"),
        (b"model=m", "the text is a form"),
        ('{"model": 1}'.encode("utf-16"), "the text is UTF-16"),
    ],
    ids=["cut", "quoted", "form", "utf-16"],
)
@pytest.mark.parametrize("path", PATHS)
async def test_malformed_json_is_called_so(
    session: aiohttp.ClientSession, path: str, data: bytes, seen: str
) -> None:
    headers = {"content-type": "application/json"}
    async with session.post(path, data=data, headers=headers) as answer:
        assert answer.status == 400
        assert message(await answer.json()).startswith(f"The body is not valid JSON: {seen}")


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
async def test_malformed_json_on_a_socket_too(session: aiohttp.ClientSession, path: str) -> None:
    async with session.ws_connect(path) as socket:
        await socket.send_str('{"type": ')
        assert message(await socket.receive_json()).startswith("The body is not valid JSON: line 1, ")


@pytest.mark.parametrize(
    ("path", "body", "setting"),
    [
        ("/v1/chat/completions", {"messages": ASKED}, "default_model"),
        ("/v1/completions", {"prompt": "Hi"}, "default_model"),
        ("/v1/responses", {"input": "Hi"}, "default_model"),
        ("/v1/messages", {"messages": ASKED, "max_tokens": 5}, "default_model"),
        ("/v1/messages/count_tokens", {"messages": ASKED}, "default_model"),
        ("/v1beta/models/:generateContent", {"contents": [{"parts": [{"text": "Hi"}]}]}, "default_model"),
        ("/api/chat", {"messages": ASKED}, "default_model"),
        ("/api/generate", {"prompt": "Hi"}, "default_model"),
        ("/api/embed", {"input": "Hi"}, "default_models.embed"),
        ("/v1/embeddings", {"input": "Hi"}, "default_models.embed"),
        ("/v1/images/generations", {"prompt": "Hi"}, "default_models.image"),
        ("/v1/audio/speech", {"input": "Hi", "voice": "v"}, "default_models.speech"),
        ("/v1/moderations", {"input": "Hi"}, "default_models.moderation"),
        ("/v1/rerank", {"query": "Hi", "documents": ["d"]}, "default_models.rerank"),
    ],
)
async def test_who_names_no_model_hears_what_the_operator_may_set(
    session: aiohttp.ClientSession, path: str, body: dict[str, Any], setting: str
) -> None:
    async with session.post(path, data=json.dumps(body)) as answer:
        assert answer.status == 400
        assert message(await answer.json()).endswith(f", or the operator sets {setting}")
