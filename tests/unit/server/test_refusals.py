"""Refusals of HTTP itself: each states its limit and a status of its own."""

from dragoman.server.refusals import LARGE_HANDSHAKE


def test_large_headers_have_a_status_of_their_own() -> None:
    assert (LARGE_HANDSHAKE.kind, LARGE_HANDSHAKE.status) == ("too_large", 431)
