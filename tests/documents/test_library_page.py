"""docs/library.md: every example runs and does what the page says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

import dragoman
from dragoman.testing.serving import serving
from tests.documents.examples import examples, run
from tests.e2e import stubs
from tests.e2e.calls import HELLO, MODELS
from tests.e2e.conftest import Provide, up
from tests.e2e.stubs import Said
from tests.e2e.test_mounted import Parent, hosting

EXAMPLES = examples("library.md")
TEXT = "A longer answer, in pieces."


class Application:
    """FastAPI as far as the example uses it, where it is not installed: a lifespan, and mounts."""

    def __init__(self, lifespan: Callable[[Any], AbstractAsyncContextManager[None]]) -> None:
        self.lifespan = lifespan
        self._mounts: dict[str, Any] = {}

    def mount(self, path: str, app: Any) -> None:
        self._mounts[path] = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await Parent(self._mounts)(scope, receive, send)


@pytest.fixture
def fastapi(monkeypatch: pytest.MonkeyPatch) -> None:
    """The framework itself, or what stands for it."""
    if find_spec("fastapi") is None:
        module = ModuleType("fastapi")
        module.FastAPI = Application  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "fastapi", module)


@asynccontextmanager
async def openai(base_url: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=base_url, api_key="any", max_retries=0) as client:
        yield client


async def asked(client: AsyncOpenAI, model: str) -> str:
    answer = await client.chat.completions.create(model=model, messages=HELLO)  # type: ignore[arg-type]
    return answer.choices[0].message.content or ""


def test_every_example_is_tried_here() -> None:
    assert list(EXAMPLES) == [
        "Make a gateway",
        "Mount it in FastAPI or Starlette",
        "Ask a model in the same process",
        "Offer a model under another name",
        "Write your own upstream",
        "Watch what happens",
    ]


def test_make_a_gateway() -> None:
    gateway = run(EXAMPLES["Make a gateway"])["gateway"]
    assert "anthropic" in gateway.config.providers.named


@pytest.mark.usefixtures("fastapi")
async def test_mount_it_in_fastapi(provide: Provide) -> None:
    provider = await provide(stubs.DIALECTS["openai_chat"](Said(TEXT)))
    configuration = {**up(provider.url), "default_model": MODELS["openai_chat"]}
    names = run(EXAMPLES["Mount it in FastAPI or Starlette"], configuration)
    async with hosting(names["app"]) as site:
        async with openai(f"{site.base}/ai/v1") as client:
            assert await asked(client, MODELS["openai_chat"]) == TEXT
        async with AsyncAnthropic(base_url=f"{site.base}/ai", api_key="any") as other:
            said = await other.messages.create(model=MODELS["openai_chat"], max_tokens=9, messages=HELLO)  # type: ignore[arg-type]
            assert said.content[0].text == TEXT  # type: ignore[union-attr]
    async with names["lifespan"](names["app"]):
        pass
    assert names["gateway"].closed


def test_ask_a_model_in_the_same_process() -> None:
    source = EXAMPLES["Ask a model in the same process"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", source],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    whole, streamed = done.stdout.split("\n")
    assert whole == streamed != ""
    assert done.stderr == ""


async def test_offer_a_model_under_another_name(provide: Provide) -> None:
    provider = await provide(stubs.DIALECTS["openai_chat"](Said(TEXT)))
    key = '"keys": "YOUR_OPENAI_KEY"'
    source = EXAMPLES["Offer a model under another name"]
    assert key in source
    gateway = run(source.replace(key, f'{key}, "base_url": "{provider.url}"'))["gateway"]
    answer = await gateway.ask({"model": "fast", "messages": HELLO})
    await gateway.close()
    assert answer["choices"][0]["message"]["content"] == TEXT
    assert provider.last.body["model"] == "gpt-4o-mini"


async def test_write_your_own_upstream() -> None:
    gateway = run(EXAMPLES["Write your own upstream"])["gateway"]
    async with serving(gateway) as base, openai(f"{base}/v1") as client:
        for model in ("echo/any", "echo/other", ""):
            assert await asked(client, model) == "You said: Hello!"


async def test_an_upstream_of_ones_own_fails_as_the_page_says(provide: Provide) -> None:
    provider = await provide(stubs.DIALECTS["openai_chat"](Said(TEXT)))
    fault = dragoman.ir.Fault("overloaded", "Try again later.", blame="upstream")

    class Broken:
        name = "broken"

        @asynccontextmanager
        async def chat(self, request: Any, call: Any) -> AsyncIterator[Any]:
            if request.messages:
                raise dragoman.RequestFailed(fault)
            yield ()

    settings = {
        **up(provider.url),
        "models": {"robust": {"deployments": ["broken/any", MODELS["openai_chat"]]}},
    }
    gateway = dragoman.Gateway(settings, upstreams={"broken": Broken()})
    answer = await gateway.ask({"model": "robust", "messages": HELLO})
    await gateway.close()
    assert answer["choices"][0]["message"]["content"] == TEXT


async def test_watch_what_happens(provide: Provide, capsys: pytest.CaptureFixture[str]) -> None:
    provider = await provide(stubs.DIALECTS["openai_chat"](Said(TEXT)))
    model = MODELS["openai_chat"]
    gateway = run(EXAMPLES["Watch what happens"], up(provider.url))["gateway"]
    await gateway.ask({"model": model, "messages": HELLO})
    with pytest.raises(dragoman.CallFailed):
        await gateway.ask({"model": "nosuch", "messages": HELLO})
    await gateway.close()
    good, failed = capsys.readouterr().out.splitlines()
    assert good.startswith(f"anyone {model} ['{model} 200'] ")
    assert " done " in good
    assert "client/route/model_not_found" in failed
