"""A head is read once: what is looked up at its first use stays."""

from typing import Any

from dragoman.server.head import Head
from dragoman.wire.headers import HeaderMap


def test_nothing_is_looked_up_before_the_first_use() -> None:
    more: Any = ((), "1.1", None, None, {}, "openai_chat", b"", "/", (), None, None, None)
    head = Head("POST", "/", None, "", HeaderMap(()), *more)
    assert (head.query, head.handler, head.form, head.admission) == (None, None, None, None)
