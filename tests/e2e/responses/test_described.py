"""The judge of this folder's tests refuses what is wrong; without the descriptions nothing was judged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.responses.described import Described
from tests.e2e.responses.tap import Talk, Tap, judged, numbered

pytestmark = pytest.mark.spec
PART = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}
ITEM = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [PART]}
DELTA = {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0}


def said(body: Any, path: str = "/v1/responses", method: str = "POST") -> Talk:
    talk = Talk(method, path)
    talk.status, talk.type, talk.complete = 200, "application/json", True
    talk.parts = [json.dumps(body).encode()]
    return talk


def test_a_response_that_lacks_a_member(described: Described) -> None:
    assert any("'id' is a required property" in mistake for mistake in described.response({"output": [ITEM]}))


def test_an_item_of_another_form(described: Described) -> None:
    added = {"type": "response.output_item.added", "output_index": 0, "sequence_number": 1}
    assert described.event({**added, "item": ITEM}) == []
    assert described.event({**added, "item": {**ITEM, "content": "Hi"}})
    assert described.event({**added, "item": {**ITEM, "status": "over"}})


def test_an_event_that_nobody_knows(described: Described) -> None:
    assert described.event({"type": "response.odd"}) == ["there is no event 'response.odd'"]
    whole = {**DELTA, "delta": "a", "logprobs": [], "sequence_number": 3}
    assert described.event(whole) == []
    assert described.event({**DELTA, "delta": "a", "logprobs": []})


def test_an_error_on_a_socket(described: Described) -> None:
    error = {"type": "error", "status": 400, "error": {"code": "a", "message": "b"}}
    assert described.message(error) == []
    assert described.message({**error, "error": {"message": "b"}})


def test_numbers_that_do_not_follow(described: Described) -> None:
    def stream(*numbers: int) -> list[dict[str, Any]]:
        return [{"type": "a", "sequence_number": number} for number in numbers]

    assert list(numbered(stream(0, 1, 2, 0, 1))) == []
    assert list(numbered(stream(4, 5))) == []
    assert list(numbered(stream(0, 2))) == ["a is number 2, after 0"]


def test_an_answer_of_no_known_path(described: Described) -> None:
    tap = Tap()
    tap.talks = [said({}, "/v1/responses/resp_1/odd"), said({}, "/v1/models")]
    assert tap.mistakes(described) == ["POST /responses/resp_1/odd: no description has this answer"]
    assert list(judged(said({"deleted": True}, "/v1/responses/resp_1", "DELETE"), described))
