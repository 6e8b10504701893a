"""Counting tokens: the prompt alone is sent, as recorded."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

import pytest

from dragoman import ir
from dragoman.dialects.bedrock.count import COUNT
from dragoman.dialects.loss import Report
from dragoman.dialects.operation import Payload
from dragoman.dialects.request import Target
from dragoman.testing import corpus
from tests.unit.dialects.bedrock.speaking import asked, read

BODY = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}


def test_only_the_prompt_is_sent() -> None:
    request = asked(max_output=5, metadata={"a": "b"}, system=(ir.Text("Be brief."),))
    wire = COUNT.provider.finish(COUNT.provider.encode(request, Target(Report("bedrock"), "a/b")))
    assert wire.path == "/model/{model}/count-tokens"
    assert wire.body == {"input": {"converse": {**BODY, "system": [{"text": "Be brief."}]}}}


def test_the_answer() -> None:
    assert COUNT.provider.decode(Payload(b'{"inputTokens":17}'), asked()) == ir.TokenCount(17)


@pytest.mark.wire
def test_recorded_counts(recorded: Path) -> None:
    seen = 0
    for exchange in corpus.read(recorded, "bedrock.count_tokens"):
        assert exchange.request is not None
        prompt = exchange.request.body["input"].get("converse")
        if prompt is None:
            continue  # a body of another protocol, in base64
        seen += 1
        request = read(json.loads(json.dumps(prompt)))
        wire = COUNT.provider.finish(COUNT.provider.encode(request, Target(Report("bedrock"), "m")))
        assert wire.body == {"input": {"converse": prompt}}
        assert unquote(exchange.request.url or "").endswith("/count-tokens")
    assert seen == 6
