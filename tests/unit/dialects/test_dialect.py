"""Places in IR terms become the client's own: also where earlier messages were put before its request."""

import msgspec
import pytest

from dragoman.dialects.request import WireRequest
from dragoman.dialects.table import DIALECTS


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ("messages[0].blocks[0]", "$.messages[0]"),
        ("messages[2]", "previous"),
        ("messages[3]", "$.messages[1]"),
    ],
)
def test_what_a_request_continues_is_one_place(where: str, place: str) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "a"}] * 2}
    request = msgspec.structs.replace(WireRequest("chat", body), continued=(1, 2))
    assert place in DIALECTS["openai_chat"].locator(request)(where)


def test_what_a_dialect_is_asked_beside_chat_has_a_provider_side() -> None:
    assert {"embed", "image", "speech", "transcription"} <= DIALECTS["openai_chat"].asked().keys()
    assert "image" not in DIALECTS["anthropic"].asked()
