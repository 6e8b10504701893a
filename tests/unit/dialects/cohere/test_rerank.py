"""Rankings, in Cohere's words whatever the vendor's row says; the recorded ones of its second version."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman import ir
from dragoman.dialects.cohere.rerank import RERANK
from dragoman.dialects.loss import Report
from dragoman.dialects.openai.terms import NAME
from dragoman.dialects.operation import Payload
from dragoman.dialects.request import Target
from dragoman.errors import WireError
from dragoman.testing import corpus
from dragoman.wire.json import encode
from tests.unit.dialects.cohere.speaking import lost


def test_documents_are_texts() -> None:
    report = Report("cohere")
    request = ir.RerankRequest(
        "openai", "m", "q", ("a", {"text": "b"}), top=1, extra={NAME: {"rank_fields": ["x"]}}
    )
    wire = RERANK.encode(request, Target(report))
    assert wire.path == "/rerank"
    assert wire.body == {"model": "m", "query": "q", "documents": ["a", "b"], "top_n": 1}
    assert lost(report) == {"rank_fields": "meaning"}
    with pytest.raises(WireError):
        RERANK.encode(ir.RerankRequest("openai", "m", "q", ({"a": 1},)), Target(report))


@pytest.mark.wire
def test_recorded_search_units(recorded: Path) -> None:
    seen = 0
    for exchange in corpus.read(recorded, "cohere.rerank"):
        response = exchange.response
        if response is None or response.status != 200:
            continue
        documents = exchange.request.body["documents"] if exchange.request else ["a", "b"]
        request = ir.RerankRequest("openai", "m", "q", tuple(documents))
        answer = RERANK.decode(Payload(encode(response.body)), request)
        assert answer.usage == ir.Usage(detail={"search_units": 1}), exchange.id
        assert [one.index for one in answer.results] == [one["index"] for one in response.body["results"]]
        seen += 1
    assert seen == 8
