"""The program of the quickstart of a retrieval service runs against its configuration."""

from __future__ import annotations

import asyncio
import re

import pytest

from dragoman import Gateway, load
from dragoman.testing.serving import serving
from tests.documents.examples import DOCS, run

PAGE = (DOCS / "quickstart-retrieval.md").read_text("utf-8")
ADDRESS = "http://127.0.0.1:8080"


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


async def test_the_retrieval_service_answers(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path_factory.mktemp("configuration") / "dragoman.yaml"
    file.write_text(block("yaml"), encoding="utf-8")
    program = block("python")
    assert ADDRESS in program
    async with serving(Gateway(load(file, {}))) as base:
        await asyncio.to_thread(run, program.replace(ADDRESS, base))
    assert capsys.readouterr().out.startswith("Paris is the capital of France. ")
