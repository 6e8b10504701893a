"""Refusals of HTTP itself: each states its limit and a status of its own."""

import pytest

from dragoman import ir
from dragoman.server import refusals
from dragoman.server.refusals import LARGE_HANDSHAKE, of_head

HOST = (b"host", b"a.example")


def test_large_headers_have_a_status_of_their_own() -> None:
    assert (LARGE_HANDSHAKE.kind, LARGE_HANDSHAKE.status) == ("too_large", 431)


@pytest.mark.parametrize(
    ("version", "hosts", "fault"),
    [
        ("1.1", [b"a.example:8080"], None),
        ("1.1", [b"[::1]:8080"], None),
        ("1.1", [b"my_host"], None),
        ("1.1", [b""], None),  # as of a URL without a host
        ("1.0", [], None),
        ("1.0", [b"a.example"], None),
        ("1.1", [], refusals.NO_HOST),
        ("1.1", [b"a.example", b"a.example"], refusals.HOSTS),
        ("1.0", [b"a.example", b"b.example"], refusals.HOSTS),
        ("1.1", [b"a.example, b.example"], refusals.BAD_HOST),
        ("1.1", [b"a.example/b"], refusals.BAD_HOST),
        ("1.1", [b"user@a.example"], refusals.BAD_HOST),
        ("1.1", [b"a.example:b"], refusals.BAD_HOST),
        ("1.0", [b"h\xf6st"], refusals.BAD_HOST),
        ("0.9", [], refusals.VERSION),
        ("2.0", [b"a.example"], refusals.VERSION),
    ],
)
def test_the_host_is_named_once(version: str, hosts: list[bytes], fault: ir.Fault | None) -> None:
    """RFC 9112, section 3.2."""
    assert of_head(version, [(b"host", host) for host in hosts]) is fault


@pytest.mark.parametrize(
    ("codings", "fault"),
    [
        ([], None),
        ([b"chunked"], None),
        ([b"Chunked "], None),
        ([b"gzip, chunked"], refusals.CODING),
        ([b"gzip", b"chunked"], refusals.CODING),
        ([b"identity, chunked"], refusals.CODING),
        ([b"gzip"], refusals.FRAMING),
        ([b"chunked, gzip"], refusals.FRAMING),
        ([b"chunked, chunked"], refusals.FRAMING),
        ([b"chunked", b"chunked"], refusals.FRAMING),
        ([b", chunked"], refusals.FRAMING),
        ([b"xchunked"], refusals.FRAMING),
        ([b""], refusals.FRAMING),
    ],
)
def test_a_body_comes_in_chunks_alone(codings: list[bytes], fault: ir.Fault | None) -> None:
    """RFC 9112, sections 6.1 and 6.3."""
    assert of_head("1.1", [HOST, *((b"transfer-encoding", one) for one in codings)]) is fault
