"""The headers that HTTP requires with some errors."""

import pytest

from dragoman import ir
from dragoman.dialects.table import DIALECTS
from dragoman.ir.fault import INTERNAL
from dragoman.net.codings import TAKEN, UNKNOWN
from dragoman.server.endpoint import Endpoint, Handler
from dragoman.server.faults import UPGRADE_MISSING, standing


async def nothing(*_: object) -> None:
    """Answer nothing."""


ENDPOINT = Endpoint("/a", DIALECTS["openai_chat"], {"GET": Handler(nothing), "DELETE": Handler(nothing)})


@pytest.mark.parametrize(
    ("fault", "headers"),
    [
        (INTERNAL, []),
        (ir.Fault("authentication", ""), [(b"www-authenticate", b'Bearer realm="dragoman"')]),
        (ir.Fault("method_not_allowed", ""), [(b"allow", b"GET, DELETE")]),
        (UPGRADE_MISSING, [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]),
        (ir.Fault("media_type", "", UNKNOWN), [(b"accept-encoding", ", ".join(TAKEN).encode())]),
    ],
)
def test_an_error_has_its_headers(fault: ir.Fault, headers: list[tuple[bytes, bytes]]) -> None:
    assert standing(fault, ENDPOINT) == headers


def test_without_an_endpoint_no_method_is_named() -> None:
    assert standing(ir.Fault("method_not_allowed", ""), None) == []
