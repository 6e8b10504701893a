"""Why a call failed, in words for people that name no address of our network."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from dragoman.net.failures import Disconnected, Failure, NotReached, Truncated, meaning_of

PLACE = "('10.0.0.5', 9)"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('10.0.0.5', 9)"),
            "Connection refused",
        ),
        (OSError("Multiple exceptions: Connect call failed ('10.0.0.5', 9)"), NotReached.meaning),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"),
            "wrong version number",
        ),
        (socket.gaierror(-3, "Temporary failure in name resolution"), "Temporary failure in name resolution"),
        # The numbers of macOS and Windows: positive, but not those of the system's errors.
        (socket.gaierror(8, "nodename nor servname provided"), "nodename nor servname provided"),
        (socket.gaierror(11001, "getaddrinfo failed"), "getaddrinfo failed"),
        (ConnectionResetError(), "it was reset"),
        (TimeoutError(), "it took too long"),
        (EOFError(), Disconnected.meaning),
        (ValueError("10.0.0.5"), Failure.meaning),
    ],
)
def test_a_failure_says_why_and_not_where(error: Exception, words: str) -> None:
    assert meaning_of(error) == words


def test_a_failure_has_the_meaning_of_its_class_or_its_own() -> None:
    assert Truncated().meaning == str(Truncated()) == "it was closed in the middle of the response"
    assert Truncated("it was reset").meaning == "it was reset"
