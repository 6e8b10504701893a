"""Who sent a request, as the access log names it."""

from collections.abc import Mapping
from typing import Any

import pytest

from dragoman.exchange import Exchange
from dragoman.server.identity import note_client


@pytest.mark.parametrize(
    ("peer", "headers", "noted"),
    [
        (("10.0.0.1", 4), {}, ("10.0.0.1", None, None)),
        (None, {"user-agent": "curl/8"}, (None, None, "curl/8")),
        (("::1", 4), {"x-forwarded-for": "1.2.3.4, 5.6.7.8"}, ("::1", "1.2.3.4, 5.6.7.8", None)),
        (None, {"user-agent": "a" * 500, "x-forwarded-for": "b" * 2000}, (None, "b" * 1000, "a" * 200)),
        (
            None,
            {"x-forwarded-for": "9.9.9.9, " * 500 + "1.2.3.4"},
            (None, "9.9.9.9, " * 110 + "1.2.3.4", None),
        ),
    ],
)
def test_the_address_the_proxys_word_and_the_agent(
    peer: tuple[str, int] | None, headers: Mapping[str, str], noted: tuple[Any, ...]
) -> None:
    exchange = Exchange("ex_1", "req_1", "openai_chat", "POST", "/", began=0, created=0)
    note_client(exchange, peer, headers)
    assert (exchange.address, exchange.forwarded, exchange.agent) == noted
