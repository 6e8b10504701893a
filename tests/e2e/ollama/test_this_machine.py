"""Models of this machine as Ollama's clients see them: sizes, digests, what is in memory, and freeing it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import ollama
import pytest

from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.testing.serving import serving
from dragoman.upstreams.local import weights
from dragoman.upstreams.local.protocol import Loaded, Options, Report
from dragoman.upstreams.local.upstream import LocalModel, LocalUpstream
from tests.unit.upstreams.local.test_gguf import WHOLE


class Memory:
    """What a model process would say. path: the file of the model `tiny`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.report = Report(0)
        self.freed: list[str] = []

    async def inspect(self) -> Report:
        return self.report

    def unload(self, path: str) -> None:
        self.freed.append(path)

    async def close(self) -> None:
        pass


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(WHOLE)
    return Memory(path)


@pytest.fixture
async def client(memory: Memory, tmp_path: Path) -> AsyncIterator[Any]:
    settings = tmp_path / "dragoman.yaml"
    settings.write_text("providers: {local: {enabled: false}, simulate: {enabled: true}}")
    models = {
        "tiny": LocalModel(Options(str(memory.path), context=2048)),
        "gone": LocalModel(Options(str(memory.path.with_name("gone.gguf")))),
        "all-minilm:l6-v2": LocalModel(Options("elsewhere"), operation="embed"),
        "voice": LocalModel(Options("voice"), operation="speech"),
    }
    upstream = LocalUpstream(models, memory)  # type: ignore[arg-type]
    gateway = Gateway(load(settings, {}))
    for name, own in (("tiny", "tiny"), ("gone", "gone"), ("voice", "voice"), ("v", "all-minilm:l6-v2")):
        gateway.register(name, upstream, rewrite=own)
    async with serving(gateway) as base, ollama.AsyncClient(base) as client:
        yield client


async def test_sizes_and_digests_are_those_of_the_files(client: Any) -> None:
    listed = {model.model: model for model in (await client.list()).models}
    tiny, gone, vectors = (listed[f"{name}:latest"] for name in ("tiny", "gone", "v"))
    assert (tiny.size, tiny.details.format, tiny.details.family) == (len(WHOLE), "gguf", "llama")
    assert (tiny.details.parameter_size, tiny.details.quantization_level) == ("264", "Q4_K_M")
    assert tiny.digest == hashlib.sha256(b"tiny").hexdigest()
    assert (gone.size, gone.details.format) == (0, "")
    row = weights.known("all-minilm:l6-v2")
    assert row is not None
    assert (vectors.size, vectors.digest) == (row.size, row.sha256)


async def test_details_are_those_of_the_file(client: Any) -> None:
    shown = await client.show("tiny")
    assert shown.modelinfo == {
        "general.architecture": "llama",
        "general.basename": "tiny",
        "general.parameter_count": 264,
        "llama.context_length": 512,
        "llama.embedding_length": 8,
    }
    assert shown.template == "{{ messages }}"
    assert shown.capabilities == ["completion", "tools"]
    assert (await client.show("v")).capabilities == ["embedding"]
    assert (await client.show("voice")).capabilities == []


async def test_what_is_in_memory(client: Any, memory: Memory) -> None:
    assert list((await client.ps()).models) == []
    tiny = Loaded(Options(str(memory.path), context=2048), 2048)
    others = (Loaded(Options("elsewhere"), None, expires=10.0), Loaded(Options("unknown"), 512))
    memory.report = Report(0, (*others, tiny), resident=999)
    models = (await client.ps()).models
    assert [model.name for model in models] == ["local/tiny:latest", "local/all-minilm:l6-v2"]
    first, second = models
    assert (first.size, first.context_length, first.size_vram) == (len(WHOLE), 2048, 0)
    assert first.details.family == "llama"
    assert first.expires_at.year > second.expires_at.year + 50  # for ever, as far as a date can say it
    memory.report = Report(0, (tiny,), resident=999)
    (alone,) = (await client.ps()).models
    assert alone.size == 999


async def test_a_model_is_freed_when_it_is_not_to_be_kept(client: Any, memory: Memory) -> None:
    await client.generate("tiny")
    await client.generate("tiny", keep_alive="5m")
    assert memory.freed == []
    assert (await client.generate("TINY", keep_alive="0s")).done_reason == "unload"
    assert memory.freed == [str(memory.path)]


async def test_several_workers_make_no_names() -> None:
    gateway = Gateway()
    gateway.workers = 2
    async with serving(gateway) as base, ollama.AsyncClient(base) as client:
        with pytest.raises(ollama.ResponseError, match="several workers"):
            await client.copy("simulate/echo", "x")
