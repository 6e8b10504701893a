"""What docs/routing.md says of failover, tried: its last example, and the table of what is tried again."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from dragoman.gateway import Gateway
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.conftest import Provide

PAGE: Final = (Path(__file__).parents[2] / "docs" / "routing.md").read_text("utf-8")
ROWS: Final = [
    line.strip("| ").split(" | ")
    for line in PAGE.partition("## What is tried again")[2].partition("A wait comes")[0].splitlines()
    if line.startswith("| ") and "the key's file" not in line
]
CHAT: Final = "/v1/chat/completions"
STATUSES: Final = (400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 501, 502, 503)


async def asked(config: Path | dict[str, Any], model: str) -> aiohttp.ClientResponse:
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
    async with (
        serving(Gateway(config)) as base,
        aiohttp.ClientSession(headers={"x-dragoman-report": "1"}) as session,
        session.post(base + CHAT, json=body) as response,
    ):
        await response.read()
        return response


@pytest.fixture
def example(tmp_path: Path) -> Path:
    file = tmp_path / "dragoman.yaml"
    file.write_text(re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[-1], "utf-8")
    return file


async def test_the_example_answers_with_the_headers_that_the_page_shows(example: Path) -> None:
    response = await asked(example, "robust")
    assert response.status == 200
    shown = re.findall(r"^(x-dragoman-[\w-]+): (.+)$", PAGE, re.MULTILINE)
    assert len(shown) == 3
    for name, value in shown:
        assert response.headers[name] == value


async def test_the_example_that_fails_makes_the_attempts_that_the_page_names(example: Path) -> None:
    response = await asked(example, "gone")
    report = json.loads(response.headers["x-dragoman-report"])
    assert [one["deployment"] for one in report["attempts"]] == [
        "simulate/fail:429:30",
        "simulate/fail:503",
        "simulate/fail:503",
    ]


@pytest.mark.parametrize("status", STATUSES)
async def test_each_status_leads_where_the_table_says(provide: Provide, status: int) -> None:
    (row,) = [row for row in ROWS if re.search(rf"\b{_word(status)}\b", row[0])]
    _, following, again = row
    provider = await provide(stubs.refusal("openai_chat", status, "odd", "No."))
    settings = {
        "providers": {"one": {"base_url": provider.url, "keys": ["key-one", "key-two"]}},
        "models": {"robust": {"deployments": ["one/model"]}},
        "retries": {"attempts": 2, "backoff": "1ms"},
    }
    response = await asked(settings, "robust")
    attempts = json.loads(response.headers["x-dragoman-report"])["attempts"]
    expected = 1 if "none" in following else 3 if "after a wait" in again else 2
    assert Counter(one["status"] for one in attempts) == {status: expected}


def _word(status: int) -> str:
    return "5xx" if status >= 500 and status != 501 else str(status)
