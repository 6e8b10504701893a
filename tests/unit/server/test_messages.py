"""How Anthropic's model list shows one model, and a refusal by which its clients go on without a thread."""

from __future__ import annotations

import json

import pytest
from anthropic.types import ModelInfo

from dragoman import ir
from dragoman.dialects.anthropic import DIALECT
from dragoman.dialects.request import WireRequest
from dragoman.errors import WireError
from dragoman.routing.route import Entry
from dragoman.server.messages import listing


def test_a_model_has_the_official_shape() -> None:
    entry = Entry("up/m", "up", created=1_767_225_600, context_window=1000, max_output_tokens=10)
    listed = listing(entry)
    ModelInfo.model_validate(listed)
    assert listed["created_at"] == "2026-01-01T00:00:00Z"
    assert (listed["id"], listed["max_input_tokens"], listed["max_tokens"]) == ("up/m", 1000, 10)


def test_a_thread_is_refused_in_the_words_that_clients_know() -> None:
    wire = WireRequest("chat", {"thread": {"type": "create"}})
    assert DIALECT.request.check_portable is not None
    with pytest.raises(WireError) as caught:
        DIALECT.request.check_portable(wire)
    assert (caught.value.path, caught.value.code) == ("thread", "thread_unsupported_request")
    fault = ir.Fault("untranslatable", "No.", code=caught.value.code, param=caught.value.path)
    status, _, body = DIALECT.errors.encode(fault, None)
    assert status == 400
    details = json.loads(body)["error"]["details"]
    assert details == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}


def test_without_a_thread_every_request_may_be_translated() -> None:
    assert DIALECT.request.check_portable is not None
    DIALECT.request.check_portable(WireRequest("chat", {"thread": None}))
