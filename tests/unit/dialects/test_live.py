"""What the close codes of a provider mean before a session has begun."""

from __future__ import annotations

import pytest

from dragoman.dialects.live import closing


@pytest.mark.parametrize(
    ("code", "kind", "blame"),
    [
        (1007, "invalid_request", "client"),
        (1008, "invalid_request", "client"),
        (1011, "upstream", "upstream"),
        (1006, "upstream", "upstream"),
        (1013, "overloaded", "upstream"),
        (4000, "upstream", "upstream"),
    ],
)
def test_codes_have_kinds(code: int, kind: str, blame: str) -> None:
    fault = closing(code, "why")
    assert (fault.kind, fault.blame, fault.code) == (kind, blame, "session_closed")
    assert fault.message == f"The provider closed the realtime session with code {code}: why"


def test_a_reason_may_be_missing() -> None:
    assert closing(1011, "").message == "The provider closed the realtime session with code 1011."
