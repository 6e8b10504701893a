"""What the close codes of a provider mean before a session has begun."""

from __future__ import annotations

import pytest

from dragoman.dialects.live import closing


@pytest.mark.parametrize(
    ("code", "kind", "blame", "word"),
    [
        (1007, "invalid_request", "client", "session_refused"),
        (1008, "invalid_request", "client", "session_refused"),
        (1011, "upstream", "upstream", "session_closed"),
        (1006, "upstream", "upstream", "session_closed"),
        (1013, "overloaded", "upstream", None),
        (4000, "upstream", "upstream", "session_closed"),
    ],
)
def test_codes_have_kinds(code: int, kind: str, blame: str, word: str | None) -> None:
    fault = closing(code, "why")
    assert (fault.kind, fault.blame, fault.code) == (kind, blame, word)
    assert fault.message == f"The provider closed the realtime session with code {code}: why"


def test_a_reason_may_be_missing() -> None:
    assert closing(1011, "").message == "The provider closed the realtime session with code 1011."
